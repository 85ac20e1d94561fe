"""Reports: what an attempt came to, as the call that tells the store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from random import Random

from rqflow.backend.calls.tasks import CompleteActivity, RetryActivity
from rqflow.core.events import ActivityCompleted, ActivityFailed, Payload
from rqflow.core.failure import Failure, failure_of
from rqflow.core.wire import encode, encode_failure
from rqflow.errors import ActivityTimedOut, PayloadTooLarge
from rqflow.worker.retry import GiveUp, after_failure, class_names
from rqflow.worker.running import Running


def success(running: Running, payload: Payload, payload_limit: int) -> CompleteActivity:
    """The activity returned. A result over the limit is its failure: another try would not make it smaller."""
    task = running.task
    if len(payload) > payload_limit:
        return final(running, refusal(PayloadTooLarge(f"activity {task.name}, result", len(payload), payload_limit)))
    return _complete(running, encode(ActivityCompleted(id=task.id, payload=payload)))


def failed(
    running: Running, failure: Failure, names: Iterable[str], random: Random
) -> CompleteActivity | RetryActivity:
    """The attempt failed: another one later, or the activity's failure."""
    task = running.task
    verdict = after_failure(task, running.options, failure, names=names, elapsed=running.elapsed(), random=random)
    if isinstance(verdict, GiveUp):
        return final(running, verdict.failure)
    return RetryActivity(
        partition=task.partition,
        instance=task.instance,
        run=task.run,
        id=task.id,
        token=task.token,
        delay=verdict.delay,
        failure=encode_failure(failure),
    )


def final(running: Running, failure: Failure) -> CompleteActivity:
    """The activity has failed for good."""
    return _complete(running, encode(ActivityFailed(id=running.task.id, payload=encode_failure(failure))))


def refusal(error: BaseException) -> Failure:
    """A failure that no other try could mend: arguments or a result that do not fit."""
    return replace(failure_of(error), retryable=False)


def timed_out(running: Running, limit: str) -> tuple[Failure, frozenset[str]]:
    """The failure of an attempt that passed a time limit, and the names by which a policy may mean it."""
    return out_of_limit(running.task.name, running.task.attempt, limit)


def out_of_limit(name: str, attempt: int, limit: str) -> tuple[Failure, frozenset[str]]:
    """As timed_out, by the activity's name."""
    message = f"activity {name!r}, attempt {attempt}: its {limit} passed"
    error = ActivityTimedOut(message)
    return replace(failure_of(error), kind="timeout"), class_names(error) | class_names(TimeoutError())


def _complete(running: Running, event: bytes) -> CompleteActivity:
    task = running.task
    return CompleteActivity(
        partition=task.partition, instance=task.instance, run=task.run, id=task.id, token=task.token, event=event
    )
