"""Failures: exceptions as values that any process can read, and back as exceptions that a person can read."""

from __future__ import annotations

import asyncio
import traceback
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rqflow.core.failure import (
    MAX_CAUSES,
    MAX_FRAMES,
    MAX_MESSAGE,
    MAX_TRACEBACK,
    Failure,
    exception_of,
    failure_of,
)
from rqflow.core.outcomes import activity_error, child_error, query_error, update_error, workflow_error
from rqflow.core.wire import decode_failure, encode_failure
from rqflow.errors import (
    ActivityFailed,
    ActivityTimedOut,
    ChildFailed,
    InstanceNotFound,
    LimitReached,
    OutcomeError,
    PayloadTooLarge,
    QueryFailed,
    RemoteError,
    UpdateFailed,
    WorkflowCanceled,
    WorkflowFailed,
    WorkflowTerminated,
    WorkflowTimedOut,
)
from tests.core.stage import Stage, call

failures = st.recursive(
    st.builds(
        Failure,
        type=st.text(min_size=1, max_size=20),
        message=st.text(max_size=50),
        traceback=st.text(max_size=50),
        kind=st.sampled_from(("error", "timeout", "canceled", "worker_lost")),
        retryable=st.booleans(),
    ),
    lambda inner: st.builds(Failure, type=st.just("outer"), cause=inner),
    max_leaves=4,
)


def raised(make: Any) -> Any:
    """The exception that `make()` raises, with its traceback."""
    try:
        make()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def chained() -> None:
    try:
        raise KeyError("inner")
    except KeyError as error:
        raise ValueError("outer") from error


def in_context() -> None:
    try:
        raise KeyError("inner")
    except KeyError:
        raise ValueError("outer")  # noqa: B904


def suppressed() -> None:
    try:
        raise KeyError("inner")
    except KeyError:
        raise ValueError("outer") from None


@pytest.mark.parametrize(("make", "has_cause"), [(chained, True), (in_context, True), (suppressed, False)])
def test_causes_are_followed_as_python_shows_them(make: Any, has_cause: bool) -> None:
    """`from error`, or what was being handled; `from None` hides it."""
    failure = failure_of(raised(make))
    assert (failure.type, failure.message) == ("builtins.ValueError", "outer")
    assert (failure.cause is not None) == has_cause
    if failure.cause is not None:
        assert (failure.cause.type, failure.cause.message) == ("builtins.KeyError", "'inner'")


def test_long_texts_and_long_chains_are_cut() -> None:
    """[P10] A failure is bounded, whatever was raised."""
    error: BaseException = ValueError("x" * 20_000)
    for number in range(100):
        outer = ValueError(f"link {number}")
        outer.__cause__ = error
        error = outer
    links, link = 0, failure_of(error)
    while link.cause is not None:
        links, link = links + 1, link.cause
    assert links == MAX_CAUSES
    long = failure_of(ValueError("x" * 20_000)).message
    assert len(long) < MAX_MESSAGE + 40
    assert long.endswith("(12,000 more characters)")


def test_a_circle_of_causes_ends() -> None:
    """Exceptions may be each other's causes; the chain is cut all the same."""
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    assert failure_of(one).cause is not None


def test_tracebacks_are_trimmed_to_the_users_frames() -> None:
    """Neither our frames nor asyncio's are shown; deep recursion and long lines are cut."""

    async def main(payload: bytes) -> bytes:
        async with asyncio.TaskGroup() as group:
            await group.create_task(call("", b"", wrong=1))
        return b""

    stage = Stage(main)
    close = stage.last.close
    assert close is not None
    failure = decode_failure(close.payload)  # type: ignore[union-attr]
    assert "test_failure.py" in failure.traceback
    assert "asyncio/" not in failure.traceback
    assert "rqflow/core" not in failure.traceback

    def deep(levels: int) -> None:
        if not levels:
            raise ValueError
        deep(levels - 1)

    text = failure_of(raised(lambda: deep(300))).traceback
    assert len(text) <= MAX_TRACEBACK + 1
    assert text.count("in deep") <= MAX_FRAMES
    names: dict[str, Any] = {}
    code = "def f():\n" + "".join(f"    x{number} = 1\n" for number in range(3)) + "    raise ValueError\n"
    exec(compile(code, "<" + "n" * 9_000 + ">", "exec"), names)
    assert len(failure_of(raised(names["f"])).traceback) == MAX_TRACEBACK + 1


def test_groups_are_readable() -> None:
    """The message names what is in it, nested groups too; the first one is the cause, so that its type is seen."""
    group = ExceptionGroup("two things", [ValueError("one"), ExceptionGroup("inner", [KeyError("two")])])
    failure = failure_of(group)
    assert failure.message == "two things (2 sub-exceptions)\n- ValueError: one\n- KeyError: 'two'"
    assert failure.cause is not None
    assert failure.cause.type == "builtins.ValueError"


class Hopeless(Exception):
    non_retryable = True


