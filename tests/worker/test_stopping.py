"""Stopping: a worker that is asked to leave finishes, hands over and gives back; a burst leaves by itself."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from rqflow.authoring.activity_face import activity
from rqflow.authoring.workflow_face import workflow
from rqflow.backend.calls.hubs import ReadStats
from rqflow.core.options import Retry
from tests.worker.ground import Ground, settled

began: dict[str, list[Any]] = {}
gates: dict[str, asyncio.Event] = {}


@activity
async def hold(key: str) -> str:
    began.setdefault(key, []).append(activity.info().attempt)
    await gates[key].wait()
    return "held"


@activity
async def double(value: int) -> int:
    return value * 2


@activity(retry=Retry(initial=timedelta(milliseconds=300), jitter=0))
async def fails_once(key: str) -> int:
    began.setdefault(key, []).append(1)
    if len(began[key]) == 1:
        raise OSError("once")
    return len(began[key])


@workflow
async def holds(key: str) -> str:
    return await hold(key)


@workflow
async def waits(value: int) -> int:
    await workflow.receive("go")
    return await double(value)


@workflow
async def naps(value: int) -> int:
    await asyncio.sleep(0.2)
    return await double(value)


@workflow
async def nests(count: int) -> int:
    return sum(await asyncio.gather(*(naps(n) for n in range(count))))


@workflow
async def retries(key: str) -> int:
    return await fails_once(key)


def fresh() -> str:
    key = uuid4().hex
    gates[key] = asyncio.Event()
    return key


async def test_a_draining_worker_finishes_its_activities(ground: Ground) -> None:
    """The first signal waits for what runs, and its result is told."""
    key = fresh()
    async with ground.worker(holds, hold) as worker:
        instance = await ground.start(holds, key)
        await settled(lambda: began.get(key) == [1])
        worker.stop()
        asyncio.get_running_loop().call_later(0.1, gates[key].set)
    async with ground.worker(holds, hold):
        assert await ground.result(instance) == "held"
    assert began[key] == [1]


async def test_a_draining_worker_takes_nothing_new_but_ends_the_turns_it_holds(ground: Ground) -> None:
    """News of an instance that is sticky here is turned here; a new instance waits for another worker."""
    key = fresh()
    async with ground.worker(holds, hold, waits, double) as worker:
        busy, sticky = await ground.start(holds, key), await ground.start(waits, 4)
        await settled(lambda: began.get(key) == [1] and worker.desk.turns.turned >= 2)
        worker.stop()
        await settled(lambda: worker.standing.draining)
        new = await ground.start(waits, 5)
        await ground.signal(sticky, "go")
        async with ground.worker(waits, double):
            await ground.signal(new, "go")
            assert await ground.result(sticky) == 8
            assert await ground.result(new) == 10
        gates[key].set()
    async with ground.worker(holds, hold):
        assert await ground.result(busy) == "held"
    assert began[key] == [1]


async def test_p6_a_stopped_worker_hands_over_within_a_tenth_of_a_second(ground: Ground) -> None:
    """[P6] Its instances and its running activities go to another worker at once, not when its lease ends."""
    key = fresh()
    async with ground.worker(holds, hold, waits, double) as first:
        busy, sticky = await ground.start(holds, key), await ground.start(waits, 4)
        await settled(lambda: began.get(key) == [1] and first.desk.turns.turned >= 2)
        async with ground.worker(holds, hold, waits, double):
            first.stop(now=True)
            await settled(lambda: first.standing.left)
            stopped = time.monotonic()
            await settled(lambda: len(began[key]) == 2)
            await ground.signal(sticky, "go")
            gates[key].set()
            assert await ground.result(sticky) == 8
            assert await ground.result(busy) == "held"
            took = time.monotonic() - stopped
    assert took < 3, f"{took:.2f} s: a lease is ten seconds"
    assert began[key] == [1, 1], "what was given back counts as no attempt"


async def test_a_drain_ends_at_its_limit(memory_ground: Ground) -> None:
    """An activity that does not end is stopped and given back."""
    key = fresh()
    begun = time.monotonic()
    async with memory_ground.worker(holds, hold, drain_timeout=timedelta(milliseconds=50)):
        await memory_ground.start(holds, key)
        await settled(lambda: began.get(key) == [1])
    assert time.monotonic() - begun < 5


async def test_a_worker_that_left_is_not_listed(ground: Ground) -> None:
    """Neither its record nor its streams stay."""
    async with ground.worker(waits, double):
        assert len(ground.leases.call(ReadStats(partition=0)).workers) == 1
    assert ground.leases.call(ReadStats(partition=0)).workers == ()


async def test_a_burst_leaves_when_all_is_done(ground: Ground) -> None:
    """Timers and retries that are due soon are waited for, children in other partitions too."""
    key = fresh()
    instances = [await ground.start(naps, 3), await ground.start(nests, 6), await ground.start(retries, key)]
    async with asyncio.timeout(20):
        await ground.worker(naps, nests, retries, double, fails_once, burst=True).run()
    assert [await ground.result(instance) for instance in instances] == [6, 30, 2]


async def test_a_burst_on_an_empty_hub_leaves_at_once(ground: Ground) -> None:
    """And does not wait for what is far ahead."""
    await ground.worker(waits, double, burst=True).run()
    await ground.start(waits, 1)
    begun = time.monotonic()
    await ground.worker(waits, double, burst=True).run()
    assert time.monotonic() - begun < 5


async def test_a_worker_that_cannot_begin_says_why(memory_ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error comes from entering, and nothing is left running."""
    worker = memory_ground.worker(waits)
    monkeypatch.setattr(worker, "_registration", None)
    with pytest.raises(AttributeError):
        async with worker:
            pass
