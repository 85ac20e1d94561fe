"""Live run: one run in memory: what its code can see, ask for and listen to, behind rqflow.core.run.Run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final, NoReturn

from rqflow.core.events import Payload, ScheduleLink, WorkflowStarted
from rqflow.core.futures import RunFuture
from rqflow.core.gate import ContinueAsNew
from rqflow.core.ids import seed
from rqflow.core.mailbox import Mailbox
from rqflow.core.run import RunInfo, ScheduleInfo
from rqflow.core.updates import Updates
from rqflow.core.wishes import Wishes

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def at(ms: int) -> datetime:
    """Milliseconds since the epoch as a time."""
    return EPOCH + timedelta(milliseconds=ms)


def _schedule(link: ScheduleLink | None) -> ScheduleInfo | None:
    if link is None:
        return None
    return ScheduleInfo(
        id=link.schedule,
        slot=at(link.slot_ms),
        last_success=None if link.last_success_ms is None else at(link.last_success_ms),
        last_payload=link.last_result,
    )


class LiveRun(Wishes):
    """One run; implements rqflow.core.run.Run."""

    def __init__(self, started: WorkflowStarted, at_ms: int, soft_events: int) -> None:
        super().__init__(started)
        self.mailbox: Mailbox | None = None
        """Made for the first signal or receiver, as `updates` for theirs: most runs have neither."""
        self.updates: Updates | None = None
        self.queries: dict[str, Callable[[Payload], Payload]] = {}
        self.predicates: list[tuple[Callable[[], bool], RunFuture[None]]] = []
        self.context = Context()
        self.begin_error: Exception | None = None
        """Why there is no main task: the arguments do not fit."""
        self.cancel_reason: str | None = None
        """Why the run was asked to cancel; None: it was not."""
        self.news = 0
        """News applied so far."""
        self.now_ms = self.started_ms = at_ms
        self._soft_events = soft_events
        self._random: Random | None = None
        self._seeded_by = started.run

    @property
    def info(self) -> RunInfo:
        started = self.started
        # News and commands of earlier steps: the same number wherever the history was split into turns.
        length = self.news + self.ledger.settled
        return RunInfo(
            workflow=started.workflow,
            instance=started.instance,
            run=started.run,
            queue=started.queue,
            started_at=at(self.started_ms),
            parent=started.parent,
            continued_from=started.continued_from,
            deadline=None if started.timeout_ms is None else at(self.started_ms + started.timeout_ms),
            history_length=length,
            continue_suggested=length >= self._soft_events,
            schedule=_schedule(started.schedule),
        )

    @property
    def random(self) -> Random:
        self.gate.check("workflow.random")
        if self._random is None:
            self._random = Random(seed(self._seeded_by))
        return self._random

    def now(self) -> datetime:
        return at(self.now_ms)

    # ---- listening ---------------------------------------------------------------------------------------------

    def receive(self, name: str) -> asyncio.Future[Payload]:
        return self.open_mailbox().receive(name)

    def on_signal(self, name: str, handler: Callable[[Payload], Awaitable[None] | None]) -> None:
        self.open_mailbox().handle(name, handler)

    def on_query(self, name: str, handler: Callable[[Payload], Payload]) -> None:
        self.gate.check("workflow.on_query")
        self.queries[name] = handler

    def on_update(
        self,
        name: str,
        handler: Callable[[Payload], Awaitable[Payload]],
        validator: Callable[[Payload], None] | None,
    ) -> None:
        self.open_updates().handle(name, handler, validator)

    def wait_until(self, predicate: Callable[[], bool]) -> asyncio.Future[None]:
        future: RunFuture[None] = self.loop.create_future()
        self.predicates.append((predicate, future))
        return future

    def continue_as_new(self, workflow: str | None, payload: Payload) -> NoReturn:
        self.gate.check("workflow.continue_as_new")
        self.loop.leaving = True
        raise ContinueAsNew(workflow, payload)

    # ---- the executor's side -----------------------------------------------------------------------------------

    def open_mailbox(self) -> Mailbox:
        """Its signals."""
        if self.mailbox is None:
            self.mailbox = Mailbox(self.loop, self.gate)
        return self.mailbox

    def open_updates(self) -> Updates:
        """Its updates."""
        if self.updates is None:
            self.updates = Updates(self.loop, self.gate, self.ledger)
        return self.updates

    def fire_predicate(self) -> bool:
        """Resolve the first predicate that holds now. False if none does."""
        self.gate.reading = "a wait_until predicate"
        try:
            waiting, self.predicates = self.predicates, []
            for position, (predicate, future) in enumerate(waiting):
                if future.done():
                    continue
                try:
                    holds, error = predicate(), None
                except Exception as raised:
                    holds, error = True, raised
                if holds:
                    self.gate.reading = ""
                    self.predicates += waiting[position + 1 :]
                    future.set_result(None) if error is None else future.set_exception(error)
                    return True
                self.predicates.append((predicate, future))
            return False
        finally:
            self.gate.reading = ""
