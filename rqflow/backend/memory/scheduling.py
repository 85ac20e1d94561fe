"""Scheduling: how schedules are kept and changed, and how they learn what became of what they started."""

from __future__ import annotations

from rqflow.backend.calls.checks import check_schedule, check_scheduled
from rqflow.backend.calls.schedules import (
    BreakSchedule,
    CreateSchedule,
    DeleteSchedule,
    DueSchedules,
    ListSchedules,
    ReadDueSchedules,
    ReadSchedule,
    ScheduledStart,
    ScheduledStop,
    SchedulePage,
    ScheduleRow,
    WriteSchedule,
    Written,
)
from rqflow.backend.memory.letters import CheckLetter, Letter, NewsLetter, Order, StartLetter, TerminateLetter
from rqflow.backend.memory.partition import Partition, span_ms
from rqflow.backend.memory.receiving import deliver_own_letters
from rqflow.backend.memory.schedules import Schedule, page
from rqflow.core.events import CancelRequested
from rqflow.core.wire import encode
from rqflow.errors import ScheduleChanged, ScheduleExists, ScheduleNotFound


def _schedule(partition: Partition, id: str) -> Schedule:
    found = partition.schedules.by_id.get(id)
    if found is None:
        raise ScheduleNotFound(id)
    return found


def _unchanged(partition: Partition, call: WriteSchedule | BreakSchedule) -> Schedule:
    """The schedule, if nobody changed it since it was read. Raises ScheduleNotFound, ScheduleChanged (P9)."""
    found = _schedule(partition, call.schedule)
    if (found.generation, found.revision) != (call.generation, call.revision):
        raise ScheduleChanged(call.schedule)
    return found


def create_schedule(partition: Partition, call: CreateSchedule) -> bool:
    """Keep a new schedule."""
    check_schedule(call, partition.limits)
    existing = partition.schedules.by_id.get(call.schedule)
    if existing is not None:
        if existing.generation == call.generation:
            return False
        raise ScheduleExists(call.schedule)
    partition.schedules.by_id[call.schedule] = Schedule(
        id=call.schedule,
        generation=call.generation,
        spec=call.spec,
        args=call.args,
        state=call.state,
        created_at_ms=partition.now_ms,
    )
    partition.schedules.set_due(call.schedule, call.due_ms)
    return True


def write_schedule(partition: Partition, call: WriteSchedule) -> Written:
    """Change a schedule, with all that this starts and stops, or nothing of it."""
    check_schedule(call, partition.limits)
    for start in call.starts:
        check_scheduled(start, partition.limits)
    found = _unchanged(partition, call)
    early = call.not_before_ms is not None and partition.now_ms < call.not_before_ms
    if early or (call.not_after_ms is not None and partition.now_ms > call.not_after_ms):
        raise ScheduleChanged(call.schedule)
    found.revision += 1
    found.state = call.state
    del found.ends[: call.ends]
    if call.spec is not None:
        found.spec, found.broken = call.spec, ""
    found.args = found.args if call.args is None else call.args
    found.result = found.result if call.result is None else call.result
    due_ms = partition.now_ms if found.ends else call.due_ms
    partition.schedules.set_due(found.id, None if found.broken else due_ms)
    for stop in call.stops:
        partition.post(_stop_letter(stop))
    for start in call.starts:
        partition.post(_start_letter(call, start))
    for check in call.checks:
        partition.post(
            CheckLetter(to=check.instance, run=check.run, schedule=call.schedule, generation=call.generation)
        )
    deliver_own_letters(partition)
    return Written(revision=found.revision, outbox=len(partition.outbox))


def _stop_letter(stop: ScheduledStop) -> Letter:
    if stop.terminate:
        return TerminateLetter(to=stop.instance, first_run=stop.run, reason=stop.reason, recursive=False)
    body = encode(CancelRequested(reason=stop.reason))
    return NewsLetter(to=stop.instance, cancel=True, sender=None, first_run=stop.run, body=body)


def _start_letter(call: WriteSchedule, start: ScheduledStart) -> StartLetter:
    order = Order(
        schedule=call.schedule, generation=call.generation, slot_ms=start.slot_ms, keep_result=start.keep_result
    )
    return StartLetter(
        to=start.instance,
        run=start.run,
        workflow=start.workflow,
        queue=start.queue,
        order=order,
        timeout_ms=None if start.timeout is None else span_ms(start.timeout),
        retention_ms=span_ms(start.retention),
        attributes=dict(start.attributes),
        priority=start.priority,
        lane=start.lane,
        body=start.started,
    )


def break_schedule(partition: Partition, call: BreakSchedule) -> None:
    """Set a schedule aside."""
    found = _unchanged(partition, call)
    found.revision += 1
    found.broken = call.reason
    partition.schedules.set_due(found.id, None)


def delete_schedule(partition: Partition, call: DeleteSchedule) -> None:
    """Forget a schedule."""
    found = _schedule(partition, call.schedule)
    if call.revision not in (None, found.revision):
        raise ScheduleChanged(call.schedule)
    partition.schedules.set_due(found.id, None)
    del partition.schedules.by_id[found.id]


def read_schedule(partition: Partition, call: ReadSchedule) -> ScheduleRow:
    """One schedule."""
    return partition.schedules.show(_schedule(partition, call.schedule), partition.now_ms)


def list_schedules(partition: Partition, call: ListSchedules) -> SchedulePage:
    """Some schedules, by id."""
    known = partition.schedules.by_id
    ids = sorted(id for id in known if id > call.after)
    found = list(page((known[id] for id in ids), call.limit))
    rows = tuple(partition.schedules.show(one, partition.now_ms) for one in found)
    return SchedulePage(rows=rows, cursor=rows[-1].schedule if len(rows) < len(ids) else None)


def read_due_schedules(partition: Partition, call: ReadDueSchedules) -> DueSchedules:
    """What a scheduler has to look at."""
    schedules, now_ms = partition.schedules, partition.now_ms
    schedules.schedulers = {id: until for id, until in schedules.schedulers.items() if until > now_ms}
    schedules.schedulers[call.scheduler] = now_ms + span_ms(call.lease)
    due = schedules.overdue(now_ms)[call.skip :]
    found = list(page((schedules.by_id[id] for id in due), call.limit))
    return DueSchedules(
        rows=tuple(schedules.show(one, now_ms) for one in found),
        now_ms=now_ms,
        next_due_ms=next((at_ms for at_ms, _ in schedules.line[call.skip + len(found) :]), None),
        outbox=len(partition.outbox),
    )
