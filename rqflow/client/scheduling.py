"""Scheduling: flows that write schedules: create, update, delete, pause, resume, trigger, backfill.

A change reads the schedule, decides, and is written only if nobody wrote in between; else it looks again. So whatever
schedulers and other clients do meanwhile, no change undoes another.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias, TypeVar, Unpack, get_args

from rqflow.backend.calls.schedules import ChangeSchedule, CreateSchedule, DeleteSchedule, ScheduleRow
from rqflow.backend.protocol import unwrap
from rqflow.client.checks import check_choice, check_count, check_reason, check_text, check_time
from rqflow.client.flow import Facts, Flow, connect, send, send_all
from rqflow.client.options import ClientOptions
from rqflow.client.schedule_preparing import Known, Prepared, Wanted, check_known, checked_keywords, known, prepare
from rqflow.client.schedule_reading import read_schedule
from rqflow.client.values import callee_of
from rqflow.errors import BadInput, ScheduleChanged, ScheduleNotFound
from rqflow.schedules import steering
from rqflow.schedules.checking import check_schedule_id, check_template, check_timetable
from rqflow.schedules.keywords import ScheduleKeywords, with_keywords
from rqflow.schedules.naming import instance_id
from rqflow.schedules.policy import Overlap
from rqflow.schedules.slots import moment_of
from rqflow.schedules.spec import ScheduleSpec, decode_spec, encode_spec
from rqflow.schedules.state import ScheduleState, decode_state, encode_state

T = TypeVar("T")

ROUNDS: Final = 50
"""A change is tried so many times while others write."""
Decide: TypeAlias = Callable[[ScheduleRow, ScheduleState], tuple[ChangeSchedule, T]]


class CreateKeywords(ScheduleKeywords, total=False):
    """ScheduleKeywords, and what only a schedule's beginning knows."""

    kwargs: Mapping[str, Any]
    """Arguments that the workflow takes by keyword."""
    paused: bool | str
    """Begin paused; a text is the reason."""
    unchecked: bool
    """Take a workflow by a name that no live worker knows."""


class UpdateKeywords(ScheduleKeywords, total=False):
    """ScheduleKeywords, and what else can be changed; what is left out stays."""

    workflow: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    unchecked: bool


def create(
    options: ClientOptions, id: str, workflow: Any, *args: Any, **keywords: Unpack[CreateKeywords]
) -> Flow[None]:
    """A new schedule: `create("nightly", report, 2026, cron="0 2 * * *", zone="Europe/Berlin")`.

    What stands by position is the workflow's, every keyword says something of the schedule (see ScheduleKeywords); what
    the workflow takes by keyword goes into `kwargs`. Its slots begin now, by the store's clock.
    Raises ScheduleExists; BadSchedule, naming the field, before anything is written.
    """
    facts = yield from connect()
    given: dict[str, Any] = dict(keywords)
    own = {name: given.pop(name) for name in ("kwargs", "paused", "unchecked") if name in given}
    prepared = prepare(Wanted(id=id, workflow=workflow, args=args, keywords=given, **own), facts.limits)
    at = yield from known(options, facts)
    check_whole(prepared, at, facts)
    yield from send(options, creation(prepared, at, facts))


def check_whole(prepared: Prepared, at: Known, facts: Facts, row: ScheduleRow | None = None) -> None:
    """What needs the store's time and workers. A timetable that is as it is in `row` may have come to its end.

    Raises BadSchedule."""
    check_known(prepared, at)
    before = None if row is None or row.broken else readable(row.spec)
    if before is None or before.timetable != prepared.spec.timetable:
        check_timetable(prepared.spec.timetable, prepared.id, now=at.now)
    template = prepared.spec.action.template
    check_template(template, prepared.id, now=at.now, id_bytes=facts.limits.id_bytes)


def creation(prepared: Prepared, at: Known, facts: Facts) -> CreateSchedule:
    """The call that keeps a new schedule. It is due at once, so that a scheduler finds its first slot."""
    state = steering.first_state(at.now_ms)
    return CreateSchedule(
        partition=facts.partition(prepared.id),
        schedule=prepared.id,
        generation=uuid.uuid4().hex,
        spec=encode_spec(prepared.spec),
        args=prepared.args,
        state=encode_state(state if prepared.reason is None else steering.pause(state, prepared.reason)),
        due_ms=at.now_ms,
    )


