"""Starting: how an instance comes to be, at once or at its time, from a client or as a child."""

from __future__ import annotations

from typing import Any, Protocol

from rqflow.backend.calls.instances import Start, Started
from rqflow.backend.memory.agenda import Item
from rqflow.backend.memory.closing import set_deadline, tell_schedule, terminate
from rqflow.backend.memory.failures import encoded_failure
from rqflow.backend.memory.letters import AnswerLetter, EndLetter, StartLetter
from rqflow.backend.memory.limits import check_start
from rqflow.backend.memory.news import add_news, check_inbox, queue_task
from rqflow.backend.memory.partition import Partition, ms_of, span_ms
from rqflow.backend.memory.rows import Row
from rqflow.backend.memory.streams import Ticket, workflows_of
from rqflow.core.events import ChildFailed, ChildStarted, ParentLink
from rqflow.core.options import Attributes
from rqflow.core.states import CLOSED
from rqflow.core.wire import RUN_SCOPE, encode, split_stored, stored
from rqflow.errors import InstanceExists


def start(partition: Partition, call: Start) -> Started:
    """Start an instance, by the id policies."""
    check_start(call, partition.limits)
    existing = partition.rows.by_id.get(call.instance)
    if existing is not None and call.run in existing.requests:
        created = existing.requests[call.run]
        return Started(instance=call.instance, run=existing.run, created=created)
    if existing is not None and existing.status not in CLOSED and call.on_conflict == "use_existing":
        if call.signal:
            check_inbox(partition, existing)
        _signal_too(partition, existing, call)
        existing.remember(call.run)
        return Started(instance=call.instance, run=existing.run, created=False)
    if existing is not None:
        _make_room(partition, existing, call)
    row = _create(partition, call, existing)
    _signal_too(partition, row, call)
    return Started(instance=call.instance, run=row.run, created=True)


def _make_room(partition: Partition, existing: Row, call: Start) -> None:
    """Let go of the instance that has the id, or refuse. Raises InstanceExists."""
    if existing.status not in CLOSED:
        if call.on_conflict == "fail":
            raise InstanceExists(call.instance, existing.status)
        terminate(partition, existing, reason="another start with this id replaced it", recursive=False)
    elif call.on_reuse == "reject" or (call.on_reuse == "allow_failed" and existing.status == "completed"):
        raise InstanceExists(call.instance, existing.status)
    replace(partition, existing)


def replace(partition: Partition, old: Row) -> None:
    """Forget a closed instance, whose id another takes; its histories stay for their retention."""
    partition.agenda.drop(Item("retention", old.instance, old.run))
    partition.keep_history(old)
    partition.rows.remove(old)


def _create(partition: Partition, call: Start, before: Row | None) -> Row:
    now_ms = partition.now_ms
    start_at_ms = max(now_ms + span_ms(call.delay), 0 if call.at is None else ms_of(call.at))
    row = new_row(
        partition,
        call,
        before,
        instance=call.instance,
        retention_ms=span_ms(call.retention),
        timeout_ms=None if call.timeout is None else span_ms(call.timeout),
        start_at_ms=start_at_ms if start_at_ms > now_ms else None,
        custom_status=call.status,
    )
    row.remember(call.run, created=True)
    enter(partition, row, call.started)
    return row


class Birth(Protocol):
    """What each call and letter says that begins an instance."""

    @property
    def run(self) -> str: ...
    @property
    def workflow(self) -> str: ...
    @property
    def queue(self) -> str: ...
    @property
    def attributes(self) -> Attributes: ...
    @property
    def priority(self) -> int: ...
    @property
    def lane(self) -> str: ...


def new_row(partition: Partition, birth: Birth, before: Row | None, *, instance: str, **more: Any) -> Row:
    """An instance that has not begun. A late repeat of what was asked of the one that had its id must not reach it."""
    row = Row(
        instance=instance,
        run=birth.run,
        first_run=birth.run,
        workflow=birth.workflow,
        queue=birth.queue,
        status="pending",
        order=partition.rows.next_order(),
        created_at_ms=partition.now_ms,
        attributes=dict(birth.attributes),
        priority=birth.priority,
        lane=birth.lane,
        **{"custom_status": b"", **more},
    )
    if before is not None:
        row.requests = before.requests
        row.remember(before.first_run, created=True)
    return row


