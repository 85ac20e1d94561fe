"""taskiq: plain jobs on its stream broker, which acknowledges them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

from benchmarks.stage import Act, Place, Ticks

DISTRIBUTION = "taskiq"
brokers: Any = import_module("taskiq_redis")
api: Any = import_module("taskiq.api")
AT_ONCE = 100


def registered(place: Place) -> tuple[Any, Any]:
    """A broker and the job."""
    ticks = Ticks(place)

    async def noop() -> None:
        ticks.tick()

    broker = brokers.RedisStreamBroker(url=place.url)
    return broker, broker.register_task(noop, task_name="noop")


def work(place: Place) -> None:
    """One receiver."""
    broker, _ = registered(place)
    broker.is_worker_process = True
    asyncio.run(api.run_receiver_task(broker, max_async_tasks=AT_ONCE, run_startup=True))


@asynccontextmanager
async def acts(place: Place) -> AsyncIterator[Mapping[str, Act]]:
    """What it can do."""
    broker, noop = registered(place)
    await broker.startup()

    async def enqueue(count: int) -> None:
        for _ in range(count):
            await noop.kiq()

    try:
        yield {"flood": Ticks(place).flood(enqueue)}
    finally:
        await broker.shutdown()
