"""State: what a schedule remembers: where it stands, what runs, what waits, what it counted. Times are ms, in UTC."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from rqflow.converters.convert import DEFAULT
from rqflow.schedules.policy import Overlap

Kind: TypeAlias = Literal["slot", "trigger", "backfill"]
Outcome: TypeAlias = Literal[
    "started", "waiting", "skipped", "missed",
    "completed", "failed", "canceled", "timed_out", "terminated", "refused", "lost",
]  # fmt: skip
MAX_RECENT: Final = 20
MAX_BACKFILLS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """An instance that was started and has not ended."""

    instance: str
    run: str
    slot_ms: int
    kind: Kind = "slot"
    backfill: str = ""
    """Its id, if one started this."""
    stopping: bool = False
    """It was asked to end, because another slot came."""
    checked_ms: int | None = None
    """When it was asked after, or before that first seen to run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A start that waits until what is open has ended."""

    slot_ms: int
    kind: Kind = "slot"


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """Slots of the past that are run now, so many at a time, beside the schedule."""

    id: str
    start_ms: int
    end_ms: int
    """Both included."""
    limit: int
    """Runs at once."""
    cursor_ms: int
    """Slots up to here have been started."""
    started: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """A start that somebody asked for, and no scheduler has seen yet."""

    slot_ms: int
    """When it was asked for; no two of a schedule are the same."""
    overlap: Overlap


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """What became of a slot, for humans."""

    slot_ms: int
    kind: Kind
    outcome: Outcome
    instance: str = ""
    count: int = 1
    """Of slots missed together: `slot_ms` is the last one's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Since the schedule was created."""

    slots: int = 0
    """Started for a slot in its time."""
    triggers: int = 0
    backfills: int = 0
    skipped: int = 0
    """Left out because something was open, or too much waited or ran."""
    missed: int = 0
    """Older than the catch-up window when a scheduler came."""
    completed: int = 0
    failed: int = 0
    """Failed or timed out."""
    other_ends: int = 0
    """Canceled, terminated or lost."""
    refused: int = 0
    """Not started: the instance id was in use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleState:
    """All that changes of a schedule."""

    cursor_ms: int
    """Slots up to here are dealt with."""
    next_ms: int | None = None
    """The next slot, None: there is none (any more), or nobody has looked. Whoever changes the timetable clears it."""
    fires_ms: int | None = None
    """When that one fires: with its jitter."""
    paused: bool = False
    reason: str = ""
    """Why it is paused, or was resumed."""
    failures: int = 0
    """In a row."""
    last_success_ms: int | None = None
    """The latest slot whose run completed."""
    counts: Counts = field(default_factory=Counts)
    running: tuple[Running, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    """In order; at most the policy's limit."""
    triggers: tuple[Trigger, ...] = ()
    backfills: tuple[Backfill, ...] = ()
    recent: tuple[Recent, ...] = ()
    """Newest last; the last 20."""


def encode_state(state: ScheduleState) -> bytes:
    """As JSON."""
    return DEFAULT.encode(state, ScheduleState, where="state of a schedule")


def decode_state(payload: bytes) -> ScheduleState:
    """Out of its JSON. Raises BadValue."""
    state: ScheduleState = DEFAULT.decode(payload, ScheduleState, where="state of a schedule")
    return state
