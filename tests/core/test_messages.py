"""Messages: signals, updates and queries, in order, each once, and none lost on the way."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable
from typing import Any

import pytest

from rqflow.core.commands import AnswerUpdate, Continue, StartTimer
from rqflow.core.events import ActivityCompleted, CancelRequested, Payload, SignalReceived, TimerFired, UpdateRequested
from rqflow.core.wire import decode_failure
from rqflow.errors import IllegalTransition, NotDeterministic, UnknownName
from tests.core.stage import Stage, call, run, started


def signal(payload: Payload, name: str = "go") -> SignalReceived:
    return SignalReceived(name=name, payload=payload)


def update(payload: Payload, name: str = "add", id: str = "u-1") -> UpdateRequested:
    return UpdateRequested(update=id, name=name, payload=payload)


def answers(stage: Stage) -> list[tuple[str, bool, Any]]:
    """The updates that the last turn answered: the result, or the type and message of the failure."""
    found = []
    for command in stage.last.commands:
        if isinstance(command, AnswerUpdate):
            failure = None if command.accepted else decode_failure(command.payload)
            found.append((command.update, command.accepted, failure.message if failure else command.payload))
    return found


def test_p8_signals_are_kept_in_order_until_the_code_asks() -> None:
    """[P8] Those that came with the start, and those that came while the code did something else."""

    async def main(payload: Payload) -> Payload:
        first = await run().receive("go")
        await call()
        return first + await run().receive("go") + await run().receive("go")

    stage = Stage(main, begin=False)
    stage.tell(started("main"), signal(b"1"), signal(b"2"), signal(b"x", "other"))
    stage.tell(signal(b"3"))
    stage.tell(ActivityCompleted(id=1))
    assert stage.result == b"123"
    stage.replay()


def test_p8_receivers_are_served_in_the_order_in_which_they_asked() -> None:
    """[P8] The oldest receiver gets the oldest signal."""

    async def main(payload: Payload) -> Payload:
        return b"".join(await asyncio.gather(*(run().receive("go") for _ in range(3))))

    stage = Stage(main)
    stage.tell(signal(b"a"), signal(b"b"))
    stage.tell(signal(b"c"))
    assert stage.result == b"abc"


def test_p8_a_receiver_that_gives_up_takes_no_signal_with_it() -> None:
    """[P8] A timeout on receive gives the place up; the next signal goes to the next who asks."""

    async def main(payload: Payload) -> Payload:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(run().receive("go"), 5)
        await call()
        return await run().receive("go")

    stage = Stage(main)
    stage.tell(TimerFired(id=1))
    stage.tell(signal(b"kept"))
    stage.tell(ActivityCompleted(id=2))
    assert stage.result == b"kept"
    stage.replay()


def test_p8_a_signal_handed_to_a_receiver_that_is_cancelled_before_it_reads_goes_back() -> None:
    """[P8] In one step the signal is given and its reader is cancelled: it goes to the next who asks."""

    async def main(payload: Payload) -> Payload:
        async def read() -> Payload:
            return await receiver

        receiver = run().receive("go")
        receiver.add_done_callback(lambda _: reader.cancel())
        reader = asyncio.create_task(read())
        await asyncio.wait([reader])
        assert reader.cancelled()
        return await run().receive("go") + await run().receive("go")

    stage = Stage(main)
    stage.tell(signal(b"1"))
    stage.tell(signal(b"2"))
    assert stage.result == b"12"
    stage.replay()


def test_p8_a_receiver_leaves_the_line_and_the_others_stay() -> None:
    """[P8] The next signal goes to the next in line; one that leaves after the run was let go disturbs nothing."""

    async def main(payload: Payload) -> Payload:
        first, second = run().receive("go"), run().receive("go")
        first.cancel()
        kept.append(run().receive("never"))
        return await second

    kept: list[asyncio.Future[Payload]] = []
    stage = Stage(main)
    stage.tell(signal(b"1"))
    assert stage.result == b"1"
    stage.executor.close()
    assert kept[0].cancel()


def test_a_handler_that_is_registered_again_takes_over() -> None:
    """The newer one gets the kept signals, each once."""

    async def main(payload: Payload) -> Payload:
        seen: list[bytes] = []
        await call()
        run().on_signal("go", lambda _: seen.append(b"old"))
        run().on_signal("go", seen.append)
        await run().wait_until(lambda: bool(seen))
        return b"".join(seen)

    stage = Stage(main)
    stage.tell(signal(b"new"))
    stage.tell(ActivityCompleted(id=1))
    assert stage.result == b"new"


def test_p8_signals_go_back_to_their_old_place() -> None:
    """[P8] What was handed over and not read is the next that anybody gets, before younger ones."""

    async def main(payload: Payload) -> Payload:
        receiver = run().receive("go")
        await run().wait_until(receiver.done)
        assert not receiver.cancel()
        assert not receiver.cancel()
        return await run().receive("go") + await run().receive("go")

    stage = Stage(main)
    stage.tell(signal(b"1"))
    stage.tell(signal(b"2"))
    assert stage.result == b"12"
    stage.replay()


def test_p8_a_receiver_that_is_read_after_all_takes_its_signal_again() -> None:
    """[P8] Cancelled and yet read (a task may be uncancelled): the signal is taken out, once."""

    async def main(payload: Payload) -> Payload:
        receiver = run().receive("go")
        await run().wait_until(receiver.done)
        receiver.cancel()
        first = receiver.result()
        assert receiver.result() == first
        return first + await run().receive("go")

    stage = Stage(main)
    stage.tell(signal(b"1"))
    stage.tell(signal(b"2"))
    assert stage.result == b"12"


def test_p8_a_signal_that_went_to_another_is_not_read_twice() -> None:
    """[P8] Whoever was cancelled and reads too late is told that it was cancelled."""

    async def main(payload: Payload) -> Payload:
        receiver = run().receive("go")
        await run().wait_until(receiver.done)
        receiver.cancel()
        taken = await run().receive("go")
        with pytest.raises(asyncio.CancelledError, match="another receiver"):
            receiver.result()
        return taken

    stage = Stage(main)
    stage.tell(signal(b"1"))
    assert stage.result == b"1"


def test_signal_handlers_run_in_order_and_asynchronous_ones_as_tasks() -> None:
    """Kept signals are handed over at once; a receiver that waited already goes before the handler."""
    seen: list[bytes] = []

    async def slow(payload: Payload) -> None:
        seen.append(b"begin " + payload)
        await asyncio.sleep(1)
        seen.append(b"end " + payload)

    async def main(payload: Payload) -> Payload:
        waiting = run().receive("go")
        await call()
        run().on_signal("go", slow)
        run().on_signal("plain", seen.append)
        await waiting
        await run().wait_until(lambda: len(seen) >= 5)
        return b",".join(seen)

    stage = Stage(main)
    stage.tell(signal(b"0"), signal(b"1"), signal(b"2"), signal(b"3", "plain"))
    stage.tell(ActivityCompleted(id=1))
    assert [type(command) for command in stage.last.commands] == [StartTimer, StartTimer]
    assert sorted(seen) == [b"3", b"begin 1", b"begin 2"]
    assert seen.index(b"begin 1") < seen.index(b"begin 2")
    stage.tell(TimerFired(id=3), TimerFired(id=2))
    assert stage.result.endswith(b"end 2,end 1")
    seen.clear()
    stage.replay()


def test_a_signal_handler_that_raises_harms_nobody() -> None:
    """[P7] One bad signal is told to humans; the next is handled, and the run goes on."""
    seen: list[bytes] = []

    def plain(payload: Payload) -> None:
        if payload == b"bad":
            raise ValueError("not a number")
        seen.append(payload)

    async def later(payload: Payload) -> None:
        raise ValueError("later")

    async def main(payload: Payload) -> Payload:
        run().on_signal("go", plain)
        run().on_signal("later", later)
        await run().wait_until(lambda: len(seen) == 2)
        return b"".join(seen)

    stage = Stage(main)
    stage.tell(signal(b"1"), signal(b"bad"), signal(b"", "later"))
    assert stage.warnings == [
        "main: a callback raised ValueError: not a number",
        "main: task 'signal later', which nobody awaited, raised ValueError: later",
    ]
    stage.tell(signal(b"2"))
    assert stage.result == b"12"


def test_a_handler_may_take_over_kept_signals_while_one_is_handed_back() -> None:
    """A receiver that gives its place up after the handler took all has nothing left to disturb."""

    async def main(payload: Payload) -> Payload:
        seen: list[bytes] = []
        receiver = run().receive("go")
        run().on_signal("go", seen.append)
        receiver.cancel()
        await run().wait_until(lambda: len(seen) == 2)
        return b"".join(seen)

    stage = Stage(main)
    stage.tell(signal(b"1"), signal(b"2"))
    assert stage.result == b"12"


async def adds_up(payload: Payload) -> Payload:
    total: list[bytes] = []

    def validate(value: Payload) -> None:
        if not value.isdigit():
            raise ValueError("digits only")

    async def add(value: Payload) -> Payload:
        if value == b"0":
            raise KeyError("zero")
        if value == b"1":
            await call("check")
        total.append(value)
        return b"".join(total)

    run().on_update("add", add, validate)
    run().on_update("plain", add, None)
    await run().receive("end")
    return b"".join(total)


def test_updates_are_validated_handled_and_answered() -> None:
    """Refused by the validator, failed in the handler, answered at once or after an activity."""
    stage = Stage(adds_up)
    stage.tell(update(b"x", id="u-1"), update(b"0", id="u-2"), update(b"7", id="u-3"), update(b"1", id="u-4"))
    assert answers(stage) == [("u-1", False, "digits only"), ("u-2", False, "'zero'"), ("u-3", True, b"7")]
    stage.tell(ActivityCompleted(id=4))
    assert answers(stage) == [("u-4", True, b"71")]
    stage.tell(update(b"8", "plain"))
    assert answers(stage) == [("u-1", True, b"718")]
    stage.replay()


def test_an_update_that_nobody_handles_is_refused_with_the_known_names() -> None:
    """At the end of the step in which it came."""
    stage = Stage(adds_up)
    stage.tell(update(b"", "remove"))
    assert answers(stage) == [("u-1", False, "no update named 'remove'; known: add, plain")]
    command = stage.last.commands[0]
    assert isinstance(command, AnswerUpdate)
    assert decode_failure(command.payload).kind == "not_found"


def test_an_update_finds_a_handler_that_the_same_step_brings() -> None:
    """It comes with the start, or wakes the code that registers its handler."""

    async def main(payload: Payload) -> Payload:
        async def answer(value: Payload) -> Payload:
            return b"yes"

        run().on_update("early", answer, None)
        await run().receive("go")
        run().on_update("late", answer, None)
        await call()
        return b""

    stage = Stage(main, begin=False)
    stage.tell(started("main"), update(b"", "early"), signal(b""), update(b"", "late", "u-2"))
    assert answers(stage) == [("u-1", True, b"yes"), ("u-2", True, b"yes")]
    stage.replay()


def test_an_update_may_wait_for_its_handler_until_the_step_ends() -> None:
    """The update is there first, and a predicate that it makes true brings the handler in the same step."""

    async def main(payload: Payload) -> Payload:
        async def answer(value: Payload) -> Payload:
            return b"yes"

        live = run()
        await live.wait_until(lambda: bool(live.open_updates().unread()))  # type: ignore[attr-defined]
        live.on_update("late", answer, None)
        await call()
        return b""

    stage = Stage(main)
    stage.tell(update(b"", "late"))
    assert answers(stage) == [("u-1", True, b"yes")]


def test_an_update_that_ends_the_run_is_answered_first() -> None:
    """The handler's answer and the function's return fall into one step."""

    async def main(payload: Payload) -> Payload:
        done = asyncio.Event()

        async def finish(value: Payload) -> Payload:
            done.set()
            return b"bye"

        run().on_update("finish", finish, None)
        await done.wait()
        return b"done"

    stage = Stage(main)
    stage.tell(update(b"", "finish"))
    assert answers(stage) == [("u-1", True, b"bye")]
    assert stage.result == b"done"


def test_updates_that_the_run_leaves_behind_are_told_so() -> None:
    """Begun and unanswered when the run ends: whoever waits is not left waiting."""
    stage = Stage(adds_up)
    stage.tell(update(b"1", id="begun"))
    stage.tell(signal(b"", "end"), update(b"5", id="after the end"))
    assert answers(stage) == [("begun", False, "the run ended before update 'begun' was answered")]
    stage.replay()


def test_updates_that_came_with_the_end_are_told_so() -> None:
    """Not begun when the run ends in the same step."""

    async def main(payload: Payload) -> Payload:
        live = run()
        await live.wait_until(lambda: bool(live.open_updates().unread()))  # type: ignore[attr-defined]
        return b"done"

    stage = Stage(main)
    stage.tell(update(b"", "any"))
    assert answers(stage) == [("u-1", False, "the run ended before update 'u-1' was answered")]


def test_an_update_whose_handler_is_cancelled_is_refused() -> None:
    """The handler's own CancelledError is an answer too."""

    async def main(payload: Payload) -> Payload:
        async def give_up(value: Payload) -> Payload:
            raise asyncio.CancelledError

        run().on_update("add", give_up, None)
        await call()
        return b""

    stage = Stage(main)
    stage.tell(update(b""))
    assert answers(stage) == [("u-1", False, "its handler was cancelled")]


