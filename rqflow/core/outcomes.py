"""Outcomes: the one place where a recorded failure becomes the exception that Python callers catch."""

from __future__ import annotations

from typing import TypeVar

from rqflow.core.failure import Failure, exception_of
from rqflow.errors import (
    ActivityFailed,
    ActivityTimedOut,
    ChildFailed,
    OutcomeError,
    QueryFailed,
    SideEffectFailed,
    SignalFailed,
    UpdateFailed,
    WorkflowCanceled,
    WorkflowFailed,
    WorkflowTerminated,
    WorkflowTimedOut,
)

E = TypeVar("E", bound=OutcomeError)

_ENDED: dict[str, tuple[type[OutcomeError], str]] = {
    "failed": (WorkflowFailed, "failed"),
    "timed_out": (WorkflowTimedOut, "timed out"),
    "canceled": (WorkflowCanceled, "was canceled"),
    "terminated": (WorkflowTerminated, "was terminated"),
}
_VERBS = {"timeout": "timed out", "canceled": "was canceled", "terminated": "was terminated"}


def activity_error(name: str, failure: Failure) -> ActivityFailed:
    """What awaiting an activity raises."""
    cls = ActivityTimedOut if failure.kind == "timeout" else ActivityFailed
    return _build(cls, f"activity {name!r} {_VERBS.get(failure.kind, 'failed')}", failure)


def child_error(workflow: str, instance: str, failure: Failure) -> ChildFailed:
    """What awaiting a child raises."""
    return _build(ChildFailed, f"child {instance!r} ({workflow}) {_VERBS.get(failure.kind, 'failed')}", failure)


def signal_error(instance: str, failure: Failure) -> SignalFailed:
    """What awaiting the delivery of a signal or a cancel request raises."""
    return _build(SignalFailed, f"nothing was delivered to instance {instance!r}", failure)


def side_effect_error(failure: Failure) -> SideEffectFailed:
    """What a side effect raises, at first and at each replay."""
    return _build(SideEffectFailed, "the side effect failed", failure)


def workflow_error(instance: str, status: str, failure: Failure | None) -> OutcomeError:
    """What awaiting the result of an instance raises when it ended with this status, other than completed."""
    cls, verb = _ENDED[status]
    return _build(cls, f"instance {instance!r} {verb}", failure)


def query_error(instance: str, name: str, failure: Failure) -> QueryFailed:
    """What a client's query raises."""
    return _build(QueryFailed, f"query {name!r} to instance {instance!r} failed", failure)


def update_error(instance: str, name: str, failure: Failure) -> UpdateFailed:
    """What a client's update raises."""
    return _build(UpdateFailed, f"update {name!r} to instance {instance!r} failed", failure)


def _build(cls: type[E], what: str, failure: Failure | None) -> E:
    if failure is None:
        return cls(what)
    said = f": {failure.message}" if failure.message else ""
    error = cls(f"{what}: {failure.type}{said}", failure)
    error.__cause__ = exception_of(failure)
    return error
