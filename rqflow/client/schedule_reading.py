"""Schedule reading: flows that look at schedules, page by page or one by one, and preview their slots."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final, Unpack

from rqflow.backend.calls.schedules import ListSchedules, ReadSchedule, ScheduleRow
from rqflow.backend.protocol import unwrap
from rqflow.client.checks import check_count, check_time
from rqflow.client.flow import Emit, Flow, Stream, connect, send, send_all
from rqflow.client.options import ClientOptions
from rqflow.client.values import decode_any
from rqflow.errors import RqflowError, ScheduleNotFound
from rqflow.schedules.advancing import fold
from rqflow.schedules.checking import check_schedule_id, check_timetable
from rqflow.schedules.keywords import ScheduleKeywords, with_keywords
from rqflow.schedules.policy import Action, Policy
from rqflow.schedules.slots import moment_of, next_slot, slots_after
from rqflow.schedules.spec import ScheduleSpec, decode_spec
from rqflow.schedules.state import ScheduleState, decode_state
from rqflow.schedules.timetable import Slot, Timetable

PAGE: Final = 100
MOST_PREVIEWED: Final = 10_000
NO_SPEC: Final = ScheduleSpec(timetable=Timetable(), policy=Policy(), action=Action(workflow="", queue=""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A schedule at one moment."""

    id: str
    spec: ScheduleSpec
    """What was written: timetable, policy, action, notes, origin. Empty if it cannot be read; `broken` says why."""
    state: ScheduleState
    """Where it stands: what runs, waits, was counted."""
    arguments: Any
    """Of the workflow, as plain JSON values: an object by name, or a list by position."""
    broken: str
    """Why it is set aside until it is written anew; empty: it is sound."""
    next: Slot | None
    """What fires next; None: nothing, because it is paused, broken, done or at its end."""
    result: Any
    """What its last success returned, if results are kept, as plain JSON values."""
    created_at: datetime
    now: datetime
    """On the store's clock."""
    row: ScheduleRow = field(repr=False)

    @property
    def paused(self) -> bool:
        """Whether slots are left out for now."""
        return self.state.paused


def read_row(row: ScheduleRow) -> Schedule:
    """A schedule out of its row; one whose row cannot be read is shown as broken."""
    broken, spec, state = row.broken, NO_SPEC, ScheduleState(cursor_ms=row.now_ms)
    upcoming = None
    try:
        spec = decode_spec(row.spec)
        state = fold(policy=spec.policy, state=decode_state(row.state), ends=row.ends)
        if not broken:
            upcoming = _next(row, spec, state)
    except RqflowError as error:
        broken = broken or str(error)
    return Schedule(
        id=row.schedule,
        spec=spec,
        state=state,
        arguments=decode_any(row.args) if row.args else {},
        broken=broken,
        next=upcoming,
        result=decode_any(row.result) if row.result else None,
        created_at=moment_of(row.created_ms),
        now=moment_of(row.now_ms),
        row=row,
    )


def _next(row: ScheduleRow, spec: ScheduleSpec, state: ScheduleState) -> Slot | None:
    done = spec.policy.max_runs is not None and state.counts.slots >= spec.policy.max_runs
    return None if state.paused or done else next_slot(spec.timetable, row.schedule, moment_of(state.cursor_ms))


def get(options: ClientOptions, id: str) -> Flow[Schedule]:
    """How a schedule stands. Raises ScheduleNotFound."""
    return read_row((yield from read_schedule(options, id)))


def read_schedule(options: ClientOptions, id: str) -> Flow[ScheduleRow]:
    """A schedule's row. Raises ScheduleNotFound."""
    facts = yield from connect()
    call = ReadSchedule(partition=facts.partition(check_schedule_id(id)), schedule=id)
    return (yield from send(options, call))


def list_schedules(options: ClientOptions) -> Stream[Schedule]:
    """All schedules of the hub, by id, read page by page."""
    facts = yield from connect()
    shares = [_Share(partition) for partition in range(facts.hub.partitions)]
    while True:
        hungry = [share for share in shares if not share.rows and share.after is not None]
        if hungry:
            yield from _feed(options, hungry)
            continue
        full = [share for share in shares if share.rows]
        if not full:
            return
        first = min(full, key=lambda share: share.rows[0].schedule)
        yield Emit(read_row(first.rows.popleft()))


@dataclass(slots=True)
class _Share:
    """One partition's part of a listing that is being merged."""

    partition: int
    after: str | None = ""
    """To read on from; None: it has been read to its end."""
    rows: deque[ScheduleRow] = field(default_factory=deque)


def _feed(options: ClientOptions, shares: Sequence[_Share]) -> Flow[None]:
    calls = [ListSchedules(partition=share.partition, after=share.after or "", limit=PAGE) for share in shares]
    sent = yield from send_all(options, calls)
    for share, answer in zip(shares, sent.answers, strict=True):
        page = unwrap(answer)
        share.rows.extend(page.rows)
        share.after = page.cursor


def preview(
    options: ClientOptions,
    id: str | None = None,
    *,
    count: int = 10,
    after: datetime | None = None,
    **changes: Unpack[ScheduleKeywords],
) -> Flow[list[Slot]]:
    """The next slots after a moment (now): of a schedule as it is, or as `changes` would make it, or, where there is
    none of this id, as `changes` say. Whether it is paused does not matter.

    Raises ScheduleNotFound if the id has no schedule and neither `cron` nor `every` is given; BadSchedule.
    """
    check_count("count", count, least=1, most=MOST_PREVIEWED)
    spec, moment = NO_SPEC, None if after is None else check_time("after", after)
    if id is not None:
        try:
            row = yield from read_schedule(options, id)
            spec, moment = decode_spec(row.spec), moment or moment_of(row.now_ms)
        except ScheduleNotFound:
            if not (changes.get("cron") or changes.get("every")):
                raise
    return preview_slots(spec, id or "", count=count, after=moment or datetime.now(UTC), changes=changes)


def preview_slots(spec: ScheduleSpec, id: str, *, count: int, after: datetime, changes: ScheduleKeywords) -> list[Slot]:
    """The next slots of a spec with changes. Raises BadSchedule."""
    timetable = with_keywords(spec, changes).timetable
    check_timetable(timetable, id, now=after)
    return list(islice(slots_after(timetable, id, after), count))
