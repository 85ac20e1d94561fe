"""Receiving: how letters between instances are delivered, from this partition and from others."""

from __future__ import annotations

from typing import Final, assert_never

from rqflow.backend.calls.schedules import ScheduledEnd
from rqflow.backend.calls.tasks import DropOutbox, Message, ReadOutbox, Receive
from rqflow.backend.memory.closing import tell_schedule, terminate
from rqflow.backend.memory.failures import encoded_failure
from rqflow.backend.memory.letters import (
    AnswerLetter,
    CheckLetter,
    EndLetter,
    Letter,
    NewsLetter,
    StartLetter,
    TerminateLetter,
    read_letter,
)
from rqflow.backend.memory.news import add_news
from rqflow.backend.memory.partition import Partition
from rqflow.backend.memory.starting import start_by_letter
from rqflow.backend.memory.steering import put_news
from rqflow.core.events import ParentLink, SignalDelivered, SignalFailed
from rqflow.core.states import CLOSED
from rqflow.core.wire import encode

ENDS_KEPT: Final = 1_000
"""Ends that wait for a schedule to look at them."""


def deliver_letter(partition: Partition, letter: Letter) -> None:
    """Do what a letter says; one that comes too late changes nothing."""
    match letter:
        case StartLetter():
            start_by_letter(partition, letter)
        case AnswerLetter():
            _take_answer(partition, letter)
        case NewsLetter():
            _take_news(partition, letter)
        case TerminateLetter():
            row = partition.rows.by_id.get(letter.to)
            if row is not None and row.status not in CLOSED and row.first_run == letter.first_run:
                terminate(partition, row, reason=letter.reason, recursive=letter.recursive)
        case EndLetter():
            _take_end(partition, letter)
        case CheckLetter():
            _look_after(partition, letter)
        case _:
            assert_never(letter)


def _take_answer(partition: Partition, letter: AnswerLetter) -> None:
    """News of a command, as long as its run still waits for them."""
    row = partition.rows.by_id.get(letter.to)
    if row is None:
        return
    if letter.last:
        row.children.pop(letter.child, None)
    if row.run != letter.run or letter.id not in row.waiting:
        return
    if letter.last:
        del row.waiting[letter.id]
    add_news(partition, row, letter.body, "r")


def _take_news(partition: Partition, letter: NewsLetter) -> None:
    row = partition.rows.by_id.get(letter.to)
    found = row is not None and row.status not in CLOSED and letter.first_run in ("", row.first_run)
    if row is not None and found:
        put_news(partition, row, letter.body, cancel=letter.cancel)
    if letter.sender is not None:
        _answer(partition, letter.sender, letter.to, found=found)


def _answer(partition: Partition, sender: ParentLink, to: str, *, found: bool) -> None:
    """Tell whoever sent news whether they arrived."""
    id = sender.command
    if found:
        body = encode(SignalDelivered(id=id))
    else:
        failure = encoded_failure("rqflow.errors.InstanceNotFound", f"no open instance {to!r}", "not_found")
        body = encode(SignalFailed(id=id, payload=failure))
    partition.post(AnswerLetter(to=sender.instance, run=sender.run, id=id, last=True, body=body))


def _take_end(partition: Partition, letter: EndLetter) -> None:
    """Let a schedule know, if it is still the one that started this: then it is due at once."""
    found = partition.schedules.by_id.get(letter.to)
    if found is None or found.generation != letter.generation:
        return
    end = ScheduledEnd(run=letter.run, status=letter.status, at_ms=partition.now_ms, result=letter.body)
    found.ends = [*found.ends, end][-ENDS_KEPT:]
    if not found.broken:
        known_ms = partition.schedules.due.get(found.id, partition.now_ms)
        partition.schedules.set_due(found.id, min(known_ms, partition.now_ms))


def _look_after(partition: Partition, letter: CheckLetter) -> None:
    """Tell a schedule what it may not have heard of an instance that it started."""
    row = partition.rows.by_id.get(letter.to)
    if row is None or row.first_run != letter.run or row.order_of is None:
        end = EndLetter(to=letter.schedule, generation=letter.generation, run=letter.run, status="lost")
        partition.post(end)
    elif row.status in CLOSED:
        tell_schedule(partition, row, row.order_of)


def deliver_own_letters(partition: Partition) -> None:
    """Deliver what this call has sent to instances of its own partition, and what those send in turn."""
    while partition.own_letters:
        deliver_letter(partition, partition.own_letters.popleft())


def read_outbox(partition: Partition, call: ReadOutbox) -> tuple[Message, ...]:
    """The oldest letters to other partitions."""
    oldest = list(partition.outbox.items())[: call.limit]
    return tuple(Message(id=str(number), to=to, body=body) for number, (to, body) in oldest)


def receive(partition: Partition, call: Receive) -> int:
    """Deliver letters of another partition in order, each once, however often it is sent."""
    new = 0
    for message in call.messages:
        number = int(message.id)
        if number <= partition.received.get(call.source, 0):
            continue
        partition.received[call.source] = number
        deliver_letter(partition, read_letter(message.body))
        deliver_own_letters(partition)
        new += 1
    return new


def drop_outbox(partition: Partition, call: DropOutbox) -> None:
    """Forget letters that have arrived."""
    for id in call.ids:
        partition.outbox.pop(int(id), None)
