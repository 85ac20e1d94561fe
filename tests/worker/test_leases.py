"""Leases: kept by a thread whatever the loop does; when one is lost, all of it is let go."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from rqflow.authoring.activity_face import activity
from rqflow.authoring.workflow_face import workflow
from rqflow.backend.calls.call import Call
from rqflow.backend.calls.hubs import ReadStats
from rqflow.converters.json import load_json
from rqflow.errors import ActivityTimedOut, BackendUnavailable
from rqflow.testing.passing import PassingSyncBackend
from tests.worker.ground import Ground, settled, vanish

began: dict[str, list[str]] = {}
gates: dict[str, asyncio.Event] = {}
LEASE = timedelta(seconds=0.6)


@activity
async def blocks(key: str) -> str:
    began.setdefault(key, []).append("begun")
    time.sleep(1.5)  # noqa: ASYNC251 (what user code does)
    return "done"


@activity(timeout=timedelta(milliseconds=100))
async def blocks_past_its_time(key: str) -> str:
    began.setdefault(key, []).append("begun")
    time.sleep(3)  # noqa: ASYNC251
    return "done"


@activity
async def hold(key: str) -> str:
    began.setdefault(key, []).append("begun")
    try:
        await gates[key].wait()
    except asyncio.CancelledError:
        began[key].append("stopped")
        raise
    return "held"


@workflow
async def run_blocks(key: str) -> str:
    return await blocks(key)


@workflow
async def run_past(key: str) -> str:
    try:
        return await blocks_past_its_time(key)
    except ActivityTimedOut:
        return f"timed out at {workflow.now().timestamp()}"


@workflow
async def run_hold(key: str) -> str:
    return await hold(key)


def fresh() -> str:
    key = uuid4().hex
    gates[key] = asyncio.Event()
    return key


class Cut(PassingSyncBackend):
    """A blocking backend whose line can be cut."""

    cut = False

    def send(self, calls: Sequence[Call[Any]]) -> list[Any]:
        if self.cut:
            raise BackendUnavailable("cut")
        return self._inner.send(calls)

    def call(self, call: Call[Any]) -> Any:
        return self._inner.call(call)


async def test_code_that_blocks_the_loop_loses_no_lease(ground: Ground) -> None:
    """Two and a half leases long nothing but the thread speaks; the other worker does not take over."""
    key = fresh()
    async with ground.worker(run_blocks, blocks, lease=LEASE):
        assert await ground.result(await ground.start(run_blocks, key)) == "done"
    assert began[key] == ["begun"]


async def test_an_attempt_past_its_time_is_given_up_even_if_the_loop_is_blocked(redis_url: str, ground: Ground) -> None:
    """The thread tells the store, a second after the limit; the activity would have blocked for three."""
    key = fresh()
    async with ground.worker(run_past, blocks_past_its_time, lease=timedelta(seconds=3)):
        begun = time.time()
        ended = float((await ground.result(await ground.start(run_past, key))).rpartition(" ")[2])
    assert ended - begun < 2.9


async def test_p3_a_worker_that_cannot_renew_lets_all_go_and_comes_back_as_another(
    ground: Ground, caplog: pytest.LogCaptureFixture
) -> None:
    """[P3] Its activities are stopped, another worker does them, and it serves again under a new id."""
    key = fresh()
    leases = Cut(ground.leases)
    cut = Ground(ground.backend, leases)
    async with cut.worker(run_hold, hold, lease=LEASE) as first:
        instance, before = await ground.start(run_hold, key), first.standing.id
        await settled(lambda: began.get(key) == ["begun"])
        async with ground.worker(run_hold, hold, lease=LEASE):
            leases.cut = True
            await settled(lambda: began[key].count("begun") == 2)
            await settled(lambda: "stopped" in began[key])
            leases.cut = False
            gates[key].set()
            assert await ground.result(instance) == "held"
        await settled(lambda: first.standing.registered.is_set() and first.standing.id != before)
        other = fresh()
        gates[other].set()
        assert await ground.result(await ground.start(run_hold, other)) == "held"
    assert any("is lost" in record.getMessage() for record in caplog.records)


async def test_p6_a_worker_that_vanishes_is_taken_over_after_its_lease(ground: Ground) -> None:
    """[P6] It says nothing more; what it held, activity and sticky instance, is done by another."""
    key = fresh()
    first = ground.worker(run_hold, hold, lease=LEASE)
    running = asyncio.get_running_loop().create_task(first.run())
    instance = await ground.start(run_hold, key)
    await settled(lambda: began.get(key) == ["begun"])
    vanish(first)
    running.cancel()
    await asyncio.wait((running,))
    gates[key].set()
    begun = time.monotonic()
    async with ground.worker(run_hold, hold, lease=LEASE):
        assert await ground.result(instance) == "held"
    assert time.monotonic() - begun < 5
    assert (await ground.describe(instance)).history_length == 4


async def test_stats_show_what_a_worker_does(ground: Ground) -> None:
    """Told with each renewal."""
    key = fresh()
    async with ground.worker(run_hold, hold, lease=LEASE, name="ann"):
        await ground.start(run_hold, key)

        def shown() -> dict[str, Any]:
            (worker,) = ground.leases.call(ReadStats(partition=0)).workers
            assert worker.record.name == "ann"
            assert worker.lease_ms <= 600
            found: dict[str, Any] = load_json(worker.stats) if worker.stats else {}
            return found

        await settled(lambda: shown().get("running") == 1)
        assert shown()["turns"] == 1
        gates[key].set()
