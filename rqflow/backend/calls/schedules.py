"""Schedule calls: what clients and schedulers ask of a store about schedules.

A store knows nothing of cron, policies or pauses: `spec`, `args` and `state` are opaque to it (rqflow/schedules/ reads
and decides). Whoever changes a schedule reads its row, decides, and writes with the revision that it has read: the
first one wins, all others are told and read again. So there is no leader and no lease: a slot is claimed, its instance
started and the next slot written by one WriteSchedule, or nothing of it happens (P9).
"""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Final

from rqflow.backend.calls.call import Call
from rqflow.core.events import Payload
from rqflow.core.options import Attributes
from rqflow.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledEnd:
    """An instance that a schedule started has ended, or could not be started."""

    run: str
    """The run that it was started with."""
    status: str
    """completed, failed, canceled, timed_out, terminated; or refused: its id is in use; or lost: it is not there."""
    at_ms: int
    result: Payload = b""
    """What it returned, if it completed and the schedule keeps results."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRow:
    """A schedule as a store keeps it."""

    schedule: str
    generation: str
    """Request id of its creation: a schedule that is deleted and created again is another one."""
    revision: int
    """Counts its changes: what WriteSchedule must name."""
    spec: bytes
    args: Payload
    state: bytes
    result: Payload
    """Of the last success, if results are kept."""
    ends: tuple[ScheduledEnd, ...]
    """Ends that `state` does not know of yet, oldest first: at most 1,000, and about a megabyte of them."""
    broken: str
    """Why it cannot be read or fired, empty: it is sound."""
    due_ms: int | None
    """When a scheduler looks at it next; None: only when something happens to it."""
    created_ms: int
    now_ms: int
    """The store's time when this was read."""


_UNSURE: Final = (
    "look at the schedule before asking again, for a trigger would be another one; the next change of it that is "
    "confirmed confirms this one too"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateSchedule(Call[bool]):
    """Keep a new schedule. False: a repeat of the same request. Raises ScheduleExists, PayloadTooLarge."""

    promises: ClassVar[bool] = True
    if_unsure: ClassVar[str] = _UNSURE
    schedule: str
    generation: str
    spec: bytes
    args: Payload
    state: bytes
    due_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledStart:
    """An instance to be started for a slot, in whichever partition it lives."""

    instance: str
    run: str
    """The request id as well: derived from the schedule, its generation and the slot."""
    workflow: str
    queue: str
    started: bytes
    """The encoded WorkflowStarted event."""
    slot_ms: int
    keep_result: bool = False
    """Its result is told to the schedule."""
    timeout: timedelta | None = None
    retention: timedelta
    attributes: Attributes
    priority: int = 0
    lane: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledStop:
    """An instance of the schedule that is to end."""

    instance: str
    run: str
    """That it was started with; another instance of this id is left alone."""
    terminate: bool
    """False: it is asked to cancel."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledCheck:
    """An instance of the schedule of whose end nothing has been heard for long.

    If it has ended, that is told again; if it is not there, an end with status lost. The question goes the way of the
    start, behind it, and the answer that of the end: what is under way is never taken for lost."""

    instance: str
    run: str
    """That it was started with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Answer to WriteSchedule."""

    revision: int
    outbox: int
    """Messages that this left to be relayed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteSchedule(Call[Written]):
    """Change a schedule if nobody has since `revision`: all of this or nothing.

    Raises ScheduleNotFound, ScheduleChanged (another revision, or the store's time is not within the two bounds),
    PayloadTooLarge, LimitReached. A start whose id is in use is told as an end with status refused.
    """

    schedule: str
    generation: str
    revision: int
    state: bytes
    due_ms: int | None
    """When to look again; ends that came meanwhile make it due at once."""
    spec: bytes | None = None
    """None: as before. Given, the schedule is sound again."""
    args: Payload | None = None
    result: Payload | None = None
    """Of the last success, None: as before."""
    ends: int = 0
    """So many ends of the row are in `state` now."""
    starts: tuple[ScheduledStart, ...] = ()
    stops: tuple[ScheduledStop, ...] = ()
    """Carried out before the starts."""
    checks: tuple[ScheduledCheck, ...] = ()
    """Carried out after them."""
    not_before_ms: int | None = None
    """The latest of the times at which these slots fire: refused while the store's time is before it."""
    not_after_ms: int | None = None
    """Refused if the store's time is past it: these slots are missed by now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSchedule(WriteSchedule):
    """A WriteSchedule of which a client is told that it holds. A scheduler's own can be done again by any other."""

    promises: ClassVar[bool] = True
    if_unsure: ClassVar[str] = _UNSURE


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakSchedule(Call[None]):
    """Set a schedule aside, with the reason, until its spec is written anew. Raises as WriteSchedule."""

    schedule: str
    generation: str
    revision: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteSchedule(Call[None]):
    """Forget a schedule; what it started goes on. Raises ScheduleNotFound; ScheduleChanged if a revision is given and
    is not the current one."""

    promises: ClassVar[bool] = True
    if_unsure: ClassVar[str] = "asking again is safe: ScheduleNotFound then says that the master has forgotten it"
    schedule: str
    revision: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSchedule(Call[ScheduleRow]):
    """Raises ScheduleNotFound."""

    schedule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulePage:
    """A page of one partition's schedules, by id."""

    rows: tuple[ScheduleRow, ...]
    cursor: str | None
    """To go on after, None at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListSchedules(Call[SchedulePage]):
    """One partition's schedules, by id; the client merges partitions. A page has about a megabyte at most."""

    after: str = ""
    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class DueSchedules:
    """Answer to ReadDueSchedules."""

    rows: tuple[ScheduleRow, ...]
    """Those that are due, the one that has waited longest first."""
    now_ms: int
    next_due_ms: int | None
    """When the next one is due after those in `rows`; past, if there are more than fit."""
    outbox: int
    """Messages waiting to be relayed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadDueSchedules(Call[DueSchedules]):
    """What a scheduler has to do in a partition by the store's clock; also tells that the scheduler lives."""

    scheduler: str
    """Unique for each process start."""
    lease: timedelta
    """How long it is shown as alive without another word."""
    limit: int = 100
    skip: int = 0
    """So many that are due are left to others: where many are, schedulers need not all do the same."""
