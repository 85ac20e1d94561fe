"""Loop: the deterministic asyncio event loop that steps a run's coroutines; it has no I/O and no clock of its own.

It runs what is ready, first in first out, until nothing is; then the step is over. `call_later` is a durable timer,
`time()` is the time of the event that is being applied. While a step runs it is the thread's running loop, whatever
loop runs outside; asyncio keeps the current task by loop, so the outer one's is not disturbed.
"""

from __future__ import annotations

import asyncio
import math
import sys
from asyncio.events import _get_running_loop, _set_running_loop
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from typing import Any, Final, Protocol, TypeVar

from rqflow.core.futures import DurableTimer, RunFuture, RunHandle, RunTask, as_coroutine
from rqflow.core.gate import Gate
from rqflow.core.guards import GuardedLoop
from rqflow.core.lost import Lost
from rqflow.errors import BadInput, LimitReached

T = TypeVar("T")

MAX_DELAY_S: Final = 100 * 366 * 86_400
"""A hundred years: a longer timer is a mistake in units."""

_STRIDE: Final = 0x9E3779B97F4A7C15
_MASK: Final = (1 << 61) - 2


def delay_ms(seconds: float) -> int:
    """A timer's delay in whole milliseconds, rounded up; 0 for what is due at once. Raises BadInput."""
    if not -MAX_DELAY_S <= seconds <= MAX_DELAY_S:  # NaN compares false
        raise BadInput(f"a delay of {seconds!r} seconds cannot be waited for; the longest is 100 years")
    if seconds <= 0:
        return 0
    # A sum of floats may lie a hair above the millisecond that was meant: call_at(time() + 1.0) is 1,000 ms.
    return max(1, math.ceil(round(seconds * 1000, 3)))


class TimerKeeper(Protocol):
    """The run, as far as its loop knows it."""

    def start_timer(self, timer: DurableTimer, wait_ms: int) -> None:
        """Have `fire(timer)` called when so much time has passed."""
        ...

    def cancel_timer(self, timer: DurableTimer) -> None: ...


class RunLoop(GuardedLoop):
    """The event loop of one run."""

    def __init__(self, run: TimerKeeper, gate: Gate, seed: int) -> None:
        self.run_of_loop: Any = run
        """What `rqflow.core.run.current()` finds."""
        self.now = 0.0
        """Seconds since the epoch, of the event that is being applied."""
        self.leaving = False
        """The code has asked to go on as a new run, and said with what."""
        self.stopped = False
        """Set to end the step after the callback that is running."""
        self.lost = Lost()
        self.main: RunTask[Any] | None = None
        """The task whose end ends the run."""
        self.tasks: dict[RunTask[Any], None] = {}
        self._gate = gate
        self._seed = seed
        self._places = 0
        self._ready: list[RunHandle | DurableTimer] = []

    # ---- stepping ----------------------------------------------------------------------------------------------

    def run_until_quiet(self, limit: int) -> int:
        """Run what is ready until nothing is; the number of callbacks. Raises LimitReached after `limit` of them.

        Only inside of `Inside(loop)`."""
        count = 0
        while batch := self._ready:
            self._ready = []
            count += len(batch)
            if count > limit:
                raise LimitReached(
                    "callbacks in one step of a workflow", limit, "does a loop await nothing but asyncio.sleep(0)?"
                )
            for handle in batch:
                if handle._cancelled:
                    continue
                try:
                    handle._context.run(handle._callback, *handle._args)
                except (KeyboardInterrupt, SystemExit):
                    raise
                except BaseException as error:
                    self.lost.errors.append(error)
                if self.stopped:
                    return count
        return count

    @property
    def over(self) -> bool:
        """What the run comes to is settled: code that still runs beside or after that changes nothing any more."""
        return self.leaving or (self.main is not None and self.main.done())

    def _ended(self, task: RunTask[Any]) -> None:
        self.tasks.pop(task, None)
        if task is self.main:
            self.stopped = True  # what else is ready is not run any more
        else:
            self.lost.note(task)

    def drop(self) -> None:
        """Forget everything; used once, when the run is let go. It also breaks the circle with the run, so that
        memory is free without the collector."""
        self.tasks.clear()
        self._ready.clear()
        self.lost.clear()
        self.main = self.run_of_loop = None

    # ---- what asyncio asks of a loop -----------------------------------------------------------------------------

    def is_running(self) -> bool:
        return _get_running_loop() is self

    def is_closed(self) -> bool:
        return self._gate.closed

    def time(self) -> float:
        return self.now

    def place(self) -> int:
        """The hash of the next future or task: spread by the run, because asyncio keeps all tasks in one set."""
        self._places += 1
        return (self._seed + self._places * _STRIDE) & _MASK

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = RunHandle(callback, args, self, context if context is not None else copy_context())
        # After close() the futures that are being dropped still tell their callbacks: nobody listens any more.
        if not self._gate.closed:
            self._gate.check("call_soon")
            self._ready.append(handle)
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        self._gate.check("call_later")
        wait = delay_ms(delay)
        timer = DurableTimer(self.now + wait / 1000, callback, args, self, context)
        if wait:
            timer._scheduled = True
            self.run_of_loop.start_timer(timer, wait)
        else:
            self._ready.append(timer)
        return timer

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_later(when - self.now, callback, *args, context=context)

    def fire(self, timer: DurableTimer) -> None:
        """A durable timer's time has come."""
        timer._scheduled = False
        self._ready.append(timer)

    def _timer_handle_cancelled(self, timer: asyncio.TimerHandle) -> None:
        if isinstance(timer, DurableTimer) and timer._scheduled and not self._gate.closed:
            self.run_of_loop.cancel_timer(timer)

    def create_future(self) -> RunFuture[Any]:
        self._gate.check("create_future")
        return RunFuture(self.place(), self)

    def create_task(  # type: ignore[override]
        self,
        coro: Coroutine[Any, Any, T],
        *,
        name: str | None = None,
        context: Context | None = None,
        eager_start: bool | None = None,
    ) -> RunTask[T]:
        coro = as_coroutine(coro)
        if self._gate.closed or self._gate.reading:
            coro.close()
        self._gate.check("create_task")
        place = self.place()
        task = RunTask(
            place,
            coro,
            loop=self,
            name=f"task-{self._places}" if name is None else name,
            context=context,
            eager=self.eager if eager_start is None else eager_start,
            ended=self._ended,
        )
        self.tasks[task] = None
        return task


def _forget_generator(_: object) -> None:
    """An asynchronous generator that was left early ends here, its cleanup not run: collection has no fixed time."""


class Inside:
    """Be the thread's running loop for the length of a `with` block."""

    __slots__ = ("_hooks", "_loop", "_outer")

    def __init__(self, loop: RunLoop) -> None:
        self._loop = loop

    def __enter__(self) -> None:
        self._outer, self._hooks = _get_running_loop(), sys.get_asyncgen_hooks()
        _set_running_loop(self._loop)
        sys.set_asyncgen_hooks(None, _forget_generator)

    def __exit__(self, *_: object) -> None:
        sys.set_asyncgen_hooks(*self._hooks)
        _set_running_loop(self._outer)
