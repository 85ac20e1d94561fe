"""Activities: their tasks, and how an attempt ends."""

from __future__ import annotations

from typing import Final

from rqflow.backend.calls.tasks import CompleteActivity, RetryActivity
from rqflow.backend.memory.agenda import Item, Occasion
from rqflow.backend.memory.failures import encoded_failure
from rqflow.backend.memory.news import add_news
from rqflow.backend.memory.partition import Partition, span_ms
from rqflow.backend.memory.rows import Row, WaitingActivity
from rqflow.backend.memory.streams import Ticket, activities_of, own_of
from rqflow.core.commands import ScheduleActivity
from rqflow.core.events import ActivityFailed
from rqflow.core.wire import encode, encode_options
from rqflow.errors import LeaseLost

_OCCASIONS: Final[tuple[Occasion, ...]] = ("retry", "queued", "total")
"""What can be due for an activity."""


def waiting_activity(row: Row, id: int) -> WaitingActivity:
    """An activity that is waited for: nobody asks for one that is not."""
    activity = row.waiting[id]
    assert isinstance(activity, WaitingActivity)
    return activity


def schedule_activity(partition: Partition, row: Row, command: ScheduleActivity) -> None:
    """Begin to wait for an activity, and queue its first attempt."""
    options = command.options
    to_start = options.schedule_to_start
    activity = WaitingActivity(
        name=command.name,
        queue=command.queue,
        payload=command.payload,
        options=encode_options(options),
        schedule_to_start_ms=None if to_start is None else span_ms(to_start),
        scheduled_at_ms=partition.now_ms,
    )
    row.waiting[command.id] = activity
    if options.schedule_to_close is not None:
        at_ms = partition.now_ms + span_ms(options.schedule_to_close)
        partition.agenda.put(Item("total", row.instance, row.run, command.id), at_ms)
    queue_activity(partition, row, command.id, activity)


def queue_activity(partition: Partition, row: Row, id: int, activity: WaitingActivity) -> None:
    """Queue an attempt of an activity, under a new token."""
    ticket = Ticket(kind="activity", instance=row.instance, run=row.run, id=id)
    activity.token = partition.streams.put(activities_of(activity.queue), ticket, partition.now_ms)
    activity.state = "queued"
    activity.due_at_ms = None
    if activity.schedule_to_start_ms is not None:
        at_ms = partition.now_ms + activity.schedule_to_start_ms
        partition.agenda.put(Item("queued", row.instance, row.run, id), at_ms)


def back_off(partition: Partition, row: Row, id: int, activity: WaitingActivity, delay_ms: int) -> None:
    """Take an attempt's task away, and queue the next one after a while."""
    partition.streams.drop(activity.token)
    if delay_ms <= 0:
        queue_activity(partition, row, id, activity)
        return
    activity.token = ""
    activity.state = "backoff"
    activity.due_at_ms = partition.now_ms + delay_ms
    partition.agenda.put(Item("retry", row.instance, row.run, id), activity.due_at_ms)


def forget_activity(partition: Partition, row: Row, id: int, activity: WaitingActivity) -> None:
    """Take an activity's task away, and all of its times. Its worker, if it has one, is told: also one that is late."""
    ticket = partition.streams.drop(activity.token)
    if ticket is not None and ticket.worker and not partition.workers[ticket.worker].dead:
        notice = Ticket(kind="cancel", canceled=ticket.token)
        partition.streams.put(own_of(ticket.worker), notice, partition.now_ms)
    for occasion in _OCCASIONS:
        partition.agenda.drop(Item(occasion, row.instance, row.run, id))


def end_activity(partition: Partition, row: Row, id: int, event: bytes) -> None:
    """Stop waiting for an activity: this event tells its run how it ended."""
    forget_activity(partition, row, id, waiting_activity(row, id))
    del row.waiting[id]
    add_news(partition, row, event, "r")


def fail_activity(partition: Partition, row: Row, id: int, *, kind: str, message: str) -> None:
    """End an activity that the store gives up on."""
    error = "ActivityTimedOut" if kind == "timeout" else "ActivityFailed"
    failure = encoded_failure(f"rqflow.errors.{error}", message, kind)
    end_activity(partition, row, id, encode(ActivityFailed(id=id, payload=failure)))


def leased_activity(partition: Partition, instance: str, run: str, id: int, token: str) -> tuple[Row, WaitingActivity]:
    """The activity that this token is the lease of. Raises LeaseLost."""
    row = partition.rows.by_id.get(instance)
    activity = row.waiting.get(id) if row is not None and row.run == run else None
    if (
        row is None
        or not isinstance(activity, WaitingActivity)
        or activity.state != "leased"
        or activity.token != token
    ):
        raise LeaseLost(token)
    return row, activity


def complete_activity(partition: Partition, call: CompleteActivity) -> None:
    """An attempt has ended the activity."""
    row, activity = leased_activity(partition, call.instance, call.run, call.id, call.token)
    partition.streams.drop(activity.token)
    end_activity(partition, row, call.id, call.event)


def retry_activity(partition: Partition, call: RetryActivity) -> None:
    """An attempt has failed, and there will be another."""
    row, activity = leased_activity(partition, call.instance, call.run, call.id, call.token)
    activity.attempt += 1
    activity.losses += call.lost
    activity.last_failure = call.failure
    back_off(partition, row, call.id, activity, span_ms(call.delay))
