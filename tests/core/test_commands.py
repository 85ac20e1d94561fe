"""Commands: what workflow code asks for, how it is numbered and answered, and what cancelling asks for."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rqflow.core import commands, events
from rqflow.core.commands import CancelActivity, CancelTimer, SendCancel, StartTimer
from rqflow.core.events import (
    ActivityCompleted,
    CancelRequested,
    ParentLink,
    Payload,
    ScheduleLink,
    TimerFired,
    WorkflowFailed,
)
from rqflow.core.failure import Failure
from rqflow.core.ids import child_id, child_run, next_run
from rqflow.core.run import Run, RunInfo, current
from rqflow.core.wire import decode_failure, encode_failure
from rqflow.errors import (
    ActivityFailed,
    ActivityTimedOut,
    BadInput,
    ChildFailed,
    CorruptEvent,
    NotInWorkflow,
    ReplayMismatch,
    SideEffectFailed,
    SignalFailed,
)
from tests.core.stage import FAILURE, START_MS, Stage, call, child, run, started


async def one_activity(payload: Payload) -> Payload:
    return bytes(await call("charge", payload))


def test_an_activity_is_scheduled_on_the_instances_queue_and_its_result_comes_back() -> None:
    """The command says what and where; the event that answers it ends the await."""
    stage = Stage(one_activity, payload=b"42")
    (command,) = stage.last.commands
    assert isinstance(command, commands.ScheduleActivity)
    assert (command.id, command.name, command.queue, command.payload) == (1, "charge", "default", b"42")
    stage.tell(ActivityCompleted(id=1, payload=b"paid"))
    assert stage.result == b"paid"
    stage.replay()


def test_an_activity_option_chooses_another_queue() -> None:
    """The option's queue goes before the instance's."""

    async def main(payload: Payload) -> Payload:
        return bytes(await call(queue="eu", timeout=timedelta(seconds=3)))

    (command,) = Stage(main).last.commands
    assert isinstance(command, commands.ScheduleActivity)
    assert command.queue == "eu"
    assert command.options.timeout == timedelta(seconds=3)


@pytest.mark.parametrize(("kind", "expected"), [("error", ActivityFailed), ("timeout", ActivityTimedOut)])
def test_a_failed_activity_raises_with_its_whole_chain(kind: str, expected: type[Exception]) -> None:
    """The exception names the activity, carries the failure, and its causes can be read."""
    caught: list[ActivityFailed] = []

    async def main(payload: Payload) -> Payload:
        try:
            await call("charge")
        except ActivityFailed as error:
            caught.append(error)
        return b"handled"

    cause = Failure(type="socket.timeout", message="no answer", traceback="  in charge")
    failure = Failure(type="shop.PaymentError", message="declined", kind=kind, cause=cause)
    stage = Stage(main)
    stage.tell(events.ActivityFailed(id=1, payload=encode_failure(failure)))
    assert stage.result == b"handled"
    (error,) = caught
    assert type(error) is expected
    assert "'charge'" in str(error)
    assert "shop.PaymentError: declined" in str(error)
    assert error.failure == failure
    assert str(error.__cause__) == "shop.PaymentError: declined"
    assert error.__cause__ is not None
    assert str(error.__cause__.__cause__) == "socket.timeout: no answer"


def test_a_result_that_comes_twice_is_applied_once() -> None:
    """[P5] What has ended is not ended again, whatever the second event says."""

    async def main(payload: Payload) -> Payload:
        return bytes(await call("one")) + bytes(await call("two"))

    stage = Stage(main)
    stage.tell(ActivityCompleted(id=1, payload=b"first"))
    stage.tell(ActivityCompleted(id=1, payload=b"again"), events.ActivityFailed(id=1, payload=FAILURE))
    stage.tell(ActivityCompleted(id=2, payload=b"second"))
    assert stage.result == b"firstsecond"
    stage.replay()


@pytest.mark.parametrize(
    "event",
    [
        TimerFired(id=7),
        events.ActivityFailed(id=7, payload=FAILURE),
        events.ChildStarted(id=7, run="r"),
        events.SignalDelivered(id=7),
        ActivityCompleted(id=0),
    ],
)
def test_an_answer_to_a_command_that_was_never_given_stalls(event: Any) -> None:
    """The history belongs to other code than this."""
    stage = Stage(one_activity)
    with pytest.raises(ReplayMismatch, match="only 1 commands so far"):
        stage.tell(event)


def test_an_answer_of_the_wrong_kind_is_a_corrupt_event() -> None:
    """A timer cannot fire for an activity."""
    with pytest.raises(CorruptEvent, match="waits for something else"):
        Stage(one_activity).tell(TimerFired(id=1))


def test_a_run_cannot_start_twice() -> None:
    """WorkflowStarted stands at the beginning of a history only."""
    with pytest.raises(CorruptEvent, match="second time"):
        Stage(one_activity).tell(started())


def test_cancelling_an_await_takes_the_command_back() -> None:
    """An activity is told to stop, a timer is taken back, a child is asked to cancel; the awaits end at once."""

    async def main(payload: Payload) -> Payload:
        waits = asyncio.gather(call(), run().sleep(9, "nap"), child("kid").ended, return_exceptions=True)
        await asyncio.sleep(1)
        waits.cancel()
        try:
            await waits
        except asyncio.CancelledError:
            return b"cancelled"
        return b"not"

    stage = Stage(main)
    kid = stage.last.commands[2]
    assert isinstance(kid, commands.StartChild)
    stage.tell(TimerFired(id=4))
    assert stage.result == b"cancelled"
    assert stage.last.commands == (
        CancelActivity(id=5, target=1),
        CancelTimer(id=6, target=2),
        SendCancel(id=7, instance=kid.instance),
    )
    stage.replay()


def test_what_is_given_and_taken_back_in_one_step_was_never_given() -> None:
    """A timeout that never waited, an activity and a child that are cancelled at once leave only their numbers."""

    async def main(payload: Payload) -> Payload:
        async with asyncio.timeout(5):  # noqa: ASYNC100
            pass
        activity, kid = call("never"), child("never", tell_start=True)
        activity.cancel()
        assert kid.ended.cancel()
        assert not kid.ended.cancel()
        assert kid.started.cancelled()
        nap = run().sleep(3, "never")
        nap.cancel()
        return bytes(await call("kept"))

    stage = Stage(main)
    assert [(type(command).__name__, command.id) for command in stage.last.commands] == [("ScheduleActivity", 5)]
    stage.tell(ActivityCompleted(id=5, payload=b"ok"))
    assert stage.result == b"ok"
    stage.replay()


def test_the_start_of_a_child_can_be_awaited_after_its_end_was_given_up() -> None:
    """Cancelling the await of the result asks the child to cancel; that it has started is still told."""

    async def main(payload: Payload) -> Payload:
        kid = child("kid", tell_start=True)
        await asyncio.sleep(1)
        kid.ended.cancel()
        assert not kid.started.done()
        return b"cancel sent"

    stage = Stage(main)
    stage.tell(TimerFired(id=2))
    assert stage.result == b"cancel sent"
    assert isinstance(stage.last.commands[0], SendCancel)


def test_a_child_is_started_with_an_id_and_a_run_derived_from_its_parents() -> None:
    """The ids say where it belongs, differ in each run of the parent, and repeat at each replay."""

    async def main(payload: Payload) -> Payload:
        kid = child("kid", b"in", tell_start=True, queue="eu")
        assert kid.instance == child_id("order-1", "run-1", 1)
        name = await kid.started
        return bytes(name.encode() + await kid.ended + await child("kid", id="given").ended)

    stage = Stage(main, headers=(("trace", "t-1"),))
    (command,) = stage.last.commands
    assert isinstance(command, commands.StartChild)
    assert command.instance == child_id("order-1", "run-1", 1) != child_id("order-1", "run-2", 1)
    assert command.instance.startswith("order-1/1-")
    assert command.run == child_run("run-1", 1)
    assert (command.queue, command.payload, command.headers) == ("eu", b"in", (("trace", "t-1"),))
    assert command.tell_start
    stage.tell(events.ChildStarted(id=1, run="kid-run"))
    stage.tell(events.ChildStarted(id=1, run="told twice"))
    stage.tell(events.ChildCompleted(id=1, payload=b"!"))
    (command,) = stage.last.commands
    assert isinstance(command, commands.StartChild)
    assert (command.instance, command.queue) == ("given", "default")
    stage.tell(events.ChildCompleted(id=2, payload=b"?"))
    assert stage.result == b"kid-run!?"
    stage.replay()


def test_the_first_event_of_a_child_follows_from_its_command() -> None:
    """The store writes it into the child's history; its deadline is counted in milliseconds."""

    async def main(payload: Payload) -> Payload:
        await child("kid", b"in", timeout=timedelta(seconds=2)).ended
        return b""

    (command,) = Stage(main, headers=(("a", "b"),)).last.commands
    assert isinstance(command, commands.StartChild)
    parent = ParentLink(instance="order-1", run="run-1", command=1)
    assert commands.started_of_child(command, parent) == events.WorkflowStarted(
        workflow="kid",
        instance=command.instance,
        run=command.run,
        queue="default",
        parent=parent,
        timeout_ms=2_000,
        headers=(("a", "b"),),
        payload=b"in",
    )


