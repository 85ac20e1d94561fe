"""Ledger: a schedule's state while it is being worked on: what starts, waits, ends, and is counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from rqflow.schedules.naming import instance_id, run_id
from rqflow.schedules.policy import MAX_RUNNING, Overlap, Policy
from rqflow.schedules.state import MAX_RECENT, Kind, Outcome, Recent, Running, ScheduleState, Waiting

FAILURES: Final = frozenset({"failed", "timed_out"})


class Ended(Protocol):
    """How a run of the schedule ended."""

    @property
    def run(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def result(self) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """A run that is to end for another one."""

    running: Running
    terminate: bool
    """False: it is asked to cancel."""


@dataclass(slots=True, kw_only=True)
class Ledger:
    """One schedule's books, open."""

    schedule: str
    generation: str
    template: str
    policy: Policy
    state: ScheduleState
    starts: list[Running] = field(default_factory=list)
    stops: list[Stop] = field(default_factory=list)
    checks: list[Running] = field(default_factory=list)
    """What is asked after."""
    result: bytes | None = None
    """Of a newer success than the one that was known."""

    @property
    def open(self) -> list[Running]:
        """What stands in a slot's way: a backfill goes on beside."""
        return [one for one in self.state.running if one.kind != "backfill"]

    @property
    def line(self) -> list[Waiting]:
        """What waits and may start: while paused only what somebody asked for."""
        return [one for one in self.state.waiting if one.kind != "slot" or not self.state.paused]

    @property
    def done(self) -> bool:
        """It has had all the runs that it may have."""
        limit = self.policy.max_runs
        return limit is not None and self.state.counts.slots >= limit

    def want(self, slot_ms: int, kind: Kind, overlap: Overlap) -> None:
        """A time has come: it starts, waits or is left out, as the policy says."""
        state = self.state
        if overlap == "allow" or not (self.open or self.line):
            self.start(slot_ms, kind)
        elif overlap in ("cancel_other", "terminate_other"):
            for one in state.waiting:
                self.skip(one.slot_ms, one.kind)
            self._stop_open(terminate=overlap == "terminate_other")
            self._wait(slot_ms, kind, ())
            self.go_on()
        elif overlap != "skip" and len(state.waiting) < (1 if overlap == "buffer_one" else self.policy.buffer_limit):
            self._wait(slot_ms, kind, state.waiting)
        else:
            self.skip(slot_ms, kind)

    def go_on(self) -> None:
        """Start what waits, when nothing is open any more."""
        for one in self.line:
            if self.open:
                return
            self.state = replace(self.state, waiting=tuple(two for two in self.state.waiting if two is not one))
            if one.kind == "slot" and self.done:
                self.skip(one.slot_ms, one.kind)
            else:
                self.start(one.slot_ms, one.kind)

    def start(self, slot_ms: int, kind: Kind, backfill: str = "") -> None:
        """Start one, if not too many run. Raises BadInput where the template yields no id."""
        state = self.state
        run = run_id(self.generation, f"{kind} {backfill}" if backfill else kind, slot_ms)
        if any(one.run == run for one in state.running):
            return  # a backfill that was canceled and given again: a repeated start is the same start
        if len(state.running) >= MAX_RUNNING:
            self.skip(slot_ms, kind)
            return
        named = instance_id(self.template, self.schedule, slot_ms)
        one = Running(instance=named, run=run, slot_ms=slot_ms, kind=kind, backfill=backfill)
        self.starts.append(one)
        self.state = replace(state, running=(*state.running, one))
        self.count(_STARTED[kind])
        self.note(slot_ms, kind, "started", named)

    def skip(self, slot_ms: int, kind: Kind) -> None:
        """Leave one out."""
        self.count("skipped")
        self.note(slot_ms, kind, "skipped")

    def _wait(self, slot_ms: int, kind: Kind, before: Sequence[Waiting]) -> None:
        self.state = replace(self.state, waiting=(*before, Waiting(slot_ms=slot_ms, kind=kind)))
        self.note(slot_ms, kind, "waiting")

    def _stop_open(self, *, terminate: bool) -> None:
        for one in [one for one in self.open if one in self.starts]:
            self._take_back(one)
        asked = [one for one in self.open if not one.stopping]
        self.stops += (Stop(running=one, terminate=terminate) for one in asked)
        running = (replace(one, stopping=True) if one in asked else one for one in self.state.running)
        self.state = replace(self.state, running=tuple(running))

    def _take_back(self, one: Running) -> None:
        """One of this very step, which nothing knows of yet: no order to end could reach it."""
        self.starts.remove(one)
        self.state = replace(self.state, running=tuple(other for other in self.state.running if other is not one))
        self.count(_STARTED[one.kind], -1)
        self.skip(one.slot_ms, one.kind)

    def end(self, ended: Ended) -> None:
        """A run has ended. One that is not known has been dealt with."""
        state = self.state
        one = next((one for one in state.running if one.run == ended.run), None)
        if one is None:
            return
        state = self.state = replace(state, running=tuple(other for other in state.running if other is not one))
        if ended.status == "completed":
            self._succeed(one, ended.result)
        elif ended.status in FAILURES:
            self.count("failed")
            self._fail(one)
        else:
            self.count("refused" if ended.status == "refused" else "other_ends")
        self.note(one.slot_ms, one.kind, _OUTCOMES.get(ended.status, "terminated"), one.instance)

    def _succeed(self, one: Running, result: bytes) -> None:
        self.count("completed")
        latest = self.state.last_success_ms
        if latest is None or one.slot_ms > latest:
            latest = one.slot_ms
            if self.policy.keep_result:
                self.result = result
        self.state = replace(self.state, last_success_ms=latest, failures=0)

    def _fail(self, one: Running) -> None:
        failures = self.state.failures + 1
        self.state = replace(self.state, failures=failures)
        if 0 < self.policy.pause_after <= failures and not self.state.paused:
            reason = f"{failures} failures in a row, the last one {one.instance}"
            self.state = replace(self.state, paused=True, reason=reason)

    def count(self, name: str, by: int = 1) -> None:
        """Count something, by its field."""
        counts = self.state.counts
        self.state = replace(self.state, counts=replace(counts, **{name: getattr(counts, name) + by}))

    def note(self, slot_ms: int, kind: Kind, outcome: Outcome, instance: str = "", count: int = 1) -> None:
        """Remember what became of a slot, in the place of what was known of it before."""
        before = [one for one in self.state.recent if (one.slot_ms, one.kind) != (slot_ms, kind) or count > 1]
        noted = Recent(slot_ms=slot_ms, kind=kind, outcome=outcome, instance=instance, count=count)
        self.state = replace(self.state, recent=(*before, noted)[-MAX_RECENT:])


_STARTED: Final[dict[Kind, str]] = {"slot": "slots", "trigger": "triggers", "backfill": "backfills"}
_OUTCOMES: Final[dict[str, Outcome]] = {
    "completed": "completed",
    "failed": "failed",
    "timed_out": "timed_out",
    "canceled": "canceled",
    "refused": "refused",
    "lost": "lost",
}
