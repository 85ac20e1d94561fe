"""arq: plain jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

from benchmarks.stage import Act, Place, Ticks

DISTRIBUTION = "arq"
connections: Any = import_module("arq.connections")
workers: Any = import_module("arq.worker")
AT_ONCE = 100


def work(place: Place) -> None:
    """One worker."""
    ticks = Ticks(place)

    async def noop(_: Any) -> None:
        ticks.tick()

    settings = connections.RedisSettings.from_dsn(place.url)
    workers.Worker(functions=[workers.func(noop, name="noop")], redis_settings=settings, max_jobs=AT_ONCE).run()


@asynccontextmanager
async def acts(place: Place) -> AsyncIterator[Mapping[str, Act]]:
    """What it can do."""
    pool = await connections.create_pool(connections.RedisSettings.from_dsn(place.url))

    async def enqueue(count: int) -> None:
        for _ in range(count):
            await pool.enqueue_job("noop")

    yield {"flood": Ticks(place).flood(enqueue)}
