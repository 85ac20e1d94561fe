"""On Redis: how many connections a crowd of waiters needs, and what a restart of the server does to clients."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import redis

from rqflow.backend.redis.embedded import EmbeddedServer
from rqflow.client.asynchronous import AsyncClient
from rqflow.client.options import ClientOptions
from rqflow.client.starting import Request
from rqflow.client.sync import Client
from rqflow.errors import BackendUnavailable, WorkflowTerminated
from tests.client.conftest import Place
from tests.client.face import Face

CROWD = 1_000
FEW = 20
"""Connections that a client may have, whatever it does."""


def connections(url: str) -> int:
    """How many the server counts, our own look not included."""
    with redis.Redis.from_url(url) as looking:
        return len(looking.client_list()) - 1


async def test_p10_a_thousand_waiters_share_a_few_connections(redis_place: Place) -> None:
    """[P10] Each waits for another instance; all are told of its end, none by the slow poll."""
    before = connections(redis_place.url)
    async with AsyncClient(redis_place.url, hub=redis_place.hub) as client:
        await client.start_many([Request.of("checkout", id=f"order-{n}") for n in range(CROWD)])
        waiting = [asyncio.create_task(client.result(f"order-{n}", timeout=50)) for n in range(CROWD)]
        counts = []
        for n in range(CROWD):
            await client.terminate(f"order-{n}")
            if n % 50 == 0:
                counts.append(await asyncio.to_thread(connections, redis_place.url))
        ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(end) for end in ends} == {WorkflowTerminated}
    assert max(counts) - before <= FEW


def test_p10_a_crowd_of_waiting_threads_shares_a_few_connections(redis_place: Place) -> None:
    """[P10] The blocking client's twin of the promise, with as many threads as a busy web server has."""
    threads = 100
    before = connections(redis_place.url)
    counts = []
    entered = threading.Barrier(threads + 1)

    def wait_for(number: int) -> str:
        entered.wait(30)
        try:
            client.result(f"order-{number}", timeout=40)
        except WorkflowTerminated as error:
            return type(error).__name__
        return "no end"

    with Client(redis_place.url, hub=redis_place.hub) as client, ThreadPoolExecutor(threads) as pool:
        client.start_many([Request.of("checkout", id=f"order-{n}") for n in range(threads)])
        waiting = [pool.submit(wait_for, number) for number in range(threads)]
        entered.wait(30)
        for n in range(threads):
            client.terminate(f"order-{n}")
            counts.append(connections(redis_place.url))
        assert {done.result(40) for done in waiting} == {"WorkflowTerminated"}
    assert max(counts) - before <= FEW


@pytest.fixture(params=["sync", "async"])
async def away(request: pytest.FixtureRequest, redis_server: EmbeddedServer) -> AsyncIterator[Face]:
    """A client of a server that is going to be killed."""
    cls = Client if request.param == "sync" else AsyncClient
    face = Face(cls(redis_server.url))
    yield face
    await face.close()


async def test_a_client_outlasts_a_restart_of_redis(away: Face, redis_server: EmbeddedServer) -> None:
    """Orders and reads given while it is away are carried out when it is back, once."""
    await away.start("checkout", id="before")
    await asyncio.to_thread(redis_server.kill)
    start = asyncio.create_task(away.start("checkout", id="during"))
    signal = asyncio.create_task(away.do("signal", "before", "approve"))
    await asyncio.to_thread(redis_server.start)
    assert (await start).created
    await signal
    assert (await away.do("describe", "before")).inbox_length == 2
    assert len(await away.do("list")) == 2


async def test_waiters_outlast_a_restart_of_redis(away: Face, redis_server: EmbeddedServer) -> None:
    """[P1] Who waited before it is told of what happens after it."""
    handle = await away.start("checkout", id="before")
    waiting = asyncio.create_task(away.on(handle, "result", timeout=50))
    watching = asyncio.create_task(away.on(handle, "watch", timeout=50))
    await away.do("describe", "before")
    await asyncio.to_thread(redis_server.restart)
    assert await away.do("terminate", "before", "enough")
    with pytest.raises(WorkflowTerminated, match="enough"):
        await waiting
    assert (await watching)[-1].status == "terminated"


async def test_a_redis_that_stays_away_is_told_as_unavailable(redis_server: EmbeddedServer) -> None:
    """After retry_for, with one error; when it is back the same client works."""

    async with AsyncClient(redis_server.url, options=ClientOptions(retry_for=timedelta(seconds=0.2))) as client:
        await client.start("checkout", id="before")
        await asyncio.to_thread(redis_server.kill)
        with pytest.raises(BackendUnavailable):
            await client.start("checkout", id="during")
        await asyncio.to_thread(redis_server.start)
        assert (await client.start("checkout", id="after")).created
