"""Reconnect: Redis goes away and comes back; a worker keeps what it has and loses nothing."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest
import redis

from rqflow.authoring.activity_face import activity
from rqflow.authoring.workflow_face import workflow
from rqflow.backend.opening import create_hub, open_backend, open_sync_backend
from rqflow.backend.redis.embedded import EmbeddedServer
from rqflow.core.events import ActivityCompleted
from rqflow.worker import registration
from tests.worker.ground import Ground, settled

began: dict[str, int] = {}
gates: dict[str, asyncio.Event] = {}


@activity
async def step(key: str, value: int) -> int:
    began[key] = began.get(key, 0) + 1
    if key in gates:
        await gates[key].wait()
    return value


@workflow
async def steps(key: str, count: int) -> int:
    total = 0
    for n in range(count):
        total += await step(key, n)
        await asyncio.sleep(0.01)
    return total


@workflow
async def nap(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "awake"


@pytest.fixture(params=[1, 4], ids=["P1", "P4"])
async def durable(redis_server: EmbeddedServer, request: pytest.FixtureRequest) -> AsyncIterator[Ground]:
    """A hub on a server of this test's own."""
    create_hub(redis_server.url, "durable", partitions=request.param)
    backend = await open_backend(redis_server.url, "durable")
    leases = open_sync_backend(redis_server.url, "durable")
    yield Ground(backend, leases)
    leases.close()
    await backend.close()


async def test_p1_redis_is_killed_and_restarted_while_runs_are_under_way(
    durable: Ground, redis_server: EmbeddedServer, caplog: pytest.LogCaptureFixture
) -> None:
    """[P1] With its append-only file nothing is lost; each result is applied once; the log says it once."""
    keys = [uuid4().hex for _ in range(6)]
    async with durable.worker(steps, step, lease=timedelta(seconds=20)):
        instances = [await durable.start(steps, key, 20) for key in keys]
        await settled(lambda: sum(began.get(key, 0) for key in keys) > 12)
        await asyncio.to_thread(redis_server.kill)
        await asyncio.sleep(0.3)
        await asyncio.to_thread(redis_server.start)
        assert [await durable.result(instance) for instance in instances] == [190] * 6
        for instance in instances:
            done = [event for event in await durable.events(instance) if isinstance(event, ActivityCompleted)]
            assert sorted({event.id for event in done}) == sorted(event.id for event in done)
    told = [record.getMessage() for record in caplog.records if "store" in record.getMessage()]
    assert sum("does not answer" in each for each in told) == 1
    assert sum("answers again" in each for each in told) == 1


async def test_an_activity_that_ends_while_redis_is_away_is_told_when_it_is_back(
    durable: Ground, redis_server: EmbeddedServer
) -> None:
    """It is not run again: the worker kept its result, and its lease."""
    key = uuid4().hex
    gates[key] = asyncio.Event()
    async with durable.worker(steps, step, lease=timedelta(seconds=20)):
        instance = await durable.start(steps, key, 1)
        await settled(lambda: began.get(key) == 1)
        await asyncio.to_thread(redis_server.kill)
        gates[key].set()
        await asyncio.sleep(0.2)
        await asyncio.to_thread(redis_server.start)
        assert await durable.result(instance) == 0
    assert began[key] == 1


async def test_an_outage_longer_than_the_lease_costs_attempts_but_no_run(
    durable: Ground, redis_server: EmbeddedServer
) -> None:
    """The worker cannot know who has its tasks by now: it lets go, and begins anew."""
    key = uuid4().hex
    gates[key] = asyncio.Event()
    async with durable.worker(steps, step, lease=timedelta(seconds=0.5)):
        instance = await durable.start(steps, key, 1)
        await settled(lambda: began.get(key) == 1)
        await asyncio.to_thread(redis_server.kill)
        await asyncio.sleep(1.2)
        await asyncio.to_thread(redis_server.start)
        gates[key].set()
        assert await durable.result(instance) == 0


async def test_p10_what_is_due_while_redis_is_full_makes_no_busy_loop(
    durable: Ground, redis_server: EmbeddedServer, caplog: pytest.LogCaptureFixture
) -> None:
    """[P10] Then timers and sweeps are refused, and taking tasks is not: it is tried now and then, and told once."""

    def sent() -> int:
        return int(other.info("commandstats")["cmdstat_evalsha"]["calls"])

    with redis.Redis.from_url(redis_server.url) as other:
        async with durable.worker(nap):
            instance = await durable.start(nap, 0.5)
            await durable.grown(instance, 2)
            other.config_set("maxmemory", 1)
            await settled(lambda: "what is due fails" in caplog.text)
            before = sent()
            await asyncio.sleep(1)
            assert sent() - before < 200
            other.config_set("maxmemory", 0)
            assert await durable.result(instance) == "awake"
    assert caplog.text.count("what is due fails") == 1


async def test_a_worker_that_leaves_a_silent_redis_does_not_wait_for_it_and_says_why(
    durable: Ground, redis_server: EmbeddedServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis is there and says nothing: the worker's lease ends by itself."""
    monkeypatch.setattr(registration, "LEAVE_WAIT", 0.2)
    worker = durable.worker(steps, step, lease=timedelta(minutes=2), sweep=timedelta(minutes=1))
    async with worker:
        await durable.result(await durable.start(steps, uuid4().hex, 1))
        with redis.Redis.from_url(redis_server.url) as other:
            # Each of its partitions has nothing to say, and waits.
            await settled(lambda: other.info("clients")["blocked_clients"] == durable.backend.hub.partitions)
        os.kill(redis_server.pid, signal.SIGSTOP)
        try:
            worker.stop()
            await settled(lambda: "its lease will end" in caplog.text)
        finally:
            os.kill(redis_server.pid, signal.SIGCONT)
    assert "did not hear that this worker left; its lease will end: no answer within 0.2 seconds" in caplog.text
