"""Events: what happened to a run, as frozen values in closed unions.

A run's history is a list of these. *News* arrive from outside (a client, an activity, a timer, a child) and are all
that decides what workflow code does. *Records* say what the code asked for: replay holds the code against them.
Each kind of command has one kind of record (see commands.py).

`payload` is always the last field: user values, encoded and opaque. `id` is the number of the command that an event
belongs to: commands are numbered 1, 2, 3 … in the order in which the code gives them.
"""

from __future__ import annotations

from typing import TypeAlias

from rqflow.values import dataclass

Payload: TypeAlias = bytes
"""A user's value, encoded by a converter: the engine never looks inside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentLink:
    """Whose child an instance is, and to which of its commands its end is told."""

    instance: str
    run: str
    command: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleLink:
    """Which slot of which schedule an instance was started for."""

    schedule: str
    slot_ms: int
    """The slot's time; of a trigger, when it was asked for."""
    last_success_ms: int | None = None
    """The latest slot whose run had completed when this one was started."""
    last_result: Payload | None = None
    """What that run returned, if the schedule keeps results."""


# ---- news -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowStarted:
    """The first event of every run. `run` seeds its randomness."""

    workflow: str
    instance: str
    run: str
    queue: str
    parent: ParentLink | None = None
    continued_from: str | None = None
    """The run before this one, after continue-as-new."""
    timeout_ms: int | None = None
    """How long after its start the run times out."""
    headers: tuple[tuple[str, str], ...] = ()
    """Trace context and the like, carried along unread."""
    schedule: ScheduleLink | None = None
    """What it was started by, if not by a client or a parent."""
    payload: Payload = b""
    """The arguments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityCompleted:
    """An activity returned `payload`. `at_ms` is when the turn heard of a local one: its run's time goes by that."""

    id: int
    at_ms: int | None = None
    payload: Payload = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityFailed:
    """An activity failed for good; `payload` is a Failure, `at_ms` as of ActivityCompleted."""

    id: int
    at_ms: int | None = None
    payload: Payload = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerFired:
    """A timer's time has come."""

    id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildStarted:
    """A child exists now; told only where the command asked for it."""

    id: int
    run: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildCompleted:
    """A child returned `payload`."""

    id: int
    payload: Payload = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildFailed:
    """A child did not start, or ended without a result; `payload` is a Failure."""

    id: int
    payload: Payload = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalDelivered:
    """A signal or a cancel request that this run sent has reached its instance."""

    id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalFailed:
    """A signal or a cancel request that this run sent found no open instance; `payload` is a Failure."""

    id: int
    payload: Payload = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalReceived:
    """A signal for this instance."""

    name: str
    payload: Payload = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateRequested:
    """A client asks for a change and waits for the answer."""

    update: str
    name: str
    payload: Payload = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequested:
    """Someone asked this run to end itself in good order."""

    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowRerun:
    """What stands before this was copied from an earlier run; from here on the run goes on by itself.

    The code does not see it. `run` is the run's id from here on, for what derives from it; its randomness goes on as
    it began."""

    run: str
    source: str
    """The run whose history it was."""
    redo: tuple[int, ...] = ()
    """Commands that had not come to their end, or whose end is not wanted: they are asked for again."""


# ---- records ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityScheduled:
    """Command `id` asked for an activity."""

    id: int
    name: str
    queue: str = ""
    local: bool = False
    """It runs inside turns, and the store knows nothing of it: who takes a turn begins what has no end yet."""
    payload: Payload = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityCancelRequested:
    """A later command no longer wants the activity of command `target`."""

    id: int
    target: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerStarted:
    """Command `id` asked for a timer."""

    id: int
    delay_ms: int
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerCanceled:
    """A later command no longer wants the timer of command `target`."""

    id: int
    target: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildScheduled:
    """Command `id` asked for a child."""

    id: int
    workflow: str
    instance: str
    payload: Payload = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalSent:
    """Command `id` sent a signal to another instance."""

    id: int
    instance: str
    name: str
    payload: Payload = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelSent:
    """Command `id` asked another instance, or a child, to cancel."""

    id: int
    instance: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SideEffectRecorded:
    """Command `id` drew a value that replay must not draw again."""

    id: int
    failed: bool = False
    """Drawing raised: `payload` is a Failure."""
    payload: Payload = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusSet:
    """Command `id` set the custom status."""

    id: int
    payload: Payload = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributesSet:
    """Command `id` changed indexed attributes; `payload` is a JSON object, null removes."""

    id: int
    payload: Payload = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventEmitted:
    """Command `id` put an event on the hub's lifecycle stream."""

    id: int
    name: str
    payload: Payload = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateAnswered:
    """Command `id` answered an update; `payload` is the result if `accepted`, else a Failure."""

    id: int
    update: str
    accepted: bool
    payload: Payload = b""


# ---- ends ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowCompleted:
    """The workflow function returned `payload`."""

    payload: Payload = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowFailed:
    """The workflow function raised; `payload` is a Failure."""

    payload: Payload = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowCanceled:
    """The workflow function ended by its cancellation; `payload` is a Failure or empty."""

    payload: Payload = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowContinued:
    """The run ended so that `run` may go on with a new, short history."""

    run: str
    workflow: str
    payload: Payload = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowTerminated:
    """Someone outside ended the run; the code was not asked."""

    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowTimedOut:
    """The run passed its deadline; the code was not asked."""


News: TypeAlias = (
    WorkflowStarted | ActivityCompleted | ActivityFailed | TimerFired | ChildStarted | ChildCompleted
    | ChildFailed | SignalDelivered | SignalFailed | SignalReceived | UpdateRequested | CancelRequested
    | WorkflowRerun
)  # fmt: skip
Record: TypeAlias = (
    ActivityScheduled | ActivityCancelRequested | TimerStarted | TimerCanceled | ChildScheduled | SignalSent
    | CancelSent | SideEffectRecorded | StatusSet | AttributesSet | EventEmitted | UpdateAnswered
)  # fmt: skip
End: TypeAlias = (
    WorkflowCompleted | WorkflowFailed | WorkflowCanceled | WorkflowContinued | WorkflowTerminated | WorkflowTimedOut
)
Event: TypeAlias = News | Record | End


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamped:
    """An event and when the store took it in."""

    at_ms: int
    """Redis' clock, in milliseconds since the epoch."""
    event: Event
