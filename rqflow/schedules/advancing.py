"""Advancing: from what a schedule knows, what has ended and what time it is, to what happens next: pure.

Whoever looks at a schedule does the same with it: all that is decided follows from the arguments. The step is written
only if nobody changed the schedule meanwhile and its times still hold, so that each slot is decided on once (P9).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import chain
from typing import Final, Protocol

from rqflow.schedules.ledger import Ended, Ledger, Stop
from rqflow.schedules.lost import ask_after, look_again
from rqflow.schedules.policy import MAX_RUNNING, Policy
from rqflow.schedules.state import Backfill, Running, ScheduleState

MAX_STARTS: Final = 50
"""Of one step, so that its script is short; the rest is due at once."""
MAX_SLOTS: Final = 1_000
"""Slots that one step looks at."""


class Slots(Protocol):
    """The times of a schedule."""

    @property
    def jitter_ms(self) -> int:
        """How much later than its time a slot fires at most."""
        ...

    def after(self, after_ms: int) -> Iterator[tuple[int, int]]:
        """Slots later than this moment, in order: their time, and when they fire. Ends where no more are found."""
        ...

    def count(self, after_ms: int, until_ms: int) -> int:
        """How many slots are later than the one and not later than the other; at least how many, for a great many."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What happens now."""

    state: ScheduleState
    starts: tuple[Running, ...]
    stops: tuple[Stop, ...]
    checks: tuple[Running, ...]
    """What is asked after."""
    due_ms: int | None
    """When to look again; None: when something happens."""
    not_before_ms: int | None
    not_after_ms: int | None
    """Bounds of the time at which this step is right, None: any."""
    result: bytes | None
    """Of the last success, if there is a newer one and it is kept."""


def advance(
    *,
    schedule: str,
    generation: str,
    template: str,
    policy: Policy,
    state: ScheduleState,
    ends: Sequence[Ended],
    slots: Slots,
    now_ms: int,
) -> Step:
    """What a schedule does at this moment. Raises BadInput (template)."""
    ledger = Ledger(schedule=schedule, generation=generation, template=template, policy=policy, state=state)
    for ended in ends:
        ledger.end(ended)
    ledger.go_on()
    round = _Round(ledger, slots, now_ms)
    round.start_triggered()
    if ledger.state.paused:
        ledger.state = replace(ledger.state, next_ms=None, fires_ms=None)
    else:
        round.fire()
        round.fill_back()
    ask_after(ledger, now_ms)
    return Step(
        state=ledger.state,
        starts=tuple(ledger.starts),
        stops=tuple(ledger.stops),
        checks=tuple(ledger.checks),
        due_ms=now_ms if round.more else look_again(ledger, now_ms),
        not_before_ms=max(round.fired, default=None),
        not_after_ms=min(round.fired) + _ms(policy.catch_up) if round.fired else None,
        result=ledger.result,
    )


def fold(*, policy: Policy, state: ScheduleState, ends: Sequence[Ended]) -> ScheduleState:
    """The state with what has ended since: what a reader shows."""
    ledger = Ledger(schedule="", generation="", template="", policy=policy, state=state)
    for ended in ends:
        ledger.end(ended)
    return ledger.state


class _Round:
    """One look at what people asked for and, if it is not paused, at the slots of a schedule."""

    def __init__(self, ledger: Ledger, slots: Slots, now_ms: int) -> None:
        self._ledger = ledger
        self._slots = slots
        self._now_ms = now_ms
        self.more = False
        """There is more to do than one step may."""
        self.fired: list[int] = []
        """When the slots fired that were decided on."""

    def start_triggered(self) -> None:
        """Decide on what people asked for, paused or not."""
        ledger = self._ledger
        while ledger.state.triggers and not self._full:
            trigger, *left = ledger.state.triggers
            ledger.state = replace(ledger.state, triggers=tuple(left))
            ledger.want(trigger.slot_ms, "trigger", trigger.overlap)
        self.more = bool(ledger.state.triggers)

    def fire(self) -> None:
        """Decide on each slot that is due, and find the next one."""
        ledger = self._ledger
        self._miss_many()
        cursor_ms, upcoming = ledger.state.cursor_ms, None
        seen = 0
        for at_ms, fires_ms in self._upcoming(ledger.state):
            if ledger.done:
                break
            if fires_ms > self._now_ms:
                upcoming = at_ms, fires_ms
                break
            if seen >= MAX_SLOTS or self._full:
                self.more = True
                break
            cursor_ms, seen = at_ms, seen + 1
            if self._now_ms - fires_ms > _ms(ledger.policy.catch_up):
                self._miss(at_ms, 1)
            else:
                self.fired.append(fires_ms)
                ledger.want(at_ms, "slot", ledger.policy.overlap)
        next_ms, fires_at_ms = upcoming or (None, None)
        ledger.state = replace(ledger.state, cursor_ms=cursor_ms, next_ms=next_ms, fires_ms=fires_at_ms)

    def _upcoming(self, state: ScheduleState) -> Iterator[tuple[int, int]]:
        """The slots after the cursor. The first is known from the last look, unless the timetable was changed."""
        if state.next_ms is None or state.fires_ms is None or state.next_ms <= state.cursor_ms:
            return self._slots.after(state.cursor_ms)
        return chain([(state.next_ms, state.fires_ms)], self._slots.after(state.next_ms))

    @property
    def _full(self) -> bool:
        return len(self._ledger.starts) >= MAX_STARTS

    def _miss_many(self) -> None:
        """All that are older than the catch-up window, without a look at each: there may be a year of them."""
        ledger = self._ledger
        until_ms = self._now_ms - _ms(ledger.policy.catch_up) - self._slots.jitter_ms - 1
        next_ms = ledger.state.next_ms
        if until_ms <= ledger.state.cursor_ms or ledger.done or (next_ms is not None and until_ms < next_ms):
            return
        count = self._slots.count(ledger.state.cursor_ms, until_ms)
        if count:
            self._miss(until_ms, count)
        ledger.state = replace(ledger.state, cursor_ms=until_ms)

    def _miss(self, slot_ms: int, count: int) -> None:
        self._ledger.count("missed", count)
        self._ledger.note(slot_ms, "slot", "missed", count=count)

    def fill_back(self) -> None:
        """Start as much of each backfill as may run at once; one that is through is forgotten."""
        left = [after for backfill in self._ledger.state.backfills if (after := self._fill(backfill))]
        self._ledger.state = replace(self._ledger.state, backfills=tuple(left))

    def _fill(self, backfill: Backfill) -> Backfill | None:
        ledger = self._ledger
        open_runs = sum(one.backfill == backfill.id for one in ledger.state.running)
        cursor_ms, started = backfill.cursor_ms, backfill.started
        if cursor_ms < backfill.end_ms:
            for at_ms, _ in self._slots.after(cursor_ms):
                if at_ms > backfill.end_ms:
                    cursor_ms = backfill.end_ms
                    break
                if open_runs >= backfill.limit or len(ledger.state.running) >= MAX_RUNNING:
                    break
                if self._full:
                    self.more = True
                    break
                ledger.start(at_ms, "backfill", backfill.id)
                cursor_ms, started, open_runs = at_ms, started + 1, open_runs + 1
            else:
                cursor_ms = backfill.end_ms
        if cursor_ms >= backfill.end_ms and not open_runs:
            return None
        return replace(backfill, cursor_ms=cursor_ms, started=started)


def _ms(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)
