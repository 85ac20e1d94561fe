"""Turns: how a worker's decision on an instance becomes durable, or is set aside."""

from __future__ import annotations

from rqflow.backend.calls.suspects import BeginTurn
from rqflow.backend.calls.tasks import Commit, Committed, GiveBack, Stall
from rqflow.backend.memory.activities import back_off, leased_activity
from rqflow.backend.memory.agenda import Item
from rqflow.backend.memory.closing import close_by_decision
from rqflow.backend.memory.commands import carry_out
from rqflow.backend.memory.knowers import FULL_MS, knows_activity, knows_workflow, offer, others
from rqflow.backend.memory.limits import check_attributes, check_payloads
from rqflow.backend.memory.news import drop_task, put_task, queue_task
from rqflow.backend.memory.partition import Partition, span_ms
from rqflow.backend.memory.receiving import deliver_own_letters
from rqflow.backend.memory.rows import Row
from rqflow.backend.memory.streams import own_of, workflows_of
from rqflow.backend.memory.taking import first_page
from rqflow.core.commands import (
    AnswerUpdate,
    EmitEvent,
    RecordSideEffect,
    ScheduleActivity,
    SendCancel,
    SendSignal,
    SetAttributes,
    SetStatus,
    StartChild,
    StartTimer,
)
from rqflow.core.states import CLOSED
from rqflow.core.wire import RUN_SCOPE, stored
from rqflow.errors import BadInput, LeaseLost, LimitReached

_AWAITED = (ScheduleActivity, StartTimer, StartChild, SendSignal, SendCancel)
_WITH_PAYLOAD = (
    ScheduleActivity,
    StartChild,
    SendSignal,
    RecordSideEffect,
    SetStatus,
    SetAttributes,
    EmitEvent,
    AnswerUpdate,
)


def leased_row(partition: Partition, instance: str, run: str, token: str) -> Row:
    """The instance whose task this token is the lease of. Raises LeaseLost (P3)."""
    row = partition.rows.by_id.get(instance)
    if row is None or row.run != run or row.task != "leased" or row.token != token:
        raise LeaseLost(token)
    return row


def commit(partition: Partition, call: Commit) -> Committed:
    """Make one turn durable. All that can be refused is refused before anything is written (P2)."""
    row = leased_row(partition, call.instance, call.run, call.token)
    if len(row.history.events) != call.expected_length:
        raise LeaseLost(call.token)
    _check(partition, row, call)
    kept = call.keep and row.status == "running"
    if not kept:
        drop_task(partition, row)
        row.sticky = call.worker if call.sticky else ""
    if not kept or call.consumed or call.records:
        # P7: a look without events is no progress, and takes nothing back of what was lost before.
        row.losses = 0
        row.build = call.build
    row.stalled_build = ""
    _write_history(partition, row, call)
    for command in call.commands:
        carry_out(partition, row, command)
    if call.close is not None:
        close_by_decision(partition, row, call.close)
    deliver_own_letters(partition)
    queue_task(partition, row)
    return Committed(
        closed=row.status in CLOSED,
        more=row.task == "queued",
        outbox=len(partition.outbox),
        kept=kept,
        inbox=first_page(row.inbox) if kept else (),
    )


def _check(partition: Partition, row: Row, call: Commit) -> None:
    """Raises LimitReached and BadInput. A run that ends may pass the limits that a run that goes on may not."""
    limits = partition.limits
    if not 0 <= call.consumed <= len(row.inbox):
        raise BadInput(f"the turn consumed {call.consumed} news of {len(row.inbox)}")
    for command in call.commands:
        if isinstance(command, _WITH_PAYLOAD):
            check_payloads((command.payload,), limits)
        if isinstance(command, SetAttributes):
            kept = {name: value for name, value in row.attributes.items() if name not in command.removed}
            check_attributes({**kept, **command.changes}, limits)
    born = sum(isinstance(command, StartChild) for command in call.commands)
    if born and len(row.children) + born > limits.children:
        raise LimitReached(f"open children of {row.instance!r}", limits.children, "let some end before starting more")
    if call.close is not None:
        return
    if len(row.history.events) + call.consumed + len(call.records) > limits.history_events:
        raise LimitReached(
            f"events in the history of {row.instance!r}", limits.history_events, "continue as new before"
        )
    size = sum(map(len, row.inbox[: call.consumed])) + sum(map(len, call.records))
    if row.history.size + size > limits.history_bytes:
        raise LimitReached(f"bytes in the history of {row.instance!r}", limits.history_bytes, "continue as new before")
    if len(row.waiting) + sum(isinstance(command, _AWAITED) for command in call.commands) > limits.outstanding:
        raise LimitReached(f"things that {row.instance!r} waits for", limits.outstanding, "start fewer at once")


def _write_history(partition: Partition, row: Row, call: Commit) -> None:
    for event in row.inbox[: call.consumed]:
        row.history.append(event)
    del row.inbox[: call.consumed]
    for record in call.records:
        row.history.append(stored(partition.now_ms, RUN_SCOPE, record))


def begin_turn(partition: Partition, call: BeginTurn) -> None:
    """A turn that was lost before is begun again: what becomes of its worker counts against it (P7)."""
    leased_row(partition, call.instance, call.run, call.token).trial = call.token


def stall(partition: Partition, call: Stall) -> None:
    """Set an instance aside, because the code of this build cannot follow it."""
    row = leased_row(partition, call.instance, call.run, call.token)
    set_aside(partition, row, call.reason, call.build)


def set_aside(partition: Partition, row: Row, reason: str, build: str) -> None:
    """Give an instance no turns until it is resumed or another build comes. Its news stay."""
    drop_task(partition, row)
    row.reason = reason
    row.stalled_build = build
    row.sticky = ""
    partition.move(row, "stall")


def give_back(partition: Partition, call: GiveBack) -> None:
    """Return a task unfinished; it counts as neither tried nor lost."""
    if call.activity:
        _give_back_activity(partition, call)
        return
    row = leased_row(partition, call.instance, call.run, call.token)
    holder = partition.streams.tickets[call.token].worker
    drop_task(partition, row)
    row.sticky = ""
    known = (each for each in others(partition, holder, row.instance) if knows_workflow(each, call.unknown, row.queue))
    knower = next(known, None) if call.unknown else None
    if knower is not None:
        row.sticky = knower.record.id
        if row.status == "running":
            put_task(partition, row, own_of(row.sticky))
        return
    row.unknown = bool(call.unknown)
    requeue(partition, row, span_ms(call.delay))


def requeue(partition: Partition, row: Row, delay_ms: int = 0) -> None:
    """Queue an instance's task for any worker, now or after a while."""
    if row.status != "running":
        return
    if delay_ms > 0:
        row.task = "waiting"
        partition.agenda.put(Item("wait", row.instance, row.run), partition.now_ms + delay_ms)
    else:
        put_task(partition, row, workflows_of(row.queue))


def _give_back_activity(partition: Partition, call: GiveBack) -> None:
    row, activity = leased_activity(partition, call.instance, call.run, call.activity, call.token)
    holder = partition.streams.tickets[call.token].worker
    able = others(partition, holder, f"{row.run}{call.activity}")
    known = (each for each in able if knows_activity(each, call.unknown, activity.queue))
    knower = next(known, None) if call.unknown else None
    if knower is not None:
        back_off(partition, row, call.activity, activity, FULL_MS)
        offer(partition, knower, row, call.activity, activity)
        return
    activity.unknown = bool(call.unknown)
    back_off(partition, row, call.activity, activity, span_ms(call.delay))
