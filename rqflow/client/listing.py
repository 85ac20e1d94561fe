"""Listing: flows that list instances newest first, the partitions' shares merged, paged by a stable cursor.

A cursor holds below which creation order each partition is read on. Instances that change, end, come or go between two
pages shift nothing: what was given is not given again, what was not is not missed, and what came later is not there.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections import deque
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Final, TypedDict, Unpack

from rqflow.backend.calls.hubs import Limits
from rqflow.backend.calls.instances import Description, Filter, ListInstances
from rqflow.backend.protocol import unwrap
from rqflow.client.checks import (
    check_attributes,
    check_choice,
    check_count,
    check_id,
    check_name,
    check_text,
    check_time,
)
from rqflow.client.flow import Emit, Facts, Flow, Stream, connect, send_all
from rqflow.client.options import ClientOptions
from rqflow.converters.json import dump_json, load_json
from rqflow.core.options import Attributes
from rqflow.core.states import INSTANCE_STATUSES
from rqflow.errors import BadInput, BadValue

MAX_ROUNDS: Final = 200
"""A page sends at most so many times: a filter that almost nothing meets gives short or empty pages with a cursor."""
END: Final = -1
"""In a cursor: this partition has been read to its end."""


class FilterKeywords(TypedDict, total=False):
    """`Filter` as keyword arguments of `list`, `list_page` and `purge_many`."""

    workflow: str
    status: str
    queue: str
    parent: str
    attributes: Attributes | None
    id_prefix: str
    created_after: datetime | None
    created_before: datetime | None
    closed_after: datetime | None
    closed_before: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Part of a listing."""

    rows: tuple[Description, ...]
    """Newest created first; may be fewer than asked for, even none, while there are more."""
    cursor: str | None
    """To ask for the next page with; None at the end."""


def list_page(
    options: ClientOptions, *, limit: int = 100, cursor: str | None = None, **where: Unpack[FilterKeywords]
) -> Flow[Page]:
    """A page of the instances that meet all conditions, newest created first. Go on with the page's cursor."""
    facts = yield from connect()
    chosen = check_filter(where, facts.limits)
    check_count("limit", limit, least=1, most=10_000)
    shares = _shares(chosen, cursor, facts)
    rows: list[Description] = []
    for _ in range(MAX_ROUNDS):
        _merge(shares, rows, limit)
        if len(rows) == limit or not any(share.hungry for share in shares):
            break
        yield from _feed(options, chosen, shares, limit - len(rows))
    else:
        _merge(shares, rows, limit)
    return Page(rows=tuple(rows), cursor=_cursor(chosen, shares))


def list_instances(
    options: ClientOptions, *, limit: int | None = None, cursor: str | None = None, **where: Unpack[FilterKeywords]
) -> Stream[Description]:
    """The instances that meet all conditions, newest created first, read page by page; at most `limit` of them."""
    left = limit
    if limit is not None:
        check_count("limit", limit, least=1, most=2**53)
    while True:
        page = yield from list_page(options, limit=500 if left is None else min(left, 500), cursor=cursor, **where)
        for row in page.rows:
            yield Emit(row)
        if left is not None:
            left -= len(page.rows)
        cursor = page.cursor
        if cursor is None or left == 0:
            return


@dataclass(slots=True)
class _Share:
    """One partition's part of a listing that is being merged."""

    partition: int
    read: int | None
    """Order to read on below."""
    ended: bool
    rows: deque[Description] = field(default_factory=deque)

    @property
    def hungry(self) -> bool:
        """Nothing here, and more in the store: until it is read, nobody knows whose row is the newest."""
        return not self.rows and not self.ended


def _merge(shares: list[_Share], rows: list[Description], limit: int) -> None:
    while len(rows) < limit and not any(share.hungry for share in shares):
        full = [share for share in shares if share.rows]
        if not full:
            return
        newest = max(full, key=lambda share: (share.rows[0].created_at, -share.partition))
        rows.append(newest.rows.popleft())


def _feed(options: ClientOptions, where: Filter, shares: list[_Share], wanted: int) -> Flow[None]:
    hungry = [share for share in shares if share.hungry]
    calls = [ListInstances(partition=share.partition, where=where, below=share.read, limit=wanted) for share in hungry]
    sent = yield from send_all(options, calls)
    for share, answer in zip(hungry, sent.answers, strict=True):
        page = unwrap(answer)
        share.rows.extend(page.rows)
        share.read = page.cursor
        share.ended = page.cursor is None


def _cursor(where: Filter, shares: list[_Share]) -> str | None:
    # Where rows are left over, the next page begins with the first of them. Where none are, it begins where reading
    # stopped: rows in between do not meet the filter and need not be looked at twice.
    places = [(share.rows[0].order + 1 if share.rows else END if share.ended else share.read) for share in shares]
    if all(place == END for place in places):
        return None
    return base64.urlsafe_b64encode(dump_json([1, _fingerprint(where), places])).decode().rstrip("=")


def _shares(where: Filter, cursor: str | None, facts: Facts) -> list[_Share]:
    if cursor is None:
        return [_Share(partition, None, False) for partition in range(facts.hub.partitions)]
    try:
        padded = cursor.encode() + b"=" * (-len(cursor) % 4)
        version, fingerprint, places = load_json(base64.urlsafe_b64decode(padded))
        sound = version == 1 and len(places) == facts.hub.partitions
        sound = sound and all(place is None or type(place) is int for place in places)
    except (AttributeError, binascii.Error, BadValue, TypeError, ValueError):
        sound = False
    if not sound:
        raise BadInput("cursor is none that list_page of this hub has given")
    if fingerprint != _fingerprint(where):
        raise BadInput("cursor was given for other filters; go on with the same ones, or begin anew without a cursor")
    return [_Share(number, place, place == END) for number, place in enumerate(places)]


def _fingerprint(where: Filter) -> str:
    values = [getattr(where, item.name) for item in fields(where)]
    plain = [sorted(value.items()) if isinstance(value, dict) else value for value in values]
    return hashlib.sha256(repr(plain).encode()).hexdigest()[:12]


def check_filter(where: FilterKeywords, limits: Limits) -> Filter:
    """The filter in keyword arguments, each condition checked."""
    known = {item.name for item in fields(Filter)}
    if unknown := sorted(set(where) - known):
        raise BadInput(f"no filter named {unknown[0]!r}; there are: {', '.join(sorted(known))}")
    if status := where.get("status"):
        check_choice("status", status, INSTANCE_STATUSES)
    for kind in ("workflow", "queue"):
        if name := where.get(kind):
            check_name(kind, name, limits)
    if parent := where.get("parent"):
        check_id(parent, limits)
    if prefix := where.get("id_prefix"):
        check_text("id_prefix", prefix, limits.id_bytes)
    attributes = where.get("attributes")
    return Filter(
        workflow=where.get("workflow") or "",
        status=status or "",
        queue=where.get("queue") or "",
        parent=parent or "",
        attributes=check_attributes(attributes, limits) if attributes else None,
        id_prefix=prefix or "",
        created_after=_moment("created_after", where.get("created_after")),
        created_before=_moment("created_before", where.get("created_before")),
        closed_after=_moment("closed_after", where.get("closed_after")),
        closed_before=_moment("closed_before", where.get("closed_before")),
    )


def _moment(what: str, value: datetime | None) -> datetime | None:
    return None if value is None else check_time(what, value)
