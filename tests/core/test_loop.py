"""The loop: plain asyncio inside a workflow, in an order that replay repeats, and nothing that it could not repeat."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
from datetime import timedelta
from typing import Any

import pytest

from rqflow.core import events
from rqflow.core.commands import CancelTimer, ScheduleActivity, StartTimer
from rqflow.core.events import Payload, TimerFired, WorkflowCompleted, WorkflowFailed
from rqflow.core.executor import Executor
from rqflow.core.guards import GUARDED
from rqflow.core.loop import delay_ms
from rqflow.core.wire import decode_failure
from rqflow.errors import BadInput, NotDeterministic
from tests.core.stage import START_MS, Definition, Main, Stage, call, run, stamp, started


def outcome(main: Main) -> Payload:
    """What a workflow returns that needs nothing from outside."""
    return Stage(main).result


def failure(stage: Stage) -> Any:
    """Why a workflow failed."""
    assert isinstance(stage.last.close, WorkflowFailed), stage.last
    return decode_failure(stage.last.close.payload)


@pytest.mark.parametrize("method", sorted(GUARDED))
def test_what_replay_cannot_repeat_is_refused_by_name(method: str) -> None:
    """Each loop method that needs I/O, a thread or a process says its name and what to do instead."""

    async def main(payload: Payload) -> Payload:
        getattr(asyncio.get_running_loop(), method)(None, None)
        return b"unreachable"

    failed = failure(Stage(main))
    assert failed.type == "rqflow.errors.NotDeterministic"
    assert method in failed.message
    assert "put this in an activity" in failed.message


async def in_a_thread() -> None:
    await asyncio.to_thread(len, b"")


async def on_the_network() -> None:
    await asyncio.open_connection("localhost", 1)


async def in_a_process() -> None:
    await asyncio.create_subprocess_exec("true")


async def in_a_shell() -> None:
    await asyncio.create_subprocess_shell("true")


async def as_a_server() -> None:
    await asyncio.start_server(lambda *_: None, port=0)


@pytest.mark.parametrize("use", [in_a_thread, on_the_network, in_a_process, in_a_shell, as_a_server])
def test_the_asyncio_functions_over_them_are_refused_too(use: Any) -> None:
    """asyncio.to_thread, open_connection and their like fail the workflow with the same error."""

    async def main(payload: Payload) -> Payload:
        await use()
        return b"unreachable"

    assert failure(Stage(main)).type == "rqflow.errors.NotDeterministic"


def test_no_method_of_an_event_loop_is_left_unanswered() -> None:
    """What AbstractEventLoop declares is either done by our loop or guarded; nothing falls through to it."""
    loop = Stage(in_sequence).executor._run.loop  # type: ignore[union-attr]
    open_ones = {
        name
        for name in vars(asyncio.AbstractEventLoop)
        if not name.startswith("__") and getattr(type(loop), name) is vars(asyncio.AbstractEventLoop)[name]
    }
    assert open_ones == set()


async def in_sequence(payload: Payload) -> Payload:
    await asyncio.sleep(1)
    await asyncio.sleep(0)
    await asyncio.sleep(2.0005)
    return b"%d" % round((asyncio.get_running_loop().time() * 1000) % 1_000_000)


def test_a_sleep_is_a_durable_timer_and_the_loops_time_is_the_events() -> None:
    """asyncio.sleep gives a timer, rounded up to milliseconds; loop.time() is when its event was taken in."""
    stage = Stage(in_sequence)
    assert stage.last.commands == (StartTimer(id=1, delay=timedelta(seconds=1)),)
    stage.tell(TimerFired(id=1), after_ms=1_007)
    assert stage.last.commands == (StartTimer(id=2, delay=timedelta(milliseconds=2_001)),)
    stage.tell(TimerFired(id=2), after_ms=2_001)
    assert stage.result == b"%d" % ((START_MS + 3_008) % 1_000_000)
    stage.replay()


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, 0), (-1, 0), (1, 1_000), (0.0001, 1), (1.0000002, 1_000), (1.0002, 1_001), (3_600, 3_600_000)],
)
def test_delays_are_rounded_up_to_milliseconds(seconds: float, expected: int) -> None:
    """A timer never fires early; a hair of float noise above a millisecond is no further millisecond."""
    assert delay_ms(seconds) == expected


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -float("inf"), 1e12, -1e12])
def test_absurd_delays_are_an_error(seconds: float) -> None:
    """A delay that is no number, or of centuries, is refused with what it was."""
    with pytest.raises(BadInput, match="cannot be waited for"):
        delay_ms(seconds)


def test_call_at_and_call_later_fire_and_can_be_taken_back() -> None:
    """A handle taken back in the same step asks for nothing; later it asks for the timer's end; then it is too late."""
    fired: list[str] = []

    async def main(payload: Payload) -> Payload:
        loop = asyncio.get_running_loop()
        loop.call_later(5, fired.append, "never").cancel()
        later = loop.call_later(5, fired.append, "taken back")
        kept = loop.call_at(loop.time() + 1, fired.append, "kept")
        loop.call_at(loop.time() - 1, fired.append, "at once")
        loop.call_soon(fired.append, "cancelled").cancel()
        await call()
        later.cancel()
        later.cancel()
        await call()
        kept.cancel()
        assert not kept.cancelled() or kept.when()
        return b""

    stage = Stage(main)
    assert [type(command) for command in stage.last.commands] == [StartTimer, StartTimer, ScheduleActivity]
    assert fired == ["at once"]
    stage.tell(events.ActivityCompleted(id=4))
    assert CancelTimer(id=5, target=2) in stage.last.commands
    stage.tell(TimerFired(id=3))
    assert fired == ["at once", "kept"]
    stage.tell(events.ActivityCompleted(id=6))
    assert stage.result == b""
    fired.clear()
    stage.replay()


