"""streaq: plain jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

from benchmarks.stage import Act, Place, Ticks

DISTRIBUTION = "streaq"
library: Any = import_module("streaq")
AT_ONCE = 100


def worker(place: Place) -> tuple[Any, Any]:
    """A worker, which is also what enqueues, and the job."""
    ticks = Ticks(place)

    async def noop() -> None:
        ticks.tick()

    made = library.Worker(redis_url=place.url, concurrency=AT_ONCE)
    return made, made.task(name="noop")(noop)


def work(place: Place) -> None:
    """One worker."""
    worker(place)[0].run_sync()


@asynccontextmanager
async def acts(place: Place) -> AsyncIterator[Mapping[str, Act]]:
    """What it can do."""
    jobs, noop = worker(place)

    async def enqueue(count: int) -> None:
        await jobs.enqueue_many([noop.enqueue() for _ in range(count)])

    async with jobs:
        yield {"flood": Ticks(place).flood(enqueue)}
