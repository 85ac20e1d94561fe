"""Decisions: how the outcome of a turn is told to the store, and which outcomes a hub's limits do not allow."""

from __future__ import annotations

from typing import Final

from rqflow.backend.calls.hubs import Limits
from rqflow.backend.calls.tasks import Commit, Stall, WorkflowTask
from rqflow.core.commands import Close, Command, Continue, Decision, ScheduleActivity, StartChild, record_of
from rqflow.core.events import End, WorkflowContinued, WorkflowFailed
from rqflow.core.failure import Failure
from rqflow.core.wire import encode, encode_failure
from rqflow.errors import LimitReached, PayloadTooLarge, RqflowError

STALL_REASON: Final = 4_000
"""Characters of a reason that the store is given."""


def end_of(close: Close) -> End:
    """What history keeps of a run's end."""
    if isinstance(close, Continue):
        started = close.started
        return WorkflowContinued(run=started.run, workflow=started.workflow, payload=started.payload)
    return close


def commit_of(
    task: WorkflowTask,
    decision: Decision,
    *,
    consumed: int,
    limits: Limits,
    worker: str,
    sticky: bool,
    build: str,
    records: tuple[bytes, ...] | None = None,
    keep: bool = False,
) -> Commit:
    """The commit of a turn. A decision that passes a limit becomes the run's failure, which says which one.

    `records`: those of the commands, if they are encoded already; ends of local activities stand among them."""
    records = _records(decision) if records is None else (*records, *_end_record(decision))
    over = _limit_passed(task, decision, records, consumed=consumed, limits=limits)
    if over is not None:
        decision = failed_by(over)
        records = _records(decision)
    return Commit(
        partition=task.partition,
        worker=worker,
        instance=task.instance,
        run=task.run,
        token=task.token,
        expected_length=task.history_length,
        consumed=consumed,
        records=records,
        commands=tuple(each for each in (*decision.again, *decision.commands) if not is_local(each)),
        close=decision.close,
        keep=keep and decision.close is None,
        sticky=sticky and decision.close is None,
        build=build,
    )


def failed_by(error: RqflowError) -> Decision:
    """The run ends here, and tells why."""
    failure = Failure(type=f"{type(error).__module__}.{type(error).__qualname__}", message=str(error), kind="limit")
    return Decision(close=WorkflowFailed(payload=encode_failure(failure)))


def stall_of(task: WorkflowTask, reason: str, build: str) -> Stall:
    """Set the instance aside until other code comes."""
    return Stall(
        partition=task.partition,
        instance=task.instance,
        run=task.run,
        token=task.token,
        reason=reason[:STALL_REASON],
        build=build,
    )


def _records(decision: Decision) -> tuple[bytes, ...]:
    return (*(encode(record_of(command)) for command in decision.commands), *_end_record(decision))


def _end_record(decision: Decision) -> tuple[bytes, ...]:
    return () if decision.close is None else (encode(end_of(decision.close)),)


def is_local(command: Command) -> bool:
    """The store need not know of it: a turn does it."""
    return isinstance(command, ScheduleActivity) and bool(command.options.local)


def _limit_passed(
    task: WorkflowTask, decision: Decision, records: tuple[bytes, ...], *, consumed: int, limits: Limits
) -> RqflowError | None:
    for command in decision.commands:
        if len(command_payload(command)) > limits.payload_bytes:
            return PayloadTooLarge(_named(command), len(command_payload(command)), limits.payload_bytes)
    if decision.close is not None:
        payload = decision.close.started.payload if isinstance(decision.close, Continue) else decision.close.payload
        if len(payload) > limits.payload_bytes:
            what = "arguments of the next run" if isinstance(decision.close, Continue) else "result"
            return PayloadTooLarge(f"workflow {task.workflow}: {what}", len(payload), limits.payload_bytes)
        return None
    # An end always fits: a run that has come so far is let go.
    if task.history_length + consumed + len(records) > limits.history_events:
        return LimitReached("events in one history", limits.history_events, "use workflow.continue_as_new() before")
    size = task.history_bytes + sum(map(len, records)) + sum(map(len, task.inbox[:consumed]))
    if size > limits.history_bytes:
        return LimitReached("bytes in one history", limits.history_bytes, "pass references, or continue as new before")
    return None


def command_payload(command: Command) -> bytes:
    """The user's value in a command, empty if it has none."""
    payload: bytes = getattr(command, "payload", b"")
    return payload


def _named(command: Command) -> str:
    if isinstance(command, ScheduleActivity):
        return f"activity {command.name}: arguments"
    if isinstance(command, StartChild):
        return f"child workflow {command.workflow}: arguments"
    name = getattr(command, "name", "")
    return f"{type(command).__name__}{' ' + name if name else ''}: value"
