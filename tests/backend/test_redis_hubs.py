"""Hubs: created once, found again, listed, and removed without a trace."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import redis

from rqflow.backend.calls.instances import Terminate
from rqflow.backend.calls.schedules import CreateSchedule
from rqflow.backend.calls.tasks import Unregister
from rqflow.backend.opening import (
    create_hub,
    delete_hub,
    describe_hub,
    list_hubs,
    open_backend,
    open_sync_backend,
)
from rqflow.backend.redis.address import parse_address
from rqflow.backend.redis.embedded import EmbeddedServer
from rqflow.backend.redis.hubs import LAYOUT, MAX_PARTITIONS, ask
from rqflow.backend.redis.resp import ServerError
from rqflow.backend.redis.routing import Routes, slot_of
from rqflow.errors import BackendError, BadInput, Conflict, HubExists, HubMismatch, HubNotFound, InstanceNotFound
from tests.backend.orders import WORKER, complete, register, start


@pytest.fixture
def other(redis_server: EmbeddedServer) -> Iterator[redis.Redis]:
    """Another client of that server, that is not ours."""
    with redis.Redis.from_url(redis_server.url) as client:
        yield client


def test_a_hub_is_created_once(redis_server: EmbeddedServer) -> None:
    """The same wish again finds it; another wish of that name is refused."""
    url = redis_server.url
    made = create_hub(url, "shop", partitions=4, retention=timedelta(days=3))
    assert (made.name, made.partitions, made.version, made.retention) == ("shop", 4, LAYOUT, timedelta(days=3))
    assert abs(datetime.now(UTC) - made.created_at) < timedelta(minutes=5)
    assert create_hub(url, "shop", partitions=4, retention=timedelta(days=3)) == made
    assert describe_hub(url, "shop") == made
    with pytest.raises(HubExists, match="4 partitions and retention 3 days"):
        create_hub(url, "shop", partitions=2, retention=timedelta(days=3))
    with pytest.raises(HubExists, match="choose another name"):
        create_hub(url, "shop", partitions=4)


def test_two_who_create_one_hub_at_once_agree(redis_server: EmbeddedServer) -> None:
    """Whoever comes second finds the first one's hub, or is refused."""

    def create(partitions: int) -> int:
        try:
            return create_hub(redis_server.url, "race", partitions=partitions).partitions
        except HubExists:
            return 0

    with ThreadPoolExecutor(8) as threads:
        found = set(threads.map(create, [1, 2, 3, 4, 5, 6, 7, 8]))
    assert len(found - {0}) == 1
    assert describe_hub(redis_server.url, "race").partitions in found


@pytest.mark.parametrize("name", ["", "a b", "{a}", "a}b", "ü", "x" * 65, "a\n", "a*", "a:b"])
async def test_a_name_that_keys_cannot_carry_is_refused(redis_url: str, name: str) -> None:
    """Braces would move keys to another slot; a star would match others' keys."""
    with pytest.raises(BadInput, match="hub's name"):
        create_hub(redis_url, name)
    with pytest.raises(BadInput, match="hub's name"):
        await open_backend(redis_url, name)
    with pytest.raises(BadInput, match="hub's name"):
        open_sync_backend(redis_url, name)


def test_absurd_settings_are_refused(redis_url: str) -> None:
    """No hub without partitions, with too many, or that forgets before it knows."""
    for partitions in (0, -1, MAX_PARTITIONS + 1):
        with pytest.raises(BadInput, match="partitions"):
            create_hub(redis_url, "absurd", partitions=partitions)
    with pytest.raises(BadInput, match="negative"):
        create_hub(redis_url, "absurd", retention=timedelta(days=-1))


async def test_the_default_hub_is_made_when_it_is_missing(redis_server: EmbeddedServer) -> None:
    """A newcomer needs no setup; any other name must have been created."""
    opened = await open_backend(redis_server.url)
    assert (opened.hub.name, opened.hub.partitions) == ("default", 1)
    await opened.close()
    for missing in ("shop", "Default"):
        with pytest.raises(HubNotFound, match=f"rqflow hub create {missing}"):
            await open_backend(redis_server.url, missing)
        with pytest.raises(HubNotFound, match=missing):
            open_sync_backend(redis_server.url, missing)
        with pytest.raises(HubNotFound, match=missing):
            describe_hub(redis_server.url, missing)
        with pytest.raises(HubNotFound, match=missing):
            delete_hub(redis_server.url, missing)


