"""saq: plain jobs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

from benchmarks.stage import Act, Place, Ticks

DISTRIBUTION = "saq"
library: Any = import_module("saq")
AT_ONCE = 100


def work(place: Place) -> None:
    """One worker."""
    ticks = Ticks(place)

    async def noop(_: Any) -> None:
        ticks.tick()

    async def run() -> None:
        await library.Worker(library.Queue.from_url(place.url), functions=[("noop", noop)], concurrency=AT_ONCE).start()

    asyncio.run(run())


@asynccontextmanager
async def acts(place: Place) -> AsyncIterator[Mapping[str, Act]]:
    """What it can do."""
    jobs = library.Queue.from_url(place.url)
    await jobs.connect()

    async def enqueue(count: int) -> None:
        for _ in range(count):
            await jobs.enqueue("noop")

    yield {"flood": Ticks(place).flood(enqueue)}
