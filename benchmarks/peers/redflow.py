"""redflow: steps remembered by name in Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from importlib import import_module
from typing import Any

from benchmarks.stage import Act, Place, stepped, until

DISTRIBUTION = "redflow"
library: Any = import_module("redflow")
AT_ONCE = 20
"""Runs of one worker at a time: it has been seen to be fastest there."""
RUNS = 1_000
"""Of one workflow that may be under way; it allows one unless told otherwise."""
LONG_MS = 600_000


async def echo(value: int) -> int:
    """Does nothing."""
    return value


async def sequence(context: Any) -> int:
    """So many steps, one after the other."""
    steps: int = context.input["size"]
    for number in range(steps):
        await context.step.run(f"step-{number}", echo, number)
    return steps


async def fan_out(context: Any) -> int:
    """So many steps at a time."""
    width: int = context.input["size"]
    names = [(f"step-{number}", number) for number in range(width)]
    return len(await asyncio.gather(*(context.step.run(name, echo, number) for name, number in names)))


library.workflow("sequence", queue="default", max_concurrency=RUNS)(sequence)
library.workflow("fan-out", queue="default", max_concurrency=RUNS)(fan_out)


def work(place: Place) -> None:
    """One worker."""

    async def run() -> None:
        await library.start_worker(library.StartWorkerOptions(app="peer", url=place.url, concurrency=AT_ONCE))
        await asyncio.Event().wait()

    asyncio.run(run())


@asynccontextmanager
async def acts(place: Place) -> AsyncIterator[Mapping[str, Act]]:
    """What it can do."""
    # Each waiter takes a connection, and redis-py gives a hundred unless asked for more.
    client = library.create_client(url=f"{place.url}?max_connections=1000")

    async def registered() -> bool:
        return "sequence" in await client.list_workflows()

    async def run(workflow: str, size: int) -> None:
        handle = await client.emit_workflow(workflow, {"size": size})
        await handle.result(timeout_ms=LONG_MS)

    await until(registered, every=0.05)
    try:
        yield stepped(partial(run, "sequence"), partial(run, "fan-out"))
    finally:
        await client.close()
