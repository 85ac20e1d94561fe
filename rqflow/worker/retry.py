"""Retry: whether and when a failed attempt of an activity is followed by another, decided from values alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random

from rqflow.backend.calls.tasks import ActivityTask
from rqflow.core.failure import Failure
from rqflow.core.options import ActivityOptions, Retry

LONGEST = timedelta(days=365)
"""No backoff is longer, whatever the numbers of a policy come to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TryAgain:
    """The next attempt is due after `delay`."""

    delay: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp:
    """There is no next attempt; `failure` is what the workflow is told."""

    failure: Failure


def after_failure(
    task: ActivityTask,
    options: ActivityOptions,
    failure: Failure,
    *,
    names: Iterable[str],
    elapsed: timedelta,
    random: Random,
) -> TryAgain | GiveUp:
    """What follows a failed attempt.

    `names` are those of the exception's class and its bases; `elapsed` is the time since the activity was scheduled.
    Attempts that were lost with their worker are not held against `max_attempts`: the code did not fail.
    """
    retry = options.retry
    tries = max(1, task.attempt - task.losses)
    if retry is None or not failure.retryable or not set(retry.non_retryable).isdisjoint(names):
        return GiveUp(failure=failure)
    if retry.max_attempts is not None and tries >= retry.max_attempts:
        return GiveUp(failure=failure)
    delay = backoff(retry, tries, random)
    if retry.total_time is not None and elapsed + delay > retry.total_time:
        return GiveUp(failure=failure)
    if options.schedule_to_close is not None and elapsed + delay >= options.schedule_to_close:
        return GiveUp(failure=out_of_time(options.schedule_to_close, failure))
    return TryAgain(delay=delay)


def backoff(retry: Retry, tries: int, random: Random) -> timedelta:
    """The wait after the `tries`-th try: grows by the coefficient, is capped, and spread by the jitter."""
    ceiling = max(timedelta(0), min(retry.max_interval, LONGEST)).total_seconds()
    try:
        seconds = retry.initial.total_seconds() * retry.coefficient ** (tries - 1)
    except OverflowError:
        seconds = ceiling
    seconds = min(max(0.0, seconds), ceiling)
    spread = min(max(0.0, retry.jitter), 1.0)
    return timedelta(seconds=seconds * (1 + random.uniform(-spread, spread)))


def out_of_time(limit: timedelta, last: Failure) -> Failure:
    """The failure of an activity that has no time left for another attempt."""
    return Failure(
        type="rqflow.errors.ActivityTimedOut",
        message=f"no time is left for another attempt: schedule_to_close is {limit}; last: {last.type}: {last.message}",
        kind="timeout",
        cause=replace(last, cause=None) if last.kind == "timeout" else last,
    )


def class_names(error: BaseException) -> frozenset[str]:
    """The names by which a policy may mean this exception: its class and all bases, short and qualified."""
    found: set[str] = set()
    for cls in type(error).__mro__:
        found.add(cls.__name__)
        found.add(f"{cls.__module__}.{cls.__qualname__}")
        found.add(cls.__qualname__)
    return frozenset(found - {"object", "builtins.object"})
