"""RQ: plain jobs, by its Worker, which forks for each, and by its SimpleWorker, which does not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

from benchmarks.stage import Act, Place, Ticks

DISTRIBUTION = "rq"
library: Any = import_module("rq")
redis: Any = import_module("redis")
WORKERS = {"forking": library.Worker, "simple": library.SimpleWorker}
_here: list[Ticks] = []
"""The counter of this process: RQ finds a job's function by its name."""


def noop() -> None:
    """A job."""
    _here[0].tick()


def work(place: Place) -> None:
    """One worker."""
    _here.append(Ticks(place))
    connection = redis.Redis.from_url(place.url)
    WORKERS[place.variant](["default"], connection=connection).work(logging_level="WARNING")


@asynccontextmanager
async def acts(place: Place) -> AsyncIterator[Mapping[str, Act]]:
    """What it can do."""
    jobs = library.Queue("default", connection=redis.Redis.from_url(place.url))

    async def enqueue(count: int) -> None:
        jobs.enqueue_many([library.Queue.prepare_data(noop) for _ in range(count)])

    yield {"flood": Ticks(place).flood(enqueue)}
