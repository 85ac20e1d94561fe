"""Shapes of messages: signals, updates, cancellations and all else that clients do while a run is under way."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from rqflow.authoring.workflow_face import workflow
from rqflow.errors import UpdateFailed
from rqflow.testing.scene import Scene
from tests.crashes.steps import LONG, SOON, Shape, mark, slow

# ---- a deadline against a signal


@workflow
async def approval(seconds: float) -> str:
    """A signal in time, or a deadline."""
    workflow.set_status("waits")
    try:
        async with asyncio.timeout(seconds):
            by = await workflow.receive("approve", str)
    except TimeoutError:
        return await mark("refund")
    return await mark(f"approved by {by}, which is")


async def approve(scene: Scene) -> None:
    await scene.start()
    await scene.shows("waits")
    await scene.signal("approve", "ann")


approval_in_doubt = workflow(name="approval_in_doubt")(approval.fn)


async def approve_late(scene: Scene) -> None:
    await scene.start()
    await scene.sleep(SOON)
    await scene.until(lambda found: found.history_length > 0)
    await scene.signal("approve", "ann")


approval_too_late = workflow(name="approval_too_late")(approval.fn)

# ---- continue-as-new


@workflow
async def collecting(left: int, each: int, seen: list[int]) -> list[int]:
    """Numbers that are signaled, two a run, and then as a new run."""
    await mark("run")
    for _ in range(min(each, left)):
        seen.append(await workflow.receive("number", int))
        left -= 1
    if left:
        collecting.continue_as_new(left, each, seen)
    return seen


async def send_numbers(scene: Scene) -> None:
    await scene.start()
    for number in range(5):
        await scene.signal("number", number)
        await scene.sleep(0.001)


@workflow
async def handlers() -> list[int]:
    """Handlers that take signals while the run does other things, and a wait for what they come to."""
    seen: list[int] = []
    closed = False

    @workflow.on_signal
    async def number(value: int) -> None:
        await asyncio.sleep(SOON / 4)
        seen.append(value)

    @workflow.on_signal
    def close() -> None:
        nonlocal closed
        closed = True

    await mark("meanwhile")
    await workflow.wait_until(lambda: closed and len(seen) >= 3)
    return sorted(seen)


async def tell_and_close(scene: Scene) -> None:
    await scene.start()
    for number in range(3):
        await scene.signal("number", number)
    await scene.signal("close")


@workflow
async def stream() -> list[str]:
    """Signals from before the start was handled, in order, until the last."""
    found = []
    async for word in workflow.signals("word", str):
        found.append(word)
        if word == "end":
            break
    return found


async def start_by_signals(scene: Scene) -> None:
    await scene.signal_with_start("word", "begin")
    await scene.signal_with_start("word", "middle")
    await scene.signal("word", "end")


# ---- updates and queries


@workflow
async def account() -> int:
    """Updates with a step inside, some refused; a query; ends when it is told."""
    total = 0

    def not_negative(amount: int) -> None:
        if amount < 0:
            raise ValueError("less than nothing")

    @workflow.on_update(validator=not_negative)
    async def add(amount: int) -> int:
        nonlocal total
        await mark(f"add {amount}")
        total += amount
        return total

    @workflow.on_query
    def balance() -> int:
        return total

    await workflow.receive("close")
    return total


async def keep_account(scene: Scene) -> None:
    await scene.start()
    first = await scene.update("add", 5)
    assert first in (5, None), first
    with suppress(UpdateFailed):
        assert await scene.update("add", -1) is None, "accepted"
    assert await scene.query("balance") in (5, 7)  # by a successor, perhaps after the next update
    assert await scene.update("add", 2) in (7, None)
    await scene.signal("close")


account_by_update = workflow(name="account_by_update")(account.fn)


async def open_by_update(scene: Scene) -> None:
    assert await scene.update_with_start("add", 3) in (3, None)
    assert await scene.update_with_start("add", 4) in (7, None)
    await scene.signal("close")


# ---- ends from outside


@workflow
async def careful() -> str:
    """Canceled in the middle of a step; cleans up with steps, and is canceled again meanwhile."""
    workflow.set_status("working")
    try:
        await asyncio.gather(slow(LONG), asyncio.sleep(LONG))
    except asyncio.CancelledError:
        cleanup = asyncio.ensure_future(workflow.receive("tidy", str))
        workflow.set_status("cleaning")
        try:
            await asyncio.shield(cleanup)
        except asyncio.CancelledError:
            await mark(await cleanup)
        raise
    return "unreachable"


async def cancel_twice(scene: Scene) -> None:
    await scene.start()
    await scene.shows("working")
    await scene.cancel("first")
    await scene.shows("cleaning")
    await scene.cancel("second")
    await scene.signal("tidy", "desk")


@workflow
async def terminated() -> None:
    """Ended from outside, its code not asked."""
    workflow.set_status("working")
    await asyncio.gather(slow(LONG), asyncio.sleep(LONG))


async def terminate(scene: Scene) -> None:
    await scene.start()
    await scene.shows("working")
    await scene.terminate("enough")


@workflow
async def overdue() -> None:
    """Passes the deadline of its run in the middle of a step."""
    await mark("begun")
    await asyncio.gather(slow(LONG), asyncio.sleep(LONG))


async def start_with_deadline(scene: Scene) -> None:
    await scene.start(timeout=0.2)


# ---- pauses


@workflow
async def paused() -> list[str]:
    """Suspended between two signals, and resumed."""
    workflow.set_status("first")
    first = await workflow.receive("word", str)
    await mark(first)
    workflow.set_status("second")
    return [first, await workflow.receive("word", str)]


async def pause(scene: Scene) -> None:
    await scene.start()
    await scene.shows("first")
    await scene.suspend("for a while")
    await scene.signal("word", "one")
    await scene.resume()
    await scene.shows("second")
    await scene.suspend()
    await scene.signal("word", "two")
    await scene.resume()


@workflow
async def later() -> str:
    """Begins after a delay."""
    return await mark("delayed")


async def start_later(scene: Scene) -> None:
    await scene.start(delay=SOON, attributes={"kind": "delayed"})


SHAPES: Final = (
    Shape(workflow=approval, args=(LONG,), script=approve),
    Shape(workflow=approval_too_late, args=(SOON,)),
    Shape(
        workflow=approval_in_doubt,
        args=(2 * SOON,),
        script=approve_late,
        expect=lambda ended: ended.value in ("refund done", "approved by ann, which is done"),
    ),
    Shape(workflow=collecting, args=(5, 2, []), script=send_numbers),
    Shape(workflow=handlers, script=tell_and_close),
    Shape(workflow=stream, script=start_by_signals),
    Shape(workflow=account, script=keep_account),
    Shape(workflow=account_by_update, script=open_by_update),
    Shape(workflow=careful, script=cancel_twice),
    Shape(workflow=terminated, script=terminate, expect=lambda ended: ended.status == "terminated"),
    Shape(workflow=overdue, script=start_with_deadline),
    Shape(workflow=paused, script=pause),
    Shape(workflow=later, script=start_later),
)
