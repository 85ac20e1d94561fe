"""Stage: a run played without a store: news go in, decisions come out, and the history is kept beside."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from rqflow.core import events
from rqflow.core.commands import (
    CancelActivity,
    CancelTimer,
    Command,
    Continue,
    Decision,
    ScheduleActivity,
    SendCancel,
    SendSignal,
    StartChild,
    StartTimer,
    record_of,
)
from rqflow.core.events import Event, Payload, Stamped, WorkflowStarted
from rqflow.core.executor import Executor
from rqflow.core.failure import Failure
from rqflow.core.options import ActivityOptions, ChildOptions
from rqflow.core.run import Run, current
from rqflow.core.wire import encode_failure

Main = Callable[[Payload], Coroutine[Any, Any, Payload]]

START_MS = 1_700_000_000_000
FAILURE = encode_failure(Failure(type="shop.OutOfStock", message="none left"))

ENDS_OF_COMMANDS = (
    events.ActivityCompleted,
    events.ActivityFailed,
    events.TimerFired,
    events.ChildCompleted,
    events.ChildFailed,
    events.SignalDelivered,
    events.SignalFailed,
)


class Definition:
    """A workflow from a bare coroutine function; what authoring/ does with types is not needed here."""

    def __init__(self, main: Main) -> None:
        self.name = getattr(main, "__name__", "main")
        self.begin = main


def stamp(event: Event, at_ms: int = 0) -> Stamped:
    """The event, so many milliseconds after the start."""
    return Stamped(at_ms=START_MS + at_ms, event=event)


def started(name: str = "main", **fields: Any) -> WorkflowStarted:
    """The first event of a run."""
    given: dict[str, Any] = {"workflow": name, "instance": "order-1", "run": "run-1", "queue": "default", **fields}
    return WorkflowStarted(**given)


def call(name: str = "work", payload: Payload = b"", **options: Any) -> Any:
    """Call an activity in the current run."""
    return current().call_activity(name, payload, ActivityOptions(**options))


def child(workflow: str = "kid", payload: Payload = b"", *, tell_start: bool = False, **options: Any) -> Any:
    """Start a child in the current run."""
    return current().start_child(workflow, payload, ChildOptions(**options), tell_start=tell_start)


def run() -> Run:
    """The current run."""
    return current()


class Stage:
    """One run, its executor and its history."""

    def __init__(
        self, main: Main, *, begin: bool = True, executor: dict[str, Any] | None = None, **fields: Any
    ) -> None:
        self.definition = Definition(main)
        self.executor = Executor(self.definition, **(executor or {}))
        self.history: list[Stamped] = []
        self.turns: list[tuple[list[Stamped], Decision]] = []
        self.clock = 0
        self.last = Decision()
        if begin:
            self.tell(started(self.definition.name, **fields))

    def tell(self, *news: Event, after_ms: int = 0) -> Decision:
        """One turn: these events happen, and what the code wants is committed."""
        self.clock += after_ms
        stamped = [stamp(event, self.clock) for event in news]
        self.last = self.executor.advance(stamped)
        self.turns.append((stamped, self.last))
        self.history += stamped
        self.history += [stamp(record_of(command), self.clock) for command in self.last.commands]
        if self.last.close is not None:
            self.history.append(stamp(end_event(self.last.close), self.clock))
        return self.last

    @property
    def result(self) -> Payload:
        """What the workflow returned."""
        assert isinstance(self.last.close, events.WorkflowCompleted), self.last
        return self.last.close.payload

    @property
    def warnings(self) -> list[str]:
        """What the last turn told humans."""
        return list(self.last.warnings)

    @property
    def commands(self) -> list[Command]:
        """All commands of all turns."""
        return [command for _, decision in self.turns for command in decision.commands]

    def replay(self) -> Executor:
        """A new executor that has followed the whole history; it must want nothing."""
        executor = Executor(self.definition)
        decision = executor.advance(self.history, replayed=len(self.history))
        assert decision == Decision()
        assert executor.length == self.executor.length == len(self.history)
        return executor


def end_event(close: Any) -> Event:
    """What the history keeps of a close."""
    if isinstance(close, Continue):
        next_run = close.started
        return events.WorkflowContinued(run=next_run.run, workflow=next_run.workflow, payload=next_run.payload)
    end: Event = close
    return end


def outstanding(commands: list[Command], told: list[Event]) -> dict[int, Command]:
    """The commands that a store would still tell the end of."""
    open_ones: dict[int, Command] = {
        command.id: command
        for command in commands
        if isinstance(command, ScheduleActivity | StartTimer | StartChild | SendSignal | SendCancel)
    }
    for command in commands:
        if isinstance(command, CancelActivity | CancelTimer):
            open_ones.pop(command.target, None)
    for event in told:
        if isinstance(event, ENDS_OF_COMMANDS):
            open_ones.pop(event.id, None)
    return open_ones
