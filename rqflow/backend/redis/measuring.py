"""Measuring: how a partition stands, and what happened in it lately."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rqflow.backend.calls.call import Call
from rqflow.backend.calls.hubs import PartitionStats, QueueStats, ReadStats, WorkerStats
from rqflow.backend.calls.instances import LifecycleEvent, ReadEvents
from rqflow.backend.redis.commands import Command, Place, Translator
from rqflow.backend.redis.leasing import read_worker
from rqflow.backend.redis.rows import EVENT
from rqflow.backend.redis.times import moment
from rqflow.core.states import INSTANCE_STATUSES
from rqflow.errors import BadInput

MAX_EVENTS: Final = 1_000
"""Of one page, whatever was asked for."""
_STREAM_ID: Final = re.compile(r"\d{1,19}(-\d{1,19})?\Z", re.ASCII)


def read_stats(call: ReadStats, place: Place) -> Command[PartitionStats]:
    """Counts of instances, tasks and times."""

    def parse(reply: Any) -> PartitionStats:
        now_ms, counts, queues, workers, due, overdue, outbox, broken, *of_schedules = reply
        return PartitionStats(
            statuses={status: count for status, count in zip(INSTANCE_STATUSES, counts, strict=True) if count},
            queues=tuple(sorted(map(_queue, queues), key=lambda queue: queue.name)),
            workers=tuple(_worker(worker, now_ms) for worker in workers),
            due=due,
            overdue=overdue,
            outbox=outbox,
            broken=broken,
            schedules=of_schedules[0],
            schedules_late=of_schedules[1],
            schedulers=of_schedules[2],
            now_ms=now_ms,
        )

    return place.command(call, "read_stats", parse, statuses=INSTANCE_STATUSES)


def _queue(reply: Sequence[Any]) -> QueueStats:
    name, workflows_queued, workflows_leased, activities_queued, activities_leased, age, unknown = reply
    return QueueStats(
        name=name.decode(),
        workflows_queued=workflows_queued,
        workflows_leased=workflows_leased,
        activities_queued=activities_queued,
        activities_leased=activities_leased,
        oldest_queued_ms=age,
        unknown=tuple(sorted(Counter(word.decode() for word in unknown).items())),
    )


def _worker(reply: Sequence[bytes], now_ms: int) -> WorkerStats:
    record, ends, stats = reply
    return WorkerStats(record=read_worker(record), lease_ms=int(float(ends)) - now_ms, stats=stats)


def read_events(call: ReadEvents, place: Place) -> Command[tuple[LifecycleEvent, ...]]:
    """Lifecycle events after an id. Raises BadInput."""
    if call.after not in ("", "$") and not _STREAM_ID.match(call.after):
        raise BadInput(f"events are read after the id of one, such as 1700000000000-0, not after {call.after[:40]!r}")

    def parse(reply: Any) -> tuple[LifecycleEvent, ...]:
        return tuple(_event(id, dict(zip(flat[::2], flat[1::2], strict=True))) for id, flat in reply)

    return place.command(call, "read_events", parse, after=call.after, limit=max(1, min(call.limit, MAX_EVENTS)))


def _event(id: bytes, fields: dict[bytes, bytes]) -> LifecycleEvent:
    at_ms, type, instance, run, workflow, name, payload = (fields.get(field.encode(), b"") for field in EVENT)
    return LifecycleEvent(
        id=id.decode(),
        at=moment(int(at_ms)),
        type=type.decode(),
        instance=instance.decode(),
        run=run.decode(),
        workflow=workflow.decode(),
        name=name.decode(),
        payload=payload,
    )


TRANSLATORS: Final[Mapping[type[Call[Any]], Translator]] = {ReadStats: read_stats, ReadEvents: read_events}