def test_a_timer_that_fires_after_it_was_taken_back_is_ignored() -> None:
    """The store may have fired it before it heard of the cancellation."""

    async def main(payload: Payload) -> Payload:
        async with asyncio.timeout(5):
            await call()
        return bytes(await call())

    stage = Stage(main)
    stage.tell(events.ActivityCompleted(id=2))
    stage.tell(TimerFired(id=1))
    stage.tell(events.ActivityCompleted(id=4, payload=b"fine"))
    assert stage.result == b"fine"
    stage.replay()


def test_waiting_primitives_work_as_everywhere() -> None:
    """Event, Lock, Condition, Semaphore, Barrier, Queue and gather, with nothing durable in them."""

    async def main(payload: Payload) -> Payload:
        order: list[int] = []
        event, lock, seats = asyncio.Event(), asyncio.Lock(), asyncio.Semaphore(2)
        changed, meeting, queue = asyncio.Condition(), asyncio.Barrier(3), asyncio.Queue[int](1)

        async def guest(number: int) -> int:
            await event.wait()
            async with seats, lock:
                order.append(number)
                await asyncio.sleep(0)
            async with changed:
                changed.notify_all()
            await meeting.wait()
            await queue.put(number)
            return number

        guests = asyncio.gather(*(guest(number) for number in range(3)))
        event.set()
        async with changed:
            await changed.wait_for(lambda: len(order) == 3)
        taken = [await queue.get() for _ in range(3)]
        assert sorted(taken) == [0, 1, 2]
        assert await guests == [0, 1, 2]
        return bytes(order)

    assert outcome(main) == bytes([0, 1, 2])


def test_sets_of_tasks_iterate_in_an_order_of_their_numbers() -> None:
    """The same run gives tasks the same hashes, wherever they lie in memory; another run other ones."""

    async def main(payload: Payload) -> Payload:
        tasks = {asyncio.create_task(asyncio.sleep(0), name=str(number)) for number in range(50)}
        futures = {asyncio.get_running_loop().create_future() for _ in range(50)}
        assert len(futures) == 50
        done, _ = await asyncio.wait(tasks)
        return ",".join(task.get_name() for task in done).encode()

    kept = [object() for _ in range(1_000)]
    first = outcome(main)
    del kept
    assert outcome(main) == first
    assert Stage(main, run="another").result != first


