"""Flows: the workflows of a chaos run, whose results are known; both builds of the code share these."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

from rqflow.authoring.activity_face import activity
from rqflow.authoring.workflow_face import workflow
from rqflow.core.options import Retry
from tests.promises.verbs import leave_attempt

NAME = "tests.chaos.flows"
BUILDS = {"blue": "tests.chaos.blue", "green": "tests.chaos.green"}
"""Build id, and the module with what differs in it."""
LAST = -1
"""The number that ends a collection."""


@activity
async def act(folder: str, what: str, seconds: float = 0.0) -> str:
    """Leaves its effect, and takes its time."""
    leave_attempt(folder, what)
    await asyncio.sleep(seconds)
    return f"{what} done"


@activity
def act_in_thread(folder: str, what: str) -> str:
    """As `act`, in a thread."""
    leave_attempt(folder, what)
    time.sleep(0.01)
    return f"{what} done"


@activity(heartbeat=timedelta(seconds=20))
async def labor(folder: str, beats: int) -> int:
    """Goes on for a while, and says so."""
    leave_attempt(folder, "labor")
    for beat in range(beats):
        activity.heartbeat(beat)
        await asyncio.sleep(0.1)
    return beats


@activity(retry=Retry(max_attempts=None, initial=timedelta(milliseconds=20), max_interval=timedelta(seconds=1)))
async def stumble(folder: str, failures: int) -> str:
    """Fails so often at least."""
    leave_attempt(folder, "stumble")
    if activity.info().attempt <= failures:
        raise ConnectionError("not yet")
    return "stumbled"


@workflow
async def leaf(folder: str, what: str) -> str:
    """One step, for a parent."""
    return await act(folder, what)


@workflow
async def trade(folder: str) -> list[str]:
    """A step, two beside each other, a timer, a child, and what must be tried again."""
    first = await act(folder, "first")
    second, third = await asyncio.gather(act(folder, "second", 0.05), act_in_thread(folder, "third"))
    await asyncio.sleep(0.1)
    fourth = await leaf(folder, "fourth")
    return [first, second, third, fourth, await stumble(folder, 2)]


TRADED = ["first done", "second done", "third done", "fourth done", "stumbled"]


@workflow
async def collect(folder: str, each: int, seen: list[int]) -> list[int]:
    """Gathers numbers that are signaled, so many a run, until the last."""
    for count in range(each):
        number = await workflow.receive("number", int)
        if number == LAST:
            return seen
        seen.append(number)
        if count % 5 == 4:
            await act(folder, "count")
    return collect.continue_as_new(folder, each, seen)


@workflow
async def sell(folder: str, count: int) -> list[int]:
    """Sends numbers to a child, that lives in any partition, and awaits what it has gathered."""
    child = workflow.start_child(collect, folder, 4, [])
    await child.started()
    for number in range(count):
        await child.signal("number", number)
    await act(folder, "sold")
    await child.signal("number", LAST)
    return await child.result()


@workflow
async def series(folder: str, count: int) -> list[str]:
    """One child after the other, all under one id: what is told late of an earlier one must not begin it again."""
    one = leaf.options(id=f"{workflow.info().instance}-next")
    return [await one(folder, f"round {number}") for number in range(count)]


@workflow
async def family(folder: str, depth: int, width: int) -> int:
    """A tree of children; how many leaves it has."""
    if depth == 0:
        await act(folder, "leaf")
        return 1
    return sum(await asyncio.gather(*(family(folder, depth - 1, width) for _ in range(width))))


@workflow
async def reserve(folder: str) -> str:
    """Holds something until it is told to go on, and gives it back when it is canceled."""
    await act(folder, "reserve")
    try:
        word = await workflow.receive("go", str)
    except asyncio.CancelledError:
        await act(folder, "release")
        raise
    await act(folder, "ship")
    return word


@workflow
async def hurry(folder: str, seconds: float) -> str:
    """A signal or a deadline, whichever comes first."""
    try:
        async with asyncio.timeout(seconds):
            await workflow.receive("go", str)
    except TimeoutError:
        return await act(folder, "late")
    return await act(folder, "in time")


@workflow
async def account(folder: str) -> list[int]:
    """Takes amounts by updates, tells the total by queries, until it is closed."""
    amounts: list[int] = []

    @workflow.on_update
    async def add(amount: int) -> int:
        amounts.append(amount)
        total = sum(amounts)
        await act(folder, "add")
        return total

    @workflow.on_query
    def total() -> int:
        return sum(amounts)

    await workflow.receive("close", str)
    return amounts


@workflow
async def toil(folder: str, beats: int) -> int:
    """A long step, and a timer that is given up."""
    async with asyncio.timeout(3600):
        return await labor(folder, beats)


@workflow
async def dice(folder: str) -> list[int]:
    """What is drawn must be drawn alike by all who follow."""
    drawn = [workflow.random().randrange(1_000)]
    await act(folder, "dice")
    drawn.append(workflow.side_effect(lambda: 7, int))
    await asyncio.sleep(0.05)
    drawn.append(workflow.uuid4().int % 1_000)
    await act(folder, f"dice {drawn[0] % 3}")
    return drawn


@activity
async def make(folder: str, size: int) -> str:
    """Something heavy."""
    leave_attempt(folder, "make")
    return "x" * size


@activity
def weigh(folder: str, thing: str) -> int:
    """How heavy it is."""
    leave_attempt(folder, "weigh")
    return len(thing)


@workflow
async def heavy(folder: str, size: int) -> int:
    """Heavy values go to and fro."""
    return await weigh(folder, await make(folder, size))


@activity(isolate="process")
def hammer(folder: str) -> str:
    """As `act`, in a process of its own."""
    leave_attempt(folder, "hammer")
    time.sleep(0.2)
    return "forged"


@workflow
async def forge(folder: str) -> str:
    """A step in a process of its own."""
    return await hammer(folder)


@workflow
async def tick(folder: str) -> str:
    """What a schedule starts, once for each of its slots."""
    return await act(folder, workflow.info().instance.replace("/", " "))
