"""Missed: slots whose time passed while nobody looked, runs that fail, and schedules that are through [F4]."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from rqflow.errors import BadInput
from rqflow.schedules.advancing import MAX_SLOTS, fold
from rqflow.schedules.naming import instance_id, run_id, slot_text
from rqflow.schedules.policy import Policy
from rqflow.schedules.state import ScheduleState, decode_state, encode_state
from rqflow.schedules.steering import first_state
from tests.schedules.every import SECOND, Every, Play, slots_of

MINUTE = 60 * SECOND
DAY = 24 * 60 * MINUTE


def test_after_five_minutes_of_absence_only_the_last_minute_is_caught_up() -> None:
    """Older slots are left out and counted, and the newest of them is shown."""
    play = Play(policy=Policy(overlap="allow"))
    play.look(0)
    step = play.look(5 * MINUTE)
    while step.due_ms == 5 * MINUTE:
        step = play.look(5 * MINUTE)
    assert slots_of(play.started) == [slot * SECOND for slot in range(240, 301)]
    assert play.state.counts.missed == 239
    assert (step.due_ms, play.state.next_ms) == (5 * MINUTE + SECOND, 5 * MINUTE + SECOND)


def test_a_year_of_absence_is_counted_without_a_look_at_each_slot() -> None:
    """[P10] And nothing is left to do after that step."""
    play = Play(slots=Every(jitter_ms=100))
    play.look(0)
    play.slots.looked = 0
    step = play.look(365 * DAY)
    assert play.state.counts.missed + play.state.counts.slots + play.state.counts.skipped >= 365 * DAY // SECOND - 1
    assert play.slots.looked < 100
    assert step.due_ms == 365 * DAY + 100


def test_slots_that_each_must_be_looked_at_are_looked_at_in_bounded_steps() -> None:
    """Where jitter, or a long catch-up window, asks for it."""
    play = Play(policy=Policy(catch_up=timedelta(days=1)))
    play.look(0)
    step = play.look(2_000 * SECOND)
    assert step.due_ms == 2_000 * SECOND
    assert play.state.cursor_ms == MAX_SLOTS * SECOND
    assert play.look(2_000 * SECOND).due_ms == 2_001 * SECOND


def test_a_slot_that_is_a_little_too_old_is_missed_though_its_jitter_could_have_saved_it() -> None:
    """What counts is when it was to fire."""
    play = Play(policy=Policy(catch_up=timedelta(seconds=5)), slots=Every(step_ms=MINUTE, jitter_ms=2 * SECOND))
    play.look(0)
    play.look(MINUTE + 7 * SECOND)
    assert (play.state.counts.slots, play.state.counts.missed) == (1, 0)
    play.end(MINUTE)
    play.look(2 * MINUTE + 7 * SECOND + 1)
    assert (play.state.counts.slots, play.state.counts.missed) == (1, 1)
    slots = Every(step_ms=MINUTE, jitter_ms=2 * SECOND, late_ms=SECOND)
    play = Play(policy=Policy(catch_up=timedelta(seconds=5)), slots=slots)
    play.look(0)
    play.look(MINUTE + 6 * SECOND + 1)
    assert (play.state.counts.slots, play.state.counts.missed) == (0, 1)


def test_a_first_look_that_comes_late_finds_nothing_missed_where_there_was_no_slot() -> None:
    """Then there is nothing to count."""
    play = Play(slots=Every(step_ms=DAY))
    assert play.look(10 * MINUTE).due_ms == DAY
    assert (play.state.counts.missed, play.state.recent) == (0, ())


def test_a_step_says_within_which_time_it_is_right() -> None:
    """From the last slot that it fires until the first of them is too old; a step without slots is right always."""
    play = Play(policy=Policy(overlap="allow"), slots=Every())
    step = play.look(0)
    assert (step.not_before_ms, step.not_after_ms, step.due_ms) == (None, None, SECOND)
    step = play.look(3_500)
    assert (step.not_before_ms, step.not_after_ms) == (3_000, 1_000 + MINUTE)


def test_failures_in_a_row_pause_it_and_say_why() -> None:
    """A success begins the count anew; canceled and terminated runs are nobody's failure."""
    play = Play(policy=Policy(pause_after=2))
    statuses = ("failed", "completed", "timed_out", "canceled", "terminated", "failed")
    play.look(0)
    for number, status in enumerate(statuses, 1):
        play.look(number * SECOND)
        assert not play.state.paused
        play.end(number * SECOND, status)
    step = play.look(7 * SECOND)
    assert (step.starts, step.due_ms) == ((), None)
    assert play.state.paused
    assert play.state.reason == "2 failures in a row, the last one s/1970-01-01T00:00:06Z"
    assert (play.state.next_ms, play.state.counts.failed, play.state.counts.completed) == (None, 3, 1)
    assert play.look(99 * SECOND).due_ms is None


