"""Mismatch: code that has changed under a running instance is found out, and both sides are shown."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from rqflow.core import events
from rqflow.core.commands import Decision
from rqflow.core.events import ActivityCompleted, CancelRequested, Payload, Stamped, TimerFired
from rqflow.core.executor import Executor
from rqflow.core.failure import failure_of
from rqflow.core.wire import encode_failure
from rqflow.errors import CorruptEvent, IllegalTransition, LimitReached, ReplayMismatch
from tests.core.stage import Definition, Main, Stage, call, child, run, stamp, started


async def old(payload: Payload) -> Payload:
    """What the history was written by."""
    await call("reserve")
    await run().sleep(60, "cool down")
    run().emit("reserved", b"")
    await child("ship", id="s-1").ended
    return b"done"


def history_of_old(*, turns: int = 4) -> list[Stamped]:
    stage = Stage(old)
    for news in (ActivityCompleted(id=1), TimerFired(id=2), events.ChildCompleted(id=4))[: turns - 1]:
        stage.tell(news)
    return stage.history


def follow(main: Main, history: Sequence[Stamped]) -> Decision:
    return Executor(Definition(main)).advance(history, replayed=len(history))


async def other_activity(payload: Payload) -> Payload:
    await call("charge")
    return b""


async def timer_first(payload: Payload) -> Payload:
    await asyncio.sleep(60)
    return b""


async def one_more(payload: Payload) -> Payload:
    await asyncio.gather(call("reserve"), call("charge"))
    return b""


async def one_less(payload: Payload) -> Payload:
    await run().receive("never")
    return b""


async def ends_early(payload: Payload) -> Payload:
    await call("reserve")
    return b"done"


async def other_child(payload: Payload) -> Payload:
    await call("reserve")
    await run().sleep(60, "cool down")
    run().emit("reserved", b"")
    await child("ship", id="s-2").ended
    return b"done"


async def waits_on(payload: Payload) -> Payload:
    await old(payload)
    await run().receive("never")
    return b""


async def raises(payload: Payload) -> Payload:
    await old(payload)
    raise ValueError


@pytest.mark.parametrize(
    ("main", "position", "recorded", "asked"),
    [
        (other_activity, 1, "ActivityScheduled #1 (name='reserve')", "ActivityScheduled #1 (name='charge')"),
        (timer_first, 1, "ActivityScheduled #1 (name='reserve')", "TimerStarted #1 (name='')"),
        (one_more, 2, "TimerStarted #2 (name='cool down')", "ActivityScheduled #2 (name='charge')"),
        (one_less, 1, "a result of command 1", "0 commands"),
        (ends_early, 2, "TimerStarted #2 (name='cool down')", "WorkflowCompleted"),
        (other_child, 4, "instance='s-1'", "instance='s-2'"),
        (waits_on, 5, "WorkflowCompleted", "nothing more, and waits"),
        (raises, 5, "WorkflowCompleted", "WorkflowFailed"),
    ],
)
def test_p4_changed_code_stalls_and_both_sides_are_shown(main: Main, position: int, recorded: str, asked: str) -> None:
    """[P4] The error says at which command, what the history has and what the code asks for."""
    with pytest.raises(ReplayMismatch) as caught:
        follow(main, history_of_old())
    assert caught.value.position == position
    assert recorded in caught.value.recorded
    assert asked in caught.value.asked
    assert caught.value.recorded in str(caught.value)


def test_a_command_that_the_history_has_and_the_code_does_not_ask_for_is_found() -> None:
    """Its turn is over, and the record is still there."""
    with pytest.raises(ReplayMismatch, match="nothing more, and waits"):
        follow(one_less, history_of_old(turns=1))


def test_a_command_that_the_code_asks_for_and_the_history_has_not_is_found() -> None:
    """The turn is in the history, so its commands would have been."""
    with pytest.raises(ReplayMismatch, match="no further command"):
        follow(one_more, history_of_old(turns=1))


def test_an_end_that_the_history_does_not_have_is_found() -> None:
    """The code returns where the history goes on."""

    async def returns(payload: Payload) -> Payload:
        return b""

    waiting = Stage(one_less).history
    with pytest.raises(ReplayMismatch, match="no end of the run"):
        follow(returns, waiting)


def test_new_commands_are_not_held_against_old_ones() -> None:
    """A record that is left over is found before the news are looked at."""
    history = history_of_old(turns=1)
    executor = Executor(Definition(one_less))
    with pytest.raises(ReplayMismatch):
        executor.advance([*history, stamp(CancelRequested())], replayed=len(history))


def test_records_that_come_unannounced_are_followed_too() -> None:
    """Whoever does not say what is replayed gets the commands that no record tells of."""
    history = history_of_old()[:3]
    executor = Executor(Definition(old))
    decision = executor.advance(history)
    assert [type(command).__name__ for command in decision.commands] == ["StartTimer"]


def test_durations_options_and_payloads_may_change_under_a_running_instance() -> None:
    """Only kind, number and names are compared."""

    async def tuned(payload: Payload) -> Payload:
        await call("reserve", b"more", queue="fast", timeout=timedelta(seconds=9))
        await run().sleep(30, "cool down")
        run().emit("reserved", b"new")
        await child("ship", b"new", id="s-1").ended
        return b"something else"

    assert follow(tuned, history_of_old()) == Decision()


def test_a_mismatch_leaves_the_executor_unusable() -> None:
    """It stands nowhere in the history; the worker builds a new one after a deploy."""
    executor = Executor(Definition(other_activity))
    history = history_of_old()
    with pytest.raises(ReplayMismatch):
        executor.advance(history, replayed=len(history))
    with pytest.raises(IllegalTransition):
        executor.advance(history, replayed=len(history))


@pytest.mark.parametrize("end", [events.WorkflowTerminated(reason="enough"), events.WorkflowTimedOut()])
def test_a_run_that_was_ended_from_outside_is_followed_as_far_as_it_went(end: Any) -> None:
    """The code was not asked; what it still wanted was never recorded. It still answers queries."""

    async def main(payload: Payload) -> Payload:
        run().on_query("state", lambda _: b"seen")
        await call()
        return b""

    history = [stamp(started()), stamp(end)]
    executor = Executor(Definition(main))
    assert executor.advance(history, replayed=2) == Decision()
    assert executor.ended
    assert executor.length == 2
    assert executor.query("state", b"") == b"seen"


@pytest.mark.parametrize("end", [events.WorkflowTerminated(reason="enough"), events.WorkflowTimedOut()])
@pytest.mark.parametrize("aside", [False, True], ids=["main", "aside"])
def test_a_run_that_was_ended_before_a_side_effect_was_drawn_is_followed_as_far_as_it_went(
    end: Any, aside: bool
) -> None:
    """The news before the end may never have had a turn. Nothing is drawn for a run that is over."""
    drawn = list[int]()

    async def draw() -> None:
        with contextlib.suppress(Exception):
            run().side_effect(lambda: drawn.append(1) or b"")  # type: ignore[func-returns-value]
        await call("never asked for")

    async def main(payload: Payload) -> Payload:
        run().on_query("state", lambda _: b"seen")
        await call()
        await (asyncio.create_task(draw()) if aside else draw())
        return b""

    stage = Stage(main)
    history = [*stage.history, stamp(ActivityCompleted(id=1)), stamp(CancelRequested()), stamp(end)]
    executor = Executor(Definition(main))
    assert executor.advance(history, replayed=len(history)) == Decision()
    assert executor.ended
    assert executor.query("state", b"") == b"seen"
    assert not drawn


def test_a_run_that_failed_because_a_limit_refused_its_turn_is_followed_as_far_as_it_went() -> None:
    """The worker commits such an end in place of the commands that did not fit."""
    failed = events.WorkflowFailed(payload=encode_failure(failure_of(LimitReached("history", 3))))
    history = [stamp(started()), stamp(failed)]
    assert follow(one_more, history) == Decision()


def test_a_history_begins_with_its_start() -> None:
    """Anything else is no history of a run."""
    executor = Executor(Definition(old))
    with pytest.raises(CorruptEvent, match="must begin with WorkflowStarted"):
        executor.advance([stamp(TimerFired(id=1))])
    for use in (lambda: executor.info, lambda: Executor(Definition(old)).query("state", b"")):
        with pytest.raises(CorruptEvent, match="no events yet"):
            use()
    with pytest.raises(CorruptEvent):
        Executor(Definition(old)).advance([])


def test_a_corrupt_failure_stalls_and_does_not_fail() -> None:
    """Bytes that are no failure are a fault of the history, not of the code."""
    with pytest.raises(CorruptEvent):
        Stage(old).tell(events.ActivityFailed(id=1, payload=b"\xff"))