def test_hubs_are_listed_by_name(redis_server: EmbeddedServer, other: redis.Redis) -> None:
    """A name without a record, left by a deletion that was cut short, is not shown."""
    assert list_hubs(redis_server.url) == ()
    for name in ("b", "a", "c"):
        create_hub(redis_server.url, name)
    other.sadd("rqflow:hubs", "ghost")
    assert [hub.name for hub in list_hubs(redis_server.url)] == ["a", "b", "c"]


async def test_a_deleted_hub_leaves_no_key(redis_server: EmbeddedServer, other: redis.Redis) -> None:
    """Not one, and other hubs with like names keep all of theirs [P10]."""
    url = redis_server.url
    for name in ("a", "a.1", "a-b", "b"):
        create_hub(url, name, partitions=2)
        opened = await open_backend(url, name)
        for number in range(5):
            await complete(opened, f"i{number}")
        for partition in range(2):
            await opened.call(Unregister(partition=partition, worker=WORKER))
        await opened.close()
    before = set(other.keys("*"))
    mine = set(other.keys("rqflow:{a.0}:*")) | set(other.keys("rqflow:{a.1}:*"))
    assert delete_hub(url, "a") == len(mine)
    assert set(other.keys("*")) == before - mine
    assert [hub.name for hub in list_hubs(url)] == ["a-b", "a.1", "b"]
    for name in ("a.1", "a-b", "b"):
        delete_hub(url, name)
    assert other.keys("*") == []


async def test_a_large_hub_is_deleted_in_steps(redis_server: EmbeddedServer, other: redis.Redis) -> None:
    """Thousands of keys go in many small commands."""
    create_hub(redis_server.url, "large", partitions=3)
    opened = await open_backend(redis_server.url, "large")
    await opened.send([start(f"i{number}", 3) for number in range(2_000)])
    await opened.close()
    assert delete_hub(redis_server.url, "large", force=True) > 4_000
    assert other.keys("*") == []


async def test_a_hub_in_use_is_not_deleted_unless_by_force(redis_server: EmbeddedServer, other: redis.Redis) -> None:
    """Open instances, live workers and schedules stand in the way, and are counted."""
    url = redis_server.url
    create_hub(url, "busy", partitions=2)
    opened = await open_backend(url, "busy")
    order = start("x", 2)
    await opened.call(order)
    with pytest.raises(Conflict, match="1 open instances, 0 worker leases and 0 schedules"):
        delete_hub(url, "busy")
    await opened.call(Terminate(partition=order.partition, instance="x"))
    await opened.call(register(1))
    await opened.call(
        CreateSchedule(partition=0, schedule="s", generation="g", spec=b"", args=b"", state=b"", due_ms=None)
    )
    with pytest.raises(Conflict, match="0 open instances, 1 worker leases and 1 schedules"):
        delete_hub(url, "busy")
    await opened.close()
    delete_hub(url, "busy", force=True)
    assert other.keys("*") == []


def test_a_deletion_that_was_cut_short_is_finished_later(redis_server: EmbeddedServer, other: redis.Redis) -> None:
    """Meanwhile the hub is neither served nor made anew."""
    create_hub(redis_server.url, "half", partitions=2)
    other.hset("rqflow:{half.0}:meta", "deleting", "1")
    with pytest.raises(HubNotFound):
        open_sync_backend(redis_server.url, "half")
    with pytest.raises(HubExists, match="being deleted"):
        create_hub(redis_server.url, "half", partitions=2)
    assert list_hubs(redis_server.url) == ()
    delete_hub(redis_server.url, "half")
    assert other.keys("*") == []


def test_a_hub_of_a_newer_layout_is_left_alone(redis_server: EmbeddedServer, other: redis.Redis) -> None:
    """An old rqflow says that it is too old, rather than to harm what it does not understand."""
    create_hub(redis_server.url, "new")
    other.hset("rqflow:{new.0}:meta", "version", str(LAYOUT + 1))
    for attempt in (open_sync_backend, describe_hub, delete_hub):
        with pytest.raises(HubMismatch, match="install a newer rqflow"):
            attempt(redis_server.url, "new")


