"""The collector of a worker's process: it has little to do, because nothing of ours waits for it."""

from __future__ import annotations

import asyncio
import gc

from rqflow.authoring.activity_face import activity
from rqflow.authoring.workflow_face import workflow
from rqflow.core.executor import Executor
from rqflow.core.live_run import LiveRun
from rqflow.worker.collector import YOUNG, sparing
from rqflow.worker.running import Running
from tests.worker.ground import Ground, settled


@activity
async def doubled(number: int) -> int:
    return 2 * number


@activity
def tripled(number: int) -> int:
    return 3 * number


@workflow
async def both(number: int) -> int:
    async with asyncio.timeout(60):
        return sum(await asyncio.gather(doubled(number), tripled(number)))


@workflow
async def parent(number: int) -> int:
    return await both(number)


def living() -> list[object]:
    return [each for each in gc.get_objects() if isinstance(each, Running | Executor | LiveRun)]


async def test_runs_and_attempts_are_gone_with_their_last_reference(memory_ground: Ground) -> None:
    """[P10] A worker that ran thousands leaves no circles behind: with the collector off, none of them is left."""
    async with memory_ground.worker(parent, both, doubled, tripled):
        gc.collect()
        before = set(map(id, living()))
        gc.disable()
        try:
            assert await asyncio.gather(
                *[memory_ground.result(await memory_ground.start(parent, number)) for number in range(5)]
            ) == [5 * number for number in range(5)]
            await settled(lambda: not [each for each in living() if id(each) not in before])
        finally:
            gc.enable()


def test_a_worker_process_looks_for_garbage_seldom_and_puts_back_what_was_set() -> None:
    """What is loaded when it begins to serve is never looked at again; a larger figure of the user's stands."""
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    with sparing():
        assert gc.get_threshold() == (YOUNG, *before[1:])
        assert gc.get_freeze_count() > frozen
        gc.set_threshold(2 * YOUNG)
        with sparing():
            assert gc.get_threshold()[0] == 2 * YOUNG
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
