"""Streams: the slots of one cron spec, or of one interval, in the order of time."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from rqflow.schedules.closed import Closed
from rqflow.schedules.cron import Cron, Walk
from rqflow.schedules.timetable import Rule, Slot, Timetable
from rqflow.schedules.zones import HOUR, Reading, earliest_wall, read_wall, wall_of, zone_of

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None)
DAY: Final = timedelta(days=1)
LAST: Final = EPOCH.replace(year=2200)
"""No slot is looked for from here on."""


def slot_at(moment: datetime, rule: Rule = "", wall: datetime | None = None, left_out: int = 0) -> Slot:
    """A slot without jitter, at a moment (UTC, naive)."""
    aware = moment.replace(tzinfo=UTC)
    return Slot(aware, aware, rule, wall, left_out)


def cron_slots(timetable: Timetable, spec: Cron, closed: Closed, after: datetime, end: datetime) -> Iterator[Slot]:
    """Walks the wall clock. A time that it shows twice has a second moment, which lies after later times' first ones:
    so what was read waits until no earlier moment can come."""
    zone = zone_of(timetable.zone)
    policies = policies_of(timetable, spec)
    walk = Walk(spec)
    wall = walk.seek(earliest_wall(zone, after))
    waiting: list[tuple[datetime, datetime, Rule]] = []
    left_out = 0
    last = min(end, LAST - DAY) + DAY  # no zone is a day ahead of UTC
    while wall is not None and wall < last:
        until = closed.until(wall, spec)
        if until is not None:
            closed.give_up(wall)
            wall = walk.seek(until)
            continue
        closed.in_a_row = 0
        reading = read_wall(zone, wall)
        while waiting and waiting[0][0] < reading.first:
            moment, told, rule = heapq.heappop(waiting)
            yield slot_at(moment, rule, told, left_out)
            left_out = 0
        meant = _meant(reading, policies, zone, closed)
        left_out += reading.gap and not meant and reading.first > after
        for moment, rule in meant:
            if moment > after:
                heapq.heappush(waiting, (moment, wall, rule))
        wall = walk.step()
    for moment, told, rule in sorted(waiting):
        yield slot_at(moment, rule, told)


def policies_of(timetable: Timetable, spec: Cron) -> tuple[str, str]:
    """on_gap and on_overlap, as they hold for a spec."""
    gap, overlap = ("skip", "both") if spec.every_hour else ("shift", "first")
    return (
        gap if timetable.on_gap == "auto" else timetable.on_gap,
        overlap if timetable.on_overlap == "auto" else timetable.on_overlap,
    )


def _meant(
    reading: Reading, policies: tuple[str, str], zone: ZoneInfo, closed: Closed
) -> tuple[tuple[datetime, Rule], ...]:
    """The moments that a wall time stands for, with the rule that chose them."""
    gap, overlap = policies
    if reading.gap:
        # Where it is moved to must be open as well: nobody wants a holiday's first minute.
        shut = gap == "skip" or closed.until(wall_of(zone, reading.first)) is not None
        return () if shut else ((reading.first, "shifted"),)
    if reading.second is None:
        return ((reading.first, ""),)
    both: tuple[tuple[datetime, Rule], ...] = ((reading.first, "first"), (reading.second, "second"))
    return both if overlap == "both" else both[:1] if overlap == "first" else both[1:]


def interval_slots(timetable: Timetable, closed: Closed, after: datetime, end: datetime) -> Iterator[Slot]:
    """Counts elapsed time."""
    zone = zone_of(timetable.zone)
    number = last_number(timetable, after) + 1
    every = timetable.every or HOUR
    while (moment := EPOCH + timetable.offset + number * every) < end:
        wall = wall_of(zone, moment)
        until = closed.until(wall)
        if until is None:
            closed.in_a_row = 0
            yield slot_at(moment)
            number += 1
        else:
            closed.give_up(wall)
            number = max(number, last_number(timetable, _open_again(zone, moment, until - wall) - _TICK)) + 1


def last_number(timetable: Timetable, moment: datetime) -> int:
    """Of an interval: the number of its last slot at or before a moment (UTC, naive)."""
    return (moment - EPOCH - timetable.offset) // (timetable.every or HOUR)


_TICK: Final = timedelta(microseconds=1)


def _open_again(zone: ZoneInfo, moment: datetime, wait: timedelta) -> datetime:
    """The moment `wait` later; sooner if the clock changes meanwhile, because it may then show an open time earlier."""
    while wait > timedelta(0) and wall_of(zone, moment + wait) - wall_of(zone, moment) != wait:
        wait = min(wait - HOUR, HOUR)
    return moment + max(wait, timedelta(0))
