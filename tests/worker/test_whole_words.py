"""Whole words: what workflow code says, from its line to those who see it, warm and with a replay at each turn."""

from __future__ import annotations

import asyncio

import pytest

from rqflow.backend.calls.instances import Filter, ListInstances
from rqflow.converters.json import load_json
from rqflow.core.states import CLOSED
from tests.worker.ground import Ground
from tests.worker.whole_words import (
    child,
    grows,
    heartbeat,
    leaves_word,
    limits_of_activities,
    nothing,
    parent,
    refused,
    schedule_to_close,
    schedule_to_start,
    shows,
    start_to_close,
)

CACHES = pytest.mark.parametrize("cache_size", [0, 1_000], ids=["cold", "warm"])


@CACHES
async def test_each_time_limit_is_told_by_its_name_and_details_reach_the_next_attempt(
    ground: Ground, cache_size: int
) -> None:
    """[B16] Four limits, one error that is not tried again, and what the last heartbeat left."""
    activities = (start_to_close, schedule_to_start, schedule_to_close, heartbeat, refused, leaves_word)
    async with ground.worker(limits_of_activities, *activities, cache_size=cache_size):
        seen = await ground.result(await ground.start(limits_of_activities))
    assert seen.pop("details") == "from line 7"
    assert "PermissionError: attempt 1" in seen.pop("refused")
    assert all(said.startswith("ActivityTimedOut: ") for said in seen.values()), seen
    assert "its timeout of 0:00:00.1" in seen["start_to_close"]
    assert "(schedule to start)" in seen["schedule_to_start"]
    assert "schedule to close" in seen["schedule_to_close"].replace("_", " ")
    assert "its heartbeat of 0:00:00.15" in seen["heartbeat"]


@CACHES
async def test_what_a_run_shows_and_draws_is_seen_and_the_same_at_each_turn(ground: Ground, cache_size: int) -> None:
    """[A9][B19] Status and attributes by description and list; draws by a query before, and by the result after."""
    async with ground.worker(shows, cache_size=cache_size):
        instance = await ground.start(shows)
        await ground.grown(instance, 2)
        before = await ground.query(instance, "state")
        told = await ground.describe(instance)
        assert load_json(told.custom_status) == {"phase": "begun"}
        assert told.attributes == {"city": "Köln", "size": 3}
        where = Filter(attributes={"city": "Köln"})
        page = await ground.backend.call(ListInstances(partition=ground.at(instance), where=where))
        assert [row.instance for row in page.rows] == [instance]
        for number in (1, 2):
            await ground.signal(instance, "tell", number)
        after = await ground.result(instance)
    assert after == {**before, "told": [1, 2]}
    ended = await ground.describe(instance)
    assert load_json(ended.custom_status) == {"phase": "told"}
    assert ended.attributes == {"size": 4}


@CACHES
async def test_each_parent_close_policy_decides_over_its_child(ground: Ground, cache_size: int) -> None:
    """[B17] Abandoned it goes on, cancel asks it to end, terminate ends it; in whatever partition it lives."""
    ends = {"abandon": "running", "cancel": "canceled", "terminate": "terminated"}
    async with ground.worker(parent, child, cache_size=cache_size):
        instance = await ground.start(parent, list(ends), id="family")
        await ground.signal(instance, "end", "done")
        assert await ground.result(instance) == "done"
        for policy, status in ends.items():
            async with asyncio.timeout(20):
                await ground.until(f"family-{policy}", status)
        await ground.signal("family-abandon", "go", "alone")
        assert await ground.result("family-abandon") == "alone"


async def test_p6_a_worker_that_relayed_something_leaves_at_once(ground: Ground) -> None:
    """[F18] The last message that it carried is news enough: it does not wait for something else to happen."""
    worker = ground.worker(parent, child)
    async with worker:
        instance = await ground.start(parent, ["terminate", "cancel"], id="family")
        await ground.signal(instance, "end", "done")
        for end in (instance, "family-terminate", "family-cancel"):
            await ground.until(end, *CLOSED)
        asked = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - asked < 1.0


async def test_a_run_is_told_when_its_history_is_long(memory_ground: Ground) -> None:
    """[B18] The hint comes long before the limit; the next run begins with a short history."""
    async with memory_ground.worker(grows, nothing, activity_slots=1_000):
        instance = await memory_ground.start(grows, 1)
        assert 10_000 <= await memory_ground.result(instance) < 20_000
    assert (await memory_ground.describe(instance)).runs == 2
