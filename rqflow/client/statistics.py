"""Statistics: the hub in numbers, its partitions put together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from rqflow.backend.calls.hubs import PartitionStats, QueueStats, ReadStats, WorkerStats
from rqflow.backend.protocol import unwrap
from rqflow.client.flow import Flow, connect, send_all
from rqflow.client.options import ClientOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class HubStats:
    """The hub at one moment, all partitions together."""

    hub: str
    partitions: int
    statuses: dict[str, int]
    """Instances by status."""
    queues: tuple[QueueStats, ...]
    """By name."""
    workers: tuple[WorkerStats, ...]
    """By name; of the leases that a worker has in the partitions, the shortest."""
    due: int
    """Timers, retries, timeouts, starts and retentions that wait for their time."""
    overdue: int
    outbox: int
    """Messages between partitions that wait to be relayed."""
    broken: int
    """Due members that could not be handled and were set aside."""
    schedules: int
    schedules_late: int
    """Schedules whose time has come and that no scheduler has looked at."""
    schedulers: int
    """Schedulers that are alive; right after one has left it counts for a while."""
    now: datetime
    """On the store's clock."""


def stats(options: ClientOptions) -> Flow[HubStats]:
    """Instances, queues, workers and timers of the hub, in numbers."""
    facts = yield from connect()
    calls = [ReadStats(partition=partition) for partition in range(facts.hub.partitions)]
    sent = yield from send_all(options, calls)
    parts: list[PartitionStats] = [unwrap(answer) for answer in sent.answers]
    statuses: Counter[str] = Counter()
    for part in parts:
        statuses.update(part.statuses)
    return HubStats(
        hub=facts.hub.name,
        partitions=facts.hub.partitions,
        statuses=dict(statuses),
        queues=_merged_queues(queue for part in parts for queue in part.queues),
        workers=_merged_workers(worker for part in parts for worker in part.workers),
        due=sum(part.due for part in parts),
        overdue=sum(part.overdue for part in parts),
        outbox=sum(part.outbox for part in parts),
        broken=sum(part.broken for part in parts),
        schedules=sum(part.schedules for part in parts),
        schedules_late=sum(part.schedules_late for part in parts),
        schedulers=max(part.schedulers for part in parts),
        now=datetime.fromtimestamp(max(part.now_ms for part in parts) / 1000, UTC),
    )


def _merged_queues(queues: Iterable[QueueStats]) -> tuple[QueueStats, ...]:
    groups: dict[str, list[QueueStats]] = {}
    for queue in queues:
        groups.setdefault(queue.name, []).append(queue)
    return tuple(_merged_queue(name, groups[name]) for name in sorted(groups))


def _merged_queue(name: str, shares: list[QueueStats]) -> QueueStats:
    unknown: Counter[str] = Counter()
    for share in shares:
        unknown.update(dict(share.unknown))
    return QueueStats(
        name=name,
        workflows_queued=sum(share.workflows_queued for share in shares),
        workflows_leased=sum(share.workflows_leased for share in shares),
        activities_queued=sum(share.activities_queued for share in shares),
        activities_leased=sum(share.activities_leased for share in shares),
        oldest_queued_ms=max(share.oldest_queued_ms for share in shares),
        unknown=tuple(sorted(unknown.items())),
    )


def _merged_workers(workers: Iterable[WorkerStats]) -> tuple[WorkerStats, ...]:
    # A worker is known to each partition; the one where its lease is nearest to its end tells most.
    merged: dict[str, WorkerStats] = {}
    for worker in workers:
        known = merged.get(worker.record.id)
        if known is None or worker.lease_ms < known.lease_ms:
            merged[worker.record.id] = worker
    return tuple(sorted(merged.values(), key=lambda worker: (worker.record.name, worker.record.id)))
