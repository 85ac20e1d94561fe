"""Ending: how a run ends by its code or by a wish, and how an executor is let go in the middle of it."""

from __future__ import annotations

import asyncio
import gc
import warnings
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from rqflow.core import events
from rqflow.core.commands import Continue, ScheduleActivity
from rqflow.core.dropping import MAX_CLOSES
from rqflow.core.events import ActivityCompleted, CancelRequested, Payload, TimerFired, WorkflowCanceled, WorkflowFailed
from rqflow.core.failure import Failure
from rqflow.core.gate import RunDropped
from rqflow.core.ids import next_run
from rqflow.core.run import current
from rqflow.core.wire import decode_failure
from rqflow.errors import IllegalTransition
from tests.core.stage import Main, Stage, call, child, run


def failure(stage: Stage) -> Failure:
    """Why the run failed or was cancelled."""
    assert isinstance(stage.last.close, WorkflowFailed | WorkflowCanceled), stage.last
    return decode_failure(stage.last.close.payload)


def test_an_exception_that_leaves_the_function_fails_the_run() -> None:
    """With its type, its message, its causes and where it was raised."""

    async def main(payload: Payload) -> Payload:
        try:
            await call()
        except Exception as error:
            raise ValueError("no stock") from error
        return b""

    stage = Stage(main)
    stage.tell(events.ActivityFailed(id=1, payload=b'{"type":"shop.Closed","message":"until noon"}'))
    failed = failure(stage)
    assert (failed.type, failed.message) == ("builtins.ValueError", "no stock")
    assert "test_ending.py" in failed.traceback
    assert failed.cause is not None
    assert failed.cause.type == "rqflow.errors.ActivityFailed"
    assert failed.cause.cause == Failure(type="shop.Closed", message="until noon")
    stage.replay()


def test_a_cancel_request_lets_the_code_clean_up() -> None:
    """CancelledError arrives with the reason; cleanup may await; then the run is canceled."""
    reasons: list[object] = []

    async def main(payload: Payload) -> Payload:
        try:
            await call("long")
        except asyncio.CancelledError as error:
            reasons.append(error.args)
            await call("refund")
            raise
        return b""

    stage = Stage(main)
    stage.tell(CancelRequested(reason="customer left"))
    assert [type(command).__name__ for command in stage.last.commands] == ["CancelActivity", "ScheduleActivity"]
    stage.tell(ActivityCompleted(id=3))
    assert isinstance(stage.last.close, WorkflowCanceled)
    assert (failure(stage).kind, failure(stage).message) == ("canceled", "customer left")
    assert reasons == [("customer left",)]
    stage.replay()


def test_a_second_cancel_request_cancels_the_cleanup() -> None:
    """Whoever asks again means it."""

    async def main(payload: Payload) -> Payload:
        try:
            await call("long")
        finally:
            await call("cleanup")
        return b""

    stage = Stage(main)
    stage.tell(CancelRequested())
    assert not stage.executor.ended
    stage.tell(CancelRequested())
    assert isinstance(stage.last.close, WorkflowCanceled)
    stage.replay()


def test_a_run_may_refuse_to_be_cancelled() -> None:
    """The code that swallows CancelledError and returns has completed."""

    async def main(payload: Payload) -> Payload:
        try:
            await call("long")
        except asyncio.CancelledError:
            return b"never mind"
        return b""

    stage = Stage(main)
    stage.tell(CancelRequested())
    assert stage.result == b"never mind"


def test_a_shielded_activity_survives_the_cancellation_of_its_run() -> None:
    """asyncio.shield, as everywhere."""

    async def main(payload: Payload) -> Payload:
        saving = call("save")
        try:
            await asyncio.shield(saving)
        except asyncio.CancelledError:
            await saving
            raise
        return b""

    stage = Stage(main)
    stage.tell(CancelRequested())
    assert stage.last.commands == ()
    stage.tell(ActivityCompleted(id=1))
    assert isinstance(stage.last.close, WorkflowCanceled)


def test_cancellation_without_a_request_is_a_failure() -> None:
    """A CancelledError of the code's own making is an error of the code."""

    async def main(payload: Payload) -> Payload:
        raise asyncio.CancelledError

    stage = Stage(main)
    assert isinstance(stage.last.close, WorkflowFailed)
    assert "nobody asked" in failure(stage).message


