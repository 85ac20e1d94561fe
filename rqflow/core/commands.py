"""Commands: what workflow code asks for in one turn, and the decision that gathers them.

Each command carries what the store needs to carry it out; `record_of` gives what history keeps of it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TypeAlias, assert_never

from rqflow.core import events
from rqflow.core.events import Payload, Record
from rqflow.core.options import ActivityOptions, Attributes, ChildOptions
from rqflow.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleActivity:
    """Run an activity."""

    id: int
    name: str
    queue: str
    """Never empty: the option's queue, or the instance's own."""
    options: ActivityOptions
    payload: Payload = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelActivity:
    """Stop caring for an activity: its task is dropped, its worker told."""

    id: int
    target: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StartTimer:
    """Tell me when this much time has passed."""

    id: int
    delay: timedelta
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelTimer:
    """Never mind that timer."""

    id: int
    target: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StartChild:
    """Start another instance whose end is told to this run."""

    id: int
    workflow: str
    instance: str
    """Never empty: the option's id, or one derived from run and position."""
    run: str
    """The child's run, derived from this run and position: a repeated start is the same start."""
    queue: str
    options: ChildOptions
    tell_start: bool = False
    """Whether ChildStarted is wanted too."""
    headers: tuple[tuple[str, str], ...] = ()
    payload: Payload = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendSignal:
    """Signal another instance."""

    id: int
    instance: str
    name: str
    payload: Payload = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendCancel:
    """Ask another instance, or a child, to cancel."""

    id: int
    instance: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSideEffect:
    """Keep a value that was drawn outside."""

    id: int
    failed: bool = False
    """Drawing raised: `payload` is a Failure."""
    payload: Payload = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetStatus:
    """Show this as the instance's custom status."""

    id: int
    payload: Payload = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAttributes:
    """Change indexed attributes. `changes` is `payload` decoded: None removes."""

    id: int
    changes: Attributes
    removed: tuple[str, ...] = ()
    payload: Payload = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmitEvent:
    """Put an event on the hub's lifecycle stream, in the same commit."""

    id: int
    name: str
    payload: Payload = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerUpdate:
    """Answer an update."""

    id: int
    update: str
    accepted: bool
    payload: Payload = b""


Command: TypeAlias = (
    ScheduleActivity
    | CancelActivity
    | StartTimer
    | CancelTimer
    | StartChild
    | SendSignal
    | SendCancel
    | RecordSideEffect
    | SetStatus
    | SetAttributes
    | EmitEvent
    | AnswerUpdate
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Continue:
    """End this run and begin the next of the same instance."""

    started: events.WorkflowStarted
    """The first event of the next run (see `started_of_next_run`)."""
    carried: tuple[events.News, ...] = ()
    """Signals and updates that the code has not consumed, oldest first: the next run gets them before newer ones."""


Close: TypeAlias = events.WorkflowCompleted | events.WorkflowFailed | events.WorkflowCanceled | Continue


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """All that one turn produced. Empty: the run only waits."""

    commands: tuple[Command, ...] = ()
    again: tuple[Command, ...] = ()
    """Commands that the history tells of already, and that a rerun asks for once more: before the others."""
    close: Close | None = None
    warnings: tuple[str, ...] = ()
    """What a human should read: exceptions of forgotten tasks and the like. Not part of history."""


def record_of(command: Command) -> Record:
    """What history keeps of a command."""
    match command:
        case ScheduleActivity(id=id, name=name, queue=queue, options=options, payload=payload):
            return events.ActivityScheduled(id=id, name=name, queue=queue, local=bool(options.local), payload=payload)
        case CancelActivity(id=id, target=target):
            return events.ActivityCancelRequested(id=id, target=target)
        case StartTimer(id=id, delay=delay, name=name):
            return events.TimerStarted(id=id, delay_ms=delay // timedelta(milliseconds=1), name=name)
        case CancelTimer(id=id, target=target):
            return events.TimerCanceled(id=id, target=target)
        case StartChild(id=id, workflow=workflow, instance=instance, payload=payload):
            return events.ChildScheduled(id=id, workflow=workflow, instance=instance, payload=payload)
        case SendSignal(id=id, instance=instance, name=name, payload=payload):
            return events.SignalSent(id=id, instance=instance, name=name, payload=payload)
        case SendCancel(id=id, instance=instance, reason=reason):
            return events.CancelSent(id=id, instance=instance, reason=reason)
        case RecordSideEffect(id=id, failed=failed, payload=payload):
            return events.SideEffectRecorded(id=id, failed=failed, payload=payload)
        case SetStatus(id=id, payload=payload):
            return events.StatusSet(id=id, payload=payload)
        case SetAttributes(id=id, payload=payload):
            return events.AttributesSet(id=id, payload=payload)
        case EmitEvent(id=id, name=name, payload=payload):
            return events.EventEmitted(id=id, name=name, payload=payload)
        case AnswerUpdate(id=id, update=update, accepted=accepted, payload=payload):
            return events.UpdateAnswered(id=id, update=update, accepted=accepted, payload=payload)
        case _:
            assert_never(command)


def started_of_child(command: StartChild, parent: events.ParentLink) -> events.WorkflowStarted:
    """The first event of the child that `command` asks for."""
    timeout = command.options.timeout
    return events.WorkflowStarted(
        workflow=command.workflow,
        instance=command.instance,
        run=command.run,
        queue=command.queue,
        parent=parent,
        timeout_ms=None if timeout is None else timeout // timedelta(milliseconds=1),
        headers=command.headers,
        payload=command.payload,
    )


def started_of_next_run(
    before: events.WorkflowStarted, *, run: str, workflow: str, payload: Payload
) -> events.WorkflowStarted:
    """The first event of the run that goes on after `before`."""
    return events.WorkflowStarted(
        workflow=workflow,
        instance=before.instance,
        run=run,
        queue=before.queue,
        parent=before.parent,
        continued_from=before.run,
        timeout_ms=before.timeout_ms,
        headers=before.headers,
        schedule=before.schedule,
        payload=payload,
    )
