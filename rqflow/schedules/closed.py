"""Closed: the exclusions of a timetable, asked about one wall time after the other."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from rqflow.errors import BadSchedule
from rqflow.schedules.cron import Cron, read_cron
from rqflow.schedules.timetable import Timetable

MOST_LEFT_OUT = 20_000
"""Times in a row that exclusions may take away; a schedule that loses more is taken to have none left."""


@dataclass(slots=True)
class Closed:
    """When nothing fires."""

    dates: frozenset[date]
    specs: tuple[Cron, ...]
    in_a_row: int = 0

    @classmethod
    def of(cls, timetable: Timetable, schedule: str) -> Closed:
        """Raises BadSchedule."""
        specs = (
            read_cron(text, seconds=timetable.seconds, schedule=schedule, field="except_cron")
            for text in timetable.except_cron
        )
        return cls(frozenset(timetable.except_dates), tuple(specs))

    def until(self, wall: datetime, spec: Cron | None = None) -> datetime | None:
        """The wall time up to which nothing of `spec` (None: nothing at all) is left; None: this time is open."""
        if wall.date() in self.dates:
            return datetime.combine(wall.date() + timedelta(days=1), time())
        for closed in self.specs:
            if closed.matches(wall):
                return closed.shut_until(wall, spec)
        return None

    def give_up(self, wall: datetime) -> None:
        """Counts a time that was taken away. Raises BadSchedule when they were too many in a row."""
        self.in_a_row += 1
        if self.in_a_row > MOST_LEFT_OUT:
            raise BadSchedule(
                "except_cron", f"nothing is left: {MOST_LEFT_OUT:,} times in a row are excluded, up to {wall}"
            )