def test_continue_as_new_begins_the_next_run_with_what_it_needs() -> None:
    """Instance, queue, parent, deadline, headers and schedule stay; the run id follows from this one's."""
    cleaned: list[int] = []

    async def main(payload: Payload) -> Payload:
        try:
            run().continue_as_new(None, b"more")
        except Exception:
            cleaned.append(-1)
        finally:
            cleaned.append(1)
        return b"unreachable"

    parent = events.ParentLink(instance="p", run="p-run", command=3)
    link = events.ScheduleLink(schedule="nightly", slot_ms=7)
    stage = Stage(main, parent=parent, timeout_ms=5, headers=(("a", "b"),), schedule=link)
    close = stage.last.close
    assert isinstance(close, Continue)
    assert close.started == events.WorkflowStarted(
        workflow="main",
        instance="order-1",
        run=next_run("run-1"),
        queue="default",
        parent=parent,
        continued_from="run-1",
        timeout_ms=5,
        headers=(("a", "b"),),
        schedule=link,
        payload=b"more",
    )
    assert cleaned == [1]
    stage.replay()


def test_a_group_with_a_real_error_beside_continue_as_new_fails() -> None:
    """An error is never covered by the wish to go on."""

    async def main(payload: Payload) -> Payload:
        async def fail() -> None:
            raise ValueError("real")

        async def again() -> None:
            run().continue_as_new(None, b"")

        async with asyncio.TaskGroup() as group:
            group.create_task(fail())
            group.create_task(again())
        return b""

    assert isinstance(Stage(main).last.close, WorkflowFailed)


def test_what_was_asked_in_the_last_step_goes_with_the_end() -> None:
    """Fire and forget: an activity that is called and not awaited is scheduled."""

    async def main(payload: Payload) -> Payload:
        call("forgotten")
        return b"done"

    stage = Stage(main)
    assert isinstance(stage.last.commands[0], ScheduleActivity)
    assert stage.result == b"done"
    stage.replay()


def test_an_ended_run_wants_nothing_more() -> None:
    """News that come after the end change nothing."""

    async def main(payload: Payload) -> Payload:
        return b"done"

    stage = Stage(main)
    assert stage.executor.ended
    decision = stage.executor.advance([stage.history[0]])
    assert (decision.commands, decision.close) == ((), None)


@contextmanager
def nothing_is_said() -> Iterator[None]:
    """No warning is raised, and nothing reaches the hook for exceptions that nobody can catch."""
    unraisable: list[Any] = []
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("error")
        patch.setattr("sys.unraisablehook", unraisable.append)
        yield
        gc.collect()
    assert unraisable == []


async def waits_in_finally(payload: Payload) -> Payload:
    try:
        await call("long")
    finally:
        await call("cleanup")
    return b""


async def waits_for_a_coroutine_in_finally(payload: Payload) -> Payload:
    async def cleanup() -> None:
        await call("cleanup")

    try:
        await child("kid").ended
    finally:
        await asyncio.wait_for(cleanup(), 5)
    return b""


async def gathers_in_finally(payload: Payload) -> Payload:
    async def cleanup() -> None:
        await call("cleanup")

    try:
        await run().receive("never")
    finally:
        await asyncio.gather(cleanup(), cleanup())
    return b""


async def sleeps_in_finally(payload: Payload) -> Payload:
    try:
        await asyncio.sleep(100)
    finally:
        await asyncio.sleep(0)
        await asyncio.sleep(1)
    return b""


async def in_a_group(payload: Payload) -> Payload:
    async with asyncio.timeout(50), asyncio.TaskGroup() as group:
        group.create_task(waits_in_finally(payload))
        group.create_task(sleeps_in_finally(payload))
        await run().wait_until(lambda: False)
    return b""


async def swallows_everything(payload: Payload) -> Payload:
    for _ in range(5):
        try:
            await call("long")
        except BaseException:
            await asyncio.sleep(0)
    return b""


async def raises_in_finally(payload: Payload) -> Payload:
    try:
        await asyncio.gather(call("one"), call("two"))
    finally:
        raise ValueError("while leaving")