def test_ids_of_deep_descendants_stay_short_and_any_text_is_borne() -> None:
    """A child id grows with depth only so far; ids with any Unicode, even half a surrogate, break nothing."""
    id, seen = "a", set()
    for depth in range(100):
        id = child_id(id, f"run-{depth}", 1)
        seen.add(id)
        assert len(id) <= 400
    assert len(seen) == 100
    assert child_id("ü\ud800", "run", 1) != child_id("ü\ud801", "run", 1)
    assert len({child_run("run", 1), child_run("run1", 1), child_run("run", 11), next_run("run")}) == 4


def test_a_child_that_fails_or_does_not_start_raises_in_both_awaits() -> None:
    """Whoever awaits its start is told too."""
    caught: list[Any] = []

    async def main(payload: Payload) -> Payload:
        kid = child("kid", id="k-1", tell_start=True)
        caught.extend(await asyncio.gather(kid.started, kid.ended, return_exceptions=True))
        other = child("kid", id="k-2")
        other.started.cancel()
        caught.extend(await asyncio.gather(other.ended, return_exceptions=True))
        return b""

    stage = Stage(main)
    stage.tell(events.ChildFailed(id=1, payload=FAILURE))
    stage.tell(events.ChildFailed(id=2, payload=FAILURE))
    assert [type(each) for each in caught] == [ChildFailed] * 3
    assert "child 'k-1' (kid) failed: shop.OutOfStock: none left" in str(caught[0])


