"""Waiting for tasks: an idle worker is woken by what comes, and by nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import redis

from rqflow.backend.calls.tasks import Subscription, Take, Unregister
from rqflow.backend.opening import open_backend
from rqflow.backend.protocol import Backend
from rqflow.backend.redis import waiting
from rqflow.backend.redis.embedded import EmbeddedServer
from rqflow.backend.redis.keys import key
from rqflow.errors import BackendError, BackendUnavailable
from tests.backend.orders import BOTH, QUEUE, WORKER, register, start, take, until

SOON = timedelta(milliseconds=30)
LONG = timedelta(seconds=20)


@pytest.fixture
async def own(redis_server: EmbeddedServer) -> AsyncIterator[Backend]:
    """A backend on a server of this test's own, with a registered worker."""
    opened = await open_backend(redis_server.url)
    await opened.call(register())
    yield opened
    await opened.close()


def ours(other: redis.Redis) -> int:
    """How many connections of rqflow the server sees."""
    return len([one for one in other.client_list() if one["name"] == "rqflow"])


async def blocked(backend: Backend, server: EmbeddedServer, count: int = 1) -> None:
    """Until so many reads are blocked in Redis."""
    with redis.Redis.from_url(server.url) as other:
        await until(lambda: int(other.info("clients")["blocked_clients"]) >= count)


async def test_a_task_that_comes_ends_the_wait(any_backend: Backend) -> None:
    """The entry is leased already, and Take loads it."""
    await any_backend.call(register())
    name = next(f"i{n}" for n in range(99) if start(f"i{n}", any_backend.hub.partitions).partition == 0)
    wait = asyncio.create_task(any_backend.wait_for_tasks(0, WORKER, BOTH, LONG))
    await asyncio.sleep(0.05)
    assert not wait.done()
    await any_backend.call(start(name, any_backend.hub.partitions))
    (entry,) = await wait
    assert entry.partition == 0
    (task,) = (await any_backend.call(take(entries=(entry,), room=0))).tasks
    assert task.instance == name


async def test_a_wait_without_a_task_ends_at_its_time(any_backend: Backend) -> None:
    """Nothing comes: an empty answer, and the next wait is as good."""
    await any_backend.call(register())
    for _ in range(3):
        assert list(await any_backend.wait_for_tasks(0, WORKER, BOTH, SOON)) == []


async def test_a_wait_listens_to_the_subscribed_queues_alone(any_backend: Backend) -> None:
    """Work of another queue is left to others."""
    eu = Subscription(workflow_queues=("eu",))
    await any_backend.call(register(subscription=eu))
    name = next(f"i{n}" for n in range(99) if start(f"i{n}", any_backend.hub.partitions).partition == 0)
    await any_backend.call(start(name, any_backend.hub.partitions))
    assert list(await any_backend.wait_for_tasks(0, WORKER, eu, SOON)) == []
    await any_backend.call(start(f"{name}-eu", 1, queue="eu"))
    assert len(await any_backend.wait_for_tasks(0, WORKER, eu, LONG)) == 1


async def test_a_canceled_wait_is_over_for_redis_too(own: Backend, redis_server: EmbeddedServer) -> None:
    """A read that nobody waits for takes no task from others: the connection is hung up."""
    wait = asyncio.create_task(own.wait_for_tasks(0, WORKER, BOTH, LONG))
    await blocked(own, redis_server)
    wait.cancel()
    with pytest.raises(asyncio.CancelledError):
        await wait
    with redis.Redis.from_url(redis_server.url) as other:
        await until(lambda: int(other.info("clients")["blocked_clients"]) == 0)
    await own.call(start("x"))
    assert len((await own.call(take())).tasks) == 1


async def test_waits_reuse_their_connections(own: Backend, redis_server: EmbeddedServer) -> None:
    """A worker that waits again and again makes no new connection each time, and many waits keep only some [P10]."""
    for _ in range(20):
        await own.wait_for_tasks(0, WORKER, BOTH, SOON)
    with redis.Redis.from_url(redis_server.url) as other:
        assert ours(other) == 2
        await asyncio.gather(*(own.wait_for_tasks(0, WORKER, BOTH, SOON) for _ in range(2 * waiting.IDLE)))
        await until(lambda: ours(other) <= 1 + waiting.IDLE)


async def test_a_registered_worker_gets_lost_streams_back(own: Backend, redis_server: EmbeddedServer) -> None:
    """Streams that someone deleted are made anew, and the next wait works."""
    with redis.Redis.from_url(redis_server.url) as other:
        for name, of in (("worker", WORKER), ("workflows", QUEUE), ("activities", QUEUE)):
            other.delete(key("default", 0, name, of))
    assert list(await own.wait_for_tasks(0, WORKER, BOTH, SOON)) == []
    wait = asyncio.create_task(own.wait_for_tasks(0, WORKER, BOTH, LONG))
    await blocked(own, redis_server)
    await own.call(start("x"))
    assert len(await wait) == 1