def test_a_schedule_is_done_after_its_last_run_or_its_last_slot() -> None:
    """It is never due again."""
    play = Play(policy=Policy(max_runs=2, overlap="allow"))
    step = play.look(10 * SECOND)
    assert (slots_of(step.starts), step.due_ms) == ([1_000, 2_000], None)
    assert play.look(DAY).starts == ()
    play = Play(slots=Every(last_ms=3_000), policy=Policy(overlap="allow"))
    step = play.look(10 * SECOND)
    assert (slots_of(step.starts), step.due_ms) == ([1_000, 2_000, 3_000], None)
    play = Play(policy=Policy(max_runs=1, overlap="buffer_all"))
    play.look(1_000)
    assert play.look(2_000).due_ms is None
    play = Play(policy=Policy(max_runs=1, overlap="buffer_all"))
    play.look(2_000)
    assert play.waiting == []


def test_what_waits_is_left_out_when_the_last_run_was_had() -> None:
    """max_runs counts what is started."""
    play = Play(policy=Policy(max_runs=2, overlap="buffer_all"))
    play.look(0)
    for now_ms in (1_000, 2_000, 3_000):
        play.look(now_ms)
    assert (play.running, play.waiting) == ([1_000], [2_000, 3_000])
    play.end(1_000)
    play.look(3_100)
    play.end(2_000)
    play.look(3_200)
    assert (play.running, play.waiting, play.state.counts.slots, play.state.counts.skipped) == ([], [], 2, 1)


def test_the_last_success_is_the_latest_slot_that_completed() -> None:
    """Whichever ended last; its result is kept where that was asked for."""
    play = Play(policy=Policy(overlap="allow", keep_result=True))
    play.look(2_000)
    play.end(2_000, result=b"two")
    step = play.look(2_100)
    assert (step.result, play.state.last_success_ms) == (b"two", 2_000)
    play.end(1_000, result=b"one")
    step = play.look(2_200)
    assert (step.result, play.state.last_success_ms, play.state.counts.completed) == (None, 2_000, 2)
    play = Play(policy=Policy(overlap="allow"))
    play.look(1_000)
    play.end(1_000, result=b"")
    assert play.look(1_500).result is None


def test_a_reader_sees_what_has_ended_since() -> None:
    """Without a scheduler; ends that are not known or came before change nothing."""
    play = Play(policy=Policy(overlap="allow"))
    play.look(2_000)
    play.end(1_000)
    play.end(1_000)
    play.end(2_000, "refused")
    seen = fold(policy=play.policy, state=play.state, ends=play.ends)
    assert (seen.running, seen.counts.completed, seen.counts.refused) == ((), 1, 1)
    assert play.look(2_500).state.recent == seen.recent


@pytest.mark.parametrize("seed", range(20))
def test_stops_and_starts_lose_no_slot_and_fire_none_twice(seed: int) -> None:
    """Looks at random times, gaps shorter than the window: each slot once, in order [P9]."""
    chance = random.Random(seed)
    jitter = chance.choice((0, 300))
    play = Play(policy=Policy(overlap="allow"), slots=Every(jitter_ms=jitter))
    now_ms = 0
    for _ in range(200):
        now_ms += chance.randrange(1, 20 * SECOND)
        while play.look(now_ms).due_ms == now_ms:
            pass
        for one in chance.sample(play.state.running, chance.randrange(len(play.state.running) + 1)):
            play.end(one.slot_ms, chance.choice(("completed", "failed", "refused")))
    assert slots_of(play.started) == [slot * SECOND for slot in range(1, (now_ms - jitter) // SECOND + 1)], seed
    assert len({one.run for one in play.started}) == len({one.instance for one in play.started}) == len(play.started)


def test_a_state_comes_back_as_it_was_written() -> None:
    """With all that it may hold."""
    play = Play(policy=Policy(overlap="buffer_all"))
    for now_ms in (0, 1_000, 2_000, 3_000):
        play.look(now_ms)
    assert decode_state(encode_state(play.state)) == play.state
    assert decode_state(encode_state(first_state(5))) == ScheduleState(cursor_ms=5)


def test_ids_follow_from_schedule_and_slot() -> None:
    """So that a repeated start is the same start."""
    assert slot_text(1_774_747_800_000) == "2026-03-29T01:30:00Z"
    assert slot_text(1_774_747_800_007) == "2026-03-29T01:30:00.007Z"
    assert instance_id("{schedule}/{slot}", "n", 0) == "n/1970-01-01T00:00:00Z"
    assert instance_id("fixed", "n", 0) == "fixed"
    assert run_id("g", "slot", 1) == run_id("g", "slot", 1)
    assert len({run_id("g", "slot", 1), run_id("g", "slot", 2), run_id("g", "trigger", 1), run_id("h", "slot", 1)}) == 4
    for template in ("{slots}", "{", "}", "{{slot}", "", "{schedule}"):
        with pytest.raises(BadInput, match="template"):
            instance_id(template, "", 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"buffer_limit": 0},
        {"buffer_limit": 1_001},
        {"catch_up": timedelta(seconds=1)},
        {"pause_after": -1},
        {"max_runs": 0},
    ],
)
def test_a_policy_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    """With the field named."""
    with pytest.raises(BadInput, match=next(iter(wrong))):
        Policy(**wrong)  # type: ignore[arg-type]
