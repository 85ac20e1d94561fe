"""Results: flows that wait for what an instance comes to."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from rqflow.backend.calls.instances import Describe, Outcome, ReadOutcome
from rqflow.client.checks import check_id, seconds_of
from rqflow.client.flow import Facts, Flow, connect, listen, send, wait
from rqflow.client.options import ClientOptions, Span
from rqflow.client.starting import Placed
from rqflow.client.values import decoder
from rqflow.core.ids import next_run
from rqflow.core.outcomes import workflow_error
from rqflow.core.states import CLOSED
from rqflow.core.wire import decode_failure
from rqflow.errors import ResultTimeout, RunNotFound

T = TypeVar("T")


def result(options: ClientOptions, id: str, *, timeout: Span | None = None, result_type: Any = None) -> Flow[Any]:
    """What an instance came to, through all its runs, waiting up to `timeout`; read as `result_type` if that is given.

    The store tells when it has ended. Raises WorkflowFailed, WorkflowTimedOut, WorkflowCanceled, WorkflowTerminated,
    InstanceNotFound; ResultTimeout when the wait ends first: the instance goes on.
    """
    return (yield from _result(options, id, "", decoder(result_type, f"result of instance {id!r}"), timeout))


def handle_result(options: ClientOptions, placed: Placed[T], timeout: Span | None) -> Flow[T]:
    """The same for a handle: it stays with the run it was made for and those that continue it.

    Raises RunNotFound when the id was given to a new start meanwhile: that one's result is not this one's.
    """
    return (yield from _result(options, placed.instance, placed.run, placed.decode, timeout))


def _result(options: ClientOptions, id: str, run: str, decode: Callable[[bytes], T], timeout: Span | None) -> Flow[T]:
    facts = yield from connect()
    check_id(id, facts.limits)
    seconds = seconds_of("timeout", timeout)
    until = None if seconds is None else time.monotonic() + seconds
    # Listening begins before the first look: an end between the two is then told.
    notices = yield from listen(options, id, until=until)
    outcome: Outcome | None = None
    while True:
        if outcome is None:
            outcome = yield from send(options, ReadOutcome(partition=facts.partition(id), instance=id), until=until)
            if run and outcome.run != run:
                run = yield from _continued(options, facts, id, run)
        if outcome.status == "completed":
            return decode(outcome.payload)
        if outcome.status in CLOSED:
            failure = decode_failure(outcome.payload) if outcome.payload else None
            raise workflow_error(id, outcome.status, failure)
        if until is not None and time.monotonic() >= until:
            raise ResultTimeout(f"instance {id!r} is {outcome.status} after a wait of {seconds:g} s; it goes on")
        yield from wait(options, notices, until)
        # The run that is going on may have ended, and its notice told how. One of another run tells nothing for sure.
        told = notices.ended
        outcome = told if told is not None and told.run == outcome.run else None


def _continued(options: ClientOptions, facts: Facts, id: str, run: str) -> Flow[str]:
    """The current run, if it continues `run`. A run's id follows from the one before, so this reads no history."""
    found = yield from send(options, Describe(partition=facts.partition(id), instance=id))
    later = run
    for _ in range(found.runs):
        if later == found.run:
            return later
        later = next_run(later)
    raise RunNotFound(id, run)
