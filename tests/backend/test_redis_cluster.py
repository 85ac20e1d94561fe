"""Cluster: a hub spread over three masters, found by a plain URL of any of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import redis

from rqflow.backend.calls.hubs import HubInfo
from rqflow.backend.calls.instances import Filter, ListInstances, ReadOutcome, Terminate
from rqflow.backend.opening import (
    create_hub,
    delete_hub,
    describe_hub,
    list_hubs,
    open_backend,
    open_sync_backend,
    verify_hub,
)
from rqflow.backend.protocol import Backend, partition_of
from rqflow.backend.redis.address import parse_address
from rqflow.backend.redis.keys import key
from rqflow.backend.redis.routing import slot_of
from rqflow.backend.redis.servers import Servers
from rqflow.backend.redis.sockets import Timeouts
from rqflow.errors import BackendRefused, BackendUnavailable
from tests.backend.orders import BOTH, WORKER, complete, register, start, until
from tests.conftest import fresh_name
from tests.servers.cluster import Cluster

LONG = timedelta(seconds=20)


def spread_name(cluster: Cluster) -> str:
    """A name for a hub whose four partitions lie on all three nodes."""
    share = -(-16_384 // 3)
    while True:
        name = fresh_name("spread")
        if len({slot_of(key(name, partition, "meta")) // share for partition in range(4)}) == 3:
            return name


@pytest.fixture
async def spread(cluster: Cluster) -> AsyncIterator[Backend]:
    """A backend on a hub that uses all nodes."""
    name = spread_name(cluster)
    create_hub(cluster.url, name, partitions=4)
    opened = await open_backend(cluster.url, name)
    yield opened
    await opened.close()
    delete_hub(cluster.url, name, force=True)


async def test_a_hub_of_four_partitions_is_spread_over_the_nodes(cluster: Cluster, spread: Backend) -> None:
    """Instances run to their end wherever they live, and each node holds a share of the keys."""
    names = [f"i{number}" for number in range(40)]
    for name in names:
        await complete(spread, name)
    answers = await spread.send([ReadOutcome(partition=partition_of(name, 4), instance=name) for name in names])
    assert {answer.status for answer in answers} == {"completed"}
    for node in cluster.nodes:
        with redis.Redis.from_url(node.url) as other:
            assert other.keys(f"rqflow:{{{spread.hub.name}.*")


async def test_the_slots_are_read_once_for_many_callers(cluster: Cluster, spread: Backend) -> None:
    """When many learn at once that the map is old, one of them asks for all."""
    servers = Servers(parse_address(cluster.url.replace("redis:", "redis+cluster:")), Timeouts())
    await asyncio.gather(*(servers.search() for _ in range(5)))
    assert len(servers.routes.nodes) == 3
    assert not servers.routes.stale
    await servers.close()


async def test_any_node_and_any_way_of_saying_it_opens_the_cluster(cluster: Cluster, cluster_hub: HubInfo) -> None:
    """A plain URL is found out to be a cluster's; redis+cluster:// names several nodes, dead ones among them."""
    ports = [node.url.rpartition(":")[2] for node in cluster.nodes]
    urls = [node.url for node in cluster.nodes]
    urls.append(f"redis+cluster://127.0.0.1:1,127.0.0.1:{ports[1]}")
    for number, url in enumerate(urls):
        opened = await open_backend(url, cluster_hub.name)
        blocked = open_sync_backend(url, cluster_hub.name)
        order = start(f"i{number}", 4)
        await opened.call(order)
        assert blocked.call(ReadOutcome(partition=order.partition, instance=f"i{number}")).status == "running"
        assert cluster_hub in list_hubs(url)
        blocked.close()
        await opened.close()


async def test_a_worker_waits_on_the_node_of_its_partition(spread: Backend) -> None:
    """Each partition's tasks wake the one who waits there."""
    for partition in range(4):
        await spread.call(register(partition))
    waits = [asyncio.create_task(spread.wait_for_tasks(p, WORKER, BOTH, LONG)) for p in range(4)]
    for number in range(40):
        await spread.call(start(f"i{number}", 4))
    for partition, wait in enumerate(waits):
        (entry,) = await wait
        assert entry.partition == partition


