"""Rows: an instance as facts for people and as plain values for scripts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from rqflow.backend.calls.instances import Description, PendingActivity
from rqflow.cli.screen import iso, local, payload_text, payload_value, shortened, span
from rqflow.core.failure import Failure
from rqflow.core.wire import decode_failure
from rqflow.errors import CorruptEvent


def plain_row(row: Description) -> dict[str, Any]:
    """An instance as a listing tells it."""
    return {
        "id": row.instance,
        "run": row.run,
        "workflow": row.workflow,
        "status": row.status,
        "queue": row.queue,
        "created_at": iso(row.created_at),
        "closed_at": iso(row.closed_at),
        "start_at": iso(row.start_at),
        "deadline": iso(row.deadline),
        "parent": row.parent or None,
        "schedule": row.schedule or None,
        "slot": iso(row.slot),
        "custom_status": payload_value(row.custom_status),
        "attributes": dict(row.attributes),
        "reason": row.reason or None,
        "cancel_requested": row.cancel_requested,
        "runs": row.runs,
        "history_length": row.history_length,
        "history_bytes": row.history_bytes,
        "inbox_length": row.inbox_length,
        "task": row.task or None,
        "worker": row.worker or None,
        "build": row.build or None,
        "priority": row.priority,
        "lane": row.lane or None,
    }


def plain_description(row: Description) -> dict[str, Any]:
    """An instance with all that is known of it."""
    return {
        **plain_row(row),
        "result": payload_value(row.result) if row.status == "completed" else None,
        "failure": plain_failure(row.result) if row.status not in ("completed", "") else None,
        "pending_activities": [plain_pending(activity) for activity in row.pending],
        "timers": row.timers,
        "children": list(row.children),
    }


def plain_pending(activity: PendingActivity) -> dict[str, Any]:
    """An activity that is waited for."""
    return {
        "id": activity.id,
        "name": activity.name,
        "queue": activity.queue,
        "attempt": activity.attempt,
        "state": activity.state,
        "worker": activity.worker or None,
        "due_at": iso(activity.due_at),
        "last_failure": plain_failure(activity.last_failure),
        "heartbeat": payload_value(activity.heartbeat),
    }


def plain_failure(payload: bytes) -> dict[str, Any] | None:
    """A failure as plain values, None if there is none."""
    found = failure_of(payload)
    return None if found is None else found.to_wire()


def failure_of(payload: bytes) -> Failure | None:
    """The failure in a payload, None if there is none to read."""
    if not payload:
        return None
    try:
        return decode_failure(payload)
    except CorruptEvent:
        return None


def failure_text(failure: Failure) -> str:
    """A failure in one line, its causes after it."""
    parts = []
    link: Failure | None = failure
    while link is not None:
        parts.append(f"{link.type.removeprefix('builtins.')}: {link.message}" if link.message else link.type)
        link = link.cause
    return " ← ".join(parts)


def facts(row: Description, workers: Mapping[str, str]) -> Iterator[tuple[str, object]]:
    """What `show` tells of an instance, in reading order; `workers` are names by id."""
    now = datetime.now(UTC)
    yield "id", row.instance
    yield "workflow", row.workflow
    yield "status", row.status + (" (cancel requested)" if row.cancel_requested and row.closed_at is None else "")
    yield "reason", row.reason
    yield "custom status", payload_text(row.custom_status)
    failed = failure_of(row.result) if row.status != "completed" else None
    if row.status == "completed":
        yield "result", shortened(payload_text(row.result), 2_000)
    elif failed is not None:
        yield "failure", failure_text(failed)
        yield "traceback", failed.traceback.rstrip()
    yield "created", f"{local(row.created_at)} ({span(now - row.created_at)} ago)"
    if row.start_at is not None and row.status == "pending":
        yield "starts", local(row.start_at)
    if row.closed_at is not None:
        yield "closed", f"{local(row.closed_at)} (took {span(row.closed_at - (row.start_at or row.created_at))})"
    yield "deadline", local(row.deadline)
    yield "queue", row.queue
    yield "run", row.run + (f" (number {row.runs})" if row.runs > 1 else "")
    yield "parent", row.parent
    if row.slot is not None:
        yield "schedule", f"{row.schedule}, slot {local(row.slot)}"
    yield "attributes", ", ".join(f"{name}={value}" for name, value in sorted(row.attributes.items()))
    yield "history", f"{row.history_length:,} events, {row.history_bytes:,} bytes"
    yield "inbox", f"{row.inbox_length:,} events wait" if row.inbox_length else ""
    yield "task", row.task
    yield "worker", workers.get(row.worker, row.worker)
    yield "build", row.build
    yield "waits for", "\n".join(_waits(row, now, workers))


def _waits(row: Description, now: datetime, workers: Mapping[str, str]) -> Iterator[str]:
    for activity in row.pending:
        line = f"activity {activity.name} (command {activity.id}): {activity.state}, attempt {activity.attempt}"
        if activity.queue != row.queue:
            line += f", queue {activity.queue}"
        if activity.worker:
            line += f", on {workers.get(activity.worker, activity.worker)}"
        if activity.due_at is not None:
            line += f", due in {span(max(activity.due_at - now, activity.due_at - activity.due_at))}"
        failed = failure_of(activity.last_failure)
        if failed is not None:
            line += f", last: {failure_text(failed)}"
        yield line
    if row.timers:
        yield f"{row.timers} timer{'s' if row.timers > 1 else ''}"
    yield from _children(row.children)


def _children(children: Iterable[str], most: int = 20) -> Iterator[str]:
    listed = list(children)
    for child in listed[:most]:
        yield f"child {child}"
    if len(listed) > most:
        yield f"and {len(listed) - most} more children"
