"""Taking: how tasks are leased to a worker and loaded for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from rqflow.backend.calls.tasks import (
    ActivityTask,
    CancelNotice,
    Entry,
    QueryTask,
    Take,
    Taken,
    Task,
    WorkflowTask,
)
from rqflow.backend.memory.activities import waiting_activity
from rqflow.backend.memory.agenda import Item
from rqflow.backend.memory.knowers import take_up
from rqflow.backend.memory.partition import Partition
from rqflow.backend.memory.rows import Row
from rqflow.backend.memory.streams import Question, Ticket, activities_of, own_of, workflows_of
from rqflow.errors import LeaseLost

TURN_EVENTS: Final = 1_000
"""News of one turn, and events of the first page of a history."""
TURN_BYTES: Final = 1_048_576
"""Their size; one event is given in any case."""


def take(partition: Partition, call: Take) -> Taken:
    """Lease tasks, the worker's own stream first. Raises LeaseLost for a worker that is not registered any more."""
    worker = partition.workers.get(call.worker)
    if worker is None or worker.dead:
        raise LeaseLost(f"of worker {call.worker}")
    hands = _Hands(partition, call.worker)
    for ticket in _given(partition, call):
        hands.load(ticket)
    own = partition.streams.waiting(own_of(call.worker))
    notices = [ticket for ticket in own if ticket.kind == "cancel"]
    hands.fill(notices, len(notices))
    room = hands.fill([ticket for ticket in own if ticket.kind != "cancel"], call.workflow_room)
    for queue in call.subscription.workflow_queues:
        room = hands.fill(partition.streams.waiting(workflows_of(queue)), room)
    room = call.activity_room
    take_up(partition, worker, room=room > 0)
    for queue in call.subscription.activity_queues:
        room = hands.fill(partition.streams.waiting(activities_of(queue)), room)
    return Taken(
        tasks=tuple(hands.tasks),
        notices=tuple(hands.notices),
        now_ms=partition.now_ms,
        next_due_ms=partition.agenda.next_ms(),
        next_lapse_ms=partition.next_lapse_ms(call.worker),
        outbox=len(partition.outbox),
    )


def _given(partition: Partition, call: Take) -> Iterable[Ticket]:
    """The tickets of `entries`, and all others that the worker holds if it asks for them again."""
    if call.again:
        return partition.streams.held(call.worker)
    tickets = (partition.streams.tickets.get(entry.id) for entry in call.entries)
    return [ticket for ticket in tickets if ticket is not None and ticket.worker == call.worker]


def lease(partition: Partition, ticket: Ticket, worker: str) -> None:
    """Hand a ticket to a worker, and show it in the row."""
    partition.streams.lease(ticket, worker)
    row = partition.rows.by_id.get(ticket.instance)
    if row is None:
        return
    if ticket.kind == "task":
        row.task = "leased"
        row.unknown = False
    elif ticket.kind == "activity":
        activity = waiting_activity(row, ticket.id)
        activity.state = "leased"
        activity.unknown = False
        partition.agenda.drop(Item("queued", row.instance, row.run, ticket.id))


def lease_first(partition: Partition, worker: str, streams: Sequence[str]) -> list[Entry]:
    """Lease the first ticket of each of these streams, not loaded yet."""
    entries = []
    for stream in streams:
        for ticket in partition.streams.waiting(stream)[:1]:
            lease(partition, ticket, worker)
            entries.append(Entry(partition=partition.number, stream=stream, id=ticket.token, fields=()))
    return entries


@dataclass(slots=True)
class _Hands:
    """What one call has taken so far."""

    partition: Partition
    worker: str
    tasks: list[Task] = field(default_factory=list)
    notices: list[CancelNotice] = field(default_factory=list)

    def fill(self, tickets: Iterable[Ticket], room: int) -> int:
        """Lease and load as many of these as there is room for. The room that is left."""
        for ticket in tickets:
            if room <= 0:
                break
            lease(self.partition, ticket, self.worker)
            room -= self.load(ticket)
        return room

    def load(self, ticket: Ticket) -> bool:
        """Load what a leased ticket stands for. False: it takes no room, or was not worth it any more."""
        if ticket.kind == "cancel":
            self.partition.streams.drop(ticket.token)
            self.notices.append(CancelNotice(partition=self.partition.number, token=ticket.canceled))
            return False
        task = _task_of(self.partition, ticket)
        if task is None:
            self.partition.streams.drop(ticket.token)
            return False
        self.tasks.append(task)
        return True


def _task_of(partition: Partition, ticket: Ticket) -> Task | None:
    """The task that a leased ticket stands for; None for wake entries and questions that came too late."""
    row = partition.rows.by_id.get(ticket.instance)
    if row is None:
        return None
    if ticket.kind == "task":
        return _workflow_task(partition, row, ticket)
    if ticket.kind == "activity":
        return _activity_task(partition, row, ticket)
    question = ticket.question
    if question is None or question.expires_at_ms <= partition.now_ms:
        return None
    return _query_task(partition, row, ticket, question)


def first_page(events: Sequence[bytes]) -> tuple[bytes, ...]:
    """So many events as one answer carries: at most 1,000 and 1 MiB, at least one."""
    size = 0
    for number, event in enumerate(events[:TURN_EVENTS]):
        size += len(event)
        if size > TURN_BYTES and number:
            return tuple(events[:number])
    return tuple(events[:TURN_EVENTS])


def _workflow_task(partition: Partition, row: Row, ticket: Ticket) -> WorkflowTask:
    sticky = ticket.stream == own_of(ticket.worker)
    length = len(row.history.events)
    return WorkflowTask(
        partition=partition.number,
        instance=row.instance,
        run=row.run,
        token=ticket.token,
        workflow=row.workflow,
        queue=row.queue,
        history_length=length,
        history_bytes=row.history.size,
        history=() if sticky else first_page(row.history.events),
        history_from=length if sticky else 0,
        inbox=first_page(row.inbox),
        deliveries=row.losses + 1,
        build=row.build,
    )


def _activity_task(partition: Partition, row: Row, ticket: Ticket) -> ActivityTask:
    activity = waiting_activity(row, ticket.id)
    return ActivityTask(
        partition=partition.number,
        instance=row.instance,
        run=row.run,
        id=ticket.id,
        token=ticket.token,
        name=activity.name,
        queue=activity.queue,
        workflow=row.workflow,
        payload=activity.payload,
        attempt=activity.attempt,
        losses=activity.losses,
        options=activity.options,
        scheduled_at_ms=activity.scheduled_at_ms,
        started_at_ms=partition.now_ms,
        details=activity.details,
    )


def _query_task(partition: Partition, row: Row, ticket: Ticket, question: Question) -> QueryTask:
    return QueryTask(
        partition=partition.number,
        instance=row.instance,
        run=row.run,
        token=ticket.token,
        query=question.query,
        name=question.name,
        payload=question.payload,
        workflow=row.workflow,
        history_length=len(row.history.events),
        inbox=first_page(row.inbox) if row.status == "running" else (),
    )
