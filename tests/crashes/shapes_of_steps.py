"""Shapes of steps: in a row, beside each other, racing, limited in time, tried again, taken back."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any, Final

from rqflow.authoring.workflow_face import workflow
from rqflow.errors import ActivityFailed, ActivityTimedOut
from rqflow.testing.scene import Scene
from tests.crashes.steps import (
    LONG,
    SOON,
    Shape,
    broken,
    flaky,
    hopeless,
    in_pieces,
    mark,
    mark_in_thread,
    never_ends,
    slow,
)

drawn: Final = itertools.count()


@workflow
async def empty() -> str:
    """Returns at once."""
    return "nothing to do"


@workflow
async def sequence(steps: int) -> list[str]:
    """One after the other."""
    return [await mark(f"step {number}") for number in range(steps)]


@workflow
async def fan_out(width: int) -> list[str]:
    """Beside each other, two of them failing."""
    steps = [broken(f"{number}") if number % 4 == 3 else mark(f"{number}") for number in range(width)]
    found = await asyncio.gather(*steps, return_exceptions=True)
    return [each if isinstance(each, str) else type(each).__name__ for each in found]


@workflow
async def race() -> str:
    """The first of three decides, the others are not wanted any more."""
    runners = [asyncio.ensure_future(each) for each in (slow(LONG), mark("fast"), mark("as fast"))]
    done, late = await asyncio.wait(runners, return_when=asyncio.FIRST_COMPLETED)
    for runner in late:
        runner.cancel()
    return min(runner.result() for runner in done)


@workflow
async def as_they_come() -> list[str]:
    """All of four, in the order of their ends."""
    found = [await each for each in asyncio.as_completed([mark(f"{number}") for number in range(4)])]
    return sorted(found)


@workflow
async def timers() -> list[int]:
    """Timers beside each other, and one after another."""
    order: list[int] = []

    async def one(number: int) -> None:
        await asyncio.sleep(SOON * number)
        order.append(number)

    await asyncio.gather(*(one(number) for number in (3, 1, 2)))
    await workflow.sleep(SOON, name="last")
    return order


@workflow
async def task_group() -> str:
    """A branch fails, the others are canceled, and a last step says so."""
    count = 0
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(slow(LONG))
            group.create_task(asyncio.sleep(LONG))
            group.create_task(broken("branch"))
    except* ActivityFailed as failed:
        count = len(failed.exceptions)
    return await mark(f"{count} failed, which is")


@workflow
async def pipeline() -> list[str]:
    """Three consumers of a queue, two of them at a time."""
    queue: asyncio.Queue[int] = asyncio.Queue(2)
    limit, done = asyncio.Semaphore(2), list[str]()

    async def consume() -> None:
        while True:
            number = await queue.get()
            async with limit:
                done.append(await mark(f"item {number}"))
            queue.task_done()

    consumers = [asyncio.create_task(consume()) for _ in range(3)]
    for number in range(4):
        await queue.put(number)
    await queue.join()
    for consumer in consumers:
        consumer.cancel()
    return sorted(done)


@workflow
async def nested_timeouts() -> str:
    """The inner limit passes, the outer one does not."""
    async with asyncio.timeout(LONG):
        try:
            async with asyncio.timeout(SOON):
                await slow(LONG)
        except TimeoutError:
            return await mark("in time for the rest, which is")
    return "unreachable"


@workflow
async def limited_step() -> str:
    """A step passes its own time limit."""
    try:
        await never_ends()
    except ActivityTimedOut:
        return await mark("what is done instead is")
    return "unreachable"


@workflow
async def retries() -> list[str]:
    """A step that succeeds at its third try, beside one that succeeds at its second."""
    return list(await asyncio.gather(flaky(2), flaky(1)))


@workflow
async def heartbeats() -> int:
    """A step whose attempts leave word for each other."""
    return await in_pieces(3)


@workflow
async def gives_up() -> str:
    """A step that never succeeds; the run fails with it, after a last step."""
    try:
        await hopeless()
    finally:
        await mark("cleanup")
    return "unreachable"


@workflow
async def threads() -> list[str]:
    """Plain functions, in threads."""
    first = await mark_in_thread("first")
    return [first, *await asyncio.gather(mark_in_thread("second"), mark("third"), mark_in_thread("fourth"))]


@workflow
async def saga() -> str:
    """What was done is taken back in reverse order; the run fails with what went wrong."""
    async with workflow.saga() as undo:
        for what in ("flight", "hotel"):
            await mark(what)
            undo.add(mark, f"cancel {what}")
        await broken("car")
    return "unreachable"


@workflow
async def shielded() -> str:
    """Canceled while a step runs that is not to be canceled; the run ends well all the same."""

    async def step() -> str:
        return await mark(await workflow.receive("what", str))

    stepping = asyncio.ensure_future(step())
    workflow.set_status("in the middle")
    try:
        await asyncio.shield(stepping)
    except asyncio.CancelledError:
        return f"{await stepping}, and then canceled"
    return "not canceled"


async def cancel_in_the_middle(scene: Scene) -> None:
    await scene.start()
    await scene.shows("in the middle")
    await scene.cancel("changed my mind")
    await scene.signal("what", "rest")


@workflow
async def draws() -> dict[str, Any]:
    """Side effects, randomness and time: what was seen before a step is still so after it."""
    before = [workflow.side_effect(lambda: next(drawn), int), workflow.random().random(), str(workflow.uuid4())]
    began = workflow.now()
    await mark("between")
    again = workflow.side_effect(lambda: next(drawn), int)
    return {"grew": again > int(str(before[0])), "passed": workflow.now() >= began, "random": before[1:]}


@workflow
async def shows_itself() -> str:
    """Status, attributes and events, changed from step to step."""
    for number in range(3):
        workflow.set_status({"step": number})
        workflow.set_attributes(step=number, odd=None if number % 2 == 0 else True)
        workflow.emit("stepped", number)
        await mark(f"{number}")
    return "shown"


SHAPES: Final = (
    Shape(workflow=empty),
    Shape(workflow=sequence, args=(4,)),
    Shape(workflow=fan_out, args=(6,)),
    Shape(workflow=race, expect=lambda ended: ended.value in ("fast done", "as fast done")),
    Shape(workflow=as_they_come),
    Shape(workflow=timers),
    Shape(workflow=task_group),
    Shape(workflow=pipeline),
    Shape(workflow=nested_timeouts),
    Shape(workflow=limited_step),
    Shape(workflow=retries),
    Shape(workflow=heartbeats),
    Shape(workflow=gives_up),
    Shape(workflow=threads),
    Shape(workflow=saga),
    Shape(workflow=shielded, script=cancel_in_the_middle),
    Shape(workflow=draws),
    Shape(workflow=shows_itself),
)
