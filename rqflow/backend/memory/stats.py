"""Stats: how a partition stands, and what happened in it lately."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from rqflow.backend.calls.hubs import PartitionStats, QueueStats, ReadStats, WorkerStats
from rqflow.backend.calls.instances import LifecycleEvent, ReadEvents
from rqflow.backend.memory.partition import Partition
from rqflow.backend.memory.rows import WaitingActivity
from rqflow.backend.memory.streams import Ticket, activities_of, own_of, workflows_of

_WORK: Final = ("task", "query", "activity")


def read_events(partition: Partition, call: ReadEvents) -> tuple[LifecycleEvent, ...]:
    """Lifecycle events after an id, oldest first."""
    if call.after == "$":
        return tuple(partition.lifecycle)[-1:]
    after = int(call.after.partition("-")[0] or 0)
    found = [event for event in partition.lifecycle if int(event.id.partition("-")[0]) > after]
    return tuple(found[: call.limit])


def read_stats(partition: Partition, call: ReadStats) -> PartitionStats:
    """Counts of instances, tasks and times."""
    return PartitionStats(
        statuses=dict(Counter(row.status for row in partition.rows.by_id.values())),
        queues=tuple(_queue(partition, name) for name in sorted(_queue_names(partition))),
        workers=tuple(
            WorkerStats(record=worker.record, lease_ms=worker.lease_until_ms - partition.now_ms, stats=worker.stats)
            for worker in partition.workers.values()
            if not worker.dead
        ),
        due=len(partition.agenda.times),
        overdue=partition.agenda.overdue(partition.now_ms),
        outbox=len(partition.outbox),
        broken=0,
        schedules=len(partition.schedules.by_id),
        schedules_late=len(partition.schedules.overdue(partition.now_ms)),
        schedulers=partition.schedules.alive(partition.now_ms),
        now_ms=partition.now_ms,
    )


def _queue_names(partition: Partition) -> set[str]:
    names: set[str] = set()
    for worker in partition.workers.values():
        names.update(worker.record.subscription.workflow_queues, worker.record.subscription.activity_queues)
    for ticket in partition.streams.tickets.values():
        names.update(_queues_of(partition, ticket))
    for row in partition.rows.by_id.values():
        names.update(name for name, _ in _unknown(partition, row.instance))
    return names


def _queues_of(partition: Partition, ticket: Ticket) -> Iterable[str]:
    """The queue that a task or a question belongs to, sticky or not."""
    if ticket.kind not in _WORK:
        return ()
    if not ticket.stream.startswith(own_of("")):
        return (ticket.stream.partition(":")[2],)
    row = partition.rows.by_id.get(ticket.instance)
    return () if row is None else (row.queue,)


def _unknown(partition: Partition, instance: str) -> Iterable[tuple[str, str]]:
    """Queue and name of what workers gave back because they do not know it."""
    row = partition.rows.by_id[instance]
    if row.unknown:
        yield row.queue, row.workflow
    for activity in row.waiting.values():
        if isinstance(activity, WaitingActivity) and activity.unknown:
            yield activity.queue, activity.name


def _queue(partition: Partition, name: str) -> QueueStats:
    tickets = [ticket for ticket in partition.streams.tickets.values() if name in _queues_of(partition, ticket)]
    counts = Counter((ticket.kind, bool(ticket.worker)) for ticket in tickets)
    shared = (workflows_of(name), activities_of(name))
    ages = [partition.now_ms - one.queued_at_ms for one in tickets if not one.worker and one.stream in shared]
    unknown = Counter(
        known for instance in partition.rows.by_id for queue, known in _unknown(partition, instance) if queue == name
    )
    return QueueStats(
        name=name,
        workflows_queued=counts["task", False] + counts["query", False],
        workflows_leased=counts["task", True] + counts["query", True],
        activities_queued=counts["activity", False],
        activities_leased=counts["activity", True],
        oldest_queued_ms=max(ages, default=0),
        unknown=tuple(sorted(unknown.items())),
    )
