"""Plain asyncio: what works everywhere works in a workflow, with live executors and with a replay at every turn."""

from __future__ import annotations

from typing import Any

import pytest

from rqflow.authoring.workflows import Workflow
from tests.worker.ground import Ground
from tests.worker.plain_asyncio import after, groups, limits, meetings, same, whose


@pytest.mark.parametrize("cache_size", [0, 1_000], ids=["cold", "warm"])
@pytest.mark.parametrize(
    ("flow", "result"),
    [
        (
            groups,
            {
                "gather": [0, 1, 2],
                "group": [0, 1, 2],
                "wait": [True, True],
                "as_completed": [0.001, 0.2],
                "numbered": True,
                "iteration": [0, 1, 2],
            },
        ),
        (limits, ["wait_for", "timeout", "cleaned up 1", "shielded 7", "cleaned up 1", "group failed"]),
        (
            meetings,
            {"queue": [0, 1, 2, 3], "most": 2, "order": [0, 1, 2, 3], "met": "met", "context": ["the task's", "mine"]},
        ),
    ],
    ids=["groups", "limits", "meetings"],
)
async def test_p4_every_word_of_asyncio_works_around_activities(
    ground: Ground, flow: Workflow[[], Any], result: Any, cache_size: int
) -> None:
    """[A9] The same result whether the run is kept in memory or followed anew from its history at every turn."""
    async with ground.worker(groups, limits, meetings, same, after, cache_size=cache_size):
        assert await ground.result(await ground.start(flow)) == result
    assert whose.get() == "nobody's"
