"""Retry: whether and when an attempt is followed by another, from values alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rqflow.backend.calls.tasks import ActivityTask
from rqflow.core.failure import Failure
from rqflow.core.options import ActivityOptions, Retry
from rqflow.worker.retry import GiveUp, TryAgain, after_failure, backoff, class_names

TASK = ActivityTask(
    partition=0,
    instance="i",
    run="r",
    id=1,
    token="t",
    name="charge",
    queue="default",
    workflow="checkout",
    payload=b"",
    attempt=1,
    losses=0,
    options=b"",
    scheduled_at_ms=0,
    started_at_ms=0,
    details=b"",
)
FAILURE = Failure(type="builtins.OSError", message="no")


def verdict(
    retry: Retry | None,
    *,
    attempt: int = 1,
    losses: int = 0,
    names: tuple[str, ...] = ("OSError",),
    elapsed: timedelta = timedelta(0),
    failure: Failure = FAILURE,
    schedule_to_close: timedelta | None = None,
) -> TryAgain | GiveUp:
    return after_failure(
        replace(TASK, attempt=attempt, losses=losses),
        ActivityOptions(retry=retry, schedule_to_close=schedule_to_close),
        failure,
        names=names,
        elapsed=elapsed,
        random=Random(1),
    )


def test_without_a_policy_there_is_one_attempt() -> None:
    """No retry was asked for."""
    assert verdict(None) == GiveUp(failure=FAILURE)


def test_the_last_attempt_is_the_last() -> None:
    """max_attempts counts the first."""
    assert isinstance(verdict(Retry(max_attempts=3), attempt=2), TryAgain)
    assert isinstance(verdict(Retry(max_attempts=3), attempt=3), GiveUp)


def test_lost_workers_are_not_held_against_the_code() -> None:
    """Three attempts of which two died with their worker leave two more."""
    assert isinstance(verdict(Retry(max_attempts=2), attempt=3, losses=2), TryAgain)
    assert isinstance(verdict(Retry(max_attempts=2), attempt=4, losses=2), GiveUp)


@pytest.mark.parametrize("name", ["OSError", "builtins.OSError", "Exception", "builtins.Exception"])
def test_a_type_that_is_not_retried_may_be_named_in_short_in_full_or_by_a_base(name: str) -> None:
    """A ConnectionError is an OSError."""
    names = tuple(class_names(ConnectionError()))
    assert isinstance(verdict(Retry(non_retryable=(name,)), names=names), GiveUp)
    assert isinstance(verdict(Retry(non_retryable=("ValueError",)), names=names), TryAgain)


def test_an_error_may_say_itself_that_trying_again_is_of_no_use() -> None:
    """The failure carries it."""
    assert isinstance(verdict(Retry(), failure=replace(FAILURE, retryable=False)), GiveUp)


def test_no_try_starts_after_the_total_time() -> None:
    """The wait counts: a try that would begin too late is not made."""
    retry = Retry(initial=timedelta(seconds=10), jitter=0, total_time=timedelta(seconds=15))
    assert isinstance(verdict(retry, elapsed=timedelta(seconds=5)), TryAgain)
    assert isinstance(verdict(retry, elapsed=timedelta(seconds=6)), GiveUp)


def test_out_of_time_is_told_as_a_timeout_with_the_last_failure_as_its_cause() -> None:
    """schedule_to_close passes during the next wait."""
    given_up = verdict(Retry(jitter=0), schedule_to_close=timedelta(seconds=1))
    assert isinstance(given_up, GiveUp)
    assert given_up.failure.kind == "timeout"
    assert given_up.failure.cause == FAILURE


@given(
    tries=st.integers(1, 10_000),
    initial=st.integers(0, 10**9),
    coefficient=st.floats(1, 1000),
    jitter=st.floats(0, 1),
)
def test_p10_a_wait_is_never_negative_nor_longer_than_twice_the_longest(
    tries: int, initial: int, coefficient: float, jitter: float
) -> None:
    """[P10] Whatever the numbers: no overflow, no unbounded wait."""
    retry = Retry(
        initial=timedelta(milliseconds=initial),
        coefficient=coefficient,
        jitter=jitter,
        max_interval=timedelta(minutes=1),
    )
    assert timedelta(0) <= backoff(retry, tries, Random(tries)) <= timedelta(minutes=2)


def test_waits_grow_by_the_coefficient_up_to_the_longest() -> None:
    """Without jitter they are exact."""
    retry = Retry(jitter=0, max_interval=timedelta(seconds=5))
    assert [backoff(retry, n, Random(1)).total_seconds() for n in range(1, 6)] == [1, 2, 4, 5, 5]
