"""Celery: plain jobs, and chains of them with results in Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

from benchmarks.stage import Act, Order, Place, Ticks, Told, windowed

DISTRIBUTION = "celery"
LONG = 600
"""Seconds that a result may take."""
library: Any = import_module("celery")


def application(place: Place) -> Any:
    """The app with both tasks; results only where one is asked for."""
    ticks = Ticks(place)
    app = library.Celery("peer", broker=place.url, backend=place.url)
    app.conf.broker_connection_retry_on_startup = True

    def noop() -> None:
        ticks.tick()

    def step(value: int) -> int:
        return value

    app.task(noop, name="noop", ignore_result=True)
    app.task(step, name="step")
    return app


def work(place: Place) -> None:
    """Celery's own defaults, but no chatter between workers."""
    arguments = ["worker", "--loglevel=WARNING", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    application(place).worker_main(arguments)


@asynccontextmanager
async def acts(place: Place) -> AsyncIterator[Mapping[str, Act]]:
    """What it can do."""
    app = application(place)
    noop, step = app.tasks["noop"], app.tasks["step"]

    async def enqueue(count: int) -> None:
        for _ in range(count):
            noop.delay()

    def chains(length: int) -> Act:
        def start(number: int) -> Any:
            return library.chain(step.s(number), *(step.s() for _ in range(length - 1))).apply_async()

        async def act(order: Order) -> Told:
            return await asyncio.to_thread(windowed, start, lambda result: result.get(timeout=LONG), order)

        return act

    async def fan_out(order: Order) -> Told:
        group = library.group(step.s(number) for number in range(order.count))
        await asyncio.to_thread(lambda: group.apply_async().get(timeout=LONG))
        return {}

    async def long_chain(order: Order) -> Told:
        return await chains(order.count)(Order(act=order.act, count=1))

    yield {
        "flood": Ticks(place).flood(enqueue),
        "one": chains(1),
        "sequence of 10": chains(10),
        "fan-out": fan_out,
        "long sequence": long_chain,
    }
