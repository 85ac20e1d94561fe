"""Verify, beside work: a checker that cried wolf on a busy hub would be of no use."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from rqflow.backend.opening import verify_hub
from tests.promises.verbs import ORDER, collecting, order
from tests.promises.yard import Yard

ORDERS, NUMBERS = 30, 12


async def test_a_hub_is_verified_while_workers_turn_it_over(yard: Yard) -> None:
    """[P2, P3, P6, P8, P10] Orders with children, signals through continue-as-new, instances that end and are removed:
    every check in the midst of it finds nothing wrong, and the last one can tell of everything."""
    workers = [yard.process(lease=10.0) for _ in range(2)]
    for worker in workers:
        await yard.serving(worker)
    done, checks = asyncio.Event(), 0

    async def check() -> None:
        nonlocal checks
        while not done.is_set():
            report = await asyncio.to_thread(verify_hub, yard.url, yard.hub, patience=timedelta(seconds=1))
            assert report.violations == (), report
            checks += 1

    async with asyncio.TaskGroup() as group:
        group.create_task(check())
        for _ in range(2):
            orders = [await yard.client.start(order, yard.folder) for _ in range(ORDERS)]
            brief = [await yard.client.start(order, yard.folder, retention=0.1) for _ in range(ORDERS // 3)]
            gatherers = [await yard.client.start(collecting, NUMBERS, 3, []) for _ in range(ORDERS // 3)]
            for number in range(NUMBERS):
                for handle in gatherers:
                    await handle.signal("number", number)
            assert await yard.results(orders) == [ORDER] * len(orders)
            assert await yard.results(gatherers) == [list(range(NUMBERS))] * len(gatherers)
            del brief
        done.set()
    assert checks
    yard.store.check()
