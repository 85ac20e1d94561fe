"""Running: workflows and activities of every kind come to their end on a worker."""

from __future__ import annotations

import asyncio
import threading

import pytest

from rqflow.authoring.activity_face import activity
from rqflow.authoring.workflow_face import workflow
from tests.worker.ground import Ground


@activity
async def double(value: int) -> int:
    return value * 2


@activity
def thread_name() -> str:
    return threading.current_thread().name


@workflow
async def one_step(value: int) -> int:
    return await double(value)


@workflow
async def many_steps(value: int) -> int:
    results = await asyncio.gather(*(double(n) for n in range(value)))
    await asyncio.sleep(0.02)
    return sum(results)


@workflow
async def child(value: int) -> int:
    return await double(value) + 1


@workflow
async def parent(count: int) -> list[int]:
    return await asyncio.gather(*(child(n) for n in range(count)))


@workflow
async def in_thread() -> str:
    return await thread_name()


@pytest.mark.parametrize("cache_size", [0, 1_000])
async def test_a_workflow_with_an_activity_completes(ground: Ground, cache_size: int) -> None:
    """One worker, one activity, with live executors and without."""
    async with ground.worker(one_step, double, cache_size=cache_size):
        instance = await ground.start(one_step, 21)
        assert await ground.result(instance) == 42


@pytest.mark.parametrize("cache_size", [0, 1_000])
async def test_parallel_steps_and_timers_complete(ground: Ground, cache_size: int) -> None:
    """Twenty activities at a time and a timer."""
    async with ground.worker(many_steps, double, cache_size=cache_size):
        instance = await ground.start(many_steps, 20)
        assert await ground.result(instance) == 380


async def test_children_in_all_partitions_tell_their_parent(ground: Ground) -> None:
    """Children live in other partitions than their parent: starts and ends are relayed."""
    async with ground.worker(parent, child, double):
        instance = await ground.start(parent, 8)
        assert await ground.result(instance) == [1, 3, 5, 7, 9, 11, 13, 15]


async def test_a_plain_function_runs_in_a_thread(ground: Ground) -> None:
    """The loop's thread is not blocked by it."""
    async with ground.worker(in_thread, thread_name):
        assert (await ground.result(await ground.start(in_thread))).startswith("activity-")


async def test_two_workers_share_a_hundred_instances(ground: Ground) -> None:
    """Each instance ends once, whoever turned it."""
    async with ground.worker(one_step, double), ground.worker(one_step, double):
        instances = await ground.start_many(one_step, range(100))
        results = [await ground.result(instance) for instance in instances]
    assert results == [2 * n for n in range(100)]