def test_tasks_are_named_by_their_number_in_the_run() -> None:
    """asyncio numbers unnamed tasks by a counter of the process, which replay could not repeat."""

    async def main(payload: Payload) -> Payload:
        task = asyncio.create_task(asyncio.sleep(0))
        await task
        named = asyncio.create_task(asyncio.sleep(0), name="mine")
        await named
        current = asyncio.current_task()
        assert current is not None
        return " ".join(each.get_name() for each in (current, task, named)).encode()

    assert outcome(main) == outcome(main) == b"main task-2 mine"


def test_the_tasks_of_a_run_are_in_nobodys_list_of_all_tasks() -> None:
    """The order of asyncio.all_tasks() depends on the whole process, so a run sees none rather than a random order."""

    async def main(payload: Payload) -> Payload:
        task = asyncio.create_task(asyncio.sleep(0))
        found = len(asyncio.all_tasks())
        await task
        return b"%d" % found

    assert outcome(main) == b"0"


def test_context_variables_belong_to_the_run_and_its_tasks() -> None:
    """A run begins with an empty context, each task with a copy of its maker's."""
    value = contextvars.ContextVar("value", default=b"unset")

    async def main(payload: Payload) -> Payload:
        seen = [value.get()]
        value.set(b"main")

        async def child() -> None:
            seen.append(value.get())
            value.set(b"child")

        await asyncio.create_task(child())
        run().on_signal("ask", lambda _: seen.append(value.get()))
        await run().receive("ask")
        return b",".join([*seen, value.get()])

    value.set(b"outside")
    stage = Stage(main)
    stage.tell(events.SignalReceived(name="ask"))
    assert stage.result == b"unset,main,main"


async def test_a_step_runs_inside_a_running_loop_and_leaves_it_as_it_was() -> None:
    """The worker's own loop, task and generator hooks are the same before, while it waits, and after."""
    outer, task, hooks = asyncio.get_running_loop(), asyncio.current_task(), sys.get_asyncgen_hooks()
    seen: list[Any] = []

    async def main(payload: Payload) -> Payload:
        seen.append(asyncio.get_running_loop())
        seen.append(asyncio.current_task())
        await asyncio.sleep(1)
        return b"done"

    stage = Stage(main)
    assert asyncio.get_running_loop() is outer
    await asyncio.sleep(0)
    stage.tell(TimerFired(id=1))
    assert stage.result == b"done"
    assert seen[0] is not outer
    assert seen[1] is not task
    assert asyncio.current_task() is task
    assert asyncio.get_running_loop() is outer
    assert sys.get_asyncgen_hooks() == hooks


def test_a_keyboard_interrupt_goes_through_to_the_worker() -> None:
    """What is meant for the process is not the workflow's failure; the executor is of no more use."""

    async def main(payload: Payload) -> Payload:
        raise KeyboardInterrupt

    executor = Executor(Definition(main))
    with pytest.raises(KeyboardInterrupt):
        executor.advance([stamp(started())])
    assert asyncio._get_running_loop() is None


