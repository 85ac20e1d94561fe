"""Executor: follows one run: applies events, steps its code, and gives the decision; `advance` is a pure function.

Invariant P4: the commands are a function of the sequence of news alone. Each news event is applied by itself, the loop
runs until nothing is ready, and the commands of that step are settled before the next event is looked at; so it does
not matter how a history was split into turns, or whether it is followed live, from the cache or from the start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, get_args

from rqflow.core.closing import asked_at_end, carried, end_of
from rqflow.core.commands import Close, Continue, Decision, ScheduleActivity
from rqflow.core.dropping import drop
from rqflow.core.events import (
    ActivityCompleted,
    ActivityFailed,
    End,
    Payload,
    Record,
    Stamped,
    WorkflowFailed,
    WorkflowRerun,
    WorkflowStarted,
    WorkflowTerminated,
    WorkflowTimedOut,
)
from rqflow.core.ledger import describe
from rqflow.core.live_run import LiveRun
from rqflow.core.loop import Inside
from rqflow.core.run import RunInfo, WorkflowDefinition
from rqflow.core.stepping import close_of_lost, take_step, warning_of
from rqflow.core.wire import decode_failure
from rqflow.errors import CorruptEvent, IllegalTransition, ReplayMismatch, UnknownName

BASE_SIZE: Final = 6_000
"""About what an idle executor takes, in bytes, before anything is said."""
EVENT_SIZE: Final = 100
"""About what an event leaves behind, its payload not counted."""

_RECORDS: Final = frozenset(get_args(Record))
_ENDS: Final = frozenset(get_args(End))


class _Batch:
    """The events of one `advance`, sorted: what happened, what was recorded, how it ended."""

    __slots__ = ("end", "news", "old_news", "old_records", "records", "rerun", "size")

    def __init__(self, events: Sequence[Stamped], replayed: int) -> None:
        self.news: list[Stamped] = []
        self.records: list[Any] = []
        self.end: End | None = None
        self.old_news = self.old_records = 0
        self.rerun = False
        """It has a rerun that no decision has followed yet."""
        self.size = EVENT_SIZE * len(events)
        for position, stamped in enumerate(events):
            event = stamped.event
            self.size += len(getattr(event, "payload", b""))
            if type(event) in _RECORDS:
                self.records.append(event)
                self.old_records += position < replayed
            elif type(event) in _ENDS:
                self.end = event  # type: ignore[assignment]
            else:
                self.news.append(stamped)
                self.old_news += position < replayed
                self.rerun |= position >= replayed and type(event) is WorkflowRerun

    @property
    def ended_outside(self) -> bool:
        """The code was not asked, or a limit refused what it wanted: that may be more than was recorded."""
        if self.end is None:
            return False
        if isinstance(self.end, WorkflowFailed):
            return decode_failure(self.end.payload).kind == "limit"
        return isinstance(self.end, WorkflowTerminated | WorkflowTimedOut)


class Executor:
    """One run and its code; kept by a worker between turns, or built anew from the history."""

    __slots__ = ("_closed", "_definition", "_max_callbacks", "_run", "_soft_events", "ended", "length", "size")

    def __init__(
        self, definition: WorkflowDefinition, *, soft_events: int = 10_000, max_callbacks: int = 250_000
    ) -> None:
        self.length = 0
        """Events of the history, own commands and end included: what the store has once the decision is committed."""
        self.size = BASE_SIZE
        """An estimate in bytes, for the bound of a cache."""
        self.ended = False
        """The run is over, by its code or from outside; it only answers queries."""
        self._definition = definition
        self._soft_events = soft_events
        self._max_callbacks = max_callbacks
        self._run: LiveRun | None = None
        self._closed = False

    @property
    def info(self) -> RunInfo:
        """What the run knows of itself. Raises CorruptEvent before its first event."""
        return self._begun().info

    @property
    def now_ms(self) -> int:
        """The run's time: of the event that was applied last."""
        return self._begun().now_ms

    def pending_local(self) -> tuple[ScheduleActivity, ...]:
        """Local activities that the last `advance` found recorded, and without an end: they are to be begun (again)."""
        return self._begun().ledger.pending_local()

    def advance(self, events: Sequence[Stamped], *, replayed: int = 0) -> Decision:
        """Apply what happened, and give what the code wants now.

        The first `replayed` of `events` stand in the history already. A history may be split between turns, not
        between a turn's news and its records. The decision counts as committed: if its commit fails, close() this.
        Raises ReplayError; then this executor is of no more use.
        """
        if self._closed:
            raise IllegalTransition("closed", "advance")
        try:
            return self._advance(_Batch(events, replayed), len(events))
        except BaseException:
            self.close()
            raise

    def query(self, name: str, payload: Payload) -> Payload:
        """Ask the code a question; nothing changes. Raises UnknownName, and what the handler raises.

        After NotDeterministic close() this: a handler that set an event or a future has broken the run in memory.
        """
        if self._closed:
            raise IllegalTransition("closed", "query")
        run = self._begun()
        handler = run.queries.get(name)
        if handler is None:
            raise UnknownName("query", name, tuple(sorted(run.queries)))
        run.gate.reading, run.gate.refused = f"the handler of query {name!r}", None
        try:
            with Inside(run.loop):
                answer = handler(payload)
        finally:
            run.gate.reading = ""
        if run.gate.refused is not None:
            raise run.gate.refused
        return answer

    def close(self) -> None:
        """Let the run go; its suspended code ends without doing anything durable."""
        if not self._closed:
            self._closed = True
            if self._run is not None:
                drop(self._run)

    def __del__(self) -> None:
        # Nothing below refers to the executor, so this runs before the collector reaches a suspended coroutine.
        self.close()

    def _begun(self) -> LiveRun:
        if self._run is None:
            raise CorruptEvent("this run has no events yet; a history begins with WorkflowStarted")
        return self._run

    def _start(self, batch: _Batch) -> LiveRun:
        first = batch.news[0] if batch.news else None
        if first is None or not isinstance(first.event, WorkflowStarted):
            raise CorruptEvent("a run's history must begin with WorkflowStarted")
        self._run = LiveRun(first.event, first.at_ms, self._soft_events)
        return self._run

    def _advance(self, batch: _Batch, count: int) -> Decision:
        run = self._run or self._start(batch)
        run.ledger.load(batch.records, follow=batch.rerun)
        run.ended_outside = batch.ended_outside
        self.size += batch.size
        close, warnings = self._apply(run, batch)
        run.replaying = False
        if batch.records:
            _check_followed(run, len(batch.records), close)
        again, commands = run.ledger.take_again() if batch.rerun else (), run.ledger.take()
        if batch.end is not None:
            _check_end(run, batch, close)
            self.ended, close, commands, again = True, None, (), ()
        self.length += count + len(commands) + (close is not None)
        return Decision(commands=commands, again=again, close=close, warnings=tuple(warnings))

    def _apply(self, run: LiveRun, batch: _Batch) -> tuple[Close | None, list[str]]:
        warnings: list[str] = []
        for position, stamped in enumerate(batch.news):
            if self.ended:
                break
            run.replaying = position < batch.old_news
            close = self._step(run, stamped, warnings)
            if close is not None:
                self.ended = True
                if isinstance(close, Continue):
                    close = replace(close, carried=carried(run, batch.news[position + 1 :]))
                if run.updates is not None:
                    run.updates.end(carried=isinstance(close, Continue))
            run.ledger.settle(replaying=run.replaying and not batch.ended_outside)
            if batch.old_records and (position + 1 == batch.old_news or close is not None):
                _check_followed(run, batch.old_records, close)
            if close is not None:
                if run.replaying and batch.end is None:
                    raise ReplayMismatch(run.ledger.settled + 1, "no end of the run", asked_at_end(close))
                return close, warnings
        return None, warnings

    def _step(self, run: LiveRun, stamped: Stamped, warnings: list[str]) -> Close | None:
        event, at_ms = stamped.event, stamped.at_ms
        if isinstance(event, ActivityCompleted | ActivityFailed) and event.at_ms is not None:
            at_ms = event.at_ms
        # Redis' clock may be set back; a run's time never is, or its timers would lie in the past.
        run.now_ms = max(run.now_ms, at_ms)
        run.loop.now = run.now_ms / 1000
        close = take_step(run, self._definition, event, self._max_callbacks)  # type: ignore[arg-type]
        lost = run.loop.lost.take(last=close is not None)
        if lost:
            close = close or close_of_lost(run, lost)
            if not run.replaying:
                warnings += [warning_of(run, where, error) for where, error in lost]
        return close


def _check_followed(run: LiveRun, records: int, close: Close | None) -> None:
    """By now the code must have asked for so many records of the batch."""
    record = run.ledger.unfollowed(records)
    if record is not None:
        raise ReplayMismatch(run.ledger.settled + 1, describe(record), asked_at_end(close))


def _check_end(run: LiveRun, batch: _Batch, close: Close | None) -> None:
    """The history has an end: the code must have come to one of the same kind, unless it was not asked."""
    if batch.end is None or batch.ended_outside:
        return
    if close is None or end_of(close) is not type(batch.end):
        raise ReplayMismatch(run.ledger.settled + 1, type(batch.end).__name__, asked_at_end(close))
