"""Commands: how a commit carries out what workflow code asked for."""

from __future__ import annotations

from typing import assert_never

from rqflow.backend.calls.instances import Answer
from rqflow.backend.memory.activities import forget_activity, schedule_activity
from rqflow.backend.memory.agenda import Item
from rqflow.backend.memory.letters import NewsLetter, StartLetter
from rqflow.backend.memory.partition import Partition, span_ms
from rqflow.backend.memory.rows import OpenChild, Row, WaitingActivity, WaitingChild, WaitingDelivery, WaitingTimer
from rqflow.core.commands import (
    AnswerUpdate,
    CancelActivity,
    CancelTimer,
    Command,
    EmitEvent,
    RecordSideEffect,
    ScheduleActivity,
    SendCancel,
    SendSignal,
    SetAttributes,
    SetStatus,
    StartChild,
    StartTimer,
    started_of_child,
)
from rqflow.core.events import CancelRequested, ParentLink, SignalReceived
from rqflow.core.wire import encode


def carry_out(partition: Partition, row: Row, command: Command) -> None:
    """Do what one command asks for. Nothing here can fail: the commit has checked all before."""
    match command:
        case ScheduleActivity():
            schedule_activity(partition, row, command)
        case CancelActivity(target=target):
            activity = row.waiting.get(target)
            if isinstance(activity, WaitingActivity):
                del row.waiting[target]
                forget_activity(partition, row, target, activity)
        case StartTimer(id=id, delay=delay):
            at_ms = partition.now_ms + max(0, span_ms(delay))
            row.waiting[id] = WaitingTimer(fires_at_ms=at_ms)
            partition.agenda.put(Item("timer", row.instance, row.run, id), at_ms)
        case CancelTimer(target=target):
            if isinstance(row.waiting.get(target), WaitingTimer):
                del row.waiting[target]
                partition.agenda.drop(Item("timer", row.instance, row.run, target))
        case StartChild():
            _start_child(partition, row, command)
        case SendSignal() | SendCancel():
            _send(partition, row, command)
        case RecordSideEffect():
            """Its record is all there is to it."""
        case SetStatus(payload=payload):
            row.custom_status = payload
            partition.changed.add(row.instance)
        case SetAttributes(changes=changes, removed=removed):
            row.attributes = {name: value for name, value in row.attributes.items() if name not in removed}
            row.attributes.update(changes)
        case EmitEvent(name=name, payload=payload):
            partition.tell(row, "emitted", name=name, payload=payload)
        case AnswerUpdate(update=update, accepted=accepted, payload=payload):
            row.keep_answer(update, Answer(accepted=accepted, payload=payload))
            partition.changed.add(row.instance)
        case _:
            assert_never(command)


def _start_child(partition: Partition, row: Row, command: StartChild) -> None:
    options = command.options
    link = ParentLink(instance=row.instance, run=row.run, command=command.id)
    row.waiting[command.id] = WaitingChild(instance=command.instance)
    row.children[command.run] = OpenChild(instance=command.instance, parent_close=options.parent_close)
    partition.post(
        StartLetter(
            to=command.instance,
            run=command.run,
            workflow=command.workflow,
            queue=command.queue,
            parent=link,
            tell_start=command.tell_start,
            timeout_ms=None if options.timeout is None else span_ms(options.timeout),
            retention_ms=span_ms(options.retention or partition.hub.retention),
            attributes=dict(options.attributes),
            priority=options.priority,
            lane=options.lane,
            body=encode(started_of_child(command, link)),
        )
    )


def _send(partition: Partition, row: Row, command: SendSignal | SendCancel) -> None:
    """Send news to another instance, or to this one; whether they arrived is told as news."""
    row.waiting[command.id] = WaitingDelivery(instance=command.instance)
    if isinstance(command, SendSignal):
        body = encode(SignalReceived(name=command.name, payload=command.payload))
    else:
        body = encode(CancelRequested(reason=command.reason))
    partition.post(
        NewsLetter(
            to=command.instance,
            cancel=isinstance(command, SendCancel),
            sender=ParentLink(instance=row.instance, run=row.run, command=command.id),
            body=body,
        )
    )