def test_a_keyboard_interrupt_in_a_callback_goes_through_too() -> None:
    """A plain callback is no shelter either."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    async def main(payload: Payload) -> Payload:
        asyncio.get_running_loop().call_soon(interrupt)
        await call()
        return b""

    with pytest.raises(KeyboardInterrupt):
        Stage(main)


def test_a_loop_that_never_waits_fails_the_run_and_not_the_worker() -> None:
    """[P7] Code that awaits nothing but sleep(0) is stopped after a bounded number of callbacks."""

    async def main(payload: Payload) -> Payload:
        while True:  # noqa: ASYNC110
            await asyncio.sleep(0)

    stage = Stage(main, executor={"max_callbacks": 1_000})
    assert failure(stage).kind == "limit"
    assert "the limit is 1,000" in failure(stage).message
    stage.executor.close()


def test_a_predicate_that_never_rests_is_stopped_too() -> None:
    """[P7] wait_until in a loop that makes itself true again counts as callbacks."""

    async def main(payload: Payload) -> Payload:
        while True:
            await run().wait_until(lambda: True)

    assert failure(Stage(main, executor={"max_callbacks": 1_000})).kind == "limit"


def test_endless_asking_without_awaiting_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """[P7] A loop that calls activities and never awaits is stopped at the number of commands in one step."""
    monkeypatch.setattr("rqflow.core.ledger.MAX_COMMANDS_IN_STEP", 100)

    async def main(payload: Payload) -> Payload:
        while True:
            call()

    assert failure(Stage(main)).type == "rqflow.errors.LimitReached"


def test_exceptions_of_forgotten_tasks_become_warnings_once() -> None:
    """A task that nobody awaits and that fails is told at the end of its step, and not again, nor at replay."""

    async def main(payload: Payload) -> Payload:
        async def background() -> None:
            await asyncio.sleep(1)
            raise ValueError("nobody \ud800 looks")

        asyncio.create_task(background(), name="aside")  # noqa: RUF006
        await call()
        return b""

    stage = Stage(main)
    assert stage.warnings == []
    stage.tell(TimerFired(id=2))
    assert stage.warnings == ["main: task 'aside', which nobody awaited, raised ValueError: nobody ? looks"]
    stage.tell(events.ActivityCompleted(id=1))
    assert stage.warnings == []
    stage.replay()


def test_exceptions_that_somebody_reads_are_no_warnings() -> None:
    """Awaited in the step in which it failed, read through exception(), cancelled: none is lost."""

    async def main(payload: Payload) -> Payload:
        async def fail() -> None:
            raise ValueError("seen")

        read, awaited, dropped = (asyncio.create_task(fail()) for _ in range(3))
        endless = asyncio.create_task(asyncio.sleep(5))
        await asyncio.wait([read])
        read.exception()
        with pytest.raises(ValueError, match="seen"):
            await awaited
        await asyncio.gather(dropped, return_exceptions=True)
        endless.cancel()
        return b"all read"

    stage = Stage(main)
    assert stage.result == b"all read"
    assert stage.warnings == []


def test_what_somebody_waited_on_but_never_read_is_told_at_the_end() -> None:
    """asyncio.wait does not read exceptions; at the run's end the unread ones are told."""

    async def main(payload: Payload) -> Payload:
        async def fail() -> None:
            raise ValueError("unread")

        await asyncio.wait([asyncio.create_task(fail())])
        loser = asyncio.create_task(call("loser"))
        await asyncio.wait([loser, asyncio.create_task(asyncio.sleep(0))], return_when=asyncio.FIRST_COMPLETED)
        await call()
        return b""

    stage = Stage(main)
    assert stage.warnings == []
    stage.tell(events.ActivityFailed(id=1, payload=b'{"type":"E","message":"lost the race"}'))
    assert "activity 'loser' failed: E: lost the race" in stage.warnings[0]
    stage.tell(events.ActivityCompleted(id=2))
    assert stage.warnings == ["main: task 'task-2', which nobody awaited, raised ValueError: unread"]


