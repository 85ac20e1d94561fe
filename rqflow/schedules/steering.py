"""Steering: what people do to a schedule: pause, resume, trigger, backfill. Each is written due at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from rqflow.errors import BadInput, LimitReached, NotFound
from rqflow.schedules.policy import MAX_RUNNING, Overlap
from rqflow.schedules.state import MAX_BACKFILLS, Backfill, ScheduleState, Trigger

MAX_TRIGGERS: Final = 100
"""That wait for a scheduler."""


def first_state(now_ms: int) -> ScheduleState:
    """Of a schedule that is created now: its slots begin after this moment."""
    return ScheduleState(cursor_ms=now_ms)


def pause(state: ScheduleState, reason: str) -> ScheduleState:
    """Fire no slots and go on with no backfill, until it is resumed. What runs goes on, what waits waits."""
    return replace(state, paused=True, reason=reason)


def resume(state: ScheduleState, now_ms: int, reason: str = "") -> ScheduleState:
    """Go on from this moment: the slots of a pause are nobody's loss. Failures are counted anew."""
    if not state.paused:
        return state
    return replace(state, paused=False, reason=reason, failures=0, cursor_ms=max(state.cursor_ms, now_ms))


def trigger(state: ScheduleState, now_ms: int, overlap: Overlap = "allow") -> tuple[ScheduleState, Trigger]:
    """Start one now, paused or not; and when "now" is: what names its instance. Raises LimitReached."""
    if len(state.triggers) >= MAX_TRIGGERS:
        raise LimitReached("triggers of a schedule that wait", MAX_TRIGGERS, "is a scheduler running?")
    taken = {one.slot_ms for one in state.triggers} | {one.slot_ms for one in state.recent}
    taken |= {one.slot_ms for one in state.waiting} | {one.slot_ms for one in state.running}
    # Never on a whole second, where slots are: by its slot an instance is named.
    slot_ms = next(ms for ms in range(now_ms, now_ms + 100_000) if ms % 1_000 and ms not in taken)
    asked = Trigger(slot_ms=slot_ms, overlap=overlap)
    return replace(state, triggers=(*state.triggers, asked)), asked


def backfill(state: ScheduleState, now_ms: int, *, id: str, start_ms: int, end_ms: int, limit: int) -> ScheduleState:
    """Run the slots of a range of the past, both ends included, `limit` at a time. Raises BadInput, LimitReached."""
    if start_ms > end_ms:
        raise BadInput("a backfill's start is not after its end")
    if end_ms > now_ms:
        raise BadInput("a backfill is of the past: its end is not later than now")
    if not 1 <= limit <= MAX_RUNNING:
        raise BadInput(f"a backfill runs 1 to {MAX_RUNNING:,} at a time, not {limit}")
    if any(one.id == id for one in state.backfills):
        return state
    if len(state.backfills) >= MAX_BACKFILLS:
        raise LimitReached("backfills of a schedule", MAX_BACKFILLS, "wait for one to end, or cancel it")
    new = Backfill(id=id, start_ms=start_ms, end_ms=end_ms, limit=limit, cursor_ms=start_ms - 1)
    return replace(state, backfills=(*state.backfills, new))


def cancel_backfill(state: ScheduleState, id: str) -> ScheduleState:
    """Start no more of a backfill; what it started goes on. Raises NotFound."""
    left = tuple(one for one in state.backfills if one.id != id)
    if len(left) == len(state.backfills):
        raise NotFound(f"this schedule has no backfill {id!r} under way")
    return replace(state, backfills=left)
