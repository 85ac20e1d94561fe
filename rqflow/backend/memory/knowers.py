"""Knowers: workers that know a name, and how a task that others do not know gets to them: never by a race for it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

from rqflow.backend.memory.activities import queue_activity
from rqflow.backend.memory.agenda import Item
from rqflow.backend.memory.news import drop_task, put_task
from rqflow.backend.memory.partition import Offer, Partition, Worker
from rqflow.backend.memory.rows import Row, WaitingActivity
from rqflow.backend.memory.streams import Ticket, own_of

MOST: Final = 100
"""Workers looked at for one task, and tasks handed to one that comes."""
FULL_MS: Final = 1_000
"""After which an activity is there for all that was offered to one which had no room yet."""
NOTED_MS: Final = 60_000
"""So long after the end of its wait it is noted who did not know a task: by then it is there for all."""
OFFERS: Final = 100
"""Kept for one worker at most: each activity comes up again by itself."""


def knows_workflow(worker: Worker, name: str, queue: str) -> bool:
    """Whether a worker serves such tasks."""
    return name in worker.record.workflows and queue in worker.record.subscription.workflow_queues


def knows_activity(worker: Worker, name: str, queue: str) -> bool:
    """Whether a worker serves such tasks."""
    return name in worker.record.activities and queue in worker.record.subscription.activity_queues


def others(partition: Partition, holder: str, spread: str) -> Iterable[Worker]:
    """Workers that live, but for the one that has a task; they begin with another one for each `spread`."""
    alive = sorted(name for name in partition.workers if partition.alive(name))
    first = int(hashlib.sha1(spread.encode(), usedforsecurity=False).hexdigest()[:6], 16)
    for number in range(min(len(alive), MOST)):
        name = alive[(first + number + 1) % len(alive)]
        if name != holder:
            yield partition.workers[name]


def offer(partition: Partition, worker: Worker, row: Row, id: int, activity: WaitingActivity) -> None:
    """Tell a worker of an activity that waits for a while: when it has room, it need not wait."""
    told = Offer(instance=row.instance, run=row.run, id=id, attempt=activity.attempt)
    if len(worker.offers) >= OFFERS or told in worker.offers:
        return
    worker.offers.append(told)
    if len(worker.offers) == 1:
        partition.streams.put(own_of(worker.record.id), Ticket(kind="wake"), partition.now_ms)


def take_up(partition: Partition, worker: Worker, *, room: bool) -> None:
    """What was offered, if it still waits, is queued for whoever has room and takes its next. Without room it stays."""
    if worker.offers:
        own = partition.streams.waiting(own_of(worker.record.id))
        for ticket in [ticket for ticket in own if ticket.kind == "wake"]:
            partition.streams.drop(ticket.token)
    if not room:
        return
    for each in worker.offers:
        row = partition.rows.by_id.get(each.instance)
        activity = row.waiting.get(each.id) if row is not None and row.run == each.run else None
        if row is None or not isinstance(activity, WaitingActivity):
            continue
        if activity.state == "backoff" and activity.attempt == each.attempt:
            partition.agenda.drop(Item("retry", row.instance, row.run, each.id))
            queue_activity(partition, row, each.id, activity)
    worker.offers.clear()


def came(partition: Partition, worker: Worker) -> None:
    """Tell a worker that has just come of what waits for one that knows its name."""
    rows = list(partition.rows.by_id.values())
    turns = [
        row
        for row in rows
        if row.unknown and row.task == "waiting" and _noted(partition, Item("wait", row.instance, row.run))
    ]
    for row in [row for row in turns if knows_workflow(worker, row.workflow, row.queue)][:MOST]:
        drop_task(partition, row)
        row.sticky = worker.record.id
        put_task(partition, row, own_of(worker.record.id))
    attempts = [
        (row, id, activity)
        for row in rows
        for id, activity in row.waiting.items()
        if isinstance(activity, WaitingActivity)
        and activity.unknown
        and activity.state == "backoff"
        and _noted(partition, Item("retry", row.instance, row.run, id))
    ]
    for row, id, activity in [one for one in attempts if knows_activity(worker, one[2].name, one[2].queue)][:MOST]:
        activity.unknown = False
        offer(partition, worker, row, id, activity)


def _noted(partition: Partition, wait: Item) -> bool:
    return partition.now_ms <= partition.agenda.times[wait] + NOTED_MS
