"""Committing: one turn's decision as the arguments of one script."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, assert_never

from rqflow.backend.calls.call import Call
from rqflow.backend.calls.checks import check_attributes, check_payloads
from rqflow.backend.calls.tasks import Commit, Committed
from rqflow.backend.protocol import partition_of
from rqflow.backend.redis.commands import Command, Place, Translator
from rqflow.backend.redis.rows import answer_value
from rqflow.backend.redis.scripts import Argument
from rqflow.backend.redis.times import span_ms, span_ms_or
from rqflow.converters.json import dump_json
from rqflow.core import commands as asked
from rqflow.core import events
from rqflow.core.wire import encode, encode_options

_Row = tuple[Argument, ...]


@dataclass(slots=True)
class _Orders:
    """The commands of a turn, sorted as the script takes them."""

    place: Place
    instance: str
    run: str
    activities: list[_Row] = field(default_factory=list)
    cancel_activities: list[int] = field(default_factory=list)
    timers: list[_Row] = field(default_factory=list)
    cancel_timers: list[int] = field(default_factory=list)
    children: list[_Row] = field(default_factory=list)
    sends: list[_Row] = field(default_factory=list)
    custom: list[bytes] = field(default_factory=list)
    changed: dict[str, bytes] = field(default_factory=dict)
    removed: dict[str, None] = field(default_factory=dict)
    emitted: list[_Row] = field(default_factory=list)
    answers: list[_Row] = field(default_factory=list)

    def add(self, command: asked.Command) -> None:
        """Sort one command in. Raises PayloadTooLarge, LimitReached for what no store would keep."""
        match command:
            case asked.ScheduleActivity():
                self._activity(command)
            case asked.CancelActivity(target=target):
                self.cancel_activities.append(target)
            case asked.StartTimer(id=id, delay=delay):
                self.timers.append((id, span_ms(delay)))
            case asked.CancelTimer(target=target):
                self.cancel_timers.append(target)
            case asked.StartChild():
                self._child(command)
            case asked.SendSignal(id=id, instance=to, name=name, payload=payload):
                self._send(id, to, events.SignalReceived(name=name, payload=payload), cancel=0)
            case asked.SendCancel(id=id, instance=to, reason=reason):
                self._send(id, to, events.CancelRequested(reason=reason), cancel=1)
            case asked.RecordSideEffect():
                pass  # its record is all there is to it
            case asked.SetStatus(payload=payload):
                self.custom = [payload]
            case asked.SetAttributes(changes=changes, removed=removed):
                self._attributes(changes, removed)
            case asked.EmitEvent(name=name, payload=payload):
                self.emitted.append((name, payload))
            case asked.AnswerUpdate(update=update, accepted=accepted, payload=payload):
                self.answers.append((update, answer_value(accepted, payload)))
            case _:
                assert_never(command)
        payload = getattr(command, "payload", b"")
        check_payloads((payload,), self.place.limits)

    def _activity(self, command: asked.ScheduleActivity) -> None:
        options = command.options
        self.activities.append(
            (
                command.id,
                command.name,
                command.queue,
                command.payload,
                encode_options(options),
                span_ms_or(options.schedule_to_start, -1),
                span_ms_or(options.schedule_to_close, -1),
                options.priority,
                options.lane,
            )
        )

    def _child(self, command: asked.StartChild) -> None:
        options = command.options
        link = events.ParentLink(instance=self.instance, run=self.run, command=command.id)
        check_attributes(options.attributes, self.place.limits)
        attributes = {name: dump_json(value).decode() for name, value in options.attributes.items()}
        self.children.append(
            (
                command.id,
                self._partition(command.instance),
                command.instance,
                command.run,
                command.workflow,
                command.queue,
                encode(asked.started_of_child(command, link)),
                options.parent_close,
                "" if options.timeout is None else span_ms(options.timeout),
                span_ms(options.retention or self.place.hub.retention),
                dump_json(attributes),
                options.priority,
                options.lane,
                int(command.tell_start),
            )
        )

    def _send(self, id: int, to: str, event: events.SignalReceived | events.CancelRequested, *, cancel: int) -> None:
        self.sends.append((id, self._partition(to), to, encode(event), cancel))

    def _attributes(self, changes: Mapping[str, Any], removed: tuple[str, ...]) -> None:
        check_attributes(changes, self.place.limits)
        for name in removed:
            self.changed.pop(name, None)
            self.removed[name] = None
        for name, value in changes.items():
            self.removed.pop(name, None)
            self.changed[name] = dump_json(value)

    def _partition(self, instance: str) -> int:
        return partition_of(instance, self.place.hub.partitions)


_CLOSES: Final = {
    events.WorkflowCompleted: "completed",
    events.WorkflowFailed: "failed",
    events.WorkflowCanceled: "canceled",
}


def commit(call: Commit, place: Place) -> Command[Committed]:
    """Make a turn durable. Raises PayloadTooLarge, LimitReached."""
    orders = _Orders(place, call.instance, call.run)
    for command in call.commands:
        orders.add(command)
    close, result = "keep" if call.keep else "", b""
    next_run: list[_Row] = []
    carried: list[bytes] = []
    if isinstance(call.close, asked.Continue):
        started = call.close.started
        timeout_ms = "" if started.timeout_ms is None else started.timeout_ms
        close = "continue"
        next_run = [(started.run, started.workflow, started.queue, timeout_ms, encode(started))]
        carried = [encode(event) for event in call.close.carried]
    elif call.close is not None:
        close, result = _CLOSES[type(call.close)], call.close.payload
        check_payloads((result,), place.limits)
    limits = place.limits
    return place.command(
        call,
        "commit",
        _committed,
        instance=call.instance,
        run=call.run,
        token=call.token,
        expected_length=call.expected_length,
        consumed=call.consumed,
        records=call.records,
        close=close,
        result=result,
        sticky=call.worker if call.sticky else "",
        build=call.build,
        activities=orders.activities,
        cancel_activities=orders.cancel_activities,
        timers=orders.timers,
        cancel_timers=orders.cancel_timers,
        children=orders.children,
        sends=orders.sends,
        custom=orders.custom,
        attributes=list(orders.changed.items()),
        removed=list(orders.removed),
        emitted=orders.emitted,
        answers=orders.answers,
        next_run=next_run,
        carried=carried,
        limits=[(limits.outstanding, limits.attributes, limits.history_events, limits.history_bytes, limits.children)],
    )


def _committed(reply: Any) -> Committed:
    closed, more, outbox, *kept = reply
    return Committed(
        closed=closed == 1, more=more == 1, outbox=outbox, kept=bool(kept), inbox=tuple(kept[0]) if kept else ()
    )


TRANSLATORS: Final[Mapping[type[Call[Any]], Translator]] = {Commit: commit}
