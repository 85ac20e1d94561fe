"""Listing: which instances meet a filter, by the indexes that hold them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from rqflow.backend.calls.call import Call
from rqflow.backend.calls.instances import Filter, InstancePage, ListInstances
from rqflow.backend.redis.commands import Command, Place, Translator
from rqflow.backend.redis.keys import suffix
from rqflow.backend.redis.reading import read_row
from rqflow.backend.redis.times import ms_of
from rqflow.converters.json import dump_json
from rqflow.errors import BadInput

MAX_ROWS: Final = 1_000
"""Of one page, whatever was asked for."""


def list_instances(call: ListInstances, place: Place) -> Command[InstancePage]:
    """A page of a partition's instances. Raises BadInput."""
    if call.limit < 1:
        raise BadInput(f"a page has at least one row, not {call.limit}")
    where = call.where

    def parse(reply: Any) -> InstancePage:
        cursor, rows = reply
        return InstancePage(rows=tuple(map(read_row, rows)), cursor=int(cursor) if cursor else None)

    return place.command(
        call,
        "list_instances",
        parse,
        indexes=_indexes(where),
        id_prefix=where.id_prefix,
        below="" if call.below is None else str(call.below),
        limit=min(call.limit, MAX_ROWS),
        created_after=_ms_up(where.created_after),
        created_before=_ms_up(where.created_before),
        closed_after=_ms_up(where.closed_after),
        closed_before=_ms_up(where.closed_before),
    )


def _indexes(where: Filter) -> list[str]:
    """The sorted sets that an instance must be in."""
    equal = {"workflow": where.workflow, "status": where.status, "queue": where.queue, "parent": where.parent}
    found = [suffix(name, value) for name, value in equal.items() if value]
    for name, value in (where.attributes or {}).items():
        found.append(suffix("attribute", f"{name}={dump_json(value).decode()}"))
    return found


def _ms_up(at: datetime | None) -> int:
    """The first whole millisecond that is not before `at`, as rows have whole ones; -1: none."""
    if at is None:
        return -1
    ms = ms_of(at)
    return max(0, ms + 1 if at.microsecond % 1_000 else ms)


TRANSLATORS: Final[Mapping[type[Call[Any]], Translator]] = {ListInstances: list_instances}
