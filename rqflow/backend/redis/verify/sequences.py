"""Sequences: whether events, in their order, are a history that a run can have, and news that it can get."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final, get_args

from rqflow.core import events
from rqflow.core.events import End, News, Record, WorkflowStarted
from rqflow.core.wire import decode, split_stored
from rqflow.errors import RqflowError

SLACK_MS: Final = 600_000
"""How far time may seem to go back: Redis' clock is set now and then, and another master has another one."""
_RECORDS: Final = get_args(Record)
_ENDS: Final = get_args(End)
_ASKED_BY: Final[dict[type[Any], tuple[type[Any], ...]]] = {
    events.ActivityCompleted: (events.ActivityScheduled,),
    events.ActivityFailed: (events.ActivityScheduled,),
    events.TimerFired: (events.TimerStarted,),
    events.ChildStarted: (events.ChildScheduled,),
    events.ChildCompleted: (events.ChildScheduled,),
    events.ChildFailed: (events.ChildScheduled,),
    events.SignalDelivered: (events.SignalSent, events.CancelSent),
    events.SignalFailed: (events.SignalSent, events.CancelSent),
}
"""News that answer a command, and the records that they answer."""

Problem = tuple[str, str]
"""A word of violations.WORDS, and its detail."""


class History:
    """Holds a run's events against the rules, one after another; `problems` is what is wrong."""

    def __init__(self) -> None:
        self.length = 0
        self.bytes = 0
        self.problems: list[Problem] = []
        self._ended = False
        self._records: dict[int, type[Any]] = {}
        self._last = 0
        self._answered = Counter[tuple[str, int]]()

    def add(self, stored: bytes) -> None:
        """The next event."""
        self.length += 1
        self.bytes += len(stored)
        try:
            _, _, encoded = split_stored(stored)
            event = decode(encoded)
        except RqflowError as error:
            self.problems.append(("history_event", f"number {self.length}: {error}"))
            return
        if isinstance(event, WorkflowStarted) != (self.length == 1):
            self._order(f"event {self.length} is {type(event).__name__}")
        if self._ended:
            self._order(f"event {self.length} comes after the end")
        self._ended = self._ended or isinstance(event, _ENDS)
        if isinstance(event, _RECORDS):
            self._record(event.id, type(event))
        elif type(event) in _ASKED_BY:
            self._answer(event.id, type(event))  # type: ignore[union-attr]

    def finish(self, *, ended: bool) -> None:
        """There are no more. `ended`: the run is known to be over, or not to be."""
        if ended and not self._ended:
            self._order("the run is over, and its history has no end")
        if self._ended and not ended:
            self._order("the history has an end, and the run is not over")

    def _order(self, wrong: str) -> None:
        self.problems.append(("history_order", wrong))

    def _record(self, number: int, kind: type[Any]) -> None:
        if number in self._records:
            self.problems.append(("history_twice", f"command {number} is recorded again by event {self.length}"))
        elif number < self._last:
            self._order(f"command {number} is recorded after command {self._last}")
        self._records[number] = kind
        self._last = max(self._last, number)

    def _answer(self, number: int, kind: type[Any]) -> None:
        if self._records.get(number) not in _ASKED_BY[kind]:
            self._order(f"event {self.length} is {kind.__name__} of command {number}, which did not ask for it")
        about = "start" if kind is events.ChildStarted else "end"
        self._answered[about, number] += 1
        if self._answered[about, number] > 1:
            self.problems.append(("history_twice", f"command {number} is answered again by event {self.length}"))


def check_inbox(stored: Sequence[bytes], *, fresh: bool, runs: int) -> Iterator[Problem]:
    """What is wrong with news that wait. `fresh`: the run has had no turn; `runs`: how many the instance has had."""
    last, descents = 0, 0
    for place, one in enumerate(stored):
        try:
            at_ms, _, encoded = split_stored(one)
            event = decode(encoded)
        except RqflowError as error:
            yield "inbox_event", f"number {place + 1}: {error}"
            continue
        if isinstance(event, WorkflowStarted) != (fresh and place == 0):
            yield "inbox_order", f"{type(event).__name__} stands at {place + 1}"
        elif not isinstance(event, get_args(News)):
            yield "inbox_order", f"{type(event).__name__} is no news"
        descents += at_ms < last - SLACK_MS
        last = at_ms
    # A delayed start has the time at which it began, and a run that goes on for another gets first what is newer than
    # what no turn has seen: once more for each run whose turns did not come to the oldest of it.
    if descents > max(fresh, runs - 1):
        yield "inbox_order", f"time goes back {descents} times"
    if fresh and not stored:
        yield "inbox_order", "there is no start"
