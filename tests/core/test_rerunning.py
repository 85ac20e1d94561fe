"""Which part of a history a rerun keeps, and what it does again (PARITY B9)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rqflow.core import events
from rqflow.core.commands import ScheduleActivity
from rqflow.core.events import WorkflowRerun, WorkflowStarted
from rqflow.core.executor import Executor
from rqflow.core.ids import child_id
from rqflow.core.rerunning import Rerun, failed_steps, from_event, from_start
from rqflow.core.wire import decode, decode_stored, encode, stored
from rqflow.errors import BadInput, CorruptEvent
from tests.core.stage import FAILURE, START_MS, Stage, call, child, run


def stored_of(stage: Stage) -> list[bytes]:
    """The history as a store has it."""
    return [stored(stamped.at_ms, "r", encode(stamped.event)) for stamped in stage.history]


def begun(stage: Stage, rerun: Rerun) -> tuple[Executor, Any]:
    """An executor that has taken the first turn of the rerun, and its decision."""
    executor = Executor(stage.definition)
    old = [decode_stored(event) for event in rerun.history]
    news = [decode_stored(stored(START_MS + 60_000, scope, event)) for scope, event in rerun.news]
    return executor, executor.advance([*old, *news], replayed=len(old))


async def two_steps(payload: bytes) -> Any:
    """Two steps beside each other, and one that is given up in the turn that asks for it."""
    first, second = call("first", b"1"), call("second", b"2")
    lost = call("lost")
    await asyncio.sleep(0)
    lost.cancel()
    return await first + await second


async def with_children(payload: bytes) -> Any:
    """A child that is told to cancel, one whose id is given, and a message to the first."""
    first, second = child("kid"), child("kid", id="mine")
    done = await second.ended
    await run().send_signal(first.instance, "hello", b"")
    return done + await first.ended


def rerun_event(rerun: Rerun) -> WorkflowRerun:
    event = decode(rerun.news[0][1])
    assert isinstance(event, WorkflowRerun)
    return event


def test_what_had_not_ended_is_asked_for_again_with_what_was_recorded() -> None:
    """With the payload that the history has, whatever the code computes by now, and with the options of the code."""
    stage = Stage(two_steps)
    stage.tell(events.ActivityCompleted(id=1, payload=b"one"))
    again = from_event(stored_of(stage), 3, instance="order-1", run="run-2", payload=b"other")
    assert rerun_event(again).redo == (1, 2)
    executor, decision = begun(stage, again)
    assert [(command.id, command.name, command.payload) for command in decision.again] == [
        (1, "first", b"1"),
        (2, "second", b"other"),
    ]
    assert decision.commands == ()
    assert executor.length == len(again.history) + 1
    # Followed again, cold, it wants nothing.
    old = [decode_stored(event) for event in again.history]
    news = [decode_stored(stored(START_MS + 60_000, scope, event)) for scope, event in again.news]
    cold = Executor(stage.definition)
    assert cold.advance([*old, *news], replayed=len(old) + len(news)).again == ()
    cold.close()
    executor.close()


def test_a_step_that_was_given_up_is_no_place_to_begin() -> None:
    """It was taken back before anyone did it."""

    async def gives_up(payload: bytes) -> Any:
        kept, lost = call("kept"), call("lost")
        await kept
        lost.cancel()
        return await call("last")

    stage = Stage(gives_up)
    stage.tell(events.ActivityCompleted(id=1))
    history = stored_of(stage)
    assert rerun_event(from_event(history, 3, instance="order-1", run="run-2")).redo == (1, 2)
    last = from_event(history, len(history), instance="order-1", run="run-2")
    assert len(rerun_event(last).redo) == 1


def test_a_step_whose_end_is_kept_by_a_hand_that_wrote_the_history_is_refused() -> None:
    """A history that asks for a step and gives it up among the same records."""
    history = [
        stored(1, "r", encode(event))
        for event in (
            WorkflowStarted(workflow="w", instance="i", run="r", queue="q"),
            events.ActivityScheduled(id=1, name="a"),
            events.ActivityCancelRequested(id=2, target=1),
        )
    ]
    with pytest.raises(BadInput, match="was given up"):
        from_event(history, 2, instance="i", run="r2")


def test_children_of_another_instance_get_other_ids() -> None:
    """Those whose ids grew from the parent's, and messages to them; an id that the code gave stays."""
    stage = Stage(with_children)
    stage.tell(events.ChildCompleted(id=2, payload=b"2"))
    stage.tell(events.SignalDelivered(id=3))
    moved = failed_steps(stored_of(stage), instance="order-2", run="run-2")
    found = [decode_stored(event).event for event in moved.history]
    kids = [event.instance for event in found if isinstance(event, events.ChildScheduled)]
    assert kids[0].startswith("order-2/1-")
    assert kids[1] == "mine"
    sent = [event.instance for event in found if isinstance(event, events.SignalSent)]
    assert sent == kids[:1]
    executor, decision = begun(stage, moved)
    # The message was on its way in the last turn, which is taken again.
    assert {command.id for command in decision.again} <= {1, 3}
    executor.close()


