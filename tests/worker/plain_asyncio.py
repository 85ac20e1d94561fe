"""Plain asyncio: workflows that use every word of asyncio that workflow code may use, around activities."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator
from typing import Any

from rqflow.authoring.activity_face import activity
from rqflow.authoring.workflow_face import workflow

whose: contextvars.ContextVar[str] = contextvars.ContextVar("whose", default="nobody's")


@activity
async def same(value: int) -> int:
    """Gives back what it is given."""
    return value


@activity
async def after(seconds: float) -> float:
    """Gives back how long it took."""
    await asyncio.sleep(seconds)
    return seconds


async def step(value: int) -> int:
    return await same(value)


async def step_never() -> int:
    await asyncio.sleep(3600)
    return 0


async def counted() -> AsyncIterator[int]:
    for value in range(3):
        yield await same(value)


@workflow
async def groups() -> dict[str, Any]:
    """gather, TaskGroup, wait, as_completed, a set of tasks, asynchronous iteration."""
    gathered = await asyncio.gather(*(same(value) for value in range(3)))
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(step(value)) for value in range(3)]
    quick, never = asyncio.create_task(step(1)), asyncio.create_task(step_never())
    done, pending = await asyncio.wait({quick, never}, return_when=asyncio.FIRST_COMPLETED)
    never.cancel()
    many = {asyncio.create_task(step(value)) for value in range(5)}
    order = [task.get_name() for task in many]
    await asyncio.wait(many)
    return {
        "gather": gathered,
        "group": [task.result() for task in tasks],
        "wait": [done == {quick}, pending == {never}],
        "as_completed": [await first for first in asyncio.as_completed([after(0.2), after(0.001)])],
        "numbered": len(set(order)) == 5,
        "iteration": [value async for value in counted()],
    }


@workflow
async def limits() -> list[str]:
    """wait_for, timeout, cancel with cleanup that runs an activity, shield, and a group whose member fails."""
    seen: list[str] = []
    try:
        await asyncio.wait_for(asyncio.sleep(3600), 0.01)
    except TimeoutError:
        seen.append("wait_for")
    try:
        async with asyncio.timeout(0.01):
            await workflow.receive("never")
    except TimeoutError:
        seen.append("timeout")

    async def careful() -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            seen.append(f"cleaned up {await same(1)}")
            raise

    task = asyncio.create_task(careful())
    await same(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    work = asyncio.ensure_future(same(7))
    outer = asyncio.ensure_future(asyncio.shield(work))
    await asyncio.sleep(0)
    outer.cancel()
    seen.append(f"shielded {await work}")

    async def fails() -> None:
        await same(1)
        raise KeyError("member")

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(fails())
            group.create_task(careful())
    except* KeyError:
        seen.append("group failed")
    return seen


@workflow
async def meetings() -> dict[str, Any]:
    """Queue, Event, Lock, Semaphore, Condition, Barrier and context variables, each around an activity."""
    queue: asyncio.Queue[int] = asyncio.Queue(1)

    async def fill() -> None:
        for value in range(4):
            await queue.put(await same(value))

    filling = asyncio.create_task(fill())
    taken = [await queue.get() for _ in range(4)]
    await filling
    begin, lock, room = asyncio.Event(), asyncio.Lock(), asyncio.Semaphore(2)
    inside, most, order = 0, 0, []

    async def visit(value: int) -> None:
        nonlocal inside, most
        await begin.wait()
        async with room:
            inside += 1
            most = max(most, inside)
            await same(value)
            inside -= 1
        async with lock:
            order.append(await same(value))

    visits = [asyncio.create_task(visit(value)) for value in range(4)]
    await asyncio.sleep(0.01)
    begin.set()
    await asyncio.gather(*visits)
    door, gate = asyncio.Condition(), asyncio.Barrier(2)

    async def wait_at(door: asyncio.Condition) -> str:
        async with door:
            await door.wait()
        await gate.wait()
        return "met"

    waiting = asyncio.create_task(wait_at(door))
    await same(0)
    async with door:
        door.notify_all()
    await gate.wait()
    whose.set("mine")

    async def inner() -> str:
        whose.set("the task's")
        await same(0)
        return whose.get()

    return {
        "queue": taken,
        "most": most,
        "order": sorted(order),
        "met": await waiting,
        "context": [await asyncio.create_task(inner()), whose.get()],
    }
