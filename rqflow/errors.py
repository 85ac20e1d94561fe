"""Errors: every failure rqflow reports, in one tree.

RqflowError
├── BadInput                    the caller's value, id, option or module is wrong        (also ValueError)
│   ├── BadValue                a value does not fit its annotation, or is no JSON
│   └── BadSchedule · PayloadTooLarge
├── NotFound                    what was named does not exist                            (also LookupError)
│   ├── InstanceNotFound · HubNotFound · RunNotFound · ScheduleNotFound
│   └── UnknownName             no workflow, activity, signal, query or update of that name
├── Conflict                    it exists, but its state forbids this
│   ├── InstanceExists · InstanceClosed · InstanceNotClosed · HubExists · HubMismatch
│   ├── ScheduleExists · ScheduleChanged
├── LimitReached                a bound was passed: inbox, history, outstanding, …
├── LeaseLost                   another worker holds this task now
├── ProcessDied                 an activity's own process ended without an answer
├── OutcomeError                what a run ended with, told to whoever awaits it
│   ├── WorkflowFailed          it raised, timed out, or was refused
│   │   └── WorkflowTimedOut
│   ├── WorkflowCanceled · WorkflowTerminated
│   ├── ActivityFailed          after its last attempt
│   │   └── ActivityTimedOut
│   ├── ChildFailed
│   ├── CompensationFailed      a saga could not take back all that it had done
│   ├── SignalFailed · SideEffectFailed
│   ├── QueryFailed · UpdateFailed
│   └── RemoteError             an exception of another process, readable
├── ResultTimeout               the wait ended, the run goes on                          (also TimeoutError)
├── ReplayError                 a history cannot be followed by this code; the instance stalls
│   ├── ReplayMismatch · UnknownVersion · UnknownEvent · CorruptEvent
├── NotDeterministic            workflow code asked for what cannot be repeated          (also RuntimeError)
├── NotInWorkflow · NotInActivity                                                        (also RuntimeError)
├── IllegalTransition           a state table has no such edge: a fault of ours
└── BackendError
    ├── BackendUnavailable      Redis does not answer, or is loading                     (also ConnectionError)
    ├── BackendRefused          Redis answers no: password, rights, read-only, memory, version, eviction
    │   └── BackendFull         it is out of memory
    └── NotDurable              accepted, but not known to be as safe as the hub's durability asks
"""

from __future__ import annotations

from typing import Any


class RqflowError(Exception):
    """Anything that rqflow reports; catch this to catch all of it."""


class BadInput(RqflowError, ValueError):
    """A value, id, option or module given by the caller cannot be used."""


class BadValue(BadInput):
    """A value does not fit its annotation, or cannot be written as JSON."""

    def __init__(self, message: str, *, where: str = "", expected: str = "", got: str = "") -> None:
        super().__init__(message)
        self.where, self.expected, self.got = where, expected, got


class BadSchedule(BadInput):
    """A schedule cannot be as it is written: a spec, a zone, a name, a template; `field` says which part is wrong."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field


class PayloadTooLarge(BadInput):
    """An encoded value passes the payload limit of its hub."""

    def __init__(self, where: str, size: int, limit: int) -> None:
        advice = "keep large data elsewhere and pass a reference"
        super().__init__(f"{where}: the encoded value is {size:,} bytes, the limit is {limit:,}; {advice}")
        self.size, self.limit = size, limit


class NotFound(RqflowError, LookupError):
    """What was named does not exist."""


class InstanceNotFound(NotFound):
    """No instance has this id; it never existed, was purged, or its retention passed."""

    def __init__(self, instance: str) -> None:
        super().__init__(f"no instance {instance!r}; it never started, was purged, or its retention passed")
        self.instance = instance


class RunNotFound(NotFound):
    """The instance exists, but this run's history does not."""

    def __init__(self, instance: str, run: str) -> None:
        super().__init__(f"instance {instance!r} has no run {run!r}, or its retention passed")
        self.instance, self.run = instance, run


