"""Watching: flows that follow an instance as it changes, told by the store."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rqflow.backend.calls.instances import Describe, Description
from rqflow.client.checks import check_id, seconds_of
from rqflow.client.flow import Emit, Flow, Stream, connect, listen, send, wait
from rqflow.client.options import ClientOptions, Span
from rqflow.core.states import CLOSED
from rqflow.errors import ResultTimeout


def watch(options: ClientOptions, id: str, *, timeout: Span | None = None) -> Stream[Description]:
    """The instance's description now and after each change, until it has ended.

    The store tells of its status, its custom status, its answers and its end; other changes come with the next of
    these, or with the slow poll. Changes that follow each other closely may come as one. Raises InstanceNotFound (also
    when it is purged meanwhile), ResultTimeout after `timeout`.
    """
    follower = yield from _follow(options, id, timeout)
    while True:
        found = yield from _next_change(options, follower)
        yield Emit(found)
        if found.status in CLOSED:
            return


def wait_for(
    options: ClientOptions, id: str, condition: Callable[[Description], bool], *, timeout: Span | None = None
) -> Flow[Description]:
    """Wait until an instance's description meets a condition, or it has ended; the description it had then.

    Raises InstanceNotFound, ResultTimeout.
    """
    follower = yield from _follow(options, id, timeout)
    while True:
        found = yield from _next_change(options, follower)
        if condition(found) or found.status in CLOSED:
            return found


@dataclass(slots=True)
class _Follower:
    """An instance that is followed, and what was seen of it last."""

    id: str
    partition: int
    notices: Any
    until: float | None
    seconds: float | None
    last: Description | None = None


def _follow(options: ClientOptions, id: str, timeout: Span | None) -> Flow[_Follower]:
    facts = yield from connect()
    check_id(id, facts.limits)
    seconds = seconds_of("timeout", timeout)
    until = None if seconds is None else time.monotonic() + seconds
    # Listening begins before the first look: a change between the two is then told.
    notices = yield from listen(options, id, until=until)
    return _Follower(id, facts.partition(id), notices, until, seconds)


def _next_change(options: ClientOptions, follower: _Follower) -> Flow[Description]:
    while True:
        if follower.last is not None:
            yield from wait(options, follower.notices, follower.until)
        call = Describe(partition=follower.partition, instance=follower.id)
        found = yield from send(options, call, until=follower.until)
        if found != follower.last:
            follower.last = found
            return found
        if follower.until is not None and time.monotonic() >= follower.until:
            raise ResultTimeout(
                f"instance {follower.id!r} is {found.status} after {follower.seconds:g} s of watching; it goes on"
            )
