"""Every: a plain clockwork as the times of a schedule, and short words for what schedules do with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rqflow.backend.calls.schedules import ScheduledEnd
from rqflow.schedules.advancing import Step, advance
from rqflow.schedules.policy import Policy
from rqflow.schedules.state import Recent, Running, ScheduleState
from rqflow.schedules.steering import first_state

SECOND = 1_000


@dataclass
class Every:
    """Slots at each multiple of `step_ms`, the last one at `last_ms`."""

    step_ms: int = SECOND
    jitter_ms: int = 0
    late_ms: int | None = None
    """How much later they fire, if that is less than the jitter."""
    last_ms: int | None = None
    looked: int = 0
    """How many slots somebody was given."""

    def after(self, after_ms: int) -> Iterator[tuple[int, int]]:
        at_ms = after_ms - after_ms % self.step_ms + self.step_ms
        while self.last_ms is None or at_ms <= self.last_ms:
            self.looked += 1
            yield at_ms, at_ms + (self.jitter_ms if self.late_ms is None else self.late_ms)
            at_ms += self.step_ms

    def count(self, after_ms: int, until_ms: int) -> int:
        if self.last_ms is not None:
            until_ms = min(until_ms, self.last_ms)
        return max(0, until_ms // self.step_ms - after_ms // self.step_ms)


@dataclass
class Play:
    """One schedule whose time the test moves. It begins at 0."""

    policy: Policy = field(default_factory=Policy)
    slots: Every = field(default_factory=Every)
    template: str = "{schedule}/{slot}"
    state: ScheduleState = field(default_factory=lambda: first_state(0))
    ends: list[ScheduledEnd] = field(default_factory=list)
    started: list[Running] = field(default_factory=list)
    step: Step | None = None

    def look(self, now_ms: int) -> Step:
        """What a scheduler does now."""
        self.step = advance(
            schedule="s",
            generation="g",
            template=self.template,
            policy=self.policy,
            state=self.state,
            ends=self.ends,
            slots=self.slots,
            now_ms=now_ms,
        )
        self.state, self.ends = self.step.state, []
        self.started += self.step.starts
        return self.step

    def end(self, slot_ms: int, status: str = "completed", result: bytes = b"") -> None:
        """What was started for a slot has ended."""
        run = next(one.run for one in reversed(self.started) if one.slot_ms == slot_ms)
        self.ends.append(ScheduledEnd(run=run, status=status, at_ms=0, result=result))

    def with_policy(self, **options: Any) -> Play:
        self.policy = replace(self.policy, **options)
        return self

    @property
    def running(self) -> list[int]:
        """Slots of what is open."""
        return [one.slot_ms for one in self.state.running]

    @property
    def waiting(self) -> list[int]:
        """Slots of what waits."""
        return [one.slot_ms for one in self.state.waiting]

    @property
    def outcomes(self) -> list[tuple[int, str]]:
        """What became of slots."""
        return [(one.slot_ms, one.outcome) for one in self.state.recent]


def slots_of(starts: Sequence[Running] | Sequence[Recent]) -> list[int]:
    """In order."""
    return [one.slot_ms for one in starts]