async def test_news_reach_watchers_from_every_node(cluster: Cluster, spread: Backend) -> None:
    """One plain subscription hears what is published on any node."""
    blocked = open_sync_backend(cluster.url, spread.hub.name)
    for number in range(8):
        name = f"w{number}"
        order = start(name, 4)
        await spread.call(order)
        async with spread.watch(name) as watch:
            with blocked.watch(name) as thread_watch:
                await spread.call(Terminate(partition=order.partition, instance=name))
                assert await watch.wait(20)
                assert await asyncio.to_thread(thread_watch.wait, 20)
    blocked.close()


async def test_a_listing_comes_from_all_nodes(spread: Backend) -> None:
    """Each partition gives its share."""
    names = {f"l{number}" for number in range(30)}
    await spread.send([start(name, 4) for name in sorted(names)])
    pages = await spread.send([ListInstances(partition=p, where=Filter(id_prefix="l")) for p in range(4)])
    assert {row.instance for page in pages for row in page.rows} == names


async def test_scripts_that_one_node_forgot_are_loaded_there(cluster: Cluster, spread: Backend) -> None:
    """SCRIPT FLUSH on a node costs one more round trip to that node alone."""
    names = [f"s{number}" for number in range(12)]
    await spread.send([start(name, 4) for name in names])
    with redis.Redis.from_url(cluster.nodes[1].url) as other:
        other.script_flush()
    answers = await spread.send([ReadOutcome(partition=partition_of(name, 4), instance=name) for name in names])
    assert {answer.status for answer in answers} == {"running"}


async def test_a_slot_that_moves_is_followed(cluster: Cluster) -> None:
    """While an idle partition's slot is handed to another node its calls go on, and go there at once afterwards."""
    name = spread_name(cluster)
    create_hub(cluster.url, name, partitions=4)
    opened = await open_backend(cluster.url, name)
    blocked = open_sync_backend(cluster.url, name)
    partition = 2
    instance = next(f"m{n}" for n in range(99) if partition_of(f"m{n}", 4) == partition)
    slot = slot_of(key(name, partition, "meta"))
    read = ReadOutcome(partition=partition, instance=instance)
    await opened.call(start(instance, 4))
    assert blocked.call(read).status == "running"
    await opened.call(register(partition))
    await opened.wait_for_tasks(partition, WORKER, BOTH, LONG)
    ids = {node.url: cluster.ask(node, "CLUSTER", "MYID").decode() for node in cluster.nodes}
    source = next(node for node in cluster.nodes if cluster.ask(node, "CLUSTER", "COUNTKEYSINSLOT", slot))
    target = next(node for node in cluster.nodes if node is not source)
    move_slot(cluster, slot, source, target, ids)
    # The idle connection of the last wait leads to the old owner, who says where to go.
    for _ in range(2):
        await opened.wait_for_tasks(partition, WORKER, BOTH, timedelta(milliseconds=20))
    assert (await opened.call(read)).status == "running"
    assert blocked.call(read).status == "running"
    assert (await opened.call(Terminate(partition=partition, instance=instance))) is True
    blocked.close()
    await opened.close()
    delete_hub(cluster.url, name, force=True)
    move_slot(cluster, slot, target, source, ids)
    await until(lambda: all(cluster.is_whole(node) for node in cluster.nodes))


async def test_half_a_partition_can_be_opened_and_is_not_judged(cluster: Cluster) -> None:
    """While the slot of a hub's record moves, clients and workers still find the hub; a check of its keys says that it
    must wait, and takes nothing for missing that is only elsewhere."""
    name = spread_name(cluster)
    create_hub(cluster.url, name)
    record = key(name, 0, "meta")
    slot = slot_of(record)
    opened = open_sync_backend(cluster.url, name)
    opened.call(start("one", 1))
    opened.close()
    ids = {node.url: cluster.ask(node, "CLUSTER", "MYID").decode() for node in cluster.nodes}
    source = next(node for node in cluster.nodes if cluster.ask(node, "CLUSTER", "COUNTKEYSINSLOT", slot))
    target = next(node for node in cluster.nodes if node is not source)
    cluster.ask(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source.url])
    cluster.ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target.url])
    for moved in (key(name, 0, "ids"), record):
        cluster.ask(source, "MIGRATE", "127.0.0.1", target.url.rpartition(":")[2], moved, 0, 5_000)
        with pytest.raises(BackendUnavailable, match="moving"):
            verify_hub(cluster.url, name)
        assert describe_hub(cluster.url, name).partitions == 1
    move_slot(cluster, slot, source, target, ids)
    assert not verify_hub(cluster.url, name).violations
    delete_hub(cluster.url, name, force=True)
    move_slot(cluster, slot, target, source, ids)
    await until(lambda: all(cluster.is_whole(node) for node in cluster.nodes))


