"""Reading: flows that look at one instance and change nothing."""

from __future__ import annotations

from typing import Any

from rqflow.backend.calls.instances import Describe, Description, ReadHistory
from rqflow.client.checks import check_count, check_id
from rqflow.client.flow import Emit, Flow, Stream, connect, send
from rqflow.client.options import ClientOptions
from rqflow.client.values import decode_any
from rqflow.core.events import Stamped
from rqflow.core.wire import decode_stored


def describe(options: ClientOptions, id: str) -> Flow[Description]:
    """How an instance stands. Raises InstanceNotFound."""
    facts = yield from connect()
    check_id(id, facts.limits)
    return (yield from send(options, Describe(partition=facts.partition(id), instance=id)))


def custom_status(options: ClientOptions, id: str) -> Flow[Any]:
    """What the workflow's code has set as its status, None if nothing; needs no worker. Raises InstanceNotFound."""
    description = yield from describe(options, id)
    return decode_any(description.custom_status) if description.custom_status else None


def history(
    options: ClientOptions, id: str, run: str | None = None, *, after: int = 0, page: int = 1_000
) -> Stream[Stamped]:
    """The events of a run, oldest first, read page by page; of the current run unless `run` says which.

    Raises InstanceNotFound, RunNotFound, and at an event that this rqflow cannot read UnknownVersion, UnknownEvent or
    CorruptEvent.
    """
    facts = yield from connect()
    check_id(id, facts.limits)
    place = check_count("after", after, least=0, most=2**31)
    check_count("page", page, least=1, most=10_000)
    chosen = run or ""
    while True:
        call = ReadHistory(partition=facts.partition(id), instance=id, run=chosen, after=place, limit=page)
        read = yield from send(options, call)
        chosen = read.run  # should the instance continue as new meanwhile, this stays with the run it began with
        for stored in read.events:
            yield Emit(decode_stored(stored))
        place += len(read.events)
        if not read.events or place >= read.length:
            return
