"""Lost runs: what a failover took with it does not keep a schedule's books open for ever."""

from __future__ import annotations

from rqflow.schedules.lost import CHECK_AHEAD, CHECK_EVERY, MAX_CHECKS
from rqflow.schedules.policy import Policy
from rqflow.schedules.state import Backfill
from tests.schedules.every import SECOND, Every, Play, slots_of

MINUTE = 60 * SECOND
HOUR = 60 * MINUTE


def test_a_lost_run_does_not_stand_in_the_way_of_the_next_slot() -> None:
    """It is asked after a little before, and found to be lost."""
    play = Play(slots=Every(step_ms=HOUR))
    play.look(0)
    step = play.look(HOUR)
    assert (slots_of(step.starts), step.checks) == ([HOUR], ())
    assert step.due_ms == 2 * HOUR - CHECK_AHEAD
    step = play.look(2 * HOUR - CHECK_AHEAD)
    assert slots_of(step.checks) == [HOUR]
    assert step.due_ms == 2 * HOUR
    play.end(HOUR, "lost")
    step = play.look(2 * HOUR)
    assert slots_of(step.starts) == [2 * HOUR]
    assert (HOUR, "lost") in play.outcomes
    counts = play.state.counts
    assert (counts.skipped, counts.other_ends, counts.failed) == (0, 1, 0)


def test_where_slots_start_side_by_side_nothing_is_looked_at_before_its_time() -> None:
    """[P10] Nobody waits for what runs: a few of them are asked after at each slot."""
    play = Play(policy=Policy(overlap="allow"), slots=Every(step_ms=HOUR))
    play.look(0)
    assert [play.look(hour * HOUR).due_ms for hour in range(1, 50)] == [hour * HOUR for hour in range(2, 51)]
    assert play.step is not None
    assert len(play.step.checks) == MAX_CHECKS


def test_what_runs_is_asked_after_every_ten_minutes_at_most() -> None:
    """Not at each look of a schedule that fires often, and no sooner than that after its start."""
    play = Play(slots=Every(step_ms=SECOND))
    asked = [now_ms for now_ms in range(0, HOUR, SECOND) if play.look(now_ms).checks]
    assert len(asked) == (HOUR - SECOND) // CHECK_EVERY
    assert all(later - earlier >= CHECK_EVERY for earlier, later in zip([SECOND, *asked], asked, strict=False))
    assert play.state.counts.slots == 1


def test_many_that_run_are_asked_after_in_bounded_steps() -> None:
    """[P10] Each in its turn; those that wait are not asked about without a pause."""
    play = Play(policy=Policy(overlap="allow"), slots=Every(step_ms=SECOND, last_ms=50 * SECOND))
    for now_ms in range(0, 51 * SECOND, SECOND):
        play.look(now_ms)
    assert len(play.state.running) == 50
    seen: list[int] = []
    for second in range(10):
        checks = play.look(60 * SECOND + CHECK_EVERY + second * SECOND).checks
        assert len(checks) <= MAX_CHECKS
        seen += slots_of(checks)
    assert seen == [slot * SECOND for slot in range(1, 51)]


def test_while_a_start_waits_for_a_run_that_run_is_asked_after_though_no_slot_comes() -> None:
    """A yearly schedule would find out in a year; the same for a backfill, of which nothing else would make it look."""
    play = Play(policy=Policy(overlap="buffer_one"), slots=Every(step_ms=MINUTE, last_ms=2 * MINUTE))
    play.look(0)
    play.look(MINUTE)
    step = play.look(2 * MINUTE)
    assert (play.running, play.waiting) == ([MINUTE], [2 * MINUTE])
    assert step.due_ms == MINUTE + CHECK_EVERY
    assert slots_of(play.look(MINUTE + CHECK_EVERY).checks) == [MINUTE]
    play.end(MINUTE, "lost")
    step = play.look(MINUTE + CHECK_EVERY + 5)
    assert slots_of(step.starts) == [2 * MINUTE]
    assert step.due_ms is None, "nobody waits for that one"

    play = Play(slots=Every(step_ms=MINUTE, last_ms=2 * MINUTE))
    play.state = play.look(10 * MINUTE).state
    backfill = Backfill(id="b", start_ms=MINUTE, end_ms=2 * MINUTE, limit=1, cursor_ms=0)
    play.state = type(play.state)(cursor_ms=play.state.cursor_ms, backfills=(backfill,))
    step = play.look(10 * MINUTE)
    assert slots_of(step.starts) == [MINUTE]
    assert step.due_ms == 10 * MINUTE + CHECK_EVERY


def test_a_run_that_has_ended_after_all_is_not_ended_twice() -> None:
    """Its end may be told again, and is known by then."""
    play = Play(slots=Every(step_ms=HOUR))
    play.look(0)
    play.look(HOUR)
    play.end(HOUR)
    play.end(HOUR)
    play.end(HOUR, "lost")
    play.look(HOUR + MINUTE)
    assert (play.state.counts.completed, play.state.counts.other_ends) == (1, 0)