def test_the_end_of_a_child_that_was_given_up_is_ignored() -> None:
    """Its parent has moved on."""

    async def main(payload: Payload) -> Payload:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                await child("kid").ended
        return bytes(await call())

    stage = Stage(main)
    stage.tell(TimerFired(id=1))
    stage.tell(events.ChildFailed(id=2, payload=FAILURE), events.SignalDelivered(id=3))
    stage.tell(ActivityCompleted(id=4, payload=b"on"))
    assert stage.result == b"on"
    stage.replay()


def test_messages_to_other_instances_tell_whether_they_arrived() -> None:
    """A signal or a cancel request is awaited until it is delivered, or raises that nobody was there."""
    caught: list[SignalFailed] = []

    async def main(payload: Payload) -> Payload:
        await run().send_signal("other", "ping", b"1")
        try:
            await run().send_cancel("gone", "enough")
        except SignalFailed as error:
            caught.append(error)
        run().send_signal("other", "unawaited", b"2").cancel()
        return b"sent"

    stage = Stage(main)
    assert stage.last.commands == (commands.SendSignal(id=1, instance="other", name="ping", payload=b"1"),)
    stage.tell(events.SignalDelivered(id=1))
    assert stage.commands[1:] == [SendCancel(id=2, instance="gone", reason="enough")]
    stage.tell(events.SignalFailed(id=2, payload=FAILURE))
    assert stage.result == b"sent"
    assert "'gone'" in str(caught[0])
    stage.replay()