def test_an_exception_may_say_that_trying_again_is_of_no_use() -> None:
    """By its class, by the instance, or by one of a group; only True counts."""
    by_hand = ValueError()
    by_hand.non_retryable = True  # type: ignore[attr-defined]
    odd = ValueError()
    odd.non_retryable = "yes"  # type: ignore[attr-defined]
    assert not failure_of(Hopeless()).retryable
    assert not failure_of(by_hand).retryable
    assert not failure_of(ExceptionGroup("", [ValueError(), Hopeless()])).retryable
    assert failure_of(odd).retryable
    assert failure_of(ExceptionGroup("", [ValueError()])).retryable


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ValueError(), "error"),
        (asyncio.CancelledError(), "canceled"),
        (LimitReached("inbox", 5), "limit"),
        (PayloadTooLarge("x", 2, 1), "limit"),
        (InstanceNotFound("i"), "not_found"),
        (TimeoutError(), "error"),
    ],
)
def test_kinds_say_what_code_may_branch_on(error: BaseException, kind: str) -> None:
    """A TimeoutError that user code raised is an error like others: `timeout` is a limit of the engine's."""
    assert failure_of(error).kind == kind


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_exceptions_that_misbehave_are_reported_all_the_same() -> None:
    """[P7] A __str__ that raises, half a surrogate: the failure can be stored."""
    assert failure_of(Unprintable()).message == "<its text cannot be had: RuntimeError>"
    failure = failure_of(ValueError("caf\u00e9 \ud800"))
    assert failure.message == "café ?"
    assert decode_failure(encode_failure(failure)) == failure


def test_an_outcome_carries_its_failure_on_as_the_cause() -> None:
    """An ActivityFailed that leaves a workflow shows the activity's own failure below it, once."""
    inner = Failure(type="shop.Declined", message="no", cause=Failure(type="socket.timeout"))
    failure = failure_of(raised(lambda: (_ for _ in ()).throw(activity_error("charge", inner))))
    assert failure.type == "rqflow.errors.ActivityFailed"
    assert failure.cause == inner
    link = inner
    for number in range(20):
        link = Failure(type=f"link-{number}", cause=link)
    cut, depth = failure_of(activity_error("charge", link)), 0
    while cut.cause is not None:
        cut, depth = cut.cause, depth + 1
    assert depth == MAX_CAUSES


@given(failures)
def test_a_failure_comes_back_as_readable_exceptions_and_as_itself(failure: Failure) -> None:
    """Rebuilt, it shows type, message, the causes and the traceback; taken again, it is the same failure."""
    error = exception_of(failure)
    assert isinstance(error, RemoteError)
    assert failure_of(error) == failure
    assert decode_failure(encode_failure(failure)) == failure
    shown = "".join(traceback.format_exception(error))
    assert failure.type in shown
    assert (error.__cause__ is None) == (failure.cause is None)


def test_an_activitys_failure_is_one_again_in_the_chain_of_a_caller() -> None:
    """Who awaits the result of a workflow finds ActivityFailed below WorkflowFailed, and below it what was raised."""
    inner = Failure(type="shop.Declined", message="no")
    child = failure_of(child_error("ship", "ship-1", failure_of(activity_error("charge", inner))))
    error = workflow_error("order-1", "failed", child)
    assert isinstance(error.__cause__, ChildFailed)
    activity = error.__cause__.__cause__
    assert isinstance(activity, ActivityFailed)
    assert activity.failure == inner
    assert isinstance(activity.__cause__, RemoteError)
    assert failure_of(error.__cause__) == child


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("failed", WorkflowFailed),
        ("timed_out", WorkflowTimedOut),
        ("canceled", WorkflowCanceled),
        ("terminated", WorkflowTerminated),
    ],
)
def test_each_end_of_an_instance_has_its_exception(status: str, expected: type[OutcomeError]) -> None:
    """With the failure if there is one, without if not."""
    failure = Failure(type="shop.Declined", message="no")
    error = workflow_error("order-1", status, failure)
    assert type(error) is expected
    assert error.failure == failure
    assert "order-1" in str(error)
    assert "shop.Declined: no" in str(error)
    bare = workflow_error("order-1", status, None)
    assert bare.failure is None
    assert bare.__cause__ is None


def test_activities_queries_and_updates_have_theirs() -> None:
    """Which activity, query, update and instance: the message says it."""
    plain = Failure(type="shop.Declined")
    late = Failure(type="rqflow.timeout", kind="timeout")
    assert type(activity_error("charge", plain)) is ActivityFailed
    assert type(activity_error("charge", late)) is ActivityTimedOut
    assert str(activity_error("charge", late)) == "activity 'charge' timed out: rqflow.timeout"
    assert isinstance(query_error("order-1", "state", plain), QueryFailed)
    assert "'state' to instance 'order-1'" in str(query_error("order-1", "state", plain))
    assert isinstance(update_error("order-1", "add", plain), UpdateFailed)
