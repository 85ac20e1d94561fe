"""Listing: which instances a filter finds, newest first, page by page."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

from rqflow.backend.calls.instances import Filter, InstancePage, ListInstances
from rqflow.backend.memory.partition import Partition, moment
from rqflow.backend.memory.reading import description
from rqflow.backend.memory.rows import Row

ROWS_READ: Final = 1_000
"""So many rows one call looks at."""


def list_instances(partition: Partition, call: ListInstances) -> InstancePage:
    """A page. Its cursor is a creation order, so that what changes meanwhile moves nothing."""
    orders = partition.rows.orders
    end = len(orders) if call.below is None else bisect_left(orders, call.below)
    rows = []
    for read, order in enumerate(reversed(orders[:end]), 1):
        row = partition.rows.by_order[order]
        if _fits(row, call.where):
            rows.append(description(partition, row, whole=False))
        if (len(rows) >= call.limit or read >= ROWS_READ) and read < end:
            return InstancePage(rows=tuple(rows), cursor=order)
    return InstancePage(rows=tuple(rows), cursor=None)


def _fits(row: Row, where: Filter) -> bool:
    parent = "" if row.parent is None else row.parent.instance
    equal = (
        (where.workflow, row.workflow),
        (where.status, row.status),
        (where.queue, row.queue),
        (where.parent, parent),
    )
    if any(wanted and wanted != found for wanted, found in equal) or not row.instance.startswith(where.id_prefix):
        return False
    for name, value in (where.attributes or {}).items():
        found = row.attributes.get(name)
        if type(found) is not type(value) or found != value:
            return False
    return _in_time(row, where)


def _in_time(row: Row, where: Filter) -> bool:
    """From `after` on, and before `before`."""
    created = moment(row.created_at_ms)
    if where.created_after is not None and created < where.created_after:
        return False
    if where.created_before is not None and created >= where.created_before:
        return False
    if where.closed_after is None and where.closed_before is None:
        return True
    if row.closed_at_ms is None:
        return False
    closed = moment(row.closed_at_ms)
    if where.closed_after is not None and closed < where.closed_after:
        return False
    return where.closed_before is None or closed < where.closed_before
