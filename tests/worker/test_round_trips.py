"""Round trips: what a workflow costs an idle worker, counted by Redis itself."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
import redis

from rqflow.authoring.activity_face import activity
from rqflow.authoring.workflow_face import workflow
from tests.worker.ground import Ground, settled


@activity
async def echo(value: int) -> int:
    return value


@workflow
async def one_activity(value: int) -> int:
    return await echo(value)


@pytest.mark.parametrize("partitions", [1])
async def test_a_workflow_with_one_activity_costs_an_idle_worker_at_most_seven_round_trips(
    redis_ground: Ground, redis_url: str
) -> None:
    """From start to end, the blocked read that brings it and the one that waits for the next one included."""
    quiet = {"lease": timedelta(hours=1), "sweep": timedelta(hours=1)}
    observer = redis.Redis.from_url(redis_url)

    def reads() -> int:
        # Each packet of commands that Redis reads, however many commands it has: this is what a round trip is.
        return int(observer.info("stats")["total_reads_processed"])

    async with redis_ground.worker(one_activity, echo, **quiet) as worker:
        warm = await redis_ground.start(one_activity, 1)
        assert await redis_ground.result(warm) == 1
        await settled(lambda: worker.desk.idle)
        await asyncio.sleep(0.05)  # the last answer is in, and the worker listens again
        before = reads()
        await redis_ground.start(one_activity, 2)
        await settled(lambda: worker.desk.turns.turned == 4)
        await asyncio.sleep(0.05)
        spent = reads() - before
    observer.close()
    own = 2  # our start, and the second reading of the counter
    assert spent - own <= 7, f"{spent - own} round trips"
