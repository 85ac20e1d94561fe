"""Taking: only what there is room for, in the order of the queues, and nothing is lost on the way."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from rqflow.authoring.activity_face import activity
from rqflow.authoring.workflow_face import workflow
from rqflow.backend.calls.hubs import ReadStats
from tests.worker.ground import Ground, settled, vanish

began: dict[str, list[Any]] = {}
gates: dict[str, asyncio.Event] = {}


@activity
async def hold(key: str, value: int) -> int:
    began.setdefault(key, []).append(value)
    await gates[key].wait()
    return value


@workflow
async def holds(key: str, count: int) -> int:
    return sum(await asyncio.gather(*(hold(key, n) for n in range(count))))


@activity
async def mark(key: str, queue: str) -> None:
    began.setdefault(key, []).append(queue)


@workflow
async def marks(key: str, queues: list[str]) -> int:
    await asyncio.gather(*(mark.options(queue=queue)(key, queue) for queue in queues))
    return len(queues)


@workflow
async def on_queue(key: str, queue: str) -> str:
    began.setdefault(key, []).append(queue)
    return queue


def fresh() -> str:
    key = uuid4().hex
    gates[key] = asyncio.Event()
    return key


def queued(ground: Ground) -> int:
    stats = [ground.leases.call(ReadStats(partition=n)) for n in range(ground.backend.hub.partitions)]
    return sum(queue.activities_queued for each in stats for queue in each.queues)


def due(ground: Ground) -> int:
    return sum(ground.leases.call(ReadStats(partition=n)).due for n in range(ground.backend.hub.partitions))


async def test_a_worker_leases_no_more_activities_than_it_has_slots(ground: Ground) -> None:
    """Ten are scheduled, three run here, seven stay queued for others."""
    key = fresh()
    async with ground.worker(holds, hold, activity_slots=3):
        instance = await ground.start(holds, key, 10)
        await settled(lambda: len(began.get(key, ())) == 3)
        await settled(lambda: queued(ground) == 7)
        async with ground.worker(hold, activity_slots=4, workflows=False):
            await settled(lambda: len(began[key]) == 7)
            gates[key].set()
            assert await ground.result(instance) == 45
    assert sorted(began[key]) == list(range(10))


@pytest.mark.parametrize("slots", [1, 2])
async def test_p1_a_worker_on_several_queues_loses_no_task_when_one_read_brings_several(
    ground: Ground, slots: int
) -> None:
    """[P1] Few slots, five queues, tasks on all of them at once: the surplus goes back and is done."""
    queues = [f"q{n}" for n in range(5)]
    async with ground.worker(marks, mark, queues=("default", *queues), activity_slots=slots):
        keys = [fresh() for _ in range(4)]
        instances = [await ground.start(marks, key, queues * 4) for key in keys]
        assert [await ground.result(instance) for instance in instances] == [20] * 4
    assert all(sorted(began[key]) == sorted(queues * 4) for key in keys)


async def test_an_earlier_queue_is_served_before_a_later_one(memory_ground: Ground) -> None:
    """RQ's order: all of `urgent` comes before anything of `default`."""
    key = fresh()
    for n in range(6):
        await memory_ground.start(
            on_queue, key, "default" if n % 2 else "urgent", queue="default" if n % 2 else "urgent"
        )
    if memory_ground.backend.hub.partitions > 1:
        pytest.skip("the order holds in each partition by itself")
    async with memory_ground.worker(on_queue, queues=("urgent", "default")):
        await settled(lambda: len(began.get(key, ())) == 6)
    assert began[key] == ["urgent"] * 3 + ["default"] * 3


async def test_workflow_and_activity_workers_share_the_work(ground: Ground) -> None:
    """Each takes only its kind."""
    key = fresh()
    gates[key].set()
    async with ground.worker(holds, activities=False) as first, ground.worker(hold, workflows=False) as second:
        assert await ground.result(await ground.start(holds, key, 5)) == 10
        assert (first.desk.activities.finished, second.desk.turns.turned) == (0, 0)


async def test_timers_fire_without_a_poller_that_happens_to_wake(redis_ground: Ground) -> None:
    """With an hour between sweeps the worker that committed a timer still wakes for it."""

    @workflow
    async def naps() -> str:
        for _ in range(3):
            await asyncio.sleep(0.03)
        return "awake"

    # A first run makes the scripts known: one that the server must learn first is carried out after its batch.
    await redis_ground.start(naps)
    await redis_ground.worker(naps, burst=True).run()
    async with redis_ground.worker(naps, sweep=timedelta(hours=1), lease=timedelta(hours=8)):
        async with asyncio.timeout(5):
            assert await redis_ground.result(await redis_ground.start(naps)) == "awake"


async def test_an_idle_worker_hears_of_others_timers_when_it_renews_its_lease(ground: Ground) -> None:
    """Whoever committed this one says nothing more, has a lease for hours, and no sweep comes."""

    @workflow
    async def naps() -> str:
        await asyncio.sleep(1.5)
        return "awake"

    apart = ground.worker(naps, queues=("other",), sweep=timedelta(hours=1), lease=timedelta(seconds=0.6))
    first = ground.worker(naps, cache_size=0, lease=timedelta(hours=8))
    async with apart:
        running = asyncio.get_running_loop().create_task(first.run())
        instance = await ground.start(naps)
        await ground.grown(instance, 2)
        vanish(first)
        running.cancel()
        await asyncio.wait((running,))
        await settled(lambda: due(ground) == 0)
    async with ground.worker(naps):
        assert await ground.result(instance) == "awake"
