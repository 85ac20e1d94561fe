"""Zones: from the times that a zone's wall clock shows to moments, and which of them it leaves out or repeats."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from rqflow.errors import BadSchedule

HOUR: Final = timedelta(hours=1)
_NOT_THE_SAME_EVERYWHERE: Final = ("localtime", "posixrules")
"""Files among the zones that are another one on each machine."""
LONGEST_CHANGE: Final = 25
"""Hours. No clock was ever set back or forward by more than a day."""


@lru_cache(maxsize=1_000)
def zone_of(name: str) -> ZoneInfo:
    """The zone of an IANA name. Raises BadSchedule."""
    if name not in _NOT_THE_SAME_EVERYWHERE:
        try:
            return ZoneInfo(name)
        except (OSError, ValueError, ZoneInfoNotFoundError):
            pass
    raise BadSchedule("zone", f"no time zone is named {name!r:.80}; {_advice(name)}")


def _advice(name: str) -> str:
    known = available_timezones()
    if not known:
        return "this machine has no time zone data: pip install tzdata"
    near = sorted(zone for zone in known if zone.rpartition("/")[2].lower() == name.rpartition("/")[2].lower())
    return f"is it {near[0]}?" if near else "give an IANA name such as Europe/Berlin"


@dataclass(frozen=True, slots=True)
class Reading:
    """The moments (UTC, naive) at which a zone's wall clock shows a time."""

    first: datetime
    """In a gap: the moment at which the clock jumps over it."""
    second: datetime | None = None
    """Where the clock shows the time twice."""
    gap: bool = False

    @property
    def aware(self) -> datetime:
        """The first moment, with UTC as its zone."""
        return self.first.replace(tzinfo=UTC)


def read_wall(zone: ZoneInfo, wall: datetime) -> Reading:
    """When the clock shows `wall`."""
    before, after = _offset(zone, wall, 0), _offset(zone, wall, 1)
    if before == after:
        return Reading(wall - before)
    if before > after:
        return Reading(wall - before, second=wall - after)
    return Reading(_change(zone, wall - after, wall - before), gap=True)


def wall_of(zone: ZoneInfo, moment: datetime) -> datetime:
    """What the clock shows at a moment (UTC, naive)."""
    return moment.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None)


def earliest_wall(zone: ZoneInfo, moment: datetime) -> datetime:
    """No wall time before this one is shown at or after a moment, even if the clock is set back soon."""
    return min(wall_of(zone, moment + hours * HOUR) - hours * HOUR for hours in range(LONGEST_CHANGE + 1))


def _offset(zone: ZoneInfo, wall: datetime, fold: int) -> timedelta:
    return wall.replace(tzinfo=zone, fold=fold).utcoffset() or timedelta(0)


def _change(zone: ZoneInfo, low: datetime, high: datetime) -> datetime:
    """The second at which the zone's offset changes between two moments."""
    before = wall_of(zone, low) - low
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        if wall_of(zone, middle) - middle == before:
            low = middle
        else:
            high = middle
    return high