class HubNotFound(NotFound):
    """No hub of this name was created on this server."""

    def __init__(self, hub: str) -> None:
        super().__init__(f"no hub {hub!r} on this server; create it with: rqflow hub create {hub}")
        self.hub = hub


class ScheduleNotFound(NotFound):
    """No schedule has this id; it never existed, or was deleted."""

    def __init__(self, schedule: str) -> None:
        super().__init__(f"no schedule {schedule!r}; rqflow schedule list shows those that there are")
        self.schedule = schedule


class UnknownName(NotFound):
    """No workflow, activity, queue, signal, query or update has this name."""

    def __init__(self, kind: str, name: str, known: tuple[str, ...] = ()) -> None:
        listed = f"; known: {', '.join(known)}" if known else ""
        super().__init__(f"no {kind} named {name!r}{listed}")
        self.kind, self.name, self.known = kind, name, known


class Conflict(RqflowError):
    """It exists, but its state forbids what was asked."""


class InstanceConflict(Conflict):
    """The `status` of an `instance` forbids it."""

    says = "instance {!r} is {}"

    def __init__(self, instance: str, status: str) -> None:
        super().__init__(self.says.format(instance, status))
        self.instance, self.status = instance, status


class InstanceExists(InstanceConflict):
    """The id is taken, and the id policy says to refuse."""

    says = "instance {!r} exists already and is {}; choose another id, or another policy (on_conflict=, on_reuse=)"


class InstanceClosed(InstanceConflict):
    """The instance has ended and takes no more events."""

    says = "instance {!r} has ended ({}) and takes no more events"


class InstanceNotClosed(InstanceConflict):
    """The instance still runs, and this needs one that has ended."""

    says = "instance {!r} is {}; this needs an instance that has ended"


class HubExists(Conflict):
    """A hub of this name exists with other settings."""


class HubMismatch(Conflict):
    """The hub on this server has another layout than this rqflow can serve."""


class ScheduleExists(Conflict):
    """A schedule has this id already."""

    def __init__(self, schedule: str) -> None:
        super().__init__(f"schedule {schedule!r} exists; choose another id, or update it")
        self.schedule = schedule


class ScheduleChanged(Conflict):
    """Another changed this schedule since it was read, or its time has moved on; nothing was written."""

    def __init__(self, schedule: str) -> None:
        super().__init__(f"schedule {schedule!r} has changed since it was read; nothing was written, look again")
        self.schedule = schedule


class LimitReached(RqflowError):
    """A bound was passed; the message says which, how far, and for whom."""

    def __init__(self, what: str, limit: int, hint: str = "") -> None:
        super().__init__(f"{what}: the limit is {limit:,}" + (f"; {hint}" if hint else ""))
        self.what, self.limit = what, limit


class LeaseLost(RqflowError):
    """Another worker holds this task now, or nobody needs it; what this one did is dropped."""

    def __init__(self, task: str) -> None:
        super().__init__(f"task {task} is not leased to this worker any more; its result was dropped")
        self.task = task


class ProcessDied(RqflowError):
    """The process of an isolated activity ended without an answer: a crash, `os._exit`, or a kill from outside."""

    def __init__(self, activity: str, how: str) -> None:
        super().__init__(f"the process of activity {activity!r} ended without an answer, {how}")
        self.activity, self.how = activity, how


class OutcomeError(RqflowError):
    """What a run, an activity, a query or an update ended with.

    `failure` is the recorded failure (`rqflow.core.failure.Failure`), None where nothing was raised.
    """

    recorded: Any = None
    """Where this exception was itself rebuilt from a recorded failure, as a cause of another: that failure."""

    def __init__(self, message: str, failure: Any = None) -> None:
        super().__init__(message)
        self.failure = failure


class WorkflowFailed(OutcomeError):
    """The workflow function raised; `failure` has type, message, causes and traceback."""


