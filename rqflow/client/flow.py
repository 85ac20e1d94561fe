"""Flow: a verb of the client as a generator of steps, so that one text serves blocking and asynchronous code.

A flow yields what it wants done (open the store, send calls, listen to an instance, wait) and is given the answer,
or has the error raised at the yield. It does no I/O itself; two small drivers (sync.py, asynchronous.py) do it.
A stream is a flow that hands out values on its way: it yields `Emit(value)` for each.
"""

from __future__ import annotations

import random
import time
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from rqflow.backend.calls.call import Call
from rqflow.backend.calls.hubs import HubInfo, Limits
from rqflow.backend.protocol import partition_of, unwrap
from rqflow.client.options import ClientOptions
from rqflow.errors import BackendRefused, BackendUnavailable

T = TypeVar("T")
R = TypeVar("R")

FIRST_PAUSE = 0.05
"""Seconds before a broken send is tried again; doubles up to LONGEST_PAUSE."""
LONGEST_PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class Facts:
    """What a flow must know of its hub before it can build a call."""

    hub: HubInfo
    limits: Limits

    def partition(self, instance: str) -> int:
        """Where an instance lives."""
        return partition_of(instance, self.hub.partitions)


@dataclass(frozen=True, slots=True)
class Connect:
    """Open the store unless it is open. Answered with Facts."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send calls; answered as `Backend.send`."""

    calls: Sequence[Call[Any]]


@dataclass(frozen=True, slots=True)
class Listen:
    """Watch an instance until the flow ends. Answered with a watch, to be given to Wait."""

    instance: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait for a notice. Answered with whether one came."""

    watch: Any
    seconds: float


@dataclass(frozen=True, slots=True)
class Sleep:
    """Let time pass."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Emit(Generic[T]):
    """Hand a value to whoever iterates over this stream."""

    value: T


Step: TypeAlias = Connect | Send | Listen | Wait | Sleep
Flow: TypeAlias = Generator[Step, Any, R]
Stream: TypeAlias = Generator[Step | Emit[T], Any, None]


def connect() -> Flow[Facts]:
    """The hub's facts. A store that cannot be opened is told at once: a wrong address should not cost ten seconds."""
    facts: Facts = yield Connect()
    return facts


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of calls that were sent."""

    answers: list[Any]
    """In the order of the calls; errors are values."""
    repeated: bool
    """Some were sent again after a broken connection: the first try may have had its effect."""


def send_all(options: ClientOptions, calls: Sequence[Call[Any]], *, until: float | None = None) -> Flow[Sent]:
    """Send calls, and again those that a broken connection left open, for `retry_for` (not past `until`).

    Every call that clients send may be repeated: it reads, or its run or request id makes the repeat the same wish.
    """
    answers: list[Any] = [None] * len(calls)
    left: Iterable[int] = range(len(calls))
    repeated = False
    pause, give_up = FIRST_PAUSE, None
    while True:
        indexes = list(left)
        try:
            got = yield Send([calls[index] for index in indexes])
        except BackendUnavailable as error:
            got = [error] * len(indexes)
        for index, answer in zip(indexes, got, strict=True):
            answers[index] = _undecided(answer) if repeated and isinstance(answer, BackendRefused) else answer
        left = [index for index in indexes if isinstance(answers[index], BackendUnavailable)]
        now = time.monotonic()
        if give_up is None:
            give_up = now + options.retry_for.total_seconds()
            if until is not None:
                give_up = min(give_up, until)
        if not left or now + pause > give_up:
            return Sent(answers, repeated)
        # Half of the pause is drawn, so that the clients of a store that comes back do not come back as one.
        yield Sleep(pause * random.uniform(0.5, 1.0))
        pause = min(pause * 2, LONGEST_PAUSE)
        repeated = True


def _undecided(refusal: BackendRefused) -> BackendUnavailable:
    """What a refusal means where a try came before it: that nothing was written is true of the last one alone."""
    return BackendUnavailable(f"{refusal}; an earlier try, whose answer was lost, may have been carried out")


def send(options: ClientOptions, call: Call[R], *, until: float | None = None) -> Flow[R]:
    """One call's answer, or its error raised."""
    sent = yield from send_all(options, [call], until=until)
    answer: R = unwrap(sent.answers[0])
    return answer


def listen(options: ClientOptions, instance: str, *, until: float | None = None) -> Flow[Any]:
    """A watch on an instance; tried again as calls are."""
    pause, give_up = FIRST_PAUSE, time.monotonic() + options.retry_for.total_seconds()
    if until is not None:
        give_up = min(give_up, until)
    while True:
        try:
            return (yield Listen(instance))
        except BackendUnavailable:
            if time.monotonic() + pause > give_up:
                raise
        yield Sleep(pause * random.uniform(0.5, 1.0))
        pause = min(pause * 2, LONGEST_PAUSE)


def wait(options: ClientOptions, watch: Any, until: float | None) -> Flow[None]:
    """Until a notice, the slow poll's turn or `until`. A broken watch only means that the poll does the work."""
    seconds = options.poll.total_seconds()
    if until is not None:
        seconds = min(seconds, until - time.monotonic())
    try:
        yield Wait(watch, max(seconds, 0.0))
    except BackendUnavailable:
        yield Sleep(min(max(seconds, 0.0), LONGEST_PAUSE))
