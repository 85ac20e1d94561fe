"""Notices: those who wait are told what they wait for, and believe nothing that may not be so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Any

import pytest
import redis

from rqflow.backend.calls.instances import Outcome
from rqflow.backend.memory.backend import MemoryBackend, SyncMemoryBackend
from rqflow.backend.memory.store import MemoryStore
from rqflow.backend.protocol import SyncWatch, Watch
from rqflow.backend.redis.embedded import EmbeddedServer
from rqflow.backend.redis.keys import key
from rqflow.client.asynchronous import AsyncClient
from rqflow.client.options import ClientOptions
from rqflow.client.sync import Client
from rqflow.errors import WorkflowTerminated
from tests.client.face import Face
from tests.client.faults import BreakingBackend, BreakingSyncBackend, Faults

NEVER = ClientOptions(poll=timedelta(hours=1))
"""For one who does not look by himself in the time of a test."""
CHANNEL = key("default", 0, "changed", "order-1")


@pytest.fixture
def server(redis_server: EmbeddedServer) -> Iterator[redis.Redis]:
    """A server of this test's own, as somebody else sees it."""
    with redis.Redis.from_url(redis_server.url) as client:
        yield client


@pytest.fixture(params=["sync", "async"])
async def face(request: pytest.FixtureRequest, redis_server: EmbeddedServer) -> AsyncIterator[Face]:
    """A client of either kind of that server."""
    cls = Client if request.param == "sync" else AsyncClient
    face = Face(cls(redis_server.url, options=NEVER))
    yield face
    await face.close()


async def until_it_has_looked(server: redis.Redis, scripts: int) -> None:
    """Until somebody listens, and so many scripts have been run: the last is his first look."""
    for _ in range(20_000):
        if server.pubsub_numsub(CHANNEL)[0][1] and scripts_run(server) >= scripts:
            return
        await asyncio.sleep(0.001)
    raise AssertionError("nobody waits")


def scripts_run(server: redis.Redis) -> int:
    """How many scripts the server has carried out."""
    found = server.info("commandstats").get("cmdstat_evalsha", {"calls": 0, "failed_calls": 0})
    return int(found["calls"] - found["failed_calls"])


async def test_an_end_is_told_with_what_it_is(face: Face, server: redis.Redis) -> None:
    """[A10] Who waits is not only woken: the notice says what the end is, and nothing is read after it."""
    handle = await face.start("checkout", id="order-1")
    waiting = asyncio.create_task(face.on(handle, "result", timeout=50))
    await until_it_has_looked(server, 2)
    await face.do("terminate", "order-1", "enough")
    with pytest.raises(WorkflowTerminated, match="enough"):
        await waiting
    assert scripts_run(server) == 3, "the start, a look, the end"


async def test_an_end_that_is_told_again_and_again_is_one_end(face: Face, server: redis.Redis) -> None:
    """By id too; and one who asks afterwards is not told of it by notices."""
    await face.start("checkout", id="order-1")
    waiting = asyncio.create_task(face.do("result", "order-1", timeout=50))
    await until_it_has_looked(server, 2)
    with server.pubsub() as listening:  # type: ignore[no-untyped-call]
        listening.subscribe(CHANNEL)
        await face.do("terminate", "order-1", "enough")
        while (found := listening.get_message(timeout=1)) is None or found["type"] != "message":
            pass
    for _ in range(3):
        server.publish(CHANNEL, found["data"])
    for again in (waiting, face.do("result", "order-1", timeout=50)):
        with pytest.raises(WorkflowTerminated, match="enough"):
            await again


async def test_notices_that_are_spoiled_or_old_are_not_believed(face: Face, server: redis.Redis) -> None:
    """An end of another run, one that cannot be read, one that is none: each has the waiter look, and wait on."""
    handle = await face.start("checkout", id="order-1")
    of_another = b"completed 0123456789abcdef0123456789abcdef 7"
    of_it = f"running {handle.run} 7".encode()
    for anyone in (face.on(handle, "result", timeout=50), face.do("result", "order-1", timeout=50)):
        seen = scripts_run(server)
        waiting = asyncio.create_task(anyone)
        await until_it_has_looked(server, seen + 1)
        for number, strange in enumerate([of_another, of_it, b"", b"\x00\xff", b"completed", b"7" * 100_000], 2):
            server.publish(CHANNEL, strange)
            await until_it_has_looked(server, seen + number)
        assert not waiting.done()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    await face.do("terminate", "order-1", "enough")


async def test_databases_of_one_server_do_not_hear_of_each_others_ends(
    face: Face, server: redis.Redis, redis_server: EmbeddedServer
) -> None:
    """Channels know no databases: the same hub, id and request id in another one are not what is waited for."""
    other_url = f"{redis_server.url}?db=1"
    async with AsyncClient(other_url) as other:
        handle = await face.start("checkout", id="order-1", request_id="click-7")
        await other.start("checkout", id="order-1", request_id="click-7")
        waiting = asyncio.create_task(face.on(handle, "result", timeout=50))
        await until_it_has_looked(server, 3)
        await other.terminate("order-1", "there")
        await face.do("terminate", "order-1", "here")
        with pytest.raises(WorkflowTerminated, match="here"):
            await waiting


class _Deaf:
    """A watch of which every notice is lost."""

    ended: Outcome | None = None


class _DeafWatch(_Deaf):
    async def wait(self, timeout: float) -> bool:
        await asyncio.sleep(timeout)
        return False


class _DeafSyncWatch(_Deaf):
    def wait(self, timeout: float) -> bool:
        time.sleep(timeout)
        return False


class _DeafBackend(BreakingBackend):
    def watch(self, instance: str) -> AbstractAsyncContextManager[Watch]:
        @asynccontextmanager
        async def watching() -> AsyncIterator[Watch]:
            yield _DeafWatch()

        return watching()


class _DeafSyncBackend(BreakingSyncBackend):
    def watch(self, instance: str) -> AbstractContextManager[SyncWatch]:
        @contextmanager
        def watching() -> Iterator[SyncWatch]:
            yield _DeafSyncWatch()

        return watching()


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_an_end_whose_notice_is_lost_is_found_by_the_slow_poll(kind: str) -> None:
    """[B10] Nobody waits for ever for what was not told."""
    store, faults, options = MemoryStore(), Faults(), ClientOptions(poll=timedelta(seconds=0.02))
    client: Any
    if kind == "sync":
        client = Client(backend=_DeafSyncBackend(SyncMemoryBackend(store), faults), options=options)
    else:
        client = AsyncClient(backend=_DeafBackend(MemoryBackend(store), faults), options=options)
    face = Face(client)
    handle = await face.start("checkout", id="order-1")
    waiting = asyncio.create_task(face.on(handle, "result", timeout=50))
    await face.do("terminate", "order-1", "enough")
    with pytest.raises(WorkflowTerminated, match="enough"):
        await waiting
    await face.close()
