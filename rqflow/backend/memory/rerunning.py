"""Rerunning: an instance begins with a part of an earlier run's history."""

from __future__ import annotations

from rqflow.backend.calls.checks import check_rerun
from rqflow.backend.calls.instances import Started
from rqflow.backend.calls.reruns import Rerun
from rqflow.backend.memory.closing import terminate
from rqflow.backend.memory.partition import Partition
from rqflow.backend.memory.rows import Row
from rqflow.backend.memory.starting import enter, new_row, replace
from rqflow.core.states import CLOSED
from rqflow.core.wire import stored
from rqflow.errors import InstanceExists, InstanceNotClosed, InstanceNotFound


def rerun(partition: Partition, call: Rerun) -> Started:
    """Begin it, in the place of an ended or stalled run or under a free id."""
    check_rerun(call, partition.limits)
    existing = partition.rows.by_id.get(call.instance)
    if existing is not None and call.run in existing.requests:
        return Started(instance=call.instance, run=existing.run, created=True)
    if existing is None and call.replaces:
        raise InstanceNotFound(call.instance)
    if existing is not None:
        if existing.run != call.replaces:
            raise InstanceExists(call.instance, existing.status)
        if existing.status not in CLOSED:
            if existing.status != "stalled":
                raise InstanceNotClosed(call.instance, existing.status)
            terminate(partition, existing, reason="replaced by a rerun", recursive=False)
        replace(partition, existing)
    row = _row(partition, call, existing)
    enter(partition, row, call.news[0][1])
    row.inbox += [stored(partition.now_ms, scope, event) for scope, event in call.news[1:]]
    return Started(instance=call.instance, run=row.run, created=True)


def _row(partition: Partition, call: Rerun, before: Row | None) -> Row:
    row = new_row(
        partition,
        call,
        before,
        instance=call.instance,
        retention_ms=call.retention_ms,
        timeout_ms=call.timeout_ms,
        custom_status=call.status,
        reason=call.reason,
    )
    row.remember(call.run, created=True)
    for event in call.history:
        row.history.append(event)
    return row