def test_exceptions_of_callbacks_become_warnings() -> None:
    """A plain callback that raises harms nobody else; an exception without a readable text is told all the same."""

    class Silent(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def fail() -> None:
        raise Silent

    async def main(payload: Payload) -> Payload:
        asyncio.get_running_loop().call_soon(fail)
        await asyncio.sleep(0)
        return b"fine"

    stage = Stage(main)
    assert stage.result == b"fine"
    assert stage.warnings == ["main: a callback raised Silent: <its text cannot be had: RuntimeError>"]


def test_tasks_that_are_pending_when_the_function_returns_are_dropped() -> None:
    """They run no further; what they had asked for stays asked."""
    went_on: list[int] = []

    async def main(payload: Payload) -> Payload:
        async def background() -> None:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            went_on.append(1)
            await asyncio.sleep(0)
            went_on.append(2)

        asyncio.create_task(background())  # noqa: RUF006
        await asyncio.sleep(0)
        return b"done"

    stage = Stage(main)
    assert isinstance(stage.last.close, WorkflowCompleted)
    assert went_on in ([], [1])
    stage.executor.close()
    gc.collect()


def test_asynchronous_generators_that_are_left_early_bother_nobody() -> None:
    """Their cleanup would run whenever Python collects them, which replay cannot repeat; so it does not run."""
    cleaned: list[int] = []

    async def numbers() -> Any:
        try:
            yield 1
            yield 2
        finally:
            cleaned.append(1)

    async def main(payload: Payload) -> Payload:
        async for number in numbers():
            return b"%d" % number
        return b""

    assert outcome(main) == b"1"
    gc.collect()
    assert cleaned == []


def test_a_shielded_await_is_not_cancelled() -> None:
    """asyncio.shield keeps an activity alive when its await is cancelled."""

    async def main(payload: Payload) -> Payload:
        activity = call()
        try:
            async with asyncio.timeout(5):
                await asyncio.shield(activity)
        except TimeoutError:
            return bytes(await activity)
        return b"early"

    stage = Stage(main)
    stage.tell(TimerFired(id=2))
    assert stage.last.commands == ()
    stage.tell(events.ActivityCompleted(id=1, payload=b"late but here"))
    assert stage.result == b"late but here"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
def test_eager_tasks_run_up_to_their_first_await() -> None:
    """asyncio.eager_task_factory and eager_start work, and their tasks still have numbers."""

    async def main(payload: Payload) -> Payload:
        order: list[str] = []

        async def step(name: str) -> None:
            order.append(name)
            await asyncio.sleep(0)
            order.append(name)

        async def at_once() -> None:
            order.append("done at once")

        loop = asyncio.get_running_loop()
        lazy = asyncio.create_task(step("lazy"))
        loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]
        assert loop.get_task_factory() is asyncio.eager_task_factory  # type: ignore[attr-defined]
        eager = asyncio.create_task(step("eager"))
        await asyncio.create_task(at_once())
        order.append("main")
        loop.set_task_factory(None)
        assert loop.get_task_factory() is None
        await asyncio.gather(lazy, eager)
        return " ".join(order).encode()

    assert outcome(main).startswith(b"eager done at once main lazy")


def test_other_task_factories_are_refused() -> None:
    """Tasks of another class hash by their address."""

    async def main(payload: Payload) -> Payload:
        asyncio.get_running_loop().set_task_factory(asyncio.Task)  # type: ignore[arg-type]
        return b""

    assert failure(Stage(main)).type == "rqflow.errors.NotDeterministic"


def test_the_loop_says_how_it_is() -> None:
    """Not closed, running inside a step only, never in debug mode, no exception handler."""

    async def main(payload: Payload) -> Payload:
        loop = asyncio.get_running_loop()
        loop.set_debug(True)
        loop.set_task_factory(None)
        assert loop.get_task_factory() is None
        assert not loop.get_debug()
        assert not loop.is_closed()
        assert loop.is_running()
        assert loop.get_exception_handler() is None
        loop.call_exception_handler({"message": "nobody hears"})
        await asyncio.sleep(1)
        return b""

    stage = Stage(main)
    loop = stage.executor._run.loop  # type: ignore[union-attr]
    assert not loop.is_running()
    stage.tell(TimerFired(id=1))
    stage.executor.close()
    assert loop.is_closed()


def test_asyncio_run_inside_a_workflow_is_an_error() -> None:
    """asyncio refuses it by itself, and says its name."""

    async def main(payload: Payload) -> Payload:
        coroutine = asyncio.sleep(0)
        try:
            asyncio.run(coroutine)
        finally:
            coroutine.close()
        return b""

    assert "asyncio.run" in failure(Stage(main)).message


def test_a_cancelled_timer_of_a_foreign_handle_is_ignored() -> None:
    """A TimerHandle made by hand is none of ours."""

    async def main(payload: Payload) -> Payload:
        loop = asyncio.get_running_loop()
        asyncio.TimerHandle(loop.time() + 1, print, (), loop).cancel()
        return b"fine"

    assert outcome(main) == b"fine"


def test_not_deterministic_is_a_runtime_error() -> None:
    """Libraries that probe for a loop's abilities catch RuntimeError."""
    assert issubclass(NotDeterministic, RuntimeError)
