"""Following: a run driven by hand: news in, decisions out, and what became of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import orjson

from rqflow.authoring.workflows import Workflow
from rqflow.core import events
from rqflow.core.commands import Command, Decision, ScheduleActivity, record_of
from rqflow.core.events import Event, Stamped
from rqflow.core.executor import Executor
from rqflow.core.wire import decode_failure

C = TypeVar("C")


class Following:
    """One run of a workflow; each call is a turn."""

    def __init__(self, workflow: Workflow[..., Any], *args: Any, **kwargs: Any) -> None:
        self.workflow = workflow
        self.executor = Executor(workflow)
        self.commands: list[Command] = []
        self.decision = Decision()
        self.warnings: list[str] = []
        self.history: list[Stamped] = []
        self._clock = 1_700_000_000_000
        self._done: set[int] = set()
        self.tell(
            events.WorkflowStarted(
                workflow=workflow.name,
                instance="i-1",
                run="run-1",
                queue="default",
                payload=workflow.encode_call(args, kwargs),
            )
        )

    def tell(self, *news: Event, after_ms: int = 1) -> Decision:
        """A turn with this news."""
        self._clock += after_ms
        stamped = [Stamped(at_ms=self._clock, event=event) for event in news]
        self.decision = self.executor.advance(stamped)
        self.history += stamped
        self.history += [Stamped(at_ms=self._clock, event=record_of(one)) for one in self.decision.commands]
        self.commands += self.decision.commands
        self.warnings += self.decision.warnings
        return self.decision

    def signal(self, name: str, value: Any = None) -> Decision:
        """A turn with a signal."""
        return self.tell(events.SignalReceived(name=name, payload=orjson.dumps(value)))

    def complete(self, name: str, value: Any = None) -> Decision:
        """A turn in which the first activity of this name that is asked for returns."""
        asked = next(one for one in self.all_of(ScheduleActivity) if one.name == name and one.id not in self._done)
        self._done.add(asked.id)
        return self.tell(events.ActivityCompleted(id=asked.id, payload=orjson.dumps(value)))

    def asked(self) -> list[str]:
        """The names of the activities asked for so far."""
        return [one.name for one in self.all_of(ScheduleActivity)]

    def all_of(self, kind: type[C]) -> Sequence[C]:
        """The commands of a kind so far."""
        return [one for one in self.commands if isinstance(one, kind)]

    @property
    def result(self) -> Any:
        """What the workflow returned."""
        close = self.decision.close
        assert isinstance(close, events.WorkflowCompleted), (close, self.failure)
        return self.workflow.decode_result(close.payload)

    @property
    def failure(self) -> str:
        """Type and message of what the workflow raised, empty if it did not."""
        close = self.decision.close
        if not isinstance(close, events.WorkflowFailed):
            return ""
        failure = decode_failure(close.payload)
        return f"{failure.type}: {failure.message}"