def test_a_validator_only_looks() -> None:
    """A validator that asks for something refuses its update; the run stays as it was."""

    async def main(payload: Payload) -> Payload:
        async def add(value: Payload) -> Payload:
            return b"never"

        def validate(value: Payload) -> None:
            call("forbidden")

        run().on_update("add", add, validate)
        await call("allowed")
        return b""

    stage = Stage(main)
    stage.tell(update(b""))
    ((_, accepted, message),) = answers(stage)
    assert not accepted
    assert "inside the validator of update 'add'" in message
    assert len(stage.last.commands) == 1
    stage.replay()


def doing(what: Callable[[], object]) -> Callable[[Payload], Payload]:
    """A query handler that does more than look."""

    def handler(_: Payload) -> Payload:
        what()
        return b""

    return handler


async def askable(payload: Payload) -> Payload:
    live, state, event = run(), [b"new"], asyncio.Event()

    def swallow(_: Payload) -> Payload:
        try:
            call()
        except NotDeterministic:
            return b"swallowed"
        return b"done"

    live.on_query("state", lambda argument: argument + state[0])
    live.on_query("now", lambda _: live.now().isoformat().encode() + live.info.run.encode())
    live.on_query("call", doing(call))
    live.on_query("random", doing(lambda: live.random))
    live.on_query("task", doing(lambda: asyncio.get_running_loop().create_task(asyncio.sleep(1))))
    live.on_query("wake", doing(event.set))
    live.on_query("receive", doing(lambda: live.receive("go")))
    live.on_query("timer", doing(lambda: asyncio.get_running_loop().call_later(1, print)))
    live.on_query("swallow", swallow)
    live.on_query("broken", lambda _: b"%d" % (1 // 0))
    await event.wait()
    return b""


def test_queries_look_at_the_state_and_change_nothing() -> None:
    """The same answer from a live executor, from a cold one, and as often as asked."""
    stage = Stage(askable)
    for executor in (stage.executor, stage.replay(), stage.executor):
        assert executor.query("state", b"is ") == b"is new"
        assert executor.query("now", b"").endswith(b"run-1")
    assert asyncio._get_running_loop() is None


@pytest.mark.parametrize("name", ["call", "random", "task", "wake", "receive", "timer", "swallow"])
def test_a_query_handler_that_does_more_than_look_is_an_error(name: str) -> None:
    """Whatever it tries, swallowed or not, the asker is told so."""
    stage = Stage(askable)
    with pytest.raises(NotDeterministic, match=f"inside the handler of query '{name}'"):
        stage.executor.query(name, b"")
    stage.executor.close()


def test_what_a_query_handler_raises_goes_to_the_asker() -> None:
    """The run itself knows nothing of it."""
    stage = Stage(askable)
    with pytest.raises(ZeroDivisionError):
        stage.executor.query("broken", b"")
    assert stage.executor.query("state", b"") == b"new"


def test_an_unknown_query_lists_the_known_ones() -> None:
    """So that a typing error is seen at once."""
    with pytest.raises(UnknownName, match="no query named 'stat'; known: broken, call"):
        Stage(askable).executor.query("stat", b"")


def test_a_run_that_has_ended_still_answers_queries_until_it_is_closed() -> None:
    """From memory, or from the history of an ended run."""

    async def main(payload: Payload) -> Payload:
        run().on_query("state", lambda _: b"ended")
        return b""

    stage = Stage(main)
    assert stage.replay().query("state", b"") == b"ended"
    stage.executor.close()
    with pytest.raises(IllegalTransition):
        stage.executor.query("state", b"")


def test_wait_until_looks_at_the_end_of_every_step_in_order() -> None:
    """One predicate at a time; each may make the next one true; one that raises raises in its await."""
    seen: list[str] = []

    async def main(payload: Payload) -> Payload:
        async def waits(name: str, needed: int) -> None:
            await run().wait_until(lambda: len(seen) >= needed)
            seen.append(name)

        tasks = [asyncio.create_task(waits(*each)) for each in (("third", 2), ("second", 1), ("first", 0))]
        given_up = run().wait_until(lambda: False)
        given_up.cancel()
        with pytest.raises(ZeroDivisionError):
            await run().wait_until(lambda: bool(1 // 0))
        await asyncio.gather(*tasks)
        return ",".join(seen).encode()

    assert Stage(main).result == b"first,second,third"


def test_a_predicate_only_looks() -> None:
    """One that asks for something raises in its own await."""

    async def main(payload: Payload) -> Payload:
        try:
            await run().wait_until(lambda: bool(call()))
        except NotDeterministic as error:
            return str(error).encode()
        return b"unreachable"

    assert b"inside a wait_until predicate" in Stage(main).result


def test_p8_what_was_not_read_is_carried_through_continue_as_new() -> None:
    """[P8] Kept and handed-over signals, updates not begun, and all that came after the end, oldest first."""

    async def main(payload: Payload) -> Payload:
        unread = run().receive("unread")
        await run().receive("go")
        await run().wait_until(unread.done)
        run().continue_as_new("next", b"args")

    stage = Stage(main)
    stage.tell(signal(b"1", "other"))
    stage.tell(
        signal(b"go"),
        signal(b"2", "other"),
        signal(b"3", "unread"),
        signal(b"4"),
        update(b"5"),
        CancelRequested(reason="6"),
        TimerFired(id=1),
    )
    close = stage.last.close
    assert isinstance(close, Continue)
    assert close.carried == (
        signal(b"1", "other"),
        signal(b"2", "other"),
        signal(b"3", "unread"),
        signal(b"4"),
        update(b"5"),
        CancelRequested(reason="6"),
    )
    stage.replay()


def test_p8_signals_are_carried_that_a_handler_was_to_get_after_the_next_run_was_asked_for() -> None:
    """[P8] The handler comes too late to be of use to the next run: its signals wait for the next run's."""

    async def main(payload: Payload) -> Payload:
        await call()
        seen = list[Payload]()
        run().on_signal("go", seen.append)
        run().continue_as_new(None, b"".join(seen))

    stage = Stage(main)
    stage.tell(*map(signal, (b"1", b"2", b"3")))
    close = stage.tell(ActivityCompleted(id=1)).close
    assert isinstance(close, Continue)
    assert close.started.payload == b""
    assert close.carried == tuple(map(signal, (b"1", b"2", b"3")))


def test_p8_signals_are_carried_that_come_behind_the_one_whose_handler_asks_for_the_next_run() -> None:
    """[P8] All that wait are handed over in one step; those behind the last that counted are not lost."""

    async def main(payload: Payload) -> Payload:
        await call()
        seen = list[Payload]()

        def collect(value: Payload) -> None:
            seen.append(value)
            if len(seen) == 2:
                run().continue_as_new(None, b"".join(seen))

        run().on_signal("go", collect)
        await asyncio.Event().wait()
        return b""

    stage = Stage(main)
    stage.tell(*map(signal, (b"1", b"2", b"3", b"4")))
    close = stage.tell(ActivityCompleted(id=1)).close
    assert isinstance(close, Continue)
    assert close.started.payload == b"12"
    assert close.carried == tuple(map(signal, (b"3", b"4")))


def test_p8_a_signal_is_carried_that_a_task_reads_after_the_next_run_was_asked_for() -> None:
    """[P8] A task that runs beside the end, or cleans up after it, takes nothing from the next run."""

    async def read() -> None:
        await run().receive("go")

    async def main(payload: Payload) -> Payload:
        await call()
        background = asyncio.create_task(read())
        try:
            run().continue_as_new(None, b"")
        finally:
            assert not background.done()
            await run().receive("go")

    stage = Stage(main)
    stage.tell(signal(b"1"), signal(b"2"))
    close = stage.tell(ActivityCompleted(id=1)).close
    assert isinstance(close, Continue)
    assert close.carried == (signal(b"1"), signal(b"2"))


def test_p8_updates_in_the_last_step_are_carried_or_answered() -> None:
    """[P8] Begun ones are told that the run ended, others go on to the next run."""

    async def main(payload: Payload) -> Payload:
        async def slow(value: Payload) -> Payload:
            await call()
            return b""

        live = run()
        live.on_update("slow", slow, None)
        await live.wait_until(lambda: bool(live.open_updates().unread()))  # type: ignore[attr-defined]
        live.continue_as_new(None, b"")

    stage = Stage(main)
    stage.tell(update(b"", "slow", "begun"))
    stage.tell(update(b"", "unknown", "carried"))
    assert [update for update, _, _ in answers(stage)] == ["begun"]
    assert isinstance(stage.last.close, Continue)
    assert stage.last.close.carried == (update(b"", "unknown", "carried"),)


@pytest.mark.parametrize("where", ["signal", "async signal", "update", "task", "group"])
def test_continue_as_new_may_be_asked_for_anywhere(where: str) -> None:
    """In a handler, in a task that nobody awaits, in a task group: the run ends and goes on."""

    async def main(payload: Payload) -> Payload:
        live = run()

        async def on(value: Payload) -> Payload:
            live.continue_as_new("next", value)

        async def handler(value: Payload) -> None:
            await on(value)

        if where == "group":
            async with asyncio.TaskGroup() as group:
                group.create_task(on(b"again"))
                group.create_task(asyncio.sleep(100))
        if where == "task":
            asyncio.create_task(on(b"again"))  # noqa: RUF006
        live.on_signal("signal", lambda value: live.continue_as_new("next", value))
        live.on_signal("async signal", handler)
        live.on_update("update", on, None)
        await live.receive("never")
        return b""

    stage = Stage(main)
    if where == "update":
        stage.tell(update(b"again", "update"))
        assert answers(stage) == [("u-1", False, "the run ended before update 'u-1' was answered")]
    elif stage.last.close is None:
        stage.tell(signal(b"again", where))
    close = stage.last.close
    assert isinstance(close, Continue)
    assert (close.started.workflow, close.started.payload) == ("next", b"again")
    stage.replay()


@pytest.mark.skipif(sys.version_info < (3, 13), reason="uncancel undoes a pending cancellation since Python 3.13")
def test_p8_a_task_that_is_uncancelled_in_time_reads_its_signal_once() -> None:
    """[P8] cancel and uncancel before it runs again: the signal had gone back and is taken out again."""

    async def main(payload: Payload) -> Payload:
        async def read() -> Payload:
            return await receiver

        def disturb(_: object) -> None:
            reader.cancel()
            reader.uncancel()

        receiver = run().receive("go")
        receiver.add_done_callback(disturb)
        reader = asyncio.create_task(read())
        return await reader + await run().receive("go")

    stage = Stage(main)
    stage.tell(signal(b"1"))
    stage.tell(signal(b"2"))
    assert stage.result == b"12"
    stage.replay()