async def test_streams_that_go_in_mid_wait_are_no_failover(own: Backend, redis_server: EmbeddedServer) -> None:
    """A registered worker gets them back, and nobody doubts that the server is the master [P6]."""
    wait = asyncio.create_task(own.wait_for_tasks(0, WORKER, BOTH, timedelta(seconds=2)))
    await blocked(own, redis_server)
    with redis.Redis.from_url(redis_server.url) as other:
        other.delete(key("default", 0, "worker", WORKER))
    assert list(await wait) == []
    await own.wait_for_tasks(0, WORKER, BOTH, SOON)
    with redis.Redis.from_url(redis_server.url) as other:
        assert other.exists(key("default", 0, "worker", WORKER))


async def test_a_worker_that_is_not_registered_makes_no_streams(
    own: Backend, redis_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was declared dead is held back a moment, and leaves nothing behind: its renewal will tell it [P10]."""
    monkeypatch.setattr(waiting, "PAUSE", 0.05)
    await own.call(Unregister(partition=0, worker=WORKER))
    loop = asyncio.get_running_loop()
    before = loop.time()
    assert list(await own.wait_for_tasks(0, WORKER, BOTH, LONG)) == []
    assert loop.time() - before >= 0.04
    with redis.Redis.from_url(redis_server.url) as other:
        assert not other.exists(key("default", 0, "worker", WORKER))


async def test_a_lost_server_ends_the_wait(own: Backend, redis_server: EmbeddedServer) -> None:
    """A worker that is blocked hears of a crash at once, and waits again when the server is back."""
    wait = asyncio.create_task(own.wait_for_tasks(0, WORKER, BOTH, LONG))
    await blocked(own, redis_server)
    redis_server.kill()
    with pytest.raises(BackendUnavailable, match=r"redis\.sock"):
        await wait
    with pytest.raises(BackendUnavailable, match=r"redis\.sock"):
        await own.wait_for_tasks(0, WORKER, BOTH, LONG)
    redis_server.start()
    assert list(await own.wait_for_tasks(0, WORKER, BOTH, SOON)) == []


async def test_an_idle_connection_that_broke_is_not_used_again(own: Backend, redis_server: EmbeddedServer) -> None:
    """A restart between two waits is not noticed."""
    await own.wait_for_tasks(0, WORKER, BOTH, SOON)
    redis_server.restart()
    for _ in range(3):
        await asyncio.sleep(0)
    assert list(await own.wait_for_tasks(0, WORKER, BOTH, SOON)) == []


async def test_closing_the_backend_ends_its_waits(own: Backend, redis_server: EmbeddedServer) -> None:
    """Nobody is left blocked."""
    await own.wait_for_tasks(0, WORKER, BOTH, SOON)
    wait = asyncio.create_task(own.wait_for_tasks(0, WORKER, BOTH, LONG))
    await blocked(own, redis_server)
    await own.close()
    with pytest.raises(BackendUnavailable, match="closed"):
        await wait


async def test_a_master_that_becomes_a_replica_ends_the_wait(own: Backend, redis_server: EmbeddedServer) -> None:
    """After a failover a worker does not stay deaf: it is told to look for the master."""
    await own.wait_for_tasks(0, WORKER, BOTH, SOON)
    wait = asyncio.create_task(own.wait_for_tasks(0, WORKER, BOTH, LONG))
    await blocked(own, redis_server)
    with redis.Redis.from_url(redis_server.url) as other:
        other.replicaof("127.0.0.1", "1")
        with pytest.raises(BackendUnavailable, match="no master any more"):
            await wait
        with pytest.raises(BackendUnavailable, match="no master any more"):
            await own.wait_for_tasks(0, WORKER, BOTH, LONG)
        with pytest.raises(BackendUnavailable, match="read-only replica"):
            await own.call(Take(partition=0, worker=WORKER, subscription=BOTH, workflow_room=1, activity_room=0))
        other.replicaof("NO", "ONE")
    assert list(await own.wait_for_tasks(0, WORKER, BOTH, SOON)) == []


async def test_what_is_no_stream_is_an_error_with_its_command(own: Backend, redis_server: EmbeddedServer) -> None:
    """A key that someone overwrote is named, not waited for."""
    with redis.Redis.from_url(redis_server.url) as other:
        other.set(key("default", 0, "workflows", QUEUE), "nonsense")
        with pytest.raises(BackendError, match="XREADGROUP"):
            await own.wait_for_tasks(0, WORKER, BOTH, SOON)
        other.delete(key("default", 0, "worker", WORKER))
        other.delete(key("default", 0, "workers"))
        other.set(key("default", 0, "workers"), "nonsense")
        other.delete(key("default", 0, "workflows", QUEUE))
        with pytest.raises(BackendError, match=r"create_groups\.lua"):
            await own.wait_for_tasks(0, WORKER, BOTH, SOON)
