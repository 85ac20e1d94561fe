"""Steering: pause, resume, trigger and backfill, and what a paused schedule does [F4]."""

from __future__ import annotations

import pytest

from rqflow.errors import BadInput, LimitReached, NotFound
from rqflow.schedules import steering
from rqflow.schedules.policy import MAX_RUNNING, Overlap, Policy
from rqflow.schedules.state import Kind
from tests.schedules.every import SECOND, Every, Play, slots_of

DAY = 24 * 3_600 * SECOND


def trigger(play: Play, now_ms: int, overlap: Overlap = "allow") -> int:
    """Its slot."""
    play.state, asked = steering.trigger(play.state, now_ms, overlap)
    return asked.slot_ms


def backfill(play: Play, start_ms: int, end_ms: int, *, limit: int = 1, now_ms: int, id: str = "b") -> None:
    play.state = steering.backfill(play.state, now_ms, id=id, start_ms=start_ms, end_ms=end_ms, limit=limit)


def test_the_slots_of_a_pause_are_nobodys_loss() -> None:
    """They are neither fired nor counted as missed; it goes on with the first slot after it is resumed."""
    play = Play()
    play.look(0)
    play.state = steering.pause(play.state, "holidays")
    step = play.look(5_000)
    assert (step.starts, step.due_ms, play.state.reason) == ((), None, "holidays")
    play.state = steering.resume(play.state, 10_500)
    assert play.look(10_500).due_ms == 11_000
    assert slots_of(play.look(11_000).starts) == [11_000]
    assert play.state.counts.missed == 0
    assert steering.resume(play.state, 99_000) == play.state


def test_what_waits_stays_while_it_is_paused() -> None:
    """And starts when it is resumed and nothing is open."""
    play = Play(policy=Policy(overlap="buffer_one"))
    for now_ms in (0, 1_000, 2_000):
        play.look(now_ms)
    play.state = steering.pause(play.state, "")
    play.end(1_000)
    assert play.look(2_500).starts == ()
    play.state = steering.resume(play.state, 3_500)
    assert slots_of(play.look(3_500).starts) == [2_000]


def test_a_trigger_starts_one_now_paused_or_not() -> None:
    """Beside what runs, unless told otherwise; a schedule's runs are counted without it."""
    play = Play(policy=Policy(max_runs=1))
    play.look(1_000)
    slot_ms = trigger(play, 1_500)
    step = play.look(1_500)
    assert slots_of(step.starts) == [slot_ms]
    assert (play.state.counts.slots, play.state.counts.triggers) == (1, 1)
    play.state = steering.pause(play.state, "")
    slot_ms = trigger(play, 1_700, "skip")
    assert play.look(1_700).starts == ()
    assert (slot_ms, "skipped") in play.outcomes


def test_a_trigger_that_waits_starts_though_the_schedule_is_paused() -> None:
    """A slot that came before it goes on waiting."""
    play = Play(policy=Policy(overlap="buffer_all"))
    for now_ms in (0, 1_000, 2_000):
        play.look(now_ms)
    slot_ms = trigger(play, 2_100, "buffer_all")
    play.look(2_100)
    assert play.waiting == [2_000, slot_ms]
    play.state = steering.pause(play.state, "")
    play.end(1_000)
    assert slots_of(play.look(2_200).starts) == [slot_ms]
    assert play.waiting == [2_000]


@pytest.mark.parametrize("overlap", ["skip", "buffer_one", "buffer_all", "cancel_other", "terminate_other"])
def test_a_slot_that_a_pause_holds_back_stands_in_no_triggers_way(overlap: Overlap) -> None:
    """Nothing is open: the trigger starts now, and the slot goes on waiting."""
    play = Play(policy=Policy(overlap="buffer_one"))
    for now_ms in (0, 1_000, 2_000):
        play.look(now_ms)
    play.state = steering.pause(play.state, "")
    play.end(1_000)
    play.look(2_100)
    assert (play.running, play.waiting) == ([], [2_000])
    slot_ms = trigger(play, 2_200, overlap)
    assert slots_of(play.look(2_200).starts) == [slot_ms]
    assert play.waiting == [2_000]


def test_many_triggers_start_in_bounded_steps() -> None:
    """[P10] Paused or not, the rest is due at once."""
    for paused in (False, True):
        play = Play()
        play.look(0)
        play.state = steering.pause(play.state, "") if paused else play.state
        for _ in range(steering.MAX_TRIGGERS):
            trigger(play, 500)
        step = play.look(500)
        assert (len(step.starts), step.due_ms) == (50, 500)
        step = play.look(500)
        assert (len(step.starts), step.due_ms) == (50, None if paused else 1_000)


def test_no_two_triggers_have_the_same_slot_nor_that_of_a_slot() -> None:
    """By its slot an instance is named."""
    play = Play(policy=Policy(overlap="allow"))
    slots = {trigger(play, 1_000) for _ in range(50)}
    play.look(1_000)
    slots |= {trigger(play, 1_000) for _ in range(50)}
    play.look(1_000)
    play.look(1_000)
    assert len(slots) == 100
    assert not any(slot_ms % SECOND == 0 for slot_ms in slots)
    assert len({one.instance for one in play.started}) == 101


def test_triggers_that_nobody_serves_are_bounded() -> None:
    """[P10] The error asks whether a scheduler runs."""
    play = Play()
    for _ in range(steering.MAX_TRIGGERS):
        trigger(play, 0)
    with pytest.raises(LimitReached, match="scheduler"):
        trigger(play, 0)


