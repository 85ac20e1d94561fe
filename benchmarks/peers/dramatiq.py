"""Dramatiq: plain jobs."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

from benchmarks.stage import Act, Place, Ticks

DISTRIBUTION = "dramatiq"
library: Any = import_module("dramatiq")
brokers: Any = import_module("dramatiq.brokers.redis")


def actor(place: Place) -> tuple[Any, Any]:
    """A broker and the job."""
    ticks = Ticks(place)
    broker = brokers.RedisBroker(url=place.url)
    return broker, library.actor(ticks.tick, broker=broker, actor_name="noop")


def work(place: Place) -> None:
    """One process with as many threads as Dramatiq's command line gives it."""
    broker, _ = actor(place)
    library.Worker(broker, worker_threads=8).start()
    threading.Event().wait()


@asynccontextmanager
async def acts(place: Place) -> AsyncIterator[Mapping[str, Act]]:
    """What it can do."""
    _, noop = actor(place)

    async def enqueue(count: int) -> None:
        for _ in range(count):
            noop.send()

    yield {"flood": Ticks(place).flood(enqueue)}
