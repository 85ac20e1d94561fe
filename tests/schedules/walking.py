"""Walking: an independent answer to when a schedule fires: every minute is looked at, with zoneinfo alone."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from random import Random
from zoneinfo import ZoneInfo

Meets = Callable[[datetime], bool]
MINUTE = timedelta(minutes=1)
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


@dataclass(frozen=True)
class Minute:
    """A minute, and what a zone's clock shows in it."""

    at: datetime
    wall: datetime
    repeated: bool
    """The clock shows this time twice."""
    again: bool
    """And this is the second."""
    missing: tuple[datetime, ...]
    """Times that the clock has just jumped over."""


@lru_cache(maxsize=8)
def minutes(zone: str, start: datetime, end: datetime) -> tuple[Minute, ...]:
    """Every minute from start to before end."""
    found = []
    place = ZoneInfo(zone)
    before = (start - MINUTE).astimezone(place).replace(tzinfo=None, fold=0)
    for number in range((end - start) // MINUTE):
        at = start + number * MINUTE
        shown = at.astimezone(place)
        wall = shown.replace(tzinfo=None, fold=0)
        repeated = shown.replace(fold=0).utcoffset() != shown.replace(fold=1).utcoffset()
        jumped = max((wall - before) // MINUTE - 1, 0)
        missing = tuple(before + (step + 1) * MINUTE for step in range(jumped))
        found.append(Minute(at, wall, repeated, bool(shown.fold), missing))
        before = wall
    return tuple(found)


def walk(zone: str, start: datetime, end: datetime, meets: Meets, *policies: str) -> list[datetime]:
    """The moments at which a spec fires. Policies: on_gap and on_overlap."""
    on_gap, on_overlap = policies
    found = []
    for minute in minutes(zone, start, end):
        named = meets(minute.wall)
        if minute.repeated and on_overlap != "both":
            named = named and minute.again == (on_overlap == "second")
        moved = on_gap == "shift" and any(meets(wall) for wall in minute.missing)
        if named or moved:
            found.append(minute.at)
    return found


@dataclass(frozen=True)
class Drawn:
    """A random spec, and what it means by the words of cron's manual."""

    text: str
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    last_day: bool = False
    nth: frozenset[tuple[int, int]] = field(default_factory=frozenset)
    """Day of the week, and which one of the month; 0: the last."""
    both: bool = False
    """Day of month and day of week must both fit: one of the fields begins with a star."""

    @property
    def every_hour(self) -> bool:
        return len(self.hours) == 24

    def meets(self, wall: datetime) -> bool:
        """Whether the spec names this minute."""
        if wall.minute not in self.minutes or wall.hour not in self.hours or wall.month not in self.months:
            return False
        length = monthrange(wall.year, wall.month)[1]
        weekday = wall.isoweekday() % 7
        by_day = wall.day in self.days or (self.last_day and wall.day == length)
        by_week = (
            weekday in self.weekdays
            if not self.nth
            else any(
                weekday == day and (wall.day + 7 > length if number == 0 else (wall.day - 1) // 7 + 1 == number)
                for day, number in self.nth
            )
        )
        return by_day and by_week if self.both else by_day or by_week


def draw(random: Random) -> Drawn:
    """A spec, dense enough that a few days hold some slots."""
    minute, minutes_of = _field(random, 0, 59, ())
    hour, hours = _field(random, 0, 23, ())
    month, months = ("*", frozenset(range(1, 13))) if random.random() < 0.6 else _field(random, 1, 12, MONTHS)
    day, days, last = "*", frozenset(range(1, 32)), False
    if random.random() < 0.4:
        day, days = _field(random, 1, 31, ())
        if random.random() < 0.3:
            day, last = f"{day},L" if day != "*" else "L", True
            days = days if "," in day else frozenset()
    elif random.random() < 0.3:
        day = "?"
    weekday, weekdays, nth = "*", frozenset(range(7)), frozenset[tuple[int, int]]()
    if random.random() < 0.4:
        weekday, weekdays = _field(random, 0, 6, DAYS)
    elif random.random() < 0.2 and day[0] in "*?":
        chosen, number = random.randrange(7), random.randint(0, 5)
        weekday = f"L{chosen}" if number == 0 else f"{random.choice((chosen, DAYS[chosen]))}#{number}"
        nth = frozenset({(chosen, number)})
    text = f"{minute} {hour} {day} {month} {weekday}"
    both = day[0] in "*?" or weekday[0] in "*?"
    return Drawn(text, minutes_of, hours, days, months, weekdays, last, nth, both)


def _field(random: Random, low: int, high: int, names: tuple[str, ...]) -> tuple[str, frozenset[int]]:
    """A field's text, and the values that it stands for."""
    everything = frozenset(range(low, high + 1))
    kind = random.choice(("star", "step", "list", "list"))
    if kind == "star":
        return "*", everything
    step = random.choice((2, 3, 5, 7, 10, 15))
    if kind == "step":
        return f"*/{step}", frozenset(range(low, high + 1, step))
    texts, values = [], set[int]()
    for _ in range(random.randint(1, 3)):
        first = random.randint(low, high)
        shown = names[first - low].upper() if names and random.random() < 0.5 else str(first)
        if random.random() < 0.5 or first == high:
            texts.append(shown)
            values.add(first)
            continue
        last = random.randint(first + 1, high)
        if random.random() < 0.5:
            texts.append(f"{shown}-{last}")
            values.update(range(first, last + 1))
        else:
            texts.append(f"{shown}-{last}/{step}")
            values.update(range(first, last + 1, step))
    return ",".join(texts), frozenset(values)


def utc(*parts: int) -> datetime:
    """A moment."""
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]