def update(options: ClientOptions, id: str, **keywords: Unpack[UpdateKeywords]) -> Flow[None]:
    """Change what is named, and leave the rest: `update("nightly", cron="0 3 * * *")`.

    A new timetable holds from now on: slots that it would have had before are nobody's loss. A broken schedule is taken
    up again. Raises ScheduleNotFound; BadSchedule before anything is written.
    """
    facts = yield from connect()
    at = yield from known(options, facts)
    given: dict[str, Any] = dict(keywords)

    def decide(row: ScheduleRow, state: ScheduleState) -> tuple[ChangeSchedule, None]:
        prepared = _changed(row, dict(given), facts)
        check_whole(prepared, at, facts, row)
        return rewriting(row, prepared, facts), None

    yield from _change(options, id, decide)


def _changed(row: ScheduleRow, given: dict[str, Any], facts: Facts) -> Prepared:
    """A schedule with changes."""
    workflow, args, kwargs = given.pop("workflow", None), given.pop("args", None), given.pop("kwargs", None)
    unchecked = bool(given.pop("unchecked", False)) or not isinstance(workflow, str)
    before = decode_spec(row.spec)
    if workflow is None and args is None and kwargs is None:
        spec = with_keywords(before, checked_keywords(given, facts.limits))
        return Prepared(id=row.schedule, spec=spec, args=row.args, reason=None, named=False)
    if workflow is not None:
        callee = callee_of(workflow)
        before = replace(before, action=replace(before.action, workflow=callee.name))
    wanted = Wanted(
        id=row.schedule,
        workflow=workflow if workflow is not None else before.action.workflow,
        args=tuple(args or ()),
        kwargs=kwargs or {},
        keywords=given,
        unchecked=unchecked,
    )
    prepared = prepare(wanted, facts.limits, before)
    return prepared if args is not None or kwargs is not None else replace(prepared, args=row.args)


def rewriting(row: ScheduleRow, prepared: Prepared, facts: Facts) -> ChangeSchedule:
    """The call that gives a schedule another spec."""
    state = decode_state(row.state)
    old = readable(row.spec)
    if old is None or old.timetable != prepared.spec.timetable:
        state = replace(state, cursor_ms=max(state.cursor_ms, row.now_ms), next_ms=None, fires_ms=None)
    # Results that are not kept any more are forgotten: later they would be taken for those of newer runs.
    result = None if prepared.spec.policy.keep_result else b""
    return replace(_writing(row, state, facts), spec=encode_spec(prepared.spec), args=prepared.args, result=result)


def readable(payload: bytes) -> ScheduleSpec | None:
    """A spec, None if it cannot be read."""
    try:
        return decode_spec(payload)
    except BadInput:
        return None


def delete(options: ClientOptions, id: str) -> Flow[None]:
    """Forget a schedule. What it started goes on. Raises ScheduleNotFound."""
    facts = yield from connect()
    call = DeleteSchedule(partition=facts.partition(check_schedule_id(id)), schedule=id)
    sent = yield from send_all(options, [call])
    if not (sent.repeated and isinstance(sent.answers[0], ScheduleNotFound)):
        unwrap(sent.answers[0])


def pause(options: ClientOptions, id: str, reason: str = "") -> Flow[None]:
    """Fire no slots and go on with no backfill until it is resumed; what runs goes on. Raises ScheduleNotFound."""
    said = check_reason(reason)
    yield from _steer(options, id, lambda row, state: (steering.pause(state, said), None))


def resume(options: ClientOptions, id: str, reason: str = "") -> Flow[None]:
    """Fire slots again, from now on: those of the pause are left out. Raises ScheduleNotFound."""
    said = check_reason(reason)
    yield from _steer(options, id, lambda row, state: (steering.resume(state, row.now_ms, said), None))


