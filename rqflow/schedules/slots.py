"""Slots: the moments at which a timetable fires, in order, each once, whatever the clocks of its zone do."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Final

from rqflow.schedules.closed import Closed
from rqflow.schedules.cron import read_cron
from rqflow.schedules.streams import EPOCH, LAST, cron_slots, interval_slots, last_number
from rqflow.schedules.timetable import Slot, Timetable

_TICK: Final = timedelta(microseconds=1)
_MILLISECOND: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Count:
    """How many slots lie between two moments."""

    slots: int
    exact: bool
    """False: there are more; counting was given up."""


def slots_after(timetable: Timetable, schedule: str, after: datetime) -> Iterator[Slot]:
    """The slots strictly after a moment, in order, no moment twice; a schedule that has ended yields none.

    `schedule` is the id, from which `H` and jitter follow. Raises BadSchedule for a timetable that cannot be read, and
    where exclusions leave nothing of it."""
    slots = _nominal(timetable, schedule, after)
    return _jittered(slots, schedule, timetable.jitter) if timetable.jitter else slots


def next_slot(timetable: Timetable, schedule: str, after: datetime) -> Slot | None:
    """The first slot strictly after a moment; None: the schedule has ended. Raises BadSchedule."""
    return next(slots_after(timetable, schedule, after), None)


def count_slots(
    timetable: Timetable, schedule: str, after: datetime, before: datetime, *, limit: int = 10_000
) -> Count:
    """How many slots lie strictly between two moments: calculated for plain intervals, else counted up to `limit`.

    Raises BadSchedule."""
    if timetable.every is not None and not timetable.except_cron and not timetable.except_dates:
        first = last_number(timetable, max(_naive(after), _begin(timetable)))
        last = last_number(timetable, min(_naive(before), _end(timetable)) - _TICK)
        return Count(max(last - first, 0), exact=True)
    found = 0
    for slot in _nominal(timetable, schedule, after):
        if slot.at >= before:
            break
        if found == limit:
            return Count(limit, exact=False)
        found += 1
    return Count(found, exact=True)


def moment_of(ms: int) -> datetime:
    """A moment given in milliseconds since 1970, UTC."""
    return EPOCH.replace(tzinfo=UTC) + ms * _MILLISECOND


def _nominal(timetable: Timetable, schedule: str, after: datetime) -> Iterator[Slot]:
    """Without jitter: the streams of all specs as one."""
    moment, end = max(_naive(after), _begin(timetable)), _end(timetable)
    if moment >= end:
        return
    streams = [
        cron_slots(
            timetable,
            read_cron(text, seconds=timetable.seconds, schedule=schedule),
            Closed.of(timetable, schedule),
            moment,
            end,
        )
        for text in timetable.cron
    ]
    if timetable.every is not None:
        streams.append(interval_slots(timetable, Closed.of(timetable, schedule), moment, end))
    for at, same in groupby(heapq.merge(*streams, key=attrgetter("at")), key=attrgetter("at")):
        if at.replace(tzinfo=None) >= end:
            return
        here = list(same)
        told = next((slot for slot in here if slot.rule), here[0])
        yield replace(told, left_out=sum(slot.left_out for slot in here))


def _jittered(slots: Iterator[Slot], schedule: str, jitter: timedelta) -> Iterator[Slot]:
    # Never past the slot after it, so that slots fire in order however far they are spread.
    slot = next(slots, None)
    while slot is not None:
        following = next(slots, None)
        room = jitter if following is None else min(jitter, following.at - slot.at)
        yield replace(slot, fires_at=slot.at + int(room / _MILLISECOND * _share(schedule, slot.at)) * _MILLISECOND)
        slot = following


def _share(schedule: str, at: datetime) -> float:
    """A number from 0 to below 1 that is always the same for a schedule and a slot."""
    digest = hashlib.sha256(f"{schedule}\0{at.isoformat()}".encode(errors="replace")).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)


def _begin(timetable: Timetable) -> datetime:
    """The last moment before the timetable's first possible slot."""
    return (_naive(timetable.start) if timetable.start is not None else EPOCH) - _TICK


def _end(timetable: Timetable) -> datetime:
    return min(_naive(timetable.end), LAST) if timetable.end is not None else LAST
