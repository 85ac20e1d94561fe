"""Hostile stores: events that nobody can read, names that nobody knows, a Redis that refuses: nothing lost, no other
instance harmed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

import pytest

from rqflow.authoring.registry import Registry
from rqflow.backend.opening import open_backend
from rqflow.backend.redis.embedded import EmbeddedServer
from rqflow.client.asynchronous import AsyncClient
from rqflow.client.handle import AsyncHandle
from rqflow.client.options import ClientOptions
from rqflow.errors import BackendError, BackendFull, BackendRefused
from tests.promises.verbs import ORDER, echo, effects, order, single, waiting
from tests.promises.yard import Yard

QUICK = {"sweep": timedelta(milliseconds=50)}


def _list_of(ground: Yard, name: str, argument: str, instance: str) -> str:
    return ground.store.key(ground.store.at(instance), name, argument)


async def _stalled(ground: Yard, instance: str) -> str:
    """The reason, once it has one."""

    async def look() -> str:
        row = await ground.client.describe(instance)
        return row.reason if row.status == "stalled" else ""

    found: str = await ground.until(look)
    return found


async def _others_are_served(ground: Yard) -> None:
    assert await ground.results([await ground.client.start(order, ground.folder) for _ in range(3)]) == [ORDER] * 3


def _newer(stored: bytes) -> bytes:
    """The same event as a later version would write it."""
    return stored.replace(b" r [1,", b" r [2,").replace(b" i [1,", b" i [2,")


def _unknown(stored: bytes) -> bytes:
    return stored.replace(b'"ActivityScheduled"', b'"ActivityDreamtOf"')


def _cut(stored: bytes) -> bytes:
    return stored[:20]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [(_newer, "wire version 2"), (_unknown, "ActivityDreamtOf"), (_cut, "no JSON"), (lambda _: b"\x00", "begin with")],
    ids=["newer", "unknown", "cut", "binary"],
)
async def test_a_history_that_cannot_be_read_stalls_and_goes_on_when_it_can(
    ground: Yard, spoil: Callable[[bytes], bytes], says: str
) -> None:
    """[P7, P1] The instance is set aside with what is wrong; mended and resumed it goes on as if nothing was."""
    async with ground.worker(cache_size=0, **QUICK):
        victim = await ground.client.start(waiting, ground.folder)
        await ground.until(lambda: effects(ground.folder, "before"))
        await _handed_on(ground, victim)
        history = _list_of(ground, "history", victim.run, victim.id)
        sound = cast(bytes, ground.store.redis.lindex(history, 1))
        ground.store.redis.lset(history, 1, cast(Any, spoil(sound)))
        await victim.signal("go", "on")
        assert says in await _stalled(ground, victim.id)
        await _others_are_served(ground)
        ground.store.redis.lset(history, 1, cast(Any, sound))
        await victim.resume("mended")
        assert await ground.results([victim]) == ["on"]
    await ground.check([victim])


async def test_p2_a_history_with_a_gap_is_not_gone_on_from(ground: Yard) -> None:
    """[P2] Somebody took an event away: the instance stalls and says so, with what the store counts and has."""
    async with ground.worker(cache_size=0, **QUICK):
        victim = await ground.client.start(waiting, ground.folder)
        await ground.until(lambda: effects(ground.folder, "before"))
        await _handed_on(ground, victim)
        history = _list_of(ground, "history", victim.run, victim.id)
        lost = cast(bytes, ground.store.redis.rpop(history))
        await victim.signal("go", "on")
        assert "the store counts 3 events, and has 2" in await _stalled(ground, victim.id)
        await _others_are_served(ground)
        ground.store.redis.rpush(history, lost)
        await victim.resume("mended")
        assert await ground.results([victim]) == ["on"]
    await ground.check([victim])


async def _handed_on(ground: Yard, victim: AsyncHandle[Any]) -> None:
    """Its step is over: start, step and result stand in its history."""

    async def over() -> bool:
        return (await victim.describe()).history_length == 3

    await ground.until(over)


@pytest.mark.parametrize("event", [b"nonsense", b'1 i [2,"SignalReceived","go"]\n"on"', b'1 r [1,"TimerFired","x"]'])
async def test_news_that_cannot_be_read_stall_their_instance_only(ground: Yard, event: bytes) -> None:
    """[P7] They wait in the inbox, for a human or for a newer worker; those before them are not lost."""
    async with ground.worker(**QUICK):
        victim = await ground.client.start(waiting, ground.folder)
        await ground.until(lambda: effects(ground.folder, "before"))
        await _handed_on(ground, victim)
        inbox = _list_of(ground, "inbox", victim.id, victim.id)
        ground.store.redis.rpush(inbox, event)
        await victim.signal("go", "on")
        await _stalled(ground, victim.id)
        await _others_are_served(ground)
        assert ground.store.redis.lrem(inbox, 1, cast(Any, event)) == 1
        await victim.resume("mended")
        assert await ground.results([victim]) == ["on"]
    await ground.check([victim])


async def test_p6_names_that_no_worker_knows_wait_and_are_seen(ground: Yard) -> None:
    """[P6] [A6] Neither the workflow nor the activity is eaten: they are shown by their names until somebody comes."""
    async with ground.worker(registry=Registry([single]), **QUICK):
        handle = await ground.client.start(single, 5)
        stranger = await ground.client.start("order", ground.folder)

        async def seen() -> bool:
            queues = (await ground.client.stats()).queues
            return {name for queue in queues for name, _ in queue.unknown} == {"echo", "order"}

        await ground.until(seen)
        async with ground.worker(registry=Registry([echo]), workflows=False, **QUICK):
            assert await ground.results([handle]) == [5]
    async with ground.worker(**QUICK):
        assert await ground.results([stranger]) == [ORDER]
    assert all(queue.unknown == () for queue in (await ground.client.stats()).queues)
    await ground.check([handle, stranger])


async def _busy(yard: Yard, trouble: Callable[[], Any], relief: Callable[[], Any], error: type[BackendError]) -> None:
    """Trouble comes while orders are under way: a new one is refused with one clear error, and after the relief all
    that were accepted complete."""
    handles = [await yard.client.start(order, yard.folder) for _ in range(8)]
    async with yard.worker(**QUICK), yard.worker(**QUICK):
        await yard.more("second", 3)
        trouble()
        hasty = ClientOptions(retry_for=timedelta(0))
        with pytest.raises(error):
            await AsyncClient(backend=yard.backend, options=hasty).start(order, yard.folder, id="refused")
        done = len(effects(yard.folder, "fifth"))
        await asyncio.sleep(0.5)  # so that workers, too, are refused, again and again
        relief()
        assert await yard.results(handles) == [ORDER] * 8
        await _others_are_served(yard)
    assert done < 8, "all was over before the trouble began"
    await yard.check(handles)
    names = [row.instance async for row in yard.client.list()]
    assert "refused" not in names


async def test_p1_redis_out_of_memory_in_the_middle_of_work_loses_nothing(yard: Yard) -> None:
    """[P1, P2] Each refused call is refused as a whole; work resumes by itself when there is memory again."""
    redis = yard.store.redis
    await _busy(
        yard, lambda: redis.config_set("maxmemory", "1"), lambda: redis.config_set("maxmemory", "0"), BackendFull
    )


async def test_p1_a_redis_that_becomes_a_replica_and_a_master_again_loses_nothing(yard: Yard) -> None:
    """[P1] Read-only in the middle of work, as in a failover that is taken back."""
    redis = yard.store.redis
    await _busy(
        yard, lambda: redis.replicaof("127.0.0.1", "1"), lambda: redis.replicaof("NO", "ONE"), BackendError
    )  # fmt: skip


async def test_a_redis_that_evicts_is_refused_unless_told_otherwise(yard: Yard, redis_server: EmbeddedServer) -> None:
    """[P1] It would throw instances away when its memory is short."""
    yard.store.redis.config_set("maxmemory-policy", "allkeys-lru")
    with pytest.raises(BackendRefused, match="allkeys-lru"):
        await open_backend(redis_server.url, yard.hub)
    backend = await open_backend(redis_server.url, yard.hub, allow_eviction=True)
    await backend.close()