def test_a_backfill_of_a_month_runs_so_many_at_a_time() -> None:
    """Every slot once, in order, beside the schedule's own slots; then it is forgotten."""
    play = Play(slots=Every(step_ms=DAY))
    now_ms = 40 * DAY
    play.state = steering.first_state(now_ms)
    backfill(play, 5 * DAY, 34 * DAY, limit=3, now_ms=now_ms)
    play.look(now_ms)
    most, seen = 0, 0
    while play.state.backfills:
        most = max(most, len(play.state.running))
        seen += 1
        assert seen < 100
        play.end(play.running[0])
        play.look(now_ms)
    assert slots_of(play.started) == [day * DAY for day in range(5, 35)]
    assert (most, play.state.counts.backfills, play.state.running) == (3, 30, ())
    assert slots_of(play.look(41 * DAY).starts) == [41 * DAY]


def test_a_backfill_stands_in_no_slots_way() -> None:
    """Nor does a slot stand in its way, though the schedule skips what overlaps."""
    play = Play(policy=Policy(overlap="skip"))
    play.state = steering.first_state(10_500)
    backfill(play, 1_000, 5_000, limit=2, now_ms=10_500)
    play.look(10_500)
    play.look(11_000)
    assert play.running == [1_000, 2_000, 11_000]
    kinds: list[Kind] = [one.kind for one in play.state.running]
    assert kinds == ["backfill", "backfill", "slot"]
    play.look(12_000)
    assert (12_000, "skipped") in play.outcomes


def test_a_backfill_pauses_and_resumes_with_its_schedule() -> None:
    """In the middle: what runs goes on, nothing is started twice."""
    play = Play()
    play.state = steering.first_state(100_500)
    backfill(play, 1_000, 20_000, limit=2, now_ms=100_500)
    play.look(100_500)
    play.state = steering.pause(play.state, "later")
    play.end(1_000)
    play.end(2_000)
    assert play.look(100_600).starts == ()
    assert play.state.backfills
    play.state = steering.resume(play.state, 100_700)
    assert slots_of(play.look(100_700).starts) == [3_000, 4_000]


def test_a_backfill_that_is_canceled_starts_no_more() -> None:
    """What runs goes on."""
    play = Play()
    play.state = steering.first_state(100_500)
    backfill(play, 1_000, 20_000, limit=2, now_ms=100_500, id="one")
    backfill(play, 1_000, 20_000, limit=1, now_ms=100_500, id="two")
    play.look(100_500)
    assert len({one.run for one in play.state.running}) == 3
    play.state = steering.cancel_backfill(play.state, "one")
    play.look(100_500)
    assert [one.id for one in play.state.backfills] == ["two"]
    assert len(play.running) == 3
    with pytest.raises(NotFound, match="one"):
        steering.cancel_backfill(play.state, "one")


def test_a_backfill_that_is_given_again_takes_up_what_runs_of_it() -> None:
    """A run of it that is open is not entered twice: of two entries one would never end."""
    play = Play()
    play.state = steering.first_state(100_500)
    backfill(play, 1_000, 3_000, limit=2, now_ms=100_500)
    play.look(100_500)
    play.state = steering.cancel_backfill(play.state, "b")
    backfill(play, 1_000, 3_000, limit=5, now_ms=100_500)
    play.look(100_500)
    assert play.running == [1_000, 2_000, 3_000]
    for slot_ms in (1_000, 2_000, 3_000):
        play.end(slot_ms)
        play.look(100_500)
    assert (play.running, play.state.backfills) == ([], ())
    assert slots_of(play.started) == [1_000, 2_000, 3_000]


def test_a_backfill_whose_last_slot_runs_is_shown_until_that_has_ended() -> None:
    """Also where the timetable ends before it."""
    for last_ms in (None, 2_000):
        play = Play(slots=Every(last_ms=last_ms))
        play.state = steering.first_state(10_500)
        backfill(play, 1_000, 2_500, limit=5, now_ms=10_500)
        play.look(10_500)
        assert (play.running, len(play.state.backfills)) == ([1_000, 2_000], 1)
        play.end(1_000)
        play.look(10_500)
        assert len(play.state.backfills) == 1
        play.end(2_000)
        play.look(10_500)
        assert not play.state.backfills


def test_a_large_backfill_begins_in_bounded_steps_and_within_all_that_may_run() -> None:
    """[P10]"""
    play = Play()
    play.state = steering.first_state(9_000_500)
    backfill(play, 1_000, 9_000_000, limit=MAX_RUNNING, now_ms=9_000_500)
    step = play.look(9_000_500)
    assert (len(step.starts), step.due_ms) == (50, 9_000_500)
    backfill(play, 1_000, 9_000_000, limit=MAX_RUNNING, now_ms=9_000_500, id="another")
    for _ in range(40):
        step = play.look(9_000_500)
    assert len(play.running) == MAX_RUNNING
    assert step.due_ms == 9_001_000
    assert play.state.counts.skipped == 0


def test_a_backfill_that_cannot_be_is_refused() -> None:
    """A range that runs backwards, the future, no run at a time, too many; a repeat is the same one."""
    play = Play()
    with pytest.raises(BadInput, match="start"):
        backfill(play, 2_000, 1_000, now_ms=9_000)
    with pytest.raises(BadInput, match="past"):
        backfill(play, 1_000, 9_001, now_ms=9_000)
    for limit in (0, MAX_RUNNING + 1):
        with pytest.raises(BadInput, match="at a time"):
            backfill(play, 1_000, 2_000, limit=limit, now_ms=9_000)
    for number in range(10):
        backfill(play, 1_000, 2_000, now_ms=9_000, id=str(number))
    backfill(play, 1_000, 2_000, now_ms=9_000, id="9")
    with pytest.raises(LimitReached, match="backfills"):
        backfill(play, 1_000, 2_000, now_ms=9_000, id="10")
