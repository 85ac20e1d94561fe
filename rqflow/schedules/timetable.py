"""Timetable: when a schedule fires: its specs, exclusions, time zone, DST policies and jitter, as one value."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final, Literal, TypeAlias

Seconds: TypeAlias = Literal["none", "first", "last"]
"""Which field of a cron spec with six fields is the seconds; none: specs have five."""
OnGap: TypeAlias = Literal["auto", "shift", "skip"]
"""What becomes of a wall time that a clock change leaves out: it happens at the first moment after, or not at all."""
OnOverlap: TypeAlias = Literal["auto", "first", "second", "both"]
"""Which of the two is meant by a wall time that a clock change repeats."""
Rule: TypeAlias = Literal["", "shifted", "first", "second"]
"""Which DST rule touched a slot: moved out of a gap, or the first or second of two readings of its wall time."""

DEFAULT_ZONE: Final = "UTC"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """When a schedule fires: one or several cron specs, or an interval.

    `auto`, the default of both DST policies, goes by the spec. One that fires in every hour of the day runs on by
    elapsed time (skip, both): `*/15 * * * *` comes every fifteen minutes, whatever the clocks do. One that names hours
    happens once for each time that it names (shift, first): `30 2 * * *` neither fails to come in spring nor comes
    twice in autumn.
    """

    cron: tuple[str, ...] = ()
    """Specs of five fields, or of six where `seconds` says which is the seconds; or aliases such as @daily."""
    seconds: Seconds = "none"
    """Whether the seconds stand first or last in specs of six fields."""
    every: timedelta | None = None
    """Or: an interval, one second or more. Its slots are counted from 1970-01-01 00:00 UTC, so that they do not depend
    on when the schedule was written."""
    offset: timedelta = timedelta(0)
    """How much later than that each slot of the interval is; less than the interval."""
    except_cron: tuple[str, ...] = ()
    """No slot while one of these specs matches the wall clock: `* * 25 12 *` takes out Christmas day."""
    except_dates: tuple[date, ...] = ()
    """No slot on these days of the zone's calendar."""
    start: datetime | None = None
    """No slot before this moment (with its time zone)."""
    end: datetime | None = None
    """No slot at this moment or after it."""
    zone: str = DEFAULT_ZONE
    """IANA name of the time zone whose wall clock the specs speak of."""
    on_gap: OnGap = "auto"
    on_overlap: OnOverlap = "auto"
    jitter: timedelta = timedelta(0)
    """Each slot fires up to so much later, never past the next slot; how much follows from schedule and slot."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One time at which a schedule is to fire."""

    at: datetime
    """The nominal moment, UTC: what names the slot."""
    fires_at: datetime
    """With its jitter."""
    rule: Rule = ""
    wall: datetime | None = None
    """The wall time that the spec names, without zone; None for intervals."""
    left_out: int = field(default=0, compare=False)
    """So many times that the spec names, between the slot before and this one, fell to a DST rule."""

    @property
    def ms(self) -> int:
        """`at` in milliseconds since 1970."""
        return (self.at - _EPOCH) // _MILLISECOND

    @property
    def fires_ms(self) -> int:
        """`fires_at` in milliseconds since 1970."""
        return (self.fires_at - _EPOCH) // _MILLISECOND
