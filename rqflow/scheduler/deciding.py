"""Deciding: from a schedule's row to the one call that writes what happens to it now."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import Final

from rqflow.backend.calls.hubs import HubInfo
from rqflow.backend.calls.schedules import (
    BreakSchedule,
    ScheduledCheck,
    ScheduledStart,
    ScheduledStop,
    ScheduleRow,
    WriteSchedule,
)
from rqflow.backend.protocol import partition_of
from rqflow.core.events import ScheduleLink, WorkflowStarted
from rqflow.core.wire import encode
from rqflow.errors import RqflowError
from rqflow.schedules.advancing import Step, advance
from rqflow.schedules.slots import count_slots, slots_after
from rqflow.schedules.spec import ScheduleSpec, decode_spec
from rqflow.schedules.state import Running, ScheduleState, decode_state, encode_state
from rqflow.schedules.timetable import Timetable

logger = logging.getLogger("rqflow.scheduler")

MAX_REASON: Final = 500
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)

_read_spec = lru_cache(maxsize=2_000)(decode_spec)


class TimetableSlots:
    """The times of a timetable, in milliseconds (see `rqflow.schedules.advancing.Slots`)."""

    def __init__(self, timetable: Timetable, schedule: str) -> None:
        self._timetable = timetable
        self._schedule = schedule
        # Hashed specs and jitter follow from the id; all others of one timetable have the same slots, so that a crowd
        # that is due in the same minute costs one calculation.
        hashed = any("h" in spec.lower() for spec in (*timetable.cron, *timetable.except_cron))
        self._shared = not (hashed or timetable.jitter)

    @property
    def jitter_ms(self) -> int:
        return self._timetable.jitter // _MS

    def after(self, after_ms: int) -> Iterator[tuple[int, int]]:
        if not self._shared:
            yield from _walk(self._timetable, self._schedule, after_ms)
            return
        found = _next_slots(self._timetable, after_ms)
        while found:
            yield from found
            found = _next_slots(self._timetable, found[-1][0])

    def count(self, after_ms: int, until_ms: int) -> int:
        after, before = _EPOCH + after_ms * _MS, _EPOCH + (until_ms + 1) * _MS
        return count_slots(self._timetable, self._schedule, after, before).slots


def _walk(timetable: Timetable, schedule: str, after_ms: int) -> Iterator[tuple[int, int]]:
    for slot in slots_after(timetable, schedule, _EPOCH + after_ms * _MS):
        yield slot.ms, slot.fires_ms


@lru_cache(maxsize=4_096)
def _next_slots(timetable: Timetable, after_ms: int) -> tuple[tuple[int, int], ...]:
    """The next two, of a timetable that is the same for every schedule."""
    return tuple(islice(_walk(timetable, "", after_ms), 2))


def decide(row: ScheduleRow, hub: HubInfo) -> WriteSchedule | BreakSchedule:
    """What is to be written about a schedule as it was read; that it is broken, if it cannot be followed."""
    try:
        return _write(row, hub)
    except RqflowError as error:
        return broken(row, hub, str(error))
    except Exception as error:
        # A fault of ours, or of time zone data: one schedule must not stop the others (P7).
        logger.exception("schedule %r cannot be followed", row.schedule)
        return broken(row, hub, f"{type(error).__name__}: {error}")


def broken(row: ScheduleRow, hub: HubInfo, reason: str) -> BreakSchedule:
    """That a schedule cannot be followed."""
    return BreakSchedule(
        partition=partition_of(row.schedule, hub.partitions),
        schedule=row.schedule,
        generation=row.generation,
        revision=row.revision,
        reason=reason[:MAX_REASON],
    )


def _write(row: ScheduleRow, hub: HubInfo) -> WriteSchedule:
    spec = _read_spec(row.spec)
    step = advance(
        schedule=row.schedule,
        generation=row.generation,
        template=spec.action.template,
        policy=spec.policy,
        state=decode_state(row.state),
        ends=row.ends,
        slots=TimetableSlots(spec.timetable, row.schedule),
        now_ms=row.now_ms,
    )
    return WriteSchedule(
        partition=partition_of(row.schedule, hub.partitions),
        schedule=row.schedule,
        generation=row.generation,
        revision=row.revision,
        state=encode_state(step.state),
        due_ms=step.due_ms,
        result=step.result,
        ends=len(row.ends),
        starts=tuple(_start(row, spec, step, one, hub) for one in step.starts),
        stops=tuple(
            ScheduledStop(
                instance=stop.running.instance,
                run=stop.running.run,
                terminate=stop.terminate,
                reason=f"schedule {row.schedule} has come to its next slot",
            )
            for stop in step.stops
        ),
        checks=tuple(ScheduledCheck(instance=one.instance, run=one.run) for one in step.checks),
        not_before_ms=step.not_before_ms,
        not_after_ms=step.not_after_ms,
    )


def _start(row: ScheduleRow, spec: ScheduleSpec, step: Step, one: Running, hub: HubInfo) -> ScheduledStart:
    action = spec.action
    started = WorkflowStarted(
        workflow=action.workflow,
        instance=one.instance,
        run=one.run,
        queue=action.queue,
        timeout_ms=None if action.timeout is None else action.timeout // _MS,
        headers=action.headers,
        schedule=_link(row, spec, step, one),
        payload=row.args,
    )
    return ScheduledStart(
        instance=one.instance,
        run=one.run,
        workflow=action.workflow,
        queue=action.queue,
        started=encode(started),
        slot_ms=one.slot_ms,
        keep_result=spec.policy.keep_result,
        timeout=action.timeout,
        retention=hub.retention if action.retention is None else action.retention,
        attributes=dict(action.attributes),
        priority=action.priority,
        lane=action.lane,
    )


def _link(row: ScheduleRow, spec: ScheduleSpec, step: Step, one: Running) -> ScheduleLink:
    state: ScheduleState = step.state
    result = row.result if step.result is None else step.result
    known = spec.policy.keep_result and state.last_success_ms is not None
    return ScheduleLink(
        schedule=row.schedule,
        slot_ms=one.slot_ms,
        last_success_ms=state.last_success_ms,
        last_result=(result or None) if known else None,
    )