async def uses_every_word_in_finally(payload: Payload) -> Payload:
    live, loop = run(), asyncio.get_running_loop()
    words = (
        lambda: live.call_activity("a", b"", None),  # type: ignore[arg-type]
        lambda: live.sleep(1, "a"),
        lambda: live.receive("a"),
        lambda: live.on_signal("a", print),
        lambda: live.on_query("a", bytes),
        lambda: live.on_update("a", print, None),  # type: ignore[arg-type]
        lambda: live.wait_until(lambda: True),
        lambda: live.side_effect(lambda: b""),
        lambda: live.set_status(b""),
        lambda: live.emit("a", b""),
        lambda: live.random,
        lambda: live.continue_as_new(None, b""),
        lambda: loop.call_later(1, print),
        loop.create_future,
        lambda: asyncio.create_task(asyncio.sleep(1)),
    )
    timer = loop.call_later(9, print)
    receipt, nap = live.receive("b"), live.sleep(3, "nap")
    try:
        await call("long")
    finally:
        refused = 0
        for word in words:
            try:
                word()
            except RunDropped:
                refused += 1
        assert refused == len(words)
        assert current() is live
        loop.call_soon(print)
        timer.cancel()
        receipt.cancel()
        nap.cancel()
        left.append(refused)
    return b""


left: list[int] = []


@pytest.mark.parametrize(
    "main",
    [
        waits_in_finally,
        waits_for_a_coroutine_in_finally,
        gathers_in_finally,
        sleeps_in_finally,
        in_a_group,
        swallows_everything,
        raises_in_finally,
        uses_every_word_in_finally,
    ],
)
async def test_a_run_is_let_go_in_the_middle_without_a_word(main: Main) -> None:
    """Cleanup code runs to its first durable word and no further; nobody is warned, and the outer loop is untouched."""
    left.clear()
    with nothing_is_said():
        stage = Stage(main)
        assert stage.last.close is None
        before = stage.executor.length
        stage.executor.close()
        stage.executor.close()
        assert stage.executor.length == before
        del stage
    assert asyncio.get_running_loop().is_running()
    assert left == ([15] if main is uses_every_word_in_finally else [])


def test_code_that_never_lets_go_is_given_up_after_a_bounded_number_of_tries() -> None:
    """[P10] A coroutine that answers each closing with another await cannot hold the worker."""
    tries = 0

    async def main(payload: Payload) -> Payload:
        nonlocal tries
        while tries <= MAX_CLOSES:
            try:
                await asyncio.sleep(0) if tries else await call()
            except BaseException:
                tries += 1
        return b""

    stage = Stage(main)
    stage.executor.close()
    assert tries == MAX_CLOSES + 1  # the last one when its memory was freed


def test_an_executor_that_nobody_closed_is_let_go_just_as_well() -> None:
    """Dropping the last reference is enough, and leaves no work for the collector."""
    with nothing_is_said():
        stage = Stage(waits_in_finally)
        gone = weakref.ref(stage.executor._run)
        gc.disable()
        try:
            del stage
            assert gone() is None
        finally:
            gc.enable()


def test_runs_that_ended_leave_no_work_for_the_collector() -> None:
    """Thousands of runs a second must not make the collector stop the world."""

    async def main(payload: Payload) -> Payload:
        async with asyncio.timeout(5):
            return bytes(await call())

    def whole_life() -> None:
        stage = Stage(main)
        stage.tell(ActivityCompleted(id=2))
        assert stage.result == b""
        stage.executor.close()

    whole_life()
    gc.collect()
    gc.disable()
    try:
        whole_life()
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_tasks_that_were_pending_at_the_end_are_let_go_too() -> None:
    """Their coroutines are closed with the executor, those that never began too."""

    async def main(payload: Payload) -> Payload:
        asyncio.create_task(waits_in_finally(payload))  # noqa: RUF006
        await asyncio.sleep(0)
        asyncio.create_task(waits_in_finally(payload))  # noqa: RUF006
        return b"done"

    with nothing_is_said():
        stage = Stage(main)
        assert stage.result == b"done"
        stage.executor.close()


def test_a_closed_executor_takes_no_events() -> None:
    """Using it is a fault of ours."""
    stage = Stage(waits_in_finally)
    stage.executor.close()
    with pytest.raises(IllegalTransition):
        stage.tell(TimerFired(id=1))


def test_an_executor_without_events_can_be_closed() -> None:
    """Nothing has begun."""
    Stage(waits_in_finally, begin=False).executor.close()


def test_the_size_of_an_executor_grows_with_what_it_was_told() -> None:
    """An estimate for the cache's bound: a base, the events and their payloads."""
    small, large = Stage(waits_in_finally), Stage(waits_in_finally, payload=b"x" * 100_000)
    assert 1_000 < small.executor.size < 20_000
    assert large.executor.size - small.executor.size == 100_000
