"""Due: what happens when a time has come."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from rqflow.backend.calls.tasks import FireDue, Take, Taken
from rqflow.backend.memory.activities import fail_activity, queue_activity, waiting_activity
from rqflow.backend.memory.agenda import Item
from rqflow.backend.memory.closing import remove, time_out
from rqflow.backend.memory.news import add_news
from rqflow.backend.memory.partition import Partition
from rqflow.backend.memory.receiving import deliver_own_letters
from rqflow.backend.memory.rows import Row
from rqflow.backend.memory.starting import begin
from rqflow.backend.memory.taking import take
from rqflow.backend.memory.turns import requeue
from rqflow.core.events import TimerFired
from rqflow.core.wire import encode


def fire_due(partition: Partition, call: FireDue) -> int:
    """Do what is due, earliest first. Whatever ends takes out what was due for it: each item finds what it is for."""
    handled = 0
    while handled < call.limit and (item := partition.agenda.pop(partition.now_ms)) is not None:
        handled += 1
        row = partition.row(item.instance)
        assert row.run == item.run, f"{item} was due for a run that is over"
        _happen(partition, row, item)
        deliver_own_letters(partition)
    return handled


def take_due(partition: Partition, call: Take) -> Taken:
    """Do what is due, and lease tasks. Raises LeaseLost for a worker that is not registered any more."""
    fired = fire_due(partition, FireDue(partition=call.partition, limit=call.fire))
    return replace(take(partition, call), fired=fired)


def _happen(partition: Partition, row: Row, item: Item) -> None:
    match item.occasion:
        case "timer":
            del row.waiting[item.id]
            add_news(partition, row, encode(TimerFired(id=item.id)), "r")
        case "retry":
            queue_activity(partition, row, item.id, waiting_activity(row, item.id))
        case "queued":
            activity = waiting_activity(row, item.id)
            message = f"no worker took the activity {activity.name} in time (schedule to start)"
            fail_activity(partition, row, item.id, kind="timeout", message=message)
        case "total":
            activity = waiting_activity(row, item.id)
            message = f"the activity {activity.name} took too long in all (schedule to close)"
            fail_activity(partition, row, item.id, kind="timeout", message=message)
        case "start":
            if row.status == "pending":  # else it was suspended, and begins when it is resumed
                begin(partition, row)
        case "wait":
            row.task = ""
            requeue(partition, row)
        case "deadline":
            time_out(partition, row)
        case "retention":
            remove(partition, row)
        case _:
            assert_never(item.occasion)
