"""Rows: what a partition remembers of an instance, of its histories, and of what a run waits for."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from rqflow.backend.calls.instances import Answer
from rqflow.backend.memory.letters import Order
from rqflow.core.events import ParentLink, Payload
from rqflow.core.options import AttributeValue, ParentClosePolicy

REMEMBERED_REQUESTS: Final = 1_000
"""Request ids that an instance remembers, to know a repeat."""
REMEMBERED_ANSWERS: Final = 1_000
"""Answers to updates that an instance keeps."""

TaskState: TypeAlias = Literal["", "queued", "leased", "waiting"]
ActivityState: TypeAlias = Literal["queued", "leased", "backoff"]


@dataclass(slots=True, kw_only=True)
class WaitingActivity:
    """An activity that has not ended."""

    name: str
    queue: str
    payload: Payload
    options: bytes
    schedule_to_start_ms: int | None
    scheduled_at_ms: int
    state: ActivityState = "queued"
    token: str = ""
    attempt: int = 1
    losses: int = 0
    due_at_ms: int | None = None
    """When the next attempt begins, while it backs off."""
    last_failure: Payload = b""
    details: Payload = b""
    unknown: bool = False
    """A worker gave it back because it does not know the name."""


@dataclass(slots=True, kw_only=True)
class WaitingTimer:
    """A timer that has not fired."""

    fires_at_ms: int


@dataclass(slots=True, kw_only=True)
class WaitingChild:
    """A child whose end this run awaits."""

    instance: str


@dataclass(slots=True, kw_only=True)
class WaitingDelivery:
    """A signal or a cancel request whose arrival has not been told."""

    instance: str


Waiting: TypeAlias = WaitingActivity | WaitingTimer | WaitingChild | WaitingDelivery


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenChild:
    """A child that has not ended. It may outlive the run that started it, by continue-as-new."""

    instance: str
    parent_close: ParentClosePolicy


@dataclass(slots=True)
class History:
    """A run's stored events, oldest first."""

    events: list[bytes] = field(default_factory=list)
    size: int = 0

    def append(self, event: bytes) -> None:
        self.events.append(event)
        self.size += len(event)


@dataclass(slots=True, kw_only=True)
class Row:
    """An instance, with its current run."""

    instance: str
    run: str
    first_run: str
    """By which its parent knows it, whatever runs follow."""
    workflow: str
    queue: str
    status: str
    order: int
    created_at_ms: int
    retention_ms: int
    attributes: dict[str, AttributeValue]
    custom_status: Payload
    priority: int
    lane: str
    timeout_ms: int | None
    parent: ParentLink | None = None
    order_of: Order | None = None
    """The schedule that started it."""
    start_at_ms: int | None = None
    begun: bool = False
    """Its first run has been let go: it is pending no more, though it may be suspended."""
    deadline_ms: int | None = None
    closed_at_ms: int | None = None
    reason: str = ""
    cancel_requested: bool = False
    runs: int = 1
    result: Payload = b""

    history: History = field(default_factory=History)
    inbox: list[bytes] = field(default_factory=list)
    waiting: dict[int, Waiting] = field(default_factory=dict)
    """What the run waits for, by the number of its command."""
    children: dict[str, OpenChild] = field(default_factory=dict)
    """By their first runs."""
    answers: OrderedDict[str, Answer] = field(default_factory=OrderedDict)
    """Of updates."""
    requests: OrderedDict[str, bool] = field(default_factory=OrderedDict)
    """Request ids that were carried out; for a start, whether it created a run."""

    task: TaskState = ""
    token: str = ""
    """Of the task, if it is queued or leased: the fence."""
    losses: int = 0
    """How often the turn at hand was lost with its worker."""
    trial: str = ""
    """The token under which a turn that was lost before was begun again."""
    unknown: bool = False
    """A worker gave the task back because it does not know the workflow."""
    sticky: str = ""
    """The worker that keeps the executor."""
    build: str = ""
    stalled_build: str = ""

    def remember(self, request: str, created: bool = False) -> None:
        """Know `request` again; the oldest of too many is forgotten."""
        self.requests[request] = created
        if len(self.requests) > REMEMBERED_REQUESTS:
            self.requests.popitem(last=False)

    def keep_answer(self, update: str, answer: Answer) -> None:
        """Keep an update's answer; the oldest of too many is forgotten."""
        self.answers[update] = answer
        if len(self.answers) > REMEMBERED_ANSWERS:
            self.answers.popitem(last=False)
