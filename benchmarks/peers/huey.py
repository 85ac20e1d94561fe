"""huey: plain jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

from benchmarks.stage import Act, Place, Ticks

DISTRIBUTION = "huey"
library: Any = import_module("huey")


def registered(place: Place) -> tuple[Any, Any]:
    """A queue and the job. Its blocking read, and no results."""
    ticks = Ticks(place)

    def noop() -> None:
        ticks.tick()

    jobs = library.RedisHuey("peer", url=place.url, results=False)
    return jobs, jobs.task(name="noop")(noop)


def work(place: Place) -> None:
    """One consumer with one thread, which is its fastest on one core."""
    jobs, _ = registered(place)
    jobs.create_consumer(workers=1, periodic=False).run()


@asynccontextmanager
async def acts(place: Place) -> AsyncIterator[Mapping[str, Act]]:
    """What it can do."""
    _, noop = registered(place)

    async def enqueue(count: int) -> None:
        for _ in range(count):
            noop()

    yield {"flood": Ticks(place).flood(enqueue)}