class WorkflowTimedOut(WorkflowFailed):
    """The run passed the deadline given at its start."""


class WorkflowCanceled(OutcomeError):
    """The run ended by its cancellation."""


class WorkflowTerminated(OutcomeError):
    """The run was ended from outside, with a reason."""


class ActivityFailed(OutcomeError):
    """The activity raised at its last attempt, or may not be retried."""


class ActivityTimedOut(ActivityFailed):
    """One of the activity's four time limits passed, and no attempt was left."""


class ChildFailed(OutcomeError):
    """A child ended otherwise than by returning, or could not be started."""


class SignalFailed(OutcomeError):
    """A signal or a cancel request found no open instance."""


class SideEffectFailed(OutcomeError):
    """The function given to workflow.side_effect raised; replay raises this again, and does not call it again."""


class RemoteError(OutcomeError):
    """Stands in for an exception that was raised in another process: its type and text are the message."""


class CompensationFailed(OutcomeError):
    """A saga could not take back all that it had done; its cause is what the saga ended by."""

    def __init__(self, step: str, error: BaseException, count: int) -> None:
        more = f" ({count} compensations failed)" if count > 1 else ""
        super().__init__(f"compensation {step} failed{more}: {type(error).__name__}: {error}")
        self.step, self.error = step, error


class QueryFailed(OutcomeError):
    """The query handler raised, or no worker answered."""


class UpdateFailed(OutcomeError):
    """The update was refused by its validator, raised, or its run ended first."""


class ResultTimeout(RqflowError, TimeoutError):
    """The wait for a result, an answer or a state ended; the run itself goes on."""


class ReplayError(RqflowError):
    """This code cannot follow this history. The instance stalls, it does not fail."""


class ReplayMismatch(ReplayError):
    """The code asks for another command than the history has at this position."""

    def __init__(self, position: int, recorded: str, asked: str) -> None:
        advice = "deploy code that follows the history (the instance then goes on by itself) or terminate it"
        said = f"the history has {recorded}, the code now asks for {asked}"
        super().__init__(f"replay differs at command {position}: {said}; {advice}")
        self.position, self.recorded, self.asked = position, recorded, asked


class UnknownVersion(ReplayError):
    """An event was written by a newer rqflow than this one."""


class UnknownEvent(ReplayError):
    """An event has a type that this rqflow does not know."""


class CorruptEvent(ReplayError):
    """An event's bytes cannot be read; the message says where they break."""


class NotDeterministic(RqflowError, RuntimeError):
    """Workflow code asked for something that replay cannot repeat."""


class NotInWorkflow(RqflowError, RuntimeError):
    """This name works only inside a running workflow function."""


class NotInActivity(RqflowError, RuntimeError):
    """This name works only inside a running activity."""


class IllegalTransition(RqflowError):
    """A state table has no such edge: what is not in the table cannot happen."""

    def __init__(self, state: str, trigger: str) -> None:
        super().__init__(f"no transition from {state!r} by {trigger!r}")
        self.state, self.trigger = state, trigger


class BackendError(RqflowError):
    """The store did not do what it was asked."""


class BackendUnavailable(BackendError, ConnectionError):
    """Redis does not answer: it is down, loading, failing over, or the address is wrong."""


class BackendRefused(BackendError):
    """Redis answers no: wrong password, missing rights, read-only replica, too old, or it may evict data."""


class BackendFull(BackendRefused):
    """Redis is out of memory and refuses writes; nothing was written."""


class NotDurable(BackendError):
    """It was accepted and goes on; that it is as safe as the hub's durability asks is not known. The message says what
    to do: a start, signal, update or cancel under the same request_id is the same wish, and returns when it is safe."""

    def __init__(self, message: str, *, instance: str = "", schedule: str = "", durability: str, replicas: int) -> None:
        super().__init__(message)
        self.schedule = schedule
        self.instance, self.durability, self.replicas = instance, durability, replicas
