"""Dropping: how a run is let go while its code is suspended, without a durable word, a wait or a warning.

Python closes a suspended coroutine by raising GeneratorExit in it, and so runs its `finally` blocks. They are run
here, with the run's loop as the running loop and its gate closed: the first durable word in them raises RunDropped.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Sequence
from typing import Any, Final

from rqflow.core.gate import ContinueAsNew, RunDropped
from rqflow.core.live_run import LiveRun
from rqflow.core.loop import Inside

MAX_CLOSES: Final = 100
"""How often a coroutine that answers its closing with another await is closed again."""

_WARN: Final = "_warn_unawaited_coroutine"
_WARN_UNAWAITED: Final[Any] = getattr(warnings, _WARN, None)


def drop(run: LiveRun) -> None:
    """Let go of all that the run holds. Once only."""
    run.gate.closed = True
    tasks = [task for task in run.loop.tasks if not task.done()]
    waiters = list(run.ledger.forget())
    if tasks:
        _close_all(run, tasks)
    for waiter in waiters:
        # Breaks the circle of task, future and wake-up, so that memory is free without the collector.
        waiter.cancel()
    run.loop.drop()
    if run.mailbox is not None:
        run.mailbox.forget()
    if run.updates is not None:
        run.updates.forget()
    run.queries.clear()
    run.predicates.clear()


def _close_all(run: LiveRun, tasks: Sequence[asyncio.Task[Any]]) -> None:
    # `wait_for(cleanup(), 5)` in a finally block makes a coroutine that the refused wait never awaits, and Python would
    # warn of it. The warnings filters are no way to be silent: they belong to all threads, and restoring them races.
    setattr(warnings, _WARN, _silent)
    try:
        with Inside(run.loop):
            for task in tasks:
                _close(task.get_coro())
    finally:
        setattr(warnings, _WARN, _WARN_UNAWAITED)


def _close(coroutine: Any) -> None:
    for _ in range(MAX_CLOSES):
        try:
            coroutine.close()
        except RuntimeError:
            continue  # it awaited once more: "coroutine ignored GeneratorExit"
        except (Exception, RunDropped, ContinueAsNew, asyncio.CancelledError):
            return
        return


def _silent(_: object) -> None:
    """No warning."""
