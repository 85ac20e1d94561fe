"""Flows: the workflows and activities of the works."""

from __future__ import annotations

import asyncio

from rqflow import activity, workflow
from rqflow.authoring.registry import Registry

DELAY_MS = 50
DAY = 86_400
LEAF_RESULT = "x" * 100


@activity
async def echo(value: int) -> int:
    """Does nothing."""
    return value


@workflow
async def one(value: int) -> int:
    """One activity."""
    return await echo(value)


@workflow
async def sequence(steps: int) -> int:
    """So many activities, one after the other."""
    for number in range(steps):
        await echo(number)
    return steps


local_echo = echo.options(local=True)
durable_echo = echo.options(local="durable")


@workflow
async def local_sequence(steps: int, durable: bool) -> int:
    """So many local activities, one after the other."""
    step = durable_echo if durable else local_echo
    for number in range(steps):
        await step(number)
    return steps


@workflow
async def fan_out(width: int) -> int:
    """So many activities at a time."""
    return len(await asyncio.gather(*(echo(number) for number in range(width))))


@workflow
async def nap() -> None:
    """A timer."""
    await asyncio.sleep(DELAY_MS / 1_000)


@workflow
async def naps(width: int) -> None:
    """So many timers that are due together."""
    await asyncio.gather(*(asyncio.sleep(DELAY_MS / 1_000) for _ in range(width)))


@workflow
async def sleeper() -> None:
    """A timer that is not waited for."""
    await asyncio.sleep(DAY)


@workflow
async def remembering(steps: int) -> None:
    """A history, and then a wait in which it may be asked how long it is."""
    done = 0
    workflow.on_query("done", lambda: done)
    for number in range(steps):
        await echo(number)
        done += 1
    await workflow.receive("end", str)


# ---- the tree of go-workflows' own benchmark: depth 2, fan-out 2, 2 leaves each, 2 activities per leaf


@activity
async def hundred_bytes() -> str:
    """The result of an activity of a leaf."""
    return LEAF_RESULT


@workflow
async def leaf() -> int:
    """Two activities at a time."""
    return sum(map(len, await asyncio.gather(hundred_bytes(), hundred_bytes())))


@workflow
async def middle(depth: int) -> int:
    """Two children at a time, which are leaves at last."""
    children = (middle(depth - 1), middle(depth - 1)) if depth else (leaf(), leaf())
    return sum(await asyncio.gather(*children))


@workflow
async def root() -> int:
    """15 workflows and 16 activities in all: 1 + 2 + 4 + 8 leaves."""
    return sum(await asyncio.gather(middle(1), middle(1)))


REGISTRY = Registry(
    [one, sequence, local_sequence, fan_out, nap, naps, sleeper, remembering, root, middle, leaf, echo, hundred_bytes]
)
"""For those who run a worker of their own."""