def test_a_rerun_of_a_rerun_knows_whose_history_it_has() -> None:
    """And children that the first rerun began have ids that grew from its run."""

    async def later(payload: bytes) -> Any:
        await call("first")
        return await child("kid").ended

    stage = Stage(later)
    once = from_event(stored_of(stage), 2, instance="order-1", run="run-2")
    executor, decision = begun(stage, once)
    assert [type(command) for command in decision.again] == [ScheduleActivity]
    more = executor.advance([decode_stored(stored(START_MS + 70_000, "r", encode(events.ActivityCompleted(id=1))))])
    kid = child_id("order-1", "run-2", 2)
    assert [getattr(command, "instance", "") for command in more.commands] == [kid]
    history = [
        *once.history, stored(START_MS + 60_000, "r", once.news[0][1]),
        stored(START_MS + 70_000, "r", encode(events.ActivityCompleted(id=1))),
        stored(START_MS + 70_000, "r", encode(events.ChildScheduled(id=2, workflow="kid", instance=kid))),
    ]  # fmt: skip
    twice = from_event(history, len(history), instance="order-9", run="run-3")
    assert rerun_event(twice) == WorkflowRerun(run="run-3", source="run-2", redo=(2,))
    assert decode_stored(twice.history[-1]).event.instance.startswith("order-9/2-")  # type: ignore[union-attr]
    begun(stage, twice)[0].close()
    executor.close()


def test_what_failed_is_cut_out_and_good_ends_after_it_are_kept() -> None:
    """Also ends that came in the same turn as the failure, before it."""
    stage = Stage(two_steps)
    stage.tell(
        events.ActivityCompleted(id=1, payload=b"one"), events.SignalReceived(name="s"),
        events.ActivityFailed(id=2, payload=FAILURE),
    )  # fmt: skip
    again = failed_steps(stored_of(stage), instance="order-1", run="run-2")
    assert [type(decode(event)) for _, event in again.news] == [
        WorkflowRerun,
        events.ActivityCompleted,
        events.SignalReceived,
    ]
    assert [scope for scope, _ in again.news] == ["r", "r", "i"]
    assert rerun_event(again).redo == (2,)


def test_a_history_that_begins_otherwise_is_refused() -> None:
    """Nothing can be made of it."""
    odd = [stored(1, "r", encode(events.TimerFired(id=1)))]
    with pytest.raises(CorruptEvent):
        from_start(odd[0], instance="i", run="r")


def test_an_executor_that_lost_its_turn_has_nothing_to_ask_again() -> None:
    """A rerun whose end stands in the history is only looked at."""

    async def quick(payload: bytes) -> Any:
        return await call("only")

    stage = Stage(quick)
    again = from_event(stored_of(stage), 2, instance="order-1", run="run-2")
    whole = [
        *(decode_stored(event) for event in again.history),
        decode_stored(stored(START_MS, "r", again.news[0][1])),
        decode_stored(stored(START_MS, "r", encode(events.WorkflowTerminated()))),
    ]
    executor = Executor(stage.definition)
    assert executor.advance(whole, replayed=1).again == ()
    executor.close()


def test_a_local_activity_that_had_not_ended_is_asked_for_again_where_it_was_recorded_to_run() -> None:
    """[B9] It is local as before, whatever the code says by now: the store would not know of it, or would for ever."""

    def main_of(local: bool) -> Any:
        async def main(payload: bytes) -> Any:
            return await call("step", b"1", local=local)

        return main

    for before in (True, False):
        stage = Stage(main_of(before))
        rerun = from_event(stored_of(stage), 2, instance="other", run="run-2")
        stage.definition = Stage(main_of(not before)).definition
        _, decision = begun(stage, rerun)
        (again,) = decision.again
        assert isinstance(again, ScheduleActivity)
        assert again.options.local is before
