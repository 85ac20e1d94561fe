"""Reading: how one instance stands, and what its histories hold."""

from __future__ import annotations

from rqflow.backend.calls.instances import (
    Describe,
    Description,
    HistoryPage,
    Outcome,
    PendingActivity,
    ReadHistory,
    ReadOutcome,
)
from rqflow.backend.memory.partition import Partition, moment
from rqflow.backend.memory.rows import Row, WaitingActivity, WaitingTimer
from rqflow.core.states import CLOSED
from rqflow.errors import RunNotFound


def read_outcome(partition: Partition, call: ReadOutcome) -> Outcome:
    """How an instance stands, and its result if it has one."""
    row = partition.row(call.instance)
    return Outcome(status=row.status, run=row.run, payload=row.result)


def ended(partition: Partition, instance: str) -> Outcome | None:
    """What an instance came to, if it is there and has ended."""
    row = partition.rows.by_id.get(instance)
    return Outcome(status=row.status, run=row.run, payload=row.result) if row and row.status in CLOSED else None


def read_history(partition: Partition, call: ReadHistory) -> HistoryPage:
    """Events of the current run, or of an earlier one whose retention has not passed."""
    row = partition.row(call.instance)
    run = call.run or row.run
    history = row.history if run == row.run else partition.histories.get((row.instance, run))
    if history is None:
        raise RunNotFound(call.instance, run)
    events = tuple(history.events[call.after : call.after + call.limit])
    return HistoryPage(run=run, events=events, length=len(history.events))


def describe(partition: Partition, call: Describe) -> Description:
    """An instance's row, with what it waits for."""
    return description(partition, partition.row(call.instance), whole=True)


def description(partition: Partition, row: Row, *, whole: bool) -> Description:
    """A row as others see it; what it waits for only if `whole`."""
    ticket = partition.streams.tickets.get(row.token)
    waiting = row.waiting if whole else {}
    return Description(
        instance=row.instance,
        run=row.run,
        workflow=row.workflow,
        status=row.status,
        queue=row.queue,
        created_at=moment(row.created_at_ms),
        closed_at=None if row.closed_at_ms is None else moment(row.closed_at_ms),
        start_at=None if row.start_at_ms is None else moment(row.start_at_ms),
        deadline=None if row.deadline_ms is None else moment(row.deadline_ms),
        parent=row.parent.instance if row.parent is not None else "",
        schedule="" if row.order_of is None else row.order_of.schedule,
        slot=None if row.order_of is None else moment(row.order_of.slot_ms),
        custom_status=row.custom_status,
        attributes=dict(row.attributes),
        reason=row.reason,
        cancel_requested=row.cancel_requested,
        runs=row.runs,
        history_length=len(row.history.events),
        history_bytes=row.history.size,
        inbox_length=len(row.inbox),
        task=row.task,
        worker=ticket.worker if ticket is not None and ticket.worker else row.sticky,
        build=row.build,
        priority=row.priority,
        lane=row.lane,
        order=row.order,
        result=row.result,
        pending=tuple(
            _pending(partition, id, activity)
            for id, activity in sorted(waiting.items())
            if isinstance(activity, WaitingActivity)
        ),
        timers=sum(isinstance(one, WaitingTimer) for one in waiting.values()),
        children=tuple(child.instance for child in row.children.values()) if whole else (),
    )


def _pending(partition: Partition, id: int, activity: WaitingActivity) -> PendingActivity:
    ticket = partition.streams.tickets.get(activity.token)
    return PendingActivity(
        id=id,
        name=activity.name,
        queue=activity.queue,
        attempt=activity.attempt,
        state=activity.state,
        worker="" if ticket is None else ticket.worker,
        due_at=None if activity.due_at_ms is None else moment(activity.due_at_ms),
        last_failure=activity.last_failure,
        heartbeat=activity.details,
    )