def trigger(options: ClientOptions, id: str, *, overlap: Overlap = "allow") -> Flow[str]:
    """Start one now, beside its slots, paused or not; the id that its instance will have when a scheduler has done it.

    `overlap` is the policy towards runs that are open. Raises ScheduleNotFound, LimitReached.
    """
    check_choice("overlap", overlap, get_args(Overlap))
    asked: list[int] = []

    def decide(row: ScheduleRow, state: ScheduleState) -> tuple[ScheduleState, str]:
        template = decode_spec(row.spec).action.template
        if asked and _was_heard(state, asked[-1]):  # the answer was lost with its connection, the order was not
            return state, instance_id(template, id, asked[-1])
        after, order = steering.trigger(state, row.now_ms, overlap)
        asked.append(order.slot_ms)
        return after, instance_id(template, id, order.slot_ms)

    return (yield from _steer(options, id, decide))


def _was_heard(state: ScheduleState, slot_ms: int) -> bool:
    groups = (state.triggers, state.running, state.waiting, state.recent)
    return any(order.slot_ms == slot_ms for group in groups for order in group)


def backfill(
    options: ClientOptions,
    id: str,
    start: datetime,
    end: datetime | None = None,
    *,
    limit: int = 1,
    backfill_id: str | None = None,
) -> Flow[str]:
    """Run the slots of the past from `start` to `end` (now), both included, at most `limit` at a time, oldest first.

    It goes on beside the schedule, whatever its overlap policy, and pauses with it. The id is what to cancel it by; the
    same id given twice is the same backfill. Raises ScheduleNotFound, BadInput, LimitReached.
    """
    first, last = _ms(check_time("start", start)), None if end is None else _ms(check_time("end", end))
    check_count("limit", limit, least=1, most=1_000)
    named = uuid.uuid4().hex[:12] if backfill_id is None else check_text("backfill_id", backfill_id, 100)

    def decide(row: ScheduleRow, state: ScheduleState) -> tuple[ScheduleState, str]:
        until = row.now_ms if last is None else last
        after = steering.backfill(state, row.now_ms, id=named, start_ms=first, end_ms=until, limit=limit)
        return after, named

    return (yield from _steer(options, id, decide))


def cancel_backfill(options: ClientOptions, id: str, backfill_id: str) -> Flow[None]:
    """Start no more of a backfill; what it started goes on. Raises ScheduleNotFound, NotFound."""
    met: list[str] = []

    def decide(row: ScheduleRow, state: ScheduleState) -> tuple[ScheduleState, None]:
        if met and all(one.id != backfill_id for one in state.backfills):  # canceled, and the answer lost; or through
            return state, None
        after = steering.cancel_backfill(state, backfill_id)
        met.append(backfill_id)
        return after, None

    yield from _steer(options, id, decide)


def _steer(
    options: ClientOptions, id: str, decide: Callable[[ScheduleRow, ScheduleState], tuple[ScheduleState, T]]
) -> Flow[T]:
    """A change of nothing but the state."""
    facts = yield from connect()

    def change(row: ScheduleRow, state: ScheduleState) -> tuple[ChangeSchedule, T]:
        after, answer = decide(row, state)
        return _writing(row, after, facts), answer

    return (yield from _change(options, id, change))


def _change(options: ClientOptions, id: str, decide: Decide[T]) -> Flow[T]:
    for _ in range(ROUNDS):
        row = yield from read_schedule(options, id)
        call, answer = decide(row, decode_state(row.state))
        sent = yield from send_all(options, [call])
        if not isinstance(sent.answers[0], ScheduleChanged):
            unwrap(sent.answers[0])
            return answer
    raise ScheduleChanged(id)


def _writing(row: ScheduleRow, state: ScheduleState, facts: Facts) -> ChangeSchedule:
    """The call that writes a state if nobody has written since it was read; a scheduler looks at it at once."""
    return ChangeSchedule(
        partition=facts.partition(row.schedule),
        schedule=row.schedule,
        generation=row.generation,
        revision=row.revision,
        state=encode_state(state),
        due_ms=row.now_ms,
    )


def _ms(moment: datetime) -> int:
    return (moment - moment_of(0)) // timedelta(milliseconds=1)