def test_a_message_cannot_be_unsent() -> None:
    """Cancelling the await of a delivery leaves the message, in the same step and later."""

    async def main(payload: Payload) -> Payload:
        run().send_signal("other", "at once", b"").cancel()
        later = run().send_signal("other", "later", b"")
        await asyncio.sleep(1)
        later.cancel()
        await call()
        return b"sent all the same"

    stage = Stage(main)
    assert [type(command).__name__ for command in stage.last.commands] == ["SendSignal", "SendSignal", "StartTimer"]
    stage.tell(TimerFired(id=3))
    assert len(stage.last.commands) == 1
    stage.tell(events.SignalFailed(id=1, payload=FAILURE), events.SignalDelivered(id=2))
    stage.tell(ActivityCompleted(id=4))
    assert stage.result == b"sent all the same"
    stage.replay()


def test_a_named_sleep_shows_its_name_and_refuses_absurd_durations() -> None:
    """Negative is an error here (asyncio.sleep takes it as zero); zero is over at once."""

    async def main(payload: Payload) -> Payload:
        for seconds in (-1, float("nan"), 1e15):
            with pytest.raises(BadInput):
                run().sleep(seconds, "absurd")
        await run().sleep(0, "no time")
        await run().sleep(90, "cool down")
        return b"rested"

    stage = Stage(main)
    assert stage.last.commands == (StartTimer(id=1, delay=timedelta(seconds=90), name="cool down"),)
    stage.tell(TimerFired(id=1))
    assert stage.result == b"rested"
    stage.replay()


def test_side_effects_are_drawn_once_and_found_again() -> None:
    """Replay does not call the function; it returns what was recorded."""
    drawn: list[int] = []

    def draw() -> Payload:
        drawn.append(1)
        return b"%d" % len(drawn)

    async def main(payload: Payload) -> Payload:
        value = run().side_effect(draw)
        await call()
        return value + run().side_effect(draw)

    stage = Stage(main)
    stage.tell(ActivityCompleted(id=2))
    assert stage.result == b"12"
    stage.replay()
    assert len(drawn) == 2


def test_a_side_effect_that_raises_raises_the_same_at_replay() -> None:
    """The exception is recorded too; otherwise replay would go another way."""

    def draw() -> Payload:
        raise OSError("no entropy")

    async def main(payload: Payload) -> Payload:
        try:
            run().side_effect(draw)
        except SideEffectFailed as error:
            return str(error).encode()
        return b"unreachable"

    stage = Stage(main)
    assert stage.result == b"the side effect failed: builtins.OSError: no entropy"
    stage.replay()


def test_a_side_effect_that_the_history_does_not_know_stalls_though_the_code_swallows_errors() -> None:
    """Drawing again could give another value, so the step ends there."""
    old = Stage(one_activity)
    old.tell(CancelRequested())

    async def changed(payload: Payload) -> Payload:
        try:
            run().side_effect(lambda: b"new")
        except Exception:
            await call("elsewhere")
        return b""

    with pytest.raises(ReplayMismatch, match="no such side effect"):
        Stage(changed, begin=False).executor.advance(old.history, replayed=len(old.history))


def test_status_attributes_and_events_are_commands() -> None:
    """They become durable with the turn; removed attributes are null in the record."""

    async def main(payload: Payload) -> Payload:
        run().set_status(b'"packing"')
        run().set_attributes({"city": "Bern", "size": 3}, ("old",))
        run().emit("packed", b"1")
        return b""

    stage = Stage(main)
    assert stage.last.commands == (
        commands.SetStatus(id=1, payload=b'"packing"'),
        commands.SetAttributes(
            id=2,
            changes={"city": "Bern", "size": 3},
            removed=("old",),
            payload=b'{"city":"Bern","size":3,"old":null}',
        ),
        commands.EmitEvent(id=3, name="packed", payload=b"1"),
    )
    stage.replay()


