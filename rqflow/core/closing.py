"""Closing: how the end of a run's code becomes the end of the run."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from operator import itemgetter

from rqflow.core import events
from rqflow.core.commands import Close, Continue, started_of_next_run
from rqflow.core.events import News, Payload, Stamped
from rqflow.core.failure import Failure, failure_of
from rqflow.core.futures import RunTask
from rqflow.core.gate import ContinueAsNew
from rqflow.core.ids import next_run
from rqflow.core.live_run import LiveRun
from rqflow.core.wire import encode_failure


def close_of_task(run: LiveRun, main: RunTask[Payload]) -> Close:
    """What the end of the main task comes to."""
    if main.cancelled():
        if run.cancel_reason is None:
            why = "the workflow function was cancelled, but nobody asked the run to cancel"
            return _failed(Failure(type="asyncio.CancelledError", message=why, kind="canceled"))
        failure = Failure(type="asyncio.CancelledError", message=run.cancel_reason, kind="canceled")
        return events.WorkflowCanceled(payload=encode_failure(failure))
    error = main.exception()
    return events.WorkflowCompleted(payload=main.result()) if error is None else close_of_error(run, error)


def close_of_error(run: LiveRun, error: BaseException) -> Close:
    """What an exception comes to: continue-as-new, also out of a task group, or a failure."""
    wish = wish_to_continue(error)
    if wish is None:
        return _failed(failure_of(error))
    before = run.started
    started = started_of_next_run(
        before, run=next_run(before.run), workflow=wish.workflow or before.workflow, payload=wish.payload
    )
    return Continue(started=started)


def wish_to_continue(error: BaseException) -> ContinueAsNew | None:
    """The ContinueAsNew in an exception, if nothing but that (and cancellation) is in it."""
    if isinstance(error, ContinueAsNew):
        return error
    if not isinstance(error, BaseExceptionGroup):
        return None
    wishes = [wish_to_continue(each) for each in error.exceptions if not isinstance(each, asyncio.CancelledError)]
    return wishes[0] if wishes and all(wishes) else None


def carried(run: LiveRun, rest: Sequence[Stamped]) -> tuple[News, ...]:
    """What the next run gets: signals and updates that the code has not read, then what came after the end."""
    kept: list[tuple[int, News]] = [*run.open_mailbox().unread(), *run.open_updates().unread()]
    later: list[News] = [
        each.event
        for each in rest
        if isinstance(each.event, events.SignalReceived | events.UpdateRequested | events.CancelRequested)
    ]
    return *(event for _, event in sorted(kept, key=itemgetter(0))), *later


def end_of(close: Close) -> type[events.End]:
    """The kind of event that the history keeps of a close."""
    return events.WorkflowContinued if isinstance(close, Continue) else type(close)


def asked_at_end(close: Close | None) -> str:
    """What the code asks for when it asks for no command, in words."""
    return "nothing more, and waits" if close is None else end_of(close).__name__


def _failed(failure: Failure) -> events.WorkflowFailed:
    return events.WorkflowFailed(payload=encode_failure(failure))
