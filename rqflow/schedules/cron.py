"""Cron: one cron spec over the times of a wall clock that knows no zone; the home of croniter."""

from __future__ import annotations

import re
from copy import copy
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from croniter import CroniterBadDateError, CroniterError, croniter  # type: ignore[import-untyped]

from rqflow.errors import BadSchedule
from rqflow.schedules.timetable import Seconds

ALIASES: Final = {
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}  # fmt: skip
LONGEST: Final = 200
"""Characters of a spec."""
FIELDS: Final = ("minute", "hour", "day of month", "month", "day of week", "second")

_MINUTE, _HOUR, _SECOND = 0, 1, 5
_HALF_SECOND: Final = timedelta(milliseconds=500)
_HASHED: Final = re.compile(r"(^|\s)h(\(|/|\s|$)", re.ASCII | re.IGNORECASE)
_DRAWN: Final = re.compile(r"^r(\(|/|$)", re.ASCII | re.IGNORECASE)
_ONE_VALUE: Final = re.compile(r"^(\w+)-(\w+)(/\d+)?$", re.ASCII)
_SIXTY: Final = frozenset(range(60))
_DAY: Final = frozenset(range(24))
_SOME_TIME: Final = datetime(2000, 1, 1)  # noqa: DTZ001 (a wall clock knows no zone)
_LAST_YEAR: Final = 2200


class Cron:
    """A spec, read. Walking it does not change it."""

    def __init__(self, text: str, reader: croniter, *, fine: bool) -> None:
        self.text = text
        self._reader = reader
        self._fine = fine
        self._minutes = _values(reader, _MINUTE, 60)
        self._hours = _values(reader, _HOUR, 24)
        self._seconds = _values(reader, _SECOND, 60) if fine else frozenset({0})

    @property
    def every_hour(self) -> bool:
        """Whether it fires in every hour of the day: then it runs on by elapsed time when clocks change."""
        return len(self._hours) == 24

    def matches(self, wall: datetime) -> bool:
        """Whether the clock, showing `wall`, meets the spec: a spec without seconds holds for its whole minute."""
        if wall.minute not in self._minutes or wall.hour not in self._hours:
            return False
        moment = wall.replace(microsecond=0) if self._fine else wall.replace(second=0, microsecond=0)
        return Walk(self).seek(moment) == moment

    def shut_until(self, wall: datetime, spec: Cron | None) -> datetime:
        """As an exclusion that matches `wall`: up to when, for sure, nothing of `spec` (None: of anything) is left."""
        if self._fine and not self._seconds >= (spec._seconds if spec else _SIXTY):
            return wall.replace(microsecond=0) + timedelta(seconds=1)
        if not self._minutes >= (spec._minutes if spec else _SIXTY):
            return wall.replace(second=0, microsecond=0) + timedelta(minutes=1)
        if not self._hours >= (spec._hours if spec else _DAY):
            return wall.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        return wall.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)

    def reader(self) -> croniter:
        """A reader of one's own."""
        return copy(self._reader)


class Walk:
    """A place among the wall times of a spec. They end where 50 years hold none, and in the year 2200."""

    def __init__(self, cron: Cron) -> None:
        self._reader = cron.reader()

    def seek(self, wall: datetime) -> datetime | None:
        """The first time at or after `wall`."""
        whole = wall.replace(microsecond=0)
        self._reader.set_current((whole if whole == wall else whole + timedelta(seconds=1)) - _HALF_SECOND)
        return self.step()

    def step(self) -> datetime | None:
        """The next one."""
        try:
            found: datetime = self._reader.get_next(datetime)
        except (CroniterBadDateError, OverflowError):
            return None
        return found if found.year < _LAST_YEAR else None


def read_cron(text: str, *, seconds: Seconds, schedule: str, field: str = "cron") -> Cron:
    """A spec, checked. `H` stands for a value that follows from the schedule's id. Raises BadSchedule with `field`."""
    cleaned = " ".join(text.split())
    if len(text) > LONGEST:
        raise BadSchedule(field, f"a spec has {len(text):,} characters, the limit is {LONGEST}")
    # What is not hashed is the same for all schedules, and is read once for all of them.
    return _read(cleaned, seconds, schedule if _HASHED.search(cleaned) else "", field)


