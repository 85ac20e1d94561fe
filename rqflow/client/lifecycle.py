"""Lifecycle: flows that read and follow the hub's stream of events: who started, ended, emitted what."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Final

from rqflow.backend.calls.instances import LifecycleEvent, ReadEvents
from rqflow.backend.protocol import unwrap
from rqflow.client.checks import check_count, check_span
from rqflow.client.flow import Emit, Facts, Flow, Sleep, Stream, connect, send_all
from rqflow.client.options import ClientOptions, Span
from rqflow.converters.json import dump_json, load_json
from rqflow.errors import BadInput, BadValue

SHORTEST_INTERVAL: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsPage:
    """Part of the lifecycle stream."""

    events: tuple[LifecycleEvent, ...]
    """In the order in which they happened; of one instance exactly so, of several by the store's clock."""
    cursor: str
    """To ask with for what comes after these; good for as long as the stream keeps its entries."""


def events_page(options: ClientOptions, *, cursor: str = "", limit: int = 100) -> Flow[EventsPage]:
    """The lifecycle events after `cursor`, "" from the oldest kept on, "now" none but with a cursor to go on from."""
    facts = yield from connect()
    check_count("limit", limit, least=1, most=10_000)
    places = _places(cursor, facts)
    calls = [
        ReadEvents(partition=number, after=place, limit=1 if place == "$" else limit)
        for number, place in enumerate(places)
    ]
    sent = yield from send_all(options, calls)
    found: list[tuple[LifecycleEvent, int]] = []
    for number, answer in enumerate(sent.answers):
        entries: tuple[LifecycleEvent, ...] = unwrap(answer)
        if places[number] == "$":
            places[number] = entries[-1].id if entries else ""
        else:
            found += [(entry, number) for entry in entries]
    found.sort(key=lambda pair: pair[0].at)  # stable: entries of one partition keep their order
    for entry, number in found[:limit]:
        places[number] = entry.id
    return EventsPage(events=tuple(entry for entry, _ in found[:limit]), cursor=_written(places))


def events(
    options: ClientOptions, *, cursor: str = "", follow: bool = True, interval: Span = 0.5
) -> Stream[LifecycleEvent]:
    """The lifecycle events after `cursor`, one by one; with `follow` it goes on with those to come, without end.

    The stream is looked at again every `interval` when it has nothing new. Whoever must resume where they stopped
    uses `events_page` and keeps its cursor.
    """
    seconds = max(check_span("interval", interval).total_seconds(), SHORTEST_INTERVAL)
    while True:
        page = yield from events_page(options, cursor=cursor, limit=500)
        for event in page.events:
            yield Emit(event)
        if not page.events:
            if not follow:
                return
            yield Sleep(seconds)
        cursor = page.cursor


def _places(cursor: str, facts: Facts) -> list[str]:
    if cursor in ("", "now"):
        return ["$" if cursor else ""] * facts.hub.partitions
    try:
        padded = cursor.encode() + b"=" * (-len(cursor) % 4)
        version, places = load_json(base64.urlsafe_b64decode(padded))
        sound = version == 1 and len(places) == facts.hub.partitions
        sound = sound and all(type(place) is str and place != "$" for place in places)
    except (AttributeError, binascii.Error, BadValue, TypeError, ValueError):
        sound = False
    if not sound:
        raise BadInput("cursor is none that events_page of this hub has given")
    return list(places)


def _written(places: list[str]) -> str:
    return base64.urlsafe_b64encode(dump_json([1, places])).decode().rstrip("=")
