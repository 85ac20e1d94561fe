"""Overlaps: what becomes of a slot that comes while a run is open, by each policy [F4]."""

from __future__ import annotations

from datetime import timedelta

import pytest

from rqflow.schedules.policy import MAX_RUNNING, Overlap, Policy
from rqflow.schedules.state import MAX_RECENT
from tests.schedules.every import SECOND, Every, Play, slots_of


def begun(**options: object) -> Play:
    """A schedule whose first slot runs."""
    play = Play(policy=Policy(**options))  # type: ignore[arg-type]
    play.look(0)
    play.look(1 * SECOND)
    assert play.running == [1_000]
    return play


def test_skip_leaves_slots_out_until_the_run_has_ended() -> None:
    """They are counted; the first slot after the end starts."""
    play = begun(overlap="skip")
    play.look(2_000)
    play.look(3_000)
    assert (play.running, play.state.counts.skipped) == ([1_000], 2)
    play.end(1_000)
    play.look(3_500)
    assert play.running == []
    play.look(4_000)
    assert play.running == [4_000]
    assert play.outcomes == [(2_000, "skipped"), (3_000, "skipped"), (1_000, "completed"), (4_000, "started")]


def test_buffer_one_keeps_the_first_slot_that_came() -> None:
    """It starts as soon as the run has ended, whatever time it is then; later ones are left out."""
    play = begun(overlap="buffer_one")
    play.look(2_000)
    play.look(3_000)
    assert (play.running, play.waiting, play.state.counts.skipped) == ([1_000], [2_000], 1)
    play.end(1_000, "failed")
    step = play.look(3_400)
    assert slots_of(step.starts) == [2_000]
    assert (play.waiting, play.state.counts.slots) == ([], 2)


def test_buffer_all_keeps_every_slot_up_to_its_limit() -> None:
    """They run one after another, in order."""
    play = begun(overlap="buffer_all", buffer_limit=3)
    play.look(6_000)
    assert (play.waiting, play.state.counts.skipped) == ([2_000, 3_000, 4_000], 2)
    for ended, started in ((1_000, 2_000), (2_000, 3_000), (3_000, 4_000)):
        play.end(ended)
        play.look(6_500)
        assert play.running == [started]
    assert play.waiting == []


def test_a_slot_goes_behind_those_that_wait() -> None:
    """Though nothing is open at its moment: order is kept."""
    play = begun(overlap="buffer_all")
    play.look(3_000)
    play.end(1_000)
    step = play.look(4_000)
    assert slots_of(step.starts) == [2_000]
    assert play.waiting == [3_000, 4_000]


def test_allow_starts_beside() -> None:
    """As many as there are slots, up to a bound that is counted [P10]."""
    play = begun(overlap="allow")
    play.look(4_000)
    assert play.running == [1_000, 2_000, 3_000, 4_000]
    play = begun(overlap="allow", catch_up=timedelta(hours=1))
    for _ in range(30):
        play.look((MAX_RUNNING + 10) * SECOND)
    assert len(play.running) == MAX_RUNNING
    assert play.state.counts.skipped == 10


@pytest.mark.parametrize("terminate", [False, True])
def test_others_are_stopped_and_the_newest_starts_when_they_have_ended(terminate: bool) -> None:
    """Each is asked once; a slot that waited gives way to a newer one. Two never run at once."""
    play = begun(overlap="terminate_other" if terminate else "cancel_other")
    step = play.look(2_000)
    [stop] = step.stops
    assert (stop.running.slot_ms, stop.terminate, step.starts) == (1_000, terminate, ())
    step = play.look(3_000)
    assert (step.stops, play.waiting, play.state.counts.skipped) == ((), [3_000], 1)
    play.end(1_000, "terminated" if terminate else "canceled")
    assert slots_of(play.look(3_100).starts) == [3_000]
    assert play.state.counts.other_ends == 1
    assert play.state.failures == 0


@pytest.mark.parametrize("overlap", ["cancel_other", "terminate_other"])
def test_of_slots_that_come_at_once_only_the_newest_starts(overlap: Overlap) -> None:
    """A late scheduler starts none only to end it: the order to end would come before the start, and reach nothing."""
    play = Play(policy=Policy(overlap=overlap))
    play.look(0)
    step = play.look(4_000)
    assert (slots_of(step.starts), step.stops, play.running, play.waiting) == ([4_000], (), [4_000], [])
    assert (play.state.counts.slots, play.state.counts.skipped) == (1, 3)
    step = play.look(7_000)
    assert ([stop.running.slot_ms for stop in step.stops], step.starts, play.waiting) == ([4_000], (), [7_000])
    play.end(4_000, "canceled")
    assert slots_of(play.look(7_100).starts) == [7_000]


def test_a_run_that_was_asked_to_end_and_fails_is_a_failure() -> None:
    """It did not do what it was asked."""
    play = begun(overlap="cancel_other", pause_after=1)
    play.look(2_000)
    play.end(1_000, "failed")
    play.look(2_100)
    assert play.state.paused


def test_a_schedule_without_overlap_has_no_need_of_a_policy() -> None:
    """Each run ends before the next slot."""
    for overlap in ("skip", "buffer_one", "buffer_all", "cancel_other", "terminate_other"):
        play = begun(overlap=overlap)
        for slot in range(2, 30):
            play.end((slot - 1) * SECOND)
            play.look(slot * SECOND)
            assert play.running == [slot * SECOND]
        assert play.state.counts.slots == 29
        assert len(play.state.recent) == MAX_RECENT


def test_slots_of_a_crowded_hour_start_in_bounded_steps() -> None:
    """A step starts so many, and is due again at once [P10]."""
    play = Play(policy=Policy(overlap="allow", catch_up=timedelta(hours=1)), slots=Every())
    step = play.look(120_000)
    assert (len(step.starts), step.due_ms) == (50, 120_000)
    play.look(120_000)
    step = play.look(120_000)
    assert (len(play.started), step.due_ms) == (120, 121_000)
    assert slots_of(play.started) == [slot * SECOND for slot in range(1, 121)]