def enter(partition: Partition, row: Row, started: bytes) -> None:
    """List a new instance, and let it begin now or at its time."""
    partition.rows.add(row)
    partition.changed.add(row.instance)
    row.inbox = [stored(partition.now_ms, "r", started)]
    if row.start_at_ms is None:
        begin(partition, row)
        return
    partition.tell(row, "pending")
    _wake_for(partition, row, row.start_at_ms)
    partition.agenda.put(Item("start", row.instance, row.run), row.start_at_ms)


def begin(partition: Partition, row: Row, trigger: str = "begin") -> None:
    """Let an instance run that never did: its first event is of now, whenever it was asked for."""
    row.inbox[0] = stored(partition.now_ms, RUN_SCOPE, split_stored(row.inbox[0])[2])
    partition.agenda.drop(Item("start", row.instance, row.run))
    row.begun = True
    set_deadline(partition, row, partition.now_ms)
    partition.move(row, trigger)
    partition.tell(row, "started")
    queue_task(partition, row)


def _wake_for(partition: Partition, row: Row, at_ms: int) -> None:
    """Wake a worker that sleeps until a later time than this: one entry of a stream is enough for all."""
    next_ms = partition.agenda.next_ms()
    stream = workflows_of(row.queue)
    if (next_ms is None or at_ms < next_ms) and not partition.streams.queued.get(stream):
        partition.streams.put(stream, Ticket(kind="wake"), partition.now_ms)


def _signal_too(partition: Partition, row: Row, call: Start) -> None:
    """Deliver the signal of a signal-with-start, once."""
    if not call.signal or (call.signal_request and call.signal_request in row.requests):
        return
    if call.signal_request:
        row.remember(call.signal_request)
    add_news(partition, row, call.signal, "i")


def start_by_letter(partition: Partition, letter: StartLetter) -> None:
    """Start what a parent or a schedule asked for, or tell it why not. A repeat changes nothing."""
    existing = partition.rows.by_id.get(letter.to)
    if existing is not None and letter.order is not None and existing.first_run == letter.run:
        if existing.status in CLOSED:
            tell_schedule(partition, existing, letter.order)
        return
    if existing is not None and existing.status not in CLOSED:
        _refuse(partition, letter, existing.status)
        return
    if existing is not None:
        replace(partition, existing)
    row = new_row(
        partition,
        letter,
        existing,
        instance=letter.to,
        retention_ms=letter.retention_ms,
        timeout_ms=letter.timeout_ms,
        parent=letter.parent,
        order_of=letter.order,
    )
    enter(partition, row, letter.body)
    if letter.parent is not None and letter.tell_start:
        body = encode(ChildStarted(id=letter.parent.command, run=row.run))
        _tell_parent(partition, letter, letter.parent, body, ended=False)


def _refuse(partition: Partition, letter: StartLetter, status: str) -> None:
    """The id is in use."""
    if letter.parent is not None:
        failure = encoded_failure(
            "rqflow.errors.InstanceExists", f"instance {letter.to!r} exists already and is {status}", "error"
        )
        body = encode(ChildFailed(id=letter.parent.command, payload=failure))
        _tell_parent(partition, letter, letter.parent, body, ended=True)
    else:
        order = letter.order
        assert order is not None  # either a parent or a schedule has asked
        partition.post(EndLetter(to=order.schedule, generation=order.generation, run=letter.run, status="refused"))


def _tell_parent(partition: Partition, letter: StartLetter, parent: ParentLink, body: bytes, *, ended: bool) -> None:
    partition.post(
        AnswerLetter(to=parent.instance, run=parent.run, id=parent.command, last=ended, child=letter.run, body=body)
    )
