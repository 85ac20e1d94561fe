"""Due: what happens when a time has come."""

from __future__ import annotations

from rqflow.backend.calls.tasks import FireDue
from rqflow.backend.memory.activities import fail_activity, queue_activity
from rqflow.backend.memory.agenda import Item
from rqflow.backend.memory.closing import remove, time_out
from rqflow.backend.memory.news import add_news
from rqflow.backend.memory.partition import Partition
from rqflow.backend.memory.receiving import deliver_own_letters
from rqflow.backend.memory.rows import Row, WaitingActivity, WaitingTimer
from rqflow.backend.memory.starting import begin
from rqflow.backend.memory.turns import requeue
from rqflow.core.events import TimerFired
from rqflow.core.states import CLOSED
from rqflow.core.wire import encode


def fire_due(partition: Partition, call: FireDue) -> int:
    """Do what is due, earliest first. What nobody waits for any more does nothing."""
    handled = 0
    while handled < call.limit and (item := partition.agenda.pop(partition.now_ms)) is not None:
        handled += 1
        row = partition.rows.by_id.get(item.instance)
        if row is not None and row.run == item.run:
            _happen(partition, row, item)
            deliver_own_letters(partition)
    return handled


def _happen(partition: Partition, row: Row, item: Item) -> None:
    match item.occasion:
        case "timer":
            if isinstance(row.waiting.get(item.id), WaitingTimer):
                del row.waiting[item.id]
                add_news(partition, row, encode(TimerFired(id=item.id)), "r")
        case "retry" | "queued" | "total":
            activity = row.waiting.get(item.id)
            if isinstance(activity, WaitingActivity):
                _activity_due(partition, row, item, activity)
        case "start":
            if row.status == "pending":
                begin(partition, row)
        case "wait":
            row.task = ""
            requeue(partition, row)
        case "deadline":
            time_out(partition, row)
        case "retention":
            if row.status in CLOSED:
                remove(partition, row)
        case "history":
            """Kept apart from the rest (see Partition.expiring)."""


def _activity_due(partition: Partition, row: Row, item: Item, activity: WaitingActivity) -> None:
    if item.occasion == "total":
        message = f"activity {activity.name!r} did not end in the time that it had from its scheduling"
        fail_activity(partition, row, item.id, kind="timeout", message=message)
    elif item.occasion == "retry":
        queue_activity(partition, row, item.id, activity)
    elif activity.state == "queued":
        message = f"activity {activity.name!r} waited too long in queue {activity.queue!r}"
        fail_activity(partition, row, item.id, kind="timeout", message=message)
