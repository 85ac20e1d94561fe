"""Run: what code inside a workflow may ask of the run it belongs to, and how it finds it.

The protocol is what authoring/ builds its words on; the executor is what stands behind it. Values are payloads here:
typing and converting them is authoring's part.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any, NoReturn, Protocol, runtime_checkable

from rqflow.converters.json import load_json
from rqflow.core.events import ParentLink, Payload
from rqflow.core.options import ActivityOptions, Attributes, ChildOptions
from rqflow.errors import NotInWorkflow


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleInfo:
    """Why a run was started, if a schedule did it."""

    id: str
    """Of the schedule."""
    slot: datetime
    """The time that it was started for, UTC: whenever it was really started. Of a trigger, when that was asked for."""
    last_success: datetime | None
    """The latest slot whose run had completed when this one was started, None: none has yet."""
    last_payload: Payload | None
    """What that run returned, encoded, if the schedule keeps results (`keep_result`)."""

    @property
    def last_result(self) -> Any:
        """What that run returned, as plain JSON values; None if there was none, or results are not kept."""
        return None if not self.last_payload else load_json(self.last_payload)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """What a run knows of itself; the same at every replay."""

    workflow: str
    instance: str
    run: str
    queue: str
    started_at: datetime
    parent: ParentLink | None
    continued_from: str | None
    deadline: datetime | None
    history_length: int
    """Events applied so far."""
    continue_suggested: bool
    """The history has grown past the soft limit: a good place to continue as new."""
    schedule: ScheduleInfo | None = None
    """The schedule and the slot that it was started for; also after continue-as-new."""


class WorkflowDefinition(Protocol):
    """A workflow that an executor can run, however it was written."""

    @property
    def name(self) -> str:
        """The name it is started by."""
        ...

    def begin(self, payload: Payload) -> Coroutine[Any, Any, Payload]:
        """The run's main coroutine, for these arguments. Raises BadValue where they do not fit."""
        ...


@dataclass(frozen=True, slots=True)
class ChildFutures:
    """The two moments of a child that a parent can await."""

    instance: str
    started: asyncio.Future[str]
    """Its run, once it exists. Resolved only if asked for."""
    ended: asyncio.Future[Payload]
    """Its result. Fails with ChildFailed."""


@runtime_checkable
class Run(Protocol):
    """One run, seen from inside."""

    @property
    def info(self) -> RunInfo: ...

    @property
    def replaying(self) -> bool:
        """True while events that an earlier turn has seen are applied again: loggers are silent then."""
        ...

    @property
    def random(self) -> Random:
        """The run's own generator, seeded by its run id."""
        ...

    def now(self) -> datetime:
        """When the event being applied was taken in: the same at every replay. UTC."""
        ...

    def call_activity(self, name: str, payload: Payload, options: ActivityOptions) -> asyncio.Future[Payload]: ...

    def start_child(
        self, workflow: str, payload: Payload, options: ChildOptions, *, tell_start: bool
    ) -> ChildFutures: ...

    def send_signal(self, instance: str, name: str, payload: Payload) -> asyncio.Future[None]: ...

    def send_cancel(self, instance: str, reason: str) -> asyncio.Future[None]: ...

    def sleep(self, seconds: float, name: str) -> asyncio.Future[None]:
        """A durable timer with a name that history shows."""
        ...

    def receive(self, name: str) -> asyncio.Future[Payload]:
        """The next signal of this name that nobody has taken: buffered ones first, in order."""
        ...

    def on_signal(self, name: str, handler: Callable[[Payload], Awaitable[None] | None]) -> None:
        """Hand every signal of this name to `handler`, buffered ones at once, in order."""
        ...

    def on_query(self, name: str, handler: Callable[[Payload], Payload]) -> None: ...

    def on_update(
        self,
        name: str,
        handler: Callable[[Payload], Awaitable[Payload]],
        validator: Callable[[Payload], None] | None,
    ) -> None: ...

    def wait_until(self, predicate: Callable[[], bool]) -> asyncio.Future[None]:
        """Done as soon as `predicate()` is true at the end of a step."""
        ...

    def side_effect(self, produce: Callable[[], Payload]) -> Payload:
        """`produce()` once; replay returns what was recorded."""
        ...

    def set_status(self, payload: Payload) -> None: ...

    def set_attributes(self, changes: Attributes, removed: tuple[str, ...]) -> None: ...

    def emit(self, name: str, payload: Payload) -> None: ...

    def continue_as_new(self, workflow: str | None, payload: Payload) -> NoReturn:
        """End the run here (raises a BaseException that user code must let pass)."""
        ...


def current() -> Run:
    """The run whose code is being stepped. Raises NotInWorkflow anywhere else."""
    loop = asyncio._get_running_loop()
    run = getattr(loop, "run_of_loop", None)
    if run is None:
        raise NotInWorkflow("this works only inside a running workflow function; outside, use a Client")
    found: Run = run
    return found
