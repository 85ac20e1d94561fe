"""Acts: what rqflow does in each work, seen from its client."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import redis

from benchmarks.ours import flows
from benchmarks.ours.telling import cache_told, lateness, steps_told
from benchmarks.stage import Act, Order, Place, Told, in_flight, until
from rqflow import AsyncClient, Client
from rqflow.client.starting import Request
from rqflow.client.statistics import HubStats
from rqflow.worker.options import WorkerOptions
from rqflow.worker.run import run_worker

DISTRIBUTION = "rqflow"
HUB = "default"
BULK = 1_000
"""Instances that one call of `start_many` takes."""
NOBODY = "nobody"
"""A queue that no worker serves."""
NUMBER = object()
"""Stands for the number of an instance, among its arguments."""
PATIENCE = 600
"""Seconds for one instance."""


def work(place: Place) -> None:
    """A worker as `rqflow worker` runs it."""
    options = WorkerOptions(cache_size=place.cache)
    run_worker(url=place.url, hub=HUB, modules=["benchmarks.ours.flows"], options=options)


@asynccontextmanager
async def acts(place: Place) -> AsyncIterator[Mapping[str, Act]]:
    """With as many workers as were started, all of them registered."""
    async with AsyncClient(place.url, hub=HUB) as client:
        ours = Acts(place.url, client)
        await ours.until(lambda stats: len(stats.workers) >= place.workers)
        yield {
            "flood": ours.flood,
            "one": ours.each(flows.one, NUMBER),
            "sequence of 10": ours.each(flows.sequence, 10),
            "ten local": ours.each(flows.local_sequence, 10, False),
            "ten durable": ours.each(flows.local_sequence, 10, True),
            "fan-out": ours.fan_out,
            "long sequence": ours.long_sequence,
            "naps": ours.naps,
            "naps together": ours.naps_together,
            "tree": ours.each(flows.root),
            "sleepers": ours.sleepers,
            "rewritten": ours.rewritten,
            "start in bulk": ours.start_in_bulk,
            "start one by one": ours.start_one_by_one,
            "remember": ours.remember,
            "recall": ours.recall,
            "threads": ours.threads,
            "nothing": ours.nothing,
            "hits": ours.hits,
        }


class Acts:
    """Each takes an order and tells what came of it."""

    def __init__(self, url: str, client: AsyncClient) -> None:
        self._url = url
        self._client = client

    def each(self, workflow: Any, *arguments: Any) -> Act:
        """Start to result, so many at a time."""

        async def one(number: int) -> None:
            handle = await self._client.start(workflow, *(number if each is NUMBER else each for each in arguments))
            await handle.result(timeout=PATIENCE)

        return lambda order: in_flight(one, order)

    async def flood(self, order: Order) -> Told:
        """Start all, and wait until all are completed."""
        wanted = _completed(await self._client.stats()) + order.count
        begun = time.perf_counter()
        await self._start_many(flows.one, order.count, 1)
        started = time.perf_counter() - begun
        await self.until(lambda stats: _completed(stats) >= wanted)
        return {"enqueued in s": started}

    async def fan_out(self, order: Order) -> Told:
        """One workflow, so wide."""
        await (await self._client.start(flows.fan_out, order.count)).result(timeout=PATIENCE)
        return {}

    async def long_sequence(self, order: Order) -> Told:
        """One workflow, so long; and what a step near its begin and near its end takes."""
        handle = await self._client.start(flows.sequence, order.count)
        await handle.result(timeout=PATIENCE)
        return steps_told([event async for event in self._client.history(handle.id)])

    async def naps(self, order: Order) -> Told:
        """A timer each: how much later than its time the workflow has ended, on the store's clock."""
        ids: list[str] = []

        async def nap(number: int) -> None:
            handle = await self._client.start(flows.nap)
            await handle.result(timeout=PATIENCE)
            ids.append(handle.id)

        await in_flight(nap, order)
        return {"ms": [lateness([event async for event in self._client.history(id)])[-1] for id in ids]}

    async def naps_together(self, order: Order) -> Told:
        """Timers of one workflow that are due at one moment."""
        handle = await self._client.start(flows.naps, order.count)
        await handle.result(timeout=PATIENCE)
        late = lateness([event async for event in self._client.history(handle.id)])
        return {"ms": late[:-1], "workflow ended after ms": late[-1]}

    async def sleepers(self, order: Order) -> Told:
        """Instances that sleep: all of them have had their turn."""
        wanted = (await self._client.stats()).due + order.count
        await self._start_many(flows.sleeper, order.count)
        await self.until(lambda stats: stats.due >= wanted)
        return {}

    async def rewritten(self, order: Order) -> Told:
        """Redis has rewritten its append-only file, which what came before made grow: that takes a core meanwhile. Then
        the machine rests for so many seconds: it is slower after a while of work."""
        with redis.Redis.from_url(self._url) as server:
            await until(lambda: not server.info("persistence")["aof_rewrite_in_progress"], every=0.1)
        await asyncio.sleep(order.count)
        return {}

    async def start_in_bulk(self, order: Order) -> Told:
        """For nobody."""
        await self._start_many(flows.one, order.count, 1, queue=NOBODY)
        return {}

    async def start_one_by_one(self, order: Order) -> Told:
        """For nobody, from synchronous code."""
        with Client(self._url, hub=HUB) as client:
            for number in range(order.count):
                client.start(flows.one, number, queue=NOBODY)
        return {}

    async def remember(self, order: Order) -> Told:
        """An instance with so many steps behind it, and one with none."""
        for id, steps in (("long", order.count), ("short", 0)):
            await self._client.start(flows.remembering, steps, id=id)
            await until(partial(self._remembers, id, steps), every=0.05)
        return {}

    async def recall(self, order: Order) -> Told:
        """Ask both in turn: with room for one in the cache, both are cold each time."""
        taken: dict[str, list[float]] = {"long": [], "short": []}
        for _ in range(order.count):
            for id, so_far in taken.items():
                begun = time.perf_counter()
                await self._client.query(id, "done")
                so_far.append((time.perf_counter() - begun) * 1_000)
        return {"ms": taken["long"], "the same without history ms": sorted(taken["short"])[order.count // 2]}

    async def threads(self, order: Order) -> Told:
        """Start to result from threads that share a synchronous client."""

        def run() -> None:
            with Client(self._url, hub=HUB) as client, ThreadPoolExecutor(order.at_once) as pool:

                def one(number: int) -> int:
                    return client.start(flows.one, number).result(timeout=PATIENCE)

                assert list(pool.map(one, range(order.count))) == list(range(order.count))

        await asyncio.to_thread(run)
        return {}

    async def nothing(self, order: Order) -> Told:
        """So many seconds."""
        await asyncio.sleep(order.count)
        return {}

    async def hits(self, order: Order) -> Told:
        """Sequences of ten, and how often a turn that was not the first found its executor."""
        await self.each(flows.sequence, 10)(order)
        return await cache_told(self._client, workflows=order.count, turns=11 * order.count)

    async def until(self, look: Callable[[HubStats], bool]) -> None:
        """Until the hub's numbers are so."""

        async def there() -> bool:
            return look(await self._client.stats())

        await until(there, every=0.02)

    async def _remembers(self, id: str, steps: int) -> bool:
        return bool(await self._client.query(id, "done") == steps)

    async def _start_many(self, workflow: Any, count: int, *arguments: Any, queue: str = "default") -> None:
        for first in range(0, count, BULK):
            many = min(BULK, count - first)
            for handle in await self._client.start_many([Request.of(workflow, *arguments, queue=queue)] * many):
                if isinstance(handle, Exception):
                    raise handle


def _completed(stats: HubStats) -> int:
    return stats.statuses.get("completed", 0)
