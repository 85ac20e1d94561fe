"""Scheduling: schedules as they go to Redis, and their rows as they come back (from lua/parts/schedule_rows.lua)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rqflow.backend.calls.call import Call
from rqflow.backend.calls.checks import check_schedule, check_scheduled
from rqflow.backend.calls.schedules import (
    BreakSchedule,
    ChangeSchedule,
    CreateSchedule,
    DeleteSchedule,
    DueSchedules,
    ListSchedules,
    ReadDueSchedules,
    ReadSchedule,
    ScheduledEnd,
    ScheduledStart,
    SchedulePage,
    ScheduleRow,
    WriteSchedule,
    Written,
)
from rqflow.backend.protocol import partition_of
from rqflow.backend.redis.commands import Command, Place, Translator, nothing, yes_or_no
from rqflow.backend.redis.scripts import Argument
from rqflow.backend.redis.times import span_ms
from rqflow.converters.json import dump_json

MAX_ROWS: Final = 1_000
"""Of one page, whatever was asked for."""


def create_schedule(call: CreateSchedule, place: Place) -> Command[bool]:
    """Keep a new schedule. Raises what check_schedule raises."""
    check_schedule(call, place.limits)
    return place.command(
        call,
        "create_schedule",
        yes_or_no,
        schedule=call.schedule,
        generation=call.generation,
        spec=call.spec,
        args=call.args,
        state=call.state,
        due_ms=_or_none(call.due_ms),
    )


def write_schedule(call: WriteSchedule, place: Place) -> Command[Written]:
    """Change a schedule. Raises what check_schedule and check_scheduled raise."""
    check_schedule(call, place.limits)
    for start in call.starts:
        check_scheduled(start, place.limits)
    partitions = place.hub.partitions
    stops = [
        (
            partition_of(stop.instance, partitions),
            stop.instance,
            stop.run,
            "terminate" if stop.terminate else "cancel",
            stop.reason,
        )
        for stop in call.stops
    ]
    return place.command(
        call,
        "write_schedule",
        _written,
        schedule=call.schedule,
        generation=call.generation,
        revision=call.revision,
        state=call.state,
        due_ms=_or_none(call.due_ms),
        spec=_if_given(call.spec),
        args=_if_given(call.args),
        result=_if_given(call.result),
        ends=call.ends,
        starts=[_start(start, partitions) for start in call.starts],
        stops=stops,
        checks=[(partition_of(check.instance, partitions), check.instance, check.run) for check in call.checks],
        not_before_ms=_or_none(call.not_before_ms),
        not_after_ms=_or_none(call.not_after_ms),
    )


def _or_none(ms: int | None) -> int:
    return -1 if ms is None else max(0, ms)


def _if_given(value: bytes | None) -> list[bytes]:
    return [] if value is None else [value]


def _start(start: ScheduledStart, partitions: int) -> tuple[Argument, ...]:
    attributes = {name: dump_json(value).decode() for name, value in start.attributes.items()}
    return (
        partition_of(start.instance, partitions),
        start.instance,
        start.run,
        start.workflow,
        start.queue,
        start.started,
        start.slot_ms,
        int(start.keep_result),
        "" if start.timeout is None else span_ms(start.timeout),
        span_ms(start.retention),
        dump_json(attributes),
        start.priority,
        start.lane,
    )


def _written(reply: Any) -> Written:
    revision, outbox = reply
    return Written(revision=revision, outbox=outbox)


def break_schedule(call: BreakSchedule, place: Place) -> Command[None]:
    """Set a schedule aside."""
    return place.command(
        call,
        "break_schedule",
        nothing,
        schedule=call.schedule,
        generation=call.generation,
        revision=call.revision,
        reason=call.reason,
    )


def delete_schedule(call: DeleteSchedule, place: Place) -> Command[None]:
    """Forget a schedule."""
    revision = -1 if call.revision is None else call.revision
    return place.command(call, "delete_schedule", nothing, schedule=call.schedule, revision=revision)


def read_schedule(call: ReadSchedule, place: Place) -> Command[ScheduleRow]:
    """A schedule's row."""

    def parse(reply: Any) -> ScheduleRow:
        now_ms, row = reply
        return _row(row, now_ms)

    return place.command(call, "read_schedule", parse, schedule=call.schedule)


def list_schedules(call: ListSchedules, place: Place) -> Command[SchedulePage]:
    """A page of a partition's schedules."""

    def parse(reply: Any) -> SchedulePage:
        now_ms, cursor, rows = reply
        return SchedulePage(rows=tuple(_row(row, now_ms) for row in rows), cursor=cursor.decode() or None)

    return place.command(call, "list_schedules", parse, after=call.after, limit=max(1, min(call.limit, MAX_ROWS)))


def read_due_schedules(call: ReadDueSchedules, place: Place) -> Command[DueSchedules]:
    """What is due."""

    def parse(reply: Any) -> DueSchedules:
        now_ms, next_due_ms, outbox, rows = reply
        return DueSchedules(
            rows=tuple(_row(row, now_ms) for row in rows),
            now_ms=now_ms,
            next_due_ms=None if next_due_ms < 0 else next_due_ms,
            outbox=outbox,
        )

    return place.command(
        call,
        "read_due_schedules",
        parse,
        scheduler=call.scheduler,
        lease_ms=max(1, span_ms(call.lease)),
        limit=max(1, min(call.limit, MAX_ROWS)),
        skip=max(0, call.skip),
    )


def _row(reply: Sequence[Any], now_ms: int) -> ScheduleRow:
    id, (generation, revision, spec, args, state, result, broken, created), due, ends = reply
    return ScheduleRow(
        schedule=id.decode(),
        generation=generation.decode(),
        revision=int(revision),
        spec=spec,
        args=args,
        state=state,
        result=result,
        ends=tuple(map(_end, ends)),
        broken=broken.decode(),
        due_ms=int(float(due)) if due else None,
        created_ms=int(created),
        now_ms=now_ms,
    )


def _end(packed: bytes) -> ScheduledEnd:
    header, _, result = packed.partition(b"\n")
    run, status, at_ms = header.decode().split(" ")
    return ScheduledEnd(run=run, status=status, at_ms=int(at_ms), result=result)


TRANSLATORS: Final[Mapping[type[Call[Any]], Translator]] = {
    CreateSchedule: create_schedule,
    WriteSchedule: write_schedule,
    ChangeSchedule: write_schedule,
    BreakSchedule: break_schedule,
    DeleteSchedule: delete_schedule,
    ReadSchedule: read_schedule,
    ListSchedules: list_schedules,
    ReadDueSchedules: read_due_schedules,
}
