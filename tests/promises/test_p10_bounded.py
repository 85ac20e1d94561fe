"""P10: every loop, queue, cache, sweep and key has a limit; after everything has ended, the hub is small again."""

from __future__ import annotations

import asyncio
import time

import pytest

from rqflow.client.handle import AsyncHandle
from rqflow.client.starting import Request
from tests.promises.evidence import PERMANENT
from tests.promises.verbs import ORDER, collecting, order, single, waiting
from tests.promises.yard import Yard

MANY = 10_000
QUEUES = ("workflows:default", "activities:default")
"""Empty streams with their group: they stay for the next task."""


def left_over(yard: Yard) -> set[str]:
    """Keys that are there besides those that a hub keeps."""
    return {name for _, name in yard.store.names()} - PERMANENT - set(QUEUES)


async def empty(yard: Yard) -> None:
    """Retention has passed for all; then the workers leave."""

    async def forgotten() -> bool:
        return sum((await yard.client.stats()).statuses.values()) == 0

    await yard.until(forgotten)


@pytest.mark.timeout(180)
async def test_p10_ten_thousand_instances_leave_only_permanent_keys(yard: Yard) -> None:
    """[P10] Run to their end by two workers; after retention only the hub's own keys are there, by name."""
    yard.store.redis.config_set("appendfsync", "everysec")
    workers = [yard.process(lease=10.0) for _ in range(2)]
    for worker in workers:
        await yard.serving(worker)
    began = time.monotonic()
    names = [f"one-{number}" for number in range(MANY)]
    requests = [Request.of(single, number, id=name, retention=1) for number, name in enumerate(names)]
    started = await yard.client.start_many(requests)
    assert all(isinstance(item, AsyncHandle) for item in started)

    async def ended() -> bool:
        events = await yard.client.stats()
        return events.statuses.get("running", 0) == 0 and events.outbox == 0

    while not await ended():
        assert time.monotonic() - began < 120, await yard.client.stats()
        await asyncio.sleep(0.2)
    await empty(yard)
    for worker in workers:
        worker.ask_to_leave()
    for worker in workers:
        assert await asyncio.to_thread(worker.end) == 0, worker.said
    partitions = range(yard.backend.hub.partitions)
    # No instance spoke to another, so not even `received` and `outbox` are there.
    expected = {(at, name) for at in partitions for name in ("meta", "counters", "queues", "events", *QUEUES)}
    assert set(yard.store.names()) == expected
    yard.store.check_idle()
    for at in partitions:
        assert yard.store.redis.xlen(yard.store.key(at, "events")) <= 11_000, "the stream of events is capped"


async def test_p10_every_shape_of_instance_leaves_nothing(ground: Yard) -> None:
    """[P10] Children, timers, threads, signals, many runs, attributes, terminated, canceled, purged: all forgotten."""
    async with ground.worker():
        orders = [await ground.client.start(order, ground.folder, retention=1) for _ in range(5)]
        gatherer = await ground.client.start(collecting, 12, 3, [], retention=1, attributes={"color": "red"})
        for number in range(12):
            await gatherer.signal("number", number)
        stopped = [await ground.client.start(waiting, ground.folder, retention=1) for _ in range(4)]
        assert await ground.results(orders) == [ORDER] * 5
        assert await ground.results([gatherer]) == [list(range(12))]
        await stopped[0].terminate("enough")
        await stopped[1].cancel("enough")
        await stopped[2].terminate("enough")
        await stopped[2].purge()
        await stopped[3].suspend("later")
        await stopped[3].terminate("enough")
        # Children live as long as the hub says, which is longer than this test has time for.
        for row in [row async for row in ground.client.list() if row.parent]:
            await ground.client.purge(row.instance)
        await empty(ground)
    assert left_over(ground) == set()
    ground.store.check_idle()
