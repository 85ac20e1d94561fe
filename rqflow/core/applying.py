"""Applying: what each kind of news does to a run, before its code is stepped."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from rqflow.core import events
from rqflow.core.events import News
from rqflow.core.futures import DurableTimer
from rqflow.core.live_run import LiveRun
from rqflow.core.outcomes import activity_error, child_error, signal_error
from rqflow.core.waiters import ActivityFuture, ChildFuture, SendFuture, TimerFuture
from rqflow.core.wire import decode_failure
from rqflow.errors import CorruptEvent


def apply(run: LiveRun, event: News) -> None:
    """Let the run know. Raises CorruptEvent, ReplayMismatch."""
    match event:
        case events.ActivityCompleted():
            _return(run, event.id, ActivityFuture, event.payload)
        case events.ActivityFailed():
            if activity := run.ledger.waiter(event.id, ActivityFuture, "the end of an activity"):
                activity.set_exception(activity_error(activity.name, decode_failure(event.payload)))
        case events.TimerFired():
            _fire(run, event.id)
        case events.ChildStarted():
            child = run.ledger.waiter(event.id, ChildFuture, "the start of a child", ends=False)
            if child and not child.started.done():
                child.started.set_result(event.run)
        case events.ChildCompleted():
            _return(run, event.id, ChildFuture, event.payload)
        case events.ChildFailed():
            _fail_child(run, event)
        case events.SignalDelivered():
            if send := run.ledger.waiter(event.id, SendFuture, "the delivery of a message"):
                send.set_result(None)
        case events.SignalFailed():
            if send := run.ledger.waiter(event.id, SendFuture, "the delivery of a message"):
                send.set_exception(signal_error(send.name, decode_failure(event.payload)))
        case events.SignalReceived():
            run.open_mailbox().deliver(run.news, event)
        case events.UpdateRequested():
            run.open_updates().deliver(run.news, event)
        case events.CancelRequested():
            _cancel(run, event)
        case events.WorkflowRerun():
            run.started = replace(run.started, run=event.run)
            run.ledger.redo(event.redo, event.run)
        case events.WorkflowStarted():
            raise CorruptEvent("a run's history has WorkflowStarted a second time")
        case _:
            assert_never(event)


def _return(run: LiveRun, id: int, kind: type[ActivityFuture | ChildFuture], payload: events.Payload) -> None:
    if future := run.ledger.waiter(id, kind, "a result"):
        future.set_result(payload)


def _fire(run: LiveRun, id: int) -> None:
    timer = run.ledger.waiter(id, (TimerFuture, DurableTimer), "the firing of a timer")
    if isinstance(timer, DurableTimer):
        run.loop.fire(timer)
    elif isinstance(timer, TimerFuture):
        timer.set_result(None)


def _fail_child(run: LiveRun, event: events.ChildFailed) -> None:
    child = run.ledger.waiter(event.id, ChildFuture, "the end of a child")
    if child is None:
        return
    error = child_error(child.name, child.instance, decode_failure(event.payload))
    child.set_exception(error)
    if not child.started.done():
        child.started.set_exception(error)


def _cancel(run: LiveRun, event: events.CancelRequested) -> None:
    run.cancel_reason = event.reason
    assert run.loop.main is not None, "the first event of a run begins it, or ends it"
    run.loop.main.cancel(event.reason or None)
