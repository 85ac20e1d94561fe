"""Schedules: the rows of a partition's schedules, when each is due, and which schedulers have looked lately."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

from rqflow.backend.calls.schedules import ScheduledEnd, ScheduleRow
from rqflow.core.events import Payload

PAGE_BYTES: Final = 1_048_576
"""Of the schedules that one call shows, and of the ends of one of them."""


@dataclass(slots=True, kw_only=True)
class Schedule:
    """A schedule: what it says is opaque here."""

    id: str
    generation: str
    spec: bytes
    args: Payload
    state: bytes
    created_at_ms: int
    revision: int = 1
    result: Payload = b""
    broken: str = ""
    ends: list[ScheduledEnd] = field(default_factory=list)

    @property
    def size(self) -> int:
        """In bytes, about."""
        parts = (self.spec, self.args, self.state, self.result, *(end.result for end in self.first_ends))
        return len(self.id) + sum(map(len, parts))

    @property
    def first_ends(self) -> tuple[ScheduledEnd, ...]:
        """As many as are shown at once: at least one, and no more than fit."""
        sizes = accumulate(len(end.result) for end in self.ends)
        fit = sum(size <= PAGE_BYTES for size in sizes)
        return tuple(self.ends[: max(1, fit)])


@dataclass(slots=True)
class Schedules:
    """All schedules of a partition."""

    by_id: dict[str, Schedule] = field(default_factory=dict)
    due: dict[str, int] = field(default_factory=dict)
    """When a scheduler is to look at each, in ms."""
    line: list[tuple[int, str]] = field(default_factory=list)
    """The same, in order."""
    schedulers: dict[str, int] = field(default_factory=dict)
    """Until when each scheduler counts as alive, in ms."""
    changed: bool = False
    """One is due sooner than any was before: schedulers that sleep are to be woken."""

    def set_due(self, id: str, at_ms: int | None) -> None:
        """Have schedulers look at one at this time, or when something happens."""
        soonest = self.line[0][0] if self.line else None
        before_ms = self.due.pop(id, None)
        if before_ms is not None:
            del self.line[bisect_left(self.line, (before_ms, id))]
        if at_ms is not None:
            self.due[id] = at_ms
            insort(self.line, (at_ms, id))
            self.changed = self.changed or soonest is None or at_ms < soonest

    def overdue(self, now_ms: int) -> list[str]:
        """Those that are due, the one that has waited longest first."""
        return [id for _, id in self.line[: bisect_left(self.line, (now_ms + 1, ""))]]

    def show(self, schedule: Schedule, now_ms: int) -> ScheduleRow:
        """One as others see it."""
        return ScheduleRow(
            schedule=schedule.id,
            generation=schedule.generation,
            revision=schedule.revision,
            spec=schedule.spec,
            args=schedule.args,
            state=schedule.state,
            result=schedule.result,
            ends=schedule.first_ends,
            broken=schedule.broken,
            due_ms=self.due.get(schedule.id),
            created_ms=schedule.created_at_ms,
            now_ms=now_ms,
        )

    def alive(self, now_ms: int) -> int:
        """How many schedulers are."""
        return sum(until_ms > now_ms for until_ms in self.schedulers.values())


def page(schedules: Iterator[Schedule], limit: int) -> Iterator[Schedule]:
    """The first of them, at most so many and of so many bytes, but at least one."""
    size = 0
    for number, schedule in enumerate(schedules):
        size += schedule.size
        if number and (number >= limit or size > PAGE_BYTES):
            return
        yield schedule
