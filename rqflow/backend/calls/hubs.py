"""Hub calls: what operators ask of a store: how a hub stands, partition by partition."""

from __future__ import annotations

from datetime import datetime, timedelta

from rqflow.backend.calls.call import Call
from rqflow.backend.calls.durability import MEMORY
from rqflow.backend.calls.tasks import WorkerRecord
from rqflow.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a hub holds at most; whoever passes one gets LimitReached or BadInput, and nothing is written."""

    payload_bytes: int = 1_048_576
    """One encoded value."""
    id_bytes: int = 512
    """An instance id, in UTF-8."""
    name_bytes: int = 200
    """The name of a workflow, activity, queue, signal, query, update, attribute or lane."""
    inbox_events: int = 10_000
    """News that wait for one instance; only clients' news are refused."""
    history_events: int = 50_000
    """One run's history; the run fails past it (continue as new before)."""
    history_bytes: int = 50 * 1_048_576
    outstanding: int = 20_000
    """Activities, timers, children and messages that one run waits for."""
    children: int = 20_000
    """Open children of one instance, waited for or not: they outlive continue-as-new."""
    attributes: int = 32
    """Indexed attributes of one instance; a value has at most 256 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HubInfo:
    """What is written down about a hub. All is fixed but its durability."""

    name: str
    partitions: int
    version: int
    """Of the key layout."""
    created_at: datetime
    retention: timedelta
    """Default for instances that do not say."""
    durability: str = MEMORY
    """How safe what clients are told must be: memory, fsync, replica:N or fsync-replica. Read when it is opened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStats:
    """One queue of one partition."""

    name: str
    workflows_queued: int = 0
    """Workflow tasks and questions."""
    workflows_leased: int = 0
    activities_queued: int = 0
    activities_leased: int = 0
    oldest_queued_ms: int = 0
    """Age of the oldest task that nobody has taken."""
    unknown: tuple[tuple[str, int], ...] = ()
    """Names that workers gave back because they do not know them, with the number waiting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStats:
    """One live worker."""

    record: WorkerRecord
    lease_ms: int
    """What is left of its lease; negative: lapsed and not yet swept."""
    stats: bytes
    """What it told at its last renewal: JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionStats:
    """One partition at one moment."""

    statuses: dict[str, int]
    """Instances by status."""
    queues: tuple[QueueStats, ...]
    workers: tuple[WorkerStats, ...]
    due: int
    """Timers, retries, timeouts, starts and retentions that wait for their time."""
    overdue: int
    outbox: int
    broken: int
    """Due members that could not be handled and were set aside."""
    schedules: int
    schedules_late: int
    """Schedules whose time has come and that no scheduler has looked at."""
    schedulers: int
    """Processes that have looked at schedules lately."""
    now_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadStats(Call[PartitionStats]):
    """Bounded work: counts come from the indexes, not from rows."""
