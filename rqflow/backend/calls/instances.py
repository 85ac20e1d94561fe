"""Instance calls: what clients ask of a store: start, steer, read and remove instances."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar, Final

from rqflow.backend.calls.call import Call
from rqflow.core.events import Payload
from rqflow.core.options import Attributes, AttributeValue, ConflictPolicy, ReusePolicy
from rqflow.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """Answer to Start."""

    instance: str
    run: str
    """The run that is now current: ours, or the existing one."""
    created: bool
    """False if an existing run was used (use_existing). True for a repeat of the same request too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start(Call[Started]):
    """Start an instance. Raises InstanceExists (policies), LimitReached.

    `run` is the request id as well: a Start repeated with the same run is the same start, whatever has become of it.
    """

    promises: ClassVar[bool] = True
    if_unsure: ClassVar[str] = "asking again with the same id and request_id is safe, and waits for the same wish"
    instance: str
    run: str
    workflow: str
    queue: str
    started: bytes
    """The encoded WorkflowStarted event."""
    on_conflict: ConflictPolicy = "fail"
    on_reuse: ReusePolicy = "allow"
    delay: timedelta = timedelta(0)
    """Pending until this has passed on Redis' clock."""
    at: datetime | None = None
    """Or: pending until this time."""
    timeout: timedelta | None = None
    """The run's deadline, from its start."""
    retention: timedelta
    """How long everything of it is kept after its end."""
    attributes: Attributes
    status: Payload = b""
    priority: int = 0
    lane: str = ""
    signal: bytes = b""
    """An encoded SignalReceived that it gets at once, also when it exists already (signal-with-start)."""
    signal_request: str = ""
    """Dedup id of that signal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliver(Call[None]):
    """Put news (a signal, an update, a cancel request) into an open instance's inbox.

    Raises InstanceNotFound, InstanceClosed, LimitReached (inbox). A repeat with the same `request` does nothing.
    """

    promises: ClassVar[bool] = True
    if_unsure: ClassVar[str] = "asking again with the same request_id is safe, and waits for the same wish"
    instance: str
    event: bytes
    """Encoded SignalReceived, UpdateRequested or CancelRequested."""
    request: str
    """Dedup id, unique to this wish; the last 1,000 of an instance are remembered."""
    cancel: bool = False
    """True for CancelRequested: the row shows it."""


_STEERED: Final = "asking again is safe: what is done already stays as it is, and the answer waits for it all the same"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminate(Call[bool]):
    """End an open instance now, its children by their policy (all of them if `recursive`). False: had ended already.

    Raises InstanceNotFound. Beats a racing commit: that commit gets LeaseLost.
    """

    promises: ClassVar[bool] = True
    if_unsure: ClassVar[str] = _STEERED
    instance: str
    reason: str = ""
    recursive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspend(Call[bool]):
    """Give an open instance no more turns; news gather. False: was suspended already.

    Raises InstanceNotFound, InstanceClosed."""

    promises: ClassVar[bool] = True
    if_unsure: ClassVar[str] = _STEERED
    instance: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume(Call[bool]):
    """Let a suspended or stalled instance go on. False: was neither. Raises InstanceNotFound, InstanceClosed."""

    promises: ClassVar[bool] = True
    if_unsure: ClassVar[str] = _STEERED
    instance: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask(Call[None]):
    """Queue a query task for an instance. Raises InstanceNotFound. Its answer is kept for a minute."""

    instance: str
    query: str
    """Unique id of this question."""
    name: str
    payload: Payload
    timeout: timedelta
    """After this no worker bothers with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a query or an update came to."""

    accepted: bool
    payload: Payload
    """The result if accepted, else a Failure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadQueryAnswer(Call["Answer | None"]):
    """The answer to a query, None while there is none."""

    instance: str
    query: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadUpdateAnswer(Call["Answer | None"]):
    """The answer to an update of the current run, None while there is none. Raises InstanceNotFound.

    An instance that ended without answering gives an Answer with a Failure of kind not_found."""

    instance: str
    update: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an instance stands, as far as one who awaits its result must know."""

    status: str
    run: str
    payload: Payload
    """The result (completed), a Failure (failed, canceled, timed_out, terminated with its reason) or empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOutcome(Call[Outcome]):
    """Raises InstanceNotFound. Never reads a history."""

    instance: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingActivity:
    """An activity that an instance waits for."""

    id: int
    name: str
    queue: str
    attempt: int
    state: str
    """queued, leased, backoff (waits for its next try)."""
    worker: str = ""
    due_at: datetime | None = None
    last_failure: Payload = b""
    heartbeat: Payload = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """An instance's row, decoded; `pending` only from Describe."""

    instance: str
    run: str
    workflow: str
    status: str
    queue: str
    created_at: datetime
    closed_at: datetime | None = None
    start_at: datetime | None = None
    """For a scheduled start."""
    deadline: datetime | None = None
    parent: str = ""
    schedule: str = ""
    """The schedule that started it."""
    slot: datetime | None = None
    """And the slot for which it did."""
    custom_status: Payload = b""
    attributes: dict[str, AttributeValue]
    reason: str = ""
    """Why it is suspended, stalled or terminated."""
    cancel_requested: bool = False
    runs: int = 1
    history_length: int = 0
    history_bytes: int = 0
    inbox_length: int = 0
    task: str = ""
    """"", queued, leased or waiting (given back with a delay)."""
    worker: str = ""
    """Who holds its task, or its executor."""
    build: str = ""
    """Build id of the worker that committed last."""
    priority: int = 0
    lane: str = ""
    order: int = 0
    """Creation order in its partition: what cursors are made of."""
    result: Payload = b""
    pending: tuple[PendingActivity, ...] = ()
    timers: int = 0
    children: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Describe(Call[Description]):
    """Raises InstanceNotFound."""

    instance: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryPage:
    """Part of a run's history."""

    run: str
    events: tuple[bytes, ...]
    """Stored events (see core/wire.py), oldest first."""
    length: int
    """Events in the whole history."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadHistory(Call[HistoryPage]):
    """Raises InstanceNotFound, RunNotFound."""

    instance: str
    run: str = ""
    """Empty: the current run."""
    after: int = 0
    limit: int = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which instances to list; all given conditions hold."""

    workflow: str = ""
    status: str = ""
    queue: str = ""
    parent: str = ""
    attributes: Attributes | None = None
    id_prefix: str = ""
    created_after: datetime | None = None
    created_before: datetime | None = None
    closed_after: datetime | None = None
    closed_before: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InstancePage:
    """A page of one partition's instances, newest first."""

    rows: tuple[Description, ...]
    cursor: int | None
    """`order` to go on below, None at the end. Stable: rows that change or come meanwhile disturb no page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListInstances(Call[InstancePage]):
    """One partition's share of a listing, newest created first; the client merges partitions.

    May give fewer rows than `limit`, even none, with a cursor to go on: one call reads a bounded number of rows."""

    where: Filter
    below: int | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Purge(Call[None]):
    """Remove an instance and all its keys. Raises InstanceNotFound, InstanceNotClosed (unless `force`)."""

    instance: str
    force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LifecycleEvent:
    """An entry of the hub's capped lifecycle stream."""

    id: str
    at: datetime
    type: str
    """An instance status that was reached, or: started, continued, resumed, emitted."""
    instance: str
    run: str
    workflow: str
    name: str = ""
    """Of an emitted event."""
    payload: Payload = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadEvents(Call[tuple[LifecycleEvent, ...]]):
    """Entries after the stream id `after` ("" from the oldest kept, "$" nothing but the last one's id)."""

    after: str = ""
    limit: int = 100
