"""Virtual loop: an asyncio event loop on a virtual clock, on which nobody waits: time jumps to whatever is next."""

from __future__ import annotations

import asyncio
import math
import selectors
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from rqflow.testing.clock import VirtualClock

BREATH: Final = 0.05
"""Seconds of real time for which what is outside of the loop (a thread, a socket) is waited at a time."""
PATIENCE: Final = 5.0
"""Seconds of real time after which a loop without timers, in which nothing happens, is given up."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """As the usual loop, but its time is the clock's, and moves only when nothing else is left to do.

    While something outside is under way (`run_in_executor`, a socket, whatever `busy` knows of) time passes as on the
    wall. A store on the same clock, workers and clients that all live on one such loop do in the same order, at each
    run, what in real time would take days.
    """

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.busy: Callable[[], bool] = lambda: False
        """Whether a thread or process that the loop does not know of will call back."""
        self.on_idle: Callable[[], None] = lambda: None
        """Called each time before the clock is moved; may make something happen instead."""
        self._away = 0
        super().__init__(_Selector(self._idle))

    def time(self) -> float:
        """Seconds since the clock's start."""
        return self.clock.elapsed.total_seconds()

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        """As usual; time passes as on the wall until it has ended."""
        self._away += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._came_back)
        return future

    def _came_back(self, future: Any) -> None:
        self._away -= 1

    def _idle(self, selector: _Selector, timeout: float | None) -> list[Any]:
        """Nothing is ready, and the next timer is `timeout` seconds ahead (None: there is none)."""
        # One file is the loop's own: the pipe by which threads wake it.
        if self._away or self.busy() or len(selector.get_map()) > 1:
            wait = BREATH if timeout is None else min(timeout, BREATH)
            ready = selector.poll(wait)
            if not ready:
                self._move(wait)
            return ready
        self.on_idle()
        ready = selector.poll(0)
        if ready or timeout is not None:
            if not ready:
                self._move(timeout or 0)
            return ready
        ready = selector.poll(PATIENCE)
        if not ready:
            raise RuntimeError("nothing more can happen on this loop: all tasks wait, and no timer is set")
        return ready

    def _move(self, seconds: float) -> None:
        # In whole milliseconds, as stores count: what is due then is due for both.
        self.clock.advance(timedelta(milliseconds=max(1, math.ceil(seconds * 1_000 - 1e-6))))


class _Selector(selectors.DefaultSelector):
    """Asks the loop instead of waiting."""

    def __init__(self, idle: Callable[[_Selector, float | None], list[Any]]) -> None:
        super().__init__()
        self._ask = idle

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = self.poll(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        return self._ask(self, timeout)

    def poll(self, seconds: float) -> list[Any]:
        """As `select` of any selector."""
        return list(super().select(seconds))
