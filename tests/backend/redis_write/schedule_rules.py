"""Schedule rules: schedules are kept, changed by whoever has read the latest, and start and stop instances."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from rqflow.backend.calls.schedules import (
    BreakSchedule,
    ChangeSchedule,
    CreateSchedule,
    DeleteSchedule,
    ListSchedules,
    ReadDueSchedules,
    ReadSchedule,
    ScheduledCheck,
    ScheduledStart,
    ScheduledStop,
    WriteSchedule,
)
from rqflow.core import events
from rqflow.core.wire import encode
from tests.backend.redis_write.machine import LEASE, NAMES, Ground, deed, pick, places, seldom, yes
from tests.backend.redis_write.scripted import DAY

SCHEDULES = st.sampled_from(["s1", "s2"])
TIMES = st.sampled_from([None, 0, 600_000])
"""In so many ms."""


class ScheduleRules(Ground):
    """Schedulers and those who edit schedules."""

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[str, Any] = {}
        """The row that somebody read last."""
        self.made: list[CreateSchedule] = []

    def due(self, ms: int | None) -> int | None:
        """As a time."""
        return None if ms is None else self.twins.scripted.now_ms + ms

    @deed(2, schedule=SCHEDULES, ms=TIMES, again=seldom)
    def create_schedule(self, schedule: str, ms: int | None, again: bool) -> None:
        """A new one, or a repeat."""
        call = CreateSchedule(
            partition=self.at(schedule), schedule=schedule, generation=f"g{self.number()}", spec=b"spec", args=b"[]",
            state=b"0", due_ms=self.due(ms),
        )  # fmt: skip
        self.made.append(call)
        self.twins.both(self.made[0] if again else call)

    @deed(2, schedule=SCHEDULES)
    def read_schedule(self, schedule: str) -> None:
        """What somebody knows from then on."""
        found = self.twins.both(ReadSchedule(partition=self.at(schedule), schedule=schedule))
        if not isinstance(found, Exception):
            self.known[schedule] = found

    @deed(limit=st.sampled_from([1, 100]))
    def read_schedules(self, limit: int) -> None:
        """Those that are due, and all."""
        for partition in self.everywhere():
            self.twins.both(ReadDueSchedules(partition=partition, scheduler="x", lease=LEASE, limit=limit))
            self.twins.both(ListSchedules(partition=partition, limit=limit))

    @deed(3, schedule=SCHEDULES, starts=st.lists(places, max_size=2), stop=places, ms=TIMES, bound=TIMES, spec=yes)
    def write_schedule(
        self, *, schedule: str, starts: list[int], stop: int, ms: int | None, bound: int | None, spec: bool
    ) -> None:
        """By one who has read it, perhaps long ago."""
        row = self.known.get(schedule)
        if row is None:
            return
        step: dict[str, Any] = {
            "partition": self.at(schedule), "schedule": schedule, "generation": row.generation,
            "revision": row.revision, "state": b"1", "due_ms": self.due(ms), "spec": b"new" if spec else None,
            "result": b"r" if spec else None, "ends": len(row.ends), "starts": tuple(map(self._start, starts)),
            "stops": self._stops(stop), "checks": self._checks(stop),
            "not_before_ms": self.due(bound) if stop % 5 == 0 else None,
        }  # fmt: skip
        self.twins.both(ChangeSchedule(**step) if stop % 2 else WriteSchedule(**step))

    def _start(self, place: int) -> ScheduledStart:
        name, run = pick(NAMES, place), f"run{self.number()}"
        started = events.WorkflowStarted(workflow="checkout", instance=name, run=run, queue="q")
        return ScheduledStart(
            instance=name, run=run, workflow="checkout", queue="q", started=encode(started), slot_ms=place,
            keep_result=place % 2 == 0, retention=DAY, attributes={"a": 1} if place % 3 == 0 else {},
        )  # fmt: skip

    def _stops(self, place: int) -> tuple[ScheduledStop, ...]:
        rows = [row for partition in self.twins.memory._partitions for row in partition.rows.by_id.values()]
        if not rows or place % 3:
            return ()
        row = pick(rows, place)
        return (ScheduledStop(instance=row.instance, run=row.first_run, terminate=place % 2 == 0, reason="replaced"),)

    def _checks(self, place: int) -> tuple[ScheduledCheck, ...]:
        rows = [row for partition in self.twins.memory._partitions for row in partition.rows.by_id.values()]
        if not rows or place % 3 != 1:
            return ()
        row, run = pick(rows, place), pick([None, "no such run"], place)
        return (ScheduledCheck(instance=row.instance, run=run or row.first_run),)

    @deed(schedule=SCHEDULES)
    def break_schedule(self, schedule: str) -> None:
        """It cannot be read."""
        row = self.known.get(schedule)
        if row is not None:
            self.twins.both(
                BreakSchedule(
                    partition=self.at(schedule), schedule=schedule, generation=row.generation, revision=row.revision,
                    reason="no",
                )
            )  # fmt: skip

    @deed(schedule=SCHEDULES, sure=yes)
    def delete_schedule(self, schedule: str, sure: bool) -> None:
        """Whatever it is now, or only as it was read."""
        row = self.known.get(schedule)
        revision = None if sure or row is None else row.revision
        self.twins.both(DeleteSchedule(partition=self.at(schedule), schedule=schedule, revision=revision))
