"""Options: how an activity is retried and timed, and how a child or an instance is started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

ConflictPolicy = Literal["fail", "use_existing", "terminate_existing"]
"""What a start does when an unfinished instance has the id."""
ReusePolicy = Literal["allow", "allow_failed", "reject"]
"""What a start does when an ended instance has the id; allow_failed: unless it completed."""
ParentClosePolicy = Literal["abandon", "cancel", "terminate"]
"""What becomes of an open child when its parent ends."""

Local = bool | Literal["durable"]
"""Whether an activity runs inside the workflow worker's turn; durable: nothing that follows from its result is begun
before the result is committed."""

AttributeValue = str | int | float | bool
Attributes = Mapping[str, AttributeValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """When a failed activity is tried again. The store keeps count; history does not grow."""

    max_attempts: int | None = 3
    """Tries in all, the first included; None: no limit but total_time."""
    initial: timedelta = timedelta(seconds=1)
    """Wait before the second try."""
    coefficient: float = 2.0
    """Each further wait is this many times the one before."""
    max_interval: timedelta = timedelta(minutes=1)
    """No wait is longer than this."""
    jitter: float = 0.1
    """A share of the wait, 0 to 1, that is drawn at random around it, so that many do not come back at once."""
    total_time: timedelta | None = None
    """No try starts later than this after the first was scheduled."""
    non_retryable: tuple[str, ...] = ()
    """Exception types, by name or qualified name (a base class counts), after which no try is made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityOptions:
    """How one activity call is run."""

    queue: str | None = None
    """Queue of the activity task; None: the instance's own."""
    retry: Retry | None = None
    """None: one attempt (a lost worker is still made good, a bounded number of times)."""
    timeout: timedelta | None = None
    """Start to close: how long one attempt may run."""
    schedule_to_start: timedelta | None = None
    """How long it may wait in its queue."""
    schedule_to_close: timedelta | None = None
    """How long all attempts and waits together may take."""
    heartbeat: timedelta | None = None
    """The longest silence of a running attempt that calls activity.heartbeat()."""
    priority: int = 0
    """Carried with the task; higher is sooner where a queue honours it."""
    lane: str = ""
    """Carried with the task; work of one lane runs in order where a queue honours it."""
    local: Local = False
    """True: run it in the workflow worker's turn: recorded, no queue hop; results are committed together. "durable":
    so too, and each result is committed before the workflow goes on from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildOptions:
    """How a child instance is started."""

    id: str | None = None
    """The child's id; None: derived from the parent's run and the command's position."""
    queue: str | None = None
    """Queue of its workflow tasks; None: the parent's."""
    parent_close: ParentClosePolicy = "terminate"
    """What becomes of it when the parent ends first."""
    timeout: timedelta | None = None
    """The run's deadline, counted from its start."""
    attributes: Attributes = field(default_factory=dict)
    """Indexed values to list it by."""
    retention: timedelta | None = None
    """How long it is kept after its end; None: the hub's."""
    priority: int = 0
    lane: str = ""