def test_a_run_knows_itself_alike_at_every_replay() -> None:
    """info, now and random follow from the events; the history's length counts news and earlier commands."""
    seen: list[Any] = []

    async def main(payload: Payload) -> Payload:
        assert isinstance(run(), Run)
        seen.append((run().info, run().now(), run().random.random(), run().replaying))
        await call()
        seen.append((run().info, run().now(), run().random.random(), run().replaying))
        await call()
        return b""

    parent = ParentLink(instance="p", run="p-run", command=3)
    stage = Stage(
        main, parent=parent, timeout_ms=60_000, continued_from="run-0", run="run-1", executor={"soft_events": 3}
    )
    stage.tell(ActivityCompleted(id=1), after_ms=500)
    begin = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert begin.timestamp() * 1000 == START_MS
    assert seen[0][0] == RunInfo(
        workflow="main",
        instance="order-1",
        run="run-1",
        queue="default",
        started_at=begin,
        parent=parent,
        continued_from="run-0",
        deadline=begin + timedelta(minutes=1),
        history_length=1,
        continue_suggested=False,
    )
    assert seen[1][0].history_length == 3
    assert seen[1][0].continue_suggested
    assert [at for _, at, _, _ in seen] == [begin, begin + timedelta(milliseconds=500)]
    live = [each[2] for each in seen]
    assert [each[3] for each in seen] == [False, False]
    seen.clear()
    stage.replay()
    assert [each[2] for each in seen] == live
    assert [each[3] for each in seen] == [True, True]


def test_the_random_generator_is_seeded_alike_in_every_version_of_python() -> None:
    """SHA-256 of the run id, not hash(): the first number is written down here."""

    async def main(payload: Payload) -> Payload:
        return b"%d" % run().random.getrandbits(32)

    assert Stage(main, run="run-1").result == b"3045578262"
    assert Stage(main, run="run-2").result != Stage(main, run="run-1").result


def test_time_never_goes_back_though_the_stores_clock_does() -> None:
    """A clock that was set back must not make timers lie in the past."""
    seen: list[datetime] = []

    async def main(payload: Payload) -> Payload:
        for _ in range(3):
            seen.append(run().now())
            await run().receive("tick")
        return b""

    stage = Stage(main)
    stage.tell(events.SignalReceived(name="tick"), after_ms=1_000)
    stage.tell(events.SignalReceived(name="tick"), after_ms=-600)
    assert seen[2] == seen[1] > seen[0]


def test_a_run_is_found_only_inside_its_own_steps() -> None:
    """Outside a workflow function the words say so."""
    with pytest.raises(NotInWorkflow):
        current()


def test_arguments_that_do_not_fit_fail_the_run() -> None:
    """What the definition raises when it is begun is the run's failure."""

    def begin(payload: Payload) -> Any:
        raise BadInput("parameter order: expected Order, got 3")

    stage = Stage(begin)
    assert isinstance(stage.last.close, WorkflowFailed)
    assert decode_failure(stage.last.close.payload).message == "parameter order: expected Order, got 3"
    assert stage.executor.ended
    stage.replay()


def test_a_run_knows_the_slot_that_it_was_started_for() -> None:
    """Schedule, slot and last success as times with a zone, the last result as it was returned."""
    seen: list[Any] = []

    async def main(payload: Payload) -> Payload:
        seen.append(current().info.schedule)
        return b""

    Stage(main)
    Stage(main, schedule=ScheduleLink(schedule="nightly", slot_ms=START_MS))
    link = ScheduleLink(schedule="nightly", slot_ms=START_MS, last_success_ms=START_MS - 1_000, last_result=b"[1]")
    Stage(main, schedule=link)
    slot = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    nothing, first, second = seen
    assert nothing is None
    assert (first.id, first.slot, first.last_success, first.last_result) == ("nightly", slot, None, None)
    assert (second.last_success, second.last_result) == (slot - timedelta(seconds=1), [1])
