"""Other Redises: what is promised holds while slots move, masters die and replicas take their places."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from rqflow.backend.opening import create_hub, delete_hub, open_backend, open_sync_backend
from rqflow.backend.redis.keys import key
from rqflow.backend.redis.routing import slot_of
from rqflow.client.handle import AsyncHandle
from tests.conftest import fresh_name
from tests.promises.verbs import ORDER, order
from tests.promises.yard import Yard
from tests.servers.cluster import Cluster
from tests.servers.watched import Watched

KEPT = {"appendonly": "yes", "min-replicas-to-write": "1", "min-replicas-max-lag": "2"}
"""A master without its replica takes no writes: what it has alone, a failover would lose."""


@asynccontextmanager
async def at_work(
    url: str, folder: Path, partitions: int, *, durability: str = "memory"
) -> AsyncIterator[tuple[Yard, list[AsyncHandle[list[str]]]]]:
    """A yard with two workers and a customer, who orders as long as the context lasts; then all must be well."""
    hub = fresh_name("other")
    create_hub(url, hub, partitions=partitions, durability=durability)
    yard = Yard(
        url, hub, folder, backend=await open_backend(url, hub), leases=open_sync_backend(url, hub), cache_size=100
    )
    handles: list[AsyncHandle[list[str]]] = []

    async def customer() -> None:
        while True:
            handles.append(await yard.client.start(order, yard.folder))
            await asyncio.sleep(0.01)

    try:
        options = {"lease": timedelta(seconds=5), "sweep": timedelta(milliseconds=200)}
        async with yard.worker(**options), yard.worker(**options):
            ordering = asyncio.create_task(customer())
            try:
                yield yard, handles
            finally:
                ordering.cancel()
                await asyncio.wait((ordering,))
            assert ordering.cancelled(), ordering.exception()
            assert await yard.results(handles) == [ORDER] * len(handles)
        await yard.check(handles)
    finally:
        await yard.close()
        delete_hub(url, hub, force=True)


@pytest.mark.parametrize("partitions", [1, 4], ids=["P1", "P4"])
async def test_p2_slots_that_move_while_workflows_run_lose_and_tear_nothing(
    cluster: Cluster, tmp_path: Path, partitions: int
) -> None:
    """[P1, P2, P6] [G9] Key by key, in the middle of everything: a partition waits until it has moved as a whole."""
    async with at_work(cluster.url, tmp_path, partitions) as (yard, _):
        for at in range(partitions):
            await yard.more("fifth", 5)
            slot = slot_of(key(yard.hub, at, "meta"))
            await asyncio.to_thread(cluster.move, slot, keys_at_a_time=1, pause=0.002)
        await yard.more("fifth", 5)


async def test_p1_a_master_that_sentinels_replace_loses_nothing_that_its_replicas_had(tmp_path: Path) -> None:
    """[P1, P2, P6] [F16] Killed in mid-run: workers and clients find the new master by themselves, and all goes on."""
    with Watched(options=KEPT) as watched:
        async with at_work(watched.url, tmp_path, 4, durability="replica:1") as (yard, _):
            await yard.more("fifth", 5)
            dead = await asyncio.to_thread(watched.kill_master)
            await yard.more("fifth", 5)
            await asyncio.to_thread(dead.start)


async def test_p1_a_cluster_whose_master_dies_loses_nothing_that_its_replica_had(tmp_path: Path) -> None:
    """[P1, P2, P6] [F16, G9] The replica takes its place, the partitions of other masters go on meanwhile."""
    with Cluster(replicas=1, options=KEPT) as cluster:
        async with at_work(cluster.url, tmp_path, 4, durability="replica:1") as (yard, _):
            await yard.more("fifth", 5)
            slot = slot_of(key(yard.hub, 0, "meta"))
            dead = await asyncio.to_thread(cluster.kill_owner, slot)
            await asyncio.to_thread(cluster.await_other, slot, dead)
            # Alone it takes no writes: it goes on when it has a replica again.
            await asyncio.to_thread(dead.start)
            await yard.more("fifth", 5)
            await asyncio.to_thread(cluster.await_whole)
            await asyncio.to_thread(cluster.move, slot, keys_at_a_time=10, pause=0.002)
            await yard.more("fifth", 5)
