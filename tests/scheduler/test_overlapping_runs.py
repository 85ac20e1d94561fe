"""Overlapping runs: every policy with a workflow that takes longer than its schedule's interval, on real Redis."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from rqflow.backend.calls.instances import Description
from rqflow.schedules.policy import Overlap
from tests.scheduler.tower import SECOND, Tower, nap

SLOTS = 5


async def played(tower: Tower, overlap: Overlap, seconds: float) -> list[Description]:
    """What an every-second schedule started whose runs last so long, after some slots, once all has ended."""
    async with tower.working(), tower.scheduling(2):
        await tower.client.schedules.create("s", nap, seconds, every=1, overlap=overlap, buffer_limit=3)

        async def enough() -> bool:
            counts = (await tower.state("s")).counts
            return counts.slots + counts.skipped >= SLOTS and counts.slots >= 3

        await tower.until(enough)
        await tower.client.schedules.pause("s", "enough")
        if seconds > 60:
            for one in (await tower.get("s")).state.running:
                await tower.client.terminate(one.instance)

        async def over() -> bool:
            found = await tower.get("s")
            return not found.state.running

        await tower.until(over)
    rows = await tower.rows("s")
    assert all(row.closed_at is not None for row in rows)
    return rows


def most_at_once(rows: list[Description]) -> int:
    """Runs that were open at one moment."""
    changes = sorted([(row.created_at, 1) for row in rows] + [(row.closed_at, -1) for row in rows if row.closed_at])
    open_runs, most = 0, 0
    for _, change in changes:
        open_runs += change
        most = max(most, open_runs)
    return most


def gaps(slots: list[datetime]) -> set[timedelta]:
    """How far one slot is from the next."""
    return {later - earlier for earlier, later in pairwise(slots)}


@pytest.mark.parametrize("overlap", ["skip", "buffer_one", "buffer_all"])
async def test_runs_that_must_not_overlap_follow_each_other(tower: Tower, overlap: Overlap) -> None:
    """[P9] Slots are left out, or wait; what ran completed, and a slot never twice. [F4]"""
    rows = await played(tower, overlap, 1.6)
    assert most_at_once(rows) == 1
    assert {row.status for row in rows} == {"completed"}
    slots = [row.slot for row in rows if row.slot is not None]
    assert len(slots) == len(set(slots))
    assert slots == sorted(slots)
    counts = (await tower.state("s")).counts
    if overlap == "buffer_all":
        assert gaps(slots[:4]) == {SECOND}
    else:
        assert counts.skipped > 0
    assert counts.completed == len(rows)


async def test_runs_that_may_overlap_start_at_their_slots(tower: Tower) -> None:
    """[P9] All slots, one after another, several at once. [F4]"""
    rows = await played(tower, "allow", 2.5)
    slots = [row.slot for row in rows if row.slot is not None]
    assert gaps(slots) == {SECOND}
    assert most_at_once(rows) > 1
    assert {row.status for row in rows} == {"completed"}


@pytest.mark.parametrize(("overlap", "status"), [("cancel_other", "canceled"), ("terminate_other", "terminated")])
async def test_the_newest_slot_ends_what_runs(tower: Tower, overlap: Overlap, status: str) -> None:
    """[P9] Each run but the last was ended, before the next one began. [F4]"""
    rows = await played(tower, overlap, 600)
    assert most_at_once(rows) == 1
    assert {row.status for row in rows[:-1]} == {status}
    counts = (await tower.state("s")).counts
    assert (counts.failed, counts.other_ends >= len(rows) - 1) == (0, True)