@pytest.mark.parametrize("record", [{"version": "x"}, {"partitions": ""}, {"created_ms": "9" * 30}])
def test_a_record_that_cannot_be_read_is_said_so(
    redis_server: EmbeddedServer, other: redis.Redis, record: dict[str, str]
) -> None:
    """Not a traceback: whose record it is, and what is wrong with it."""
    create_hub(redis_server.url, "odd")
    other.hset("rqflow:{odd.0}:meta", mapping=record)  # type: ignore[arg-type]
    with pytest.raises(HubMismatch, match="record of hub 'odd' cannot be read"):
        describe_hub(redis_server.url, "odd")


def test_a_user_who_may_not_scan_hears_it(redis_server: EmbeddedServer) -> None:
    """Rights that are lacking are named."""
    create_hub(redis_server.url, "kept")
    with redis.Redis.from_url(redis_server.url) as other:
        other.acl_setuser("temp", enabled=True, passwords=["+pw"], keys=["*"], categories=["+@all"], commands=["-scan"])
    url = redis_server.url.replace("unix://", "unix://temp:pw@")
    with pytest.raises(BackendError, match="SCAN"):
        delete_hub(url, "kept")


def test_a_record_of_another_kind_is_an_error(redis_server: EmbeddedServer, other: redis.Redis) -> None:
    """A key that someone else uses is shown with what Redis says of it."""
    other.set("rqflow:{taken.0}:meta", "mine")
    with pytest.raises(BackendError, match=r"HGETALL.*WRONGTYPE"):
        describe_hub(redis_server.url, "taken")


def test_redirections_of_an_errand_are_followed_and_end() -> None:
    """A hub's record may have moved to another node; in circles we do not go."""
    routes = Routes(parse_address("redis+cluster://a"))
    slot = slot_of("k")
    errand = ask(routes, "k", ("GET", "k"))
    endpoint = next(iter(next(errand)))
    for number in range(4):
        pipelines = errand.send({endpoint: [ServerError(f"MOVED {slot} n{number}:1")]})
        endpoint = next(iter(pipelines))
        assert endpoint.host == f"n{number}"
    with pytest.raises(BackendError, match="in circles"):
        errand.send({endpoint: [ServerError(f"MOVED {slot} a:1")]})


def test_an_errand_follows_a_record_that_has_gone_ahead_of_its_slot() -> None:
    """For one try, and only there: the slot's owner is still the old one."""
    routes = Routes(parse_address("redis+cluster://a"))
    errand = ask(routes, "k", ("GET", "k"), ("TTL", "k"))
    old = next(iter(next(errand)))
    [(new, commands)] = errand.send({old: [ServerError(f"ASK {slot_of('k')} b:1")] * 2}).items()
    assert (new.host, commands) == ("b", [("ASKING",), ("GET", "k"), ("ASKING",), ("TTL", "k")])
    with pytest.raises(StopIteration) as done:
        errand.send({new: [b"OK", b"v", b"OK", 1]})
    assert done.value.value == [b"v", 1]
    assert routes.owner(slot_of("k")) == old


async def test_memory_hubs_are_made_by_their_names() -> None:
    """`memory://` has no server to look after, but hubs with as many partitions as one likes."""
    assert create_hub("memory://hubs-test", "shop", partitions=3).partitions == 3
    opened = await open_backend("memory://hubs-test", "shop")
    assert opened.hub.partitions == 3
    blocked = open_sync_backend("memory://hubs-test", "shop")
    order = start("shared", 3)
    await opened.call(order)
    assert blocked.call(Terminate(partition=order.partition, instance="shared"))
    with pytest.raises(InstanceNotFound):
        blocked.call(Terminate(partition=order.partition, instance="other"))
    with pytest.raises(BadInput, match="no hubs to look after"):
        list_hubs("memory://hubs-test")
    await opened.close()
    blocked.close()
    await asyncio.sleep(0)


def test_who_may_not_look_for_keys_leaves_a_hub_as_it_was(redis_server: EmbeddedServer, other: redis.Redis) -> None:
    """Refused before anything is marked as going: others go on with the hub."""
    create_hub(redis_server.url, "kept")
    other.acl_setuser("weak", enabled=True, passwords=["+secret"], keys=["*"], categories=["+@all"], commands=["-scan"])
    with pytest.raises(BackendError, match="asked for SCAN"):
        delete_hub(redis_server.url.replace("unix://", "unix://weak:secret@"), "kept", force=True)
    assert describe_hub(redis_server.url, "kept").name == "kept"