def move_slot(cluster: Cluster, slot: int, source: object, target: object, ids: dict[str, str]) -> None:
    """As an operator moves one: announce, move the keys, hand over."""
    old, new = (next(node for node in cluster.nodes if node is one) for one in (source, target))
    cluster.ask(new, "CLUSTER", "SETSLOT", slot, "IMPORTING", ids[old.url])
    cluster.ask(old, "CLUSTER", "SETSLOT", slot, "MIGRATING", ids[new.url])
    port = new.url.rpartition(":")[2]
    while found := cluster.ask(old, "CLUSTER", "GETKEYSINSLOT", slot, 100):
        names = [one.decode() for one in found]
        cluster.ask(old, "MIGRATE", "127.0.0.1", port, "", 0, 5_000, "KEYS", *names)
    for node in (new, old, *cluster.nodes):
        cluster.ask(node, "CLUSTER", "SETSLOT", slot, "NODE", ids[new.url])


async def test_a_lost_node_is_named_and_others_serve_on() -> None:
    """One master dies: its partitions are unavailable, the others' are not; when it is back so are they."""
    with Cluster() as own:
        name = spread_name(own)
        create_hub(own.url, name, partitions=4)
        opened = await open_backend(own.url, name, timeouts=Timeouts(connect=5, answer=5))
        blocked = open_sync_backend(own.url, name, timeouts=Timeouts(connect=5, answer=5))
        share = -(-16_384 // 3)
        nodes = {p: slot_of(key(name, p, "meta")) // share for p in range(4)}
        lost = next(p for p in range(4) if nodes[p] == 2)
        kept = next(p for p in range(4) if nodes[p] != 2)
        own.nodes[2].kill()
        names = {p: next(f"n{n}" for n in range(99) if partition_of(f"n{n}", 4) == p) for p in (lost, kept)}
        for _ in range(2):
            with pytest.raises(BackendUnavailable):
                await opened.call(start(names[lost], 4))
            with pytest.raises(BackendUnavailable):
                blocked.call(start(names[lost], 4))
            with pytest.raises(BackendUnavailable):
                await opened.wait_for_tasks(lost, WORKER, BOTH, LONG)
        with pytest.raises(BackendUnavailable):
            await opened.send([start(names[kept], 4), start(names[lost], 4)])
        own.nodes[2].start()
        await until(lambda: all(own.is_whole(node) for node in own.nodes))
        create_hub(own.url, name, partitions=4)
        await opened.call(start(names[lost], 4))
        read = ReadOutcome(partition=lost, instance=names[lost])
        assert blocked.call(read).status == "running"
        blocked.close()
        await opened.close()


async def test_every_node_must_be_fit(cluster: Cluster, cluster_hub: HubInfo) -> None:
    """One node that evicts is one too many."""
    with redis.Redis.from_url(cluster.nodes[2].url) as other:
        other.config_set("maxmemory-policy", "allkeys-lru")
        try:
            with pytest.raises(BackendRefused, match="allkeys-lru"):
                await open_backend(cluster.url, cluster_hub.name)
        finally:
            other.config_set("maxmemory-policy", "noeviction")


async def test_a_cluster_hub_is_deleted_from_all_nodes(cluster: Cluster) -> None:
    """No node keeps a key of it."""
    name = spread_name(cluster)
    create_hub(cluster.url, name, partitions=4)
    opened = await open_backend(cluster.url, name)
    await opened.send([start(f"d{number}", 4) for number in range(50)])
    await opened.close()
    delete_hub(cluster.url, name, force=True)
    for node in cluster.nodes:
        with redis.Redis.from_url(node.url) as other:
            assert other.keys(f"rqflow:{{{name}.*") == []