@lru_cache(maxsize=4_096)
def _read(text: str, seconds: Seconds, hashed_by: str, field: str) -> Cron:
    spec = _unaliased(text, field).lower()
    parts = spec.split()
    if len(parts) not in (5, 6):
        raise BadSchedule(field, f"{text!r} has {len(parts)} fields; a spec has 5, or 6 with seconds")
    if len(parts) == 6 and seconds == "none":
        raise BadSchedule(field, f"{text!r} has 6 fields; say which is the seconds: seconds='first' or seconds='last'")
    if len(parts) == 6 and seconds == "first":
        parts = [*parts[1:], parts[0]]
    _check_words(text, parts, field)
    try:
        reader = _reader(parts, hashed_by)
    except (CroniterError, ValueError, OverflowError) as error:
        said = str(error).partition("] ")[2] or str(error)
        raise BadSchedule(field, f"{_wrong_field(parts)} of {text!r} cannot be read: {said}") from None
    _check_days(text, parts, reader, field)
    cron = Cron(text, reader, fine=len(parts) == 6)
    if Walk(cron).seek(_SOME_TIME) is None:
        raise BadSchedule(field, f"{text!r} never fires: its days and months do not meet in 50 years")
    return cron


def _reader(parts: list[str], hashed_by: str) -> croniter:
    # A spec whose day of month or day of week begins with a star wants both to match, as cron itself does it. A hash id
    # is given only where it is used: it would change what other things mean.
    hash_id = hashed_by.encode(errors="replace") or None
    return croniter(" ".join(parts), _SOME_TIME, implement_cron_bug=True, hash_id=hash_id)


def _unaliased(text: str, field: str) -> str:
    if not text.startswith("@"):
        return text
    try:
        return ALIASES[text.lower()]
    except KeyError:
        hint = "; for an interval use every" if text.lower().startswith("@every") else ""
        raise BadSchedule(field, f"no alias {text!r}; there are {', '.join(ALIASES)}{hint}") from None


def _check_words(text: str, parts: list[str], field: str) -> None:
    """What croniter reads, and other crons read otherwise."""
    for place, part in enumerate(parts):
        where = f"the {FIELDS[place]} field {part!r} of {text!r}"
        if _DRAWN.match(part):
            raise BadSchedule(field, f"{where} is drawn anew at each reading; use H, which stays the same")
        for item in part.split(","):
            same = _ONE_VALUE.match(item)
            if same and same[1] == same[2]:
                raise BadSchedule(field, f"{where} has a range of one value; write {same[1]}")


def _wrong_field(parts: list[str]) -> str:
    """Of a spec that cannot be read: the first field that cannot be read alone."""

    def readable(place: int) -> bool:
        alone = ["*"] * len(parts)
        alone[place] = parts[place]
        try:
            return bool(_reader(alone, "any"))
        except (CroniterError, ValueError, OverflowError):
            return False

    wrong = next((place for place in range(len(parts)) if not readable(place)), 0)
    return f"the {FIELDS[wrong]} field {parts[wrong]!r}"


def _check_days(text: str, parts: list[str], reader: croniter, field: str) -> None:
    """Days of the month and of the week mean either; refused is where no two crons agree on what that is."""
    days = (parts[2], parts[4])
    if any(part[0] in "*?" for part in days):
        return
    if reader.nth_weekday_of_month or reader.nearest_weekday:
        raise BadSchedule(field, f"{text!r} names days of the month and a # or W together: give two specs")
    if any("*" in part for part in days):
        raise BadSchedule(field, f"{text!r} has a star inside a list of days: put it first, or give two specs")


def _values(reader: croniter, place: int, size: int) -> frozenset[int]:
    values = reader.expanded[place]
    return frozenset(range(size) if values[0] == "*" else values)
