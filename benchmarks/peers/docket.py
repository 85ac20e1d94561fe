"""pydocket: plain jobs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

from benchmarks.stage import Act, Place, Ticks

DISTRIBUTION = "pydocket"
library: Any = import_module("docket")
AT_ONCE = 100


def job(place: Place) -> Any:
    """The job."""
    ticks = Ticks(place)

    async def noop() -> None:
        ticks.tick()

    return noop


def work(place: Place) -> None:
    """One worker."""

    async def run() -> None:
        async with library.Docket(name="peer", url=place.url) as docket:
            docket.register(job(place))
            async with library.Worker(docket, concurrency=AT_ONCE) as worker:
                await worker.run_forever()

    asyncio.run(run())


@asynccontextmanager
async def acts(place: Place) -> AsyncIterator[Mapping[str, Act]]:
    """What it can do."""
    async with library.Docket(name="peer", url=place.url) as docket:
        docket.register(job(place))

        async def enqueue(count: int) -> None:
            for _ in range(count):
                await docket.add("noop")()

        yield {"flood": Ticks(place).flood(enqueue)}
