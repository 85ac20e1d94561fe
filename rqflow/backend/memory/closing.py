"""Closing: how a run ends, by its own decision or from outside, and how the next run goes on."""

from __future__ import annotations

from typing import assert_never

from rqflow.backend.memory.activities import forget_activity
from rqflow.backend.memory.agenda import Item
from rqflow.backend.memory.failures import encoded_failure
from rqflow.backend.memory.letters import AnswerLetter, EndLetter, NewsLetter, Order, TerminateLetter
from rqflow.backend.memory.news import drop_task, queue_task
from rqflow.backend.memory.partition import Partition
from rqflow.backend.memory.rows import History, Row, WaitingActivity, WaitingTimer
from rqflow.core.commands import Close, Continue
from rqflow.core.events import (
    CancelRequested,
    ChildCompleted,
    ChildFailed,
    Event,
    ParentLink,
    Payload,
    WorkflowCanceled,
    WorkflowCompleted,
    WorkflowFailed,
    WorkflowTerminated,
    WorkflowTimedOut,
)
from rqflow.core.wire import INSTANCE_SCOPE, encode, split_stored, stored


def close_by_decision(partition: Partition, row: Row, close: Close) -> None:
    """End a run as its code has decided; the End event is in the history already."""
    match close:
        case WorkflowCompleted(payload=payload):
            end_instance(partition, row, "complete", payload)
        case WorkflowFailed(payload=payload):
            end_instance(partition, row, "fail", payload)
        case WorkflowCanceled(payload=payload):
            end_instance(partition, row, "end_canceled", payload)
        case Continue():
            continue_as_new(partition, row, close)
        case _:
            assert_never(close)


def terminate(partition: Partition, row: Row, *, reason: str, recursive: bool) -> None:
    """End an instance from outside. Whoever holds its task has lost it."""
    drop_task(partition, row)
    row.reason = reason
    _append_end(partition, row, WorkflowTerminated(reason=reason))
    failure = encoded_failure("rqflow.errors.WorkflowTerminated", reason, "terminated")
    end_instance(partition, row, "terminate", failure, recursive=recursive)


def time_out(partition: Partition, row: Row) -> None:
    """End a run that passed its deadline."""
    drop_task(partition, row)
    _append_end(partition, row, WorkflowTimedOut())
    failure = encoded_failure("rqflow.errors.WorkflowTimedOut", "the run passed its time limit", "timeout")
    end_instance(partition, row, "time_out", failure)


def _append_end(partition: Partition, row: Row, end: Event) -> None:
    """Before it goes the start, if no turn has seen that: what was asked for stays known."""
    if not row.history.events and row.inbox:
        row.history.append(row.inbox[0])
    row.history.append(stored(partition.now_ms, "r", encode(end)))


def end_instance(partition: Partition, row: Row, trigger: str, payload: Payload, *, recursive: bool = False) -> None:
    """Close an instance: keep its result, drop what it waits for, tell who started it, keep it for its retention."""
    row.result = payload
    row.closed_at_ms = partition.now_ms
    partition.move(row, trigger)
    row.inbox = []
    row.sticky = ""
    _stop_waiting(partition, row)
    _part_from_children(partition, row, recursive=recursive)
    partition.agenda.drop(Item("start", row.instance, row.run))
    partition.agenda.drop(Item("deadline", row.instance, row.run))
    partition.agenda.put(Item("retention", row.instance, row.run), partition.now_ms + row.retention_ms)
    if row.parent is not None:
        _tell_parent(partition, row, row.parent)
    if row.order_of is not None:
        tell_schedule(partition, row, row.order_of)


def tell_schedule(partition: Partition, row: Row, order: Order) -> None:
    """Let the schedule that has ordered an instance know how it ended."""
    wanted = order.keep_result and row.status == "completed"
    letter = EndLetter(
        to=order.schedule,
        generation=order.generation,
        run=row.first_run,
        status=row.status,
        body=row.result if wanted else b"",
    )
    partition.post(letter)


def _stop_waiting(partition: Partition, row: Row) -> None:
    """Drop all that a run waits for. A signal on its way arrives all the same; nobody waits for the answer."""
    for id, waiting in row.waiting.items():
        if isinstance(waiting, WaitingActivity):
            forget_activity(partition, row, id, waiting)
        elif isinstance(waiting, WaitingTimer):
            partition.agenda.drop(Item("timer", row.instance, row.run, id))
    row.waiting = {}


def _part_from_children(partition: Partition, row: Row, *, recursive: bool) -> None:
    """Open children go their ways by their policies, or all end with their parent."""
    reason = f"its parent {row.instance} ended: {row.status}"
    for first_run, child in row.children.items():
        if recursive or child.parent_close == "terminate":
            letter = TerminateLetter(to=child.instance, first_run=first_run, reason=reason, recursive=recursive)
            partition.post(letter)
        elif child.parent_close == "cancel":
            body = encode(CancelRequested(reason=reason))
            partition.post(NewsLetter(to=child.instance, cancel=True, sender=None, first_run=first_run, body=body))
    row.children = {}


def _tell_parent(partition: Partition, row: Row, parent: ParentLink) -> None:
    id = parent.command
    payload = row.result
    if row.status == "completed":
        body = encode(ChildCompleted(id=id, payload=payload))
    else:
        if not payload:
            payload = encoded_failure("rqflow.errors.WorkflowCanceled", "the child was canceled", "canceled")
        body = encode(ChildFailed(id=id, payload=payload))
    partition.post(AnswerLetter(to=parent.instance, run=parent.run, id=id, last=True, child=row.first_run, body=body))


def continue_as_new(partition: Partition, row: Row, close: Continue) -> None:
    """Go on with a new run: the carried news first, then those for the instance that no turn has seen (P8)."""
    started = close.started
    _stop_waiting(partition, row)
    partition.agenda.drop(Item("deadline", row.instance, row.run))
    partition.keep_history(row)
    kept = [event for event in row.inbox if split_stored(event)[1] == INSTANCE_SCOPE]
    carried = [stored(partition.now_ms, INSTANCE_SCOPE, encode(event)) for event in close.carried]
    row.inbox = [stored(partition.now_ms, "r", encode(started)), *carried, *kept]
    row.history = History()
    row.run = started.run
    row.runs += 1
    row.workflow = started.workflow
    row.queue = started.queue
    row.timeout_ms = started.timeout_ms
    set_deadline(partition, row, partition.now_ms)
    partition.move(row, "continue")
    partition.tell(row, "continued")
    queue_task(partition, row)


def set_deadline(partition: Partition, row: Row, begins_at_ms: int) -> None:
    """Have the run end when its time limit has passed."""
    row.deadline_ms = None if row.timeout_ms is None else begins_at_ms + row.timeout_ms
    if row.deadline_ms is not None:
        partition.agenda.put(Item("deadline", row.instance, row.run), row.deadline_ms)


def remove(partition: Partition, row: Row) -> None:
    """Forget a closed instance with all that was kept of it."""
    partition.agenda.drop(Item("retention", row.instance, row.run))
    partition.rows.remove(row)
    for instance, run in [key for key in partition.histories if key[0] == row.instance]:
        del partition.histories[instance, run]
        partition.expiring.drop(Item("retention", instance, run))
    partition.changed.add(row.instance)
