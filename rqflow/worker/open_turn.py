"""Open turn: a turn whose local activities run: it goes on with each of their ends, and commits in time what it has."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from rqflow.backend.calls.tasks import Commit, Committed, WorkflowTask
from rqflow.core.commands import CancelActivity, Command, Decision, ScheduleActivity, record_of
from rqflow.core.events import ActivityCompleted, ActivityFailed, Stamped
from rqflow.core.executor import Executor
from rqflow.core.wire import encode
from rqflow.errors import LeaseLost
from rqflow.worker.gathered import Gathered, TurnTime, after
from rqflow.worker.item import Item, Outlet
from rqflow.worker.local_job import LocalJob
from rqflow.worker.local_jobs import LocalJobs
from rqflow.worker.ways import Home, Ways

HOLD: Final = 0.1
"""Seconds after which what a turn has come to is committed, though local activities still run."""
PROMPT: Final = 0.01
"""The same, if the store has to act on it: activities, timers, children, messages."""
LONGEST_LOOK: Final = 1.0
"""Seconds between two looks for news while nothing else happens; at first HOLD, then twice as long each time."""


class OpenTurn:
    """One turn, from its first decision with a local activity to the commit after which none of them runs.

    It holds its task all the time: a commit in between keeps it, and brings what came meanwhile. Until that is answered
    nothing is applied, so the news that it brings stand in the history where the code heard of them (P4). What a turn
    has not committed is lost with its worker, and done again by the next one.
    """

    def __init__(self, task: WorkflowTask, executor: Executor, outlet: Outlet, *, ways: Ways, home: Home) -> None:
        self.task = task
        """As the store has it: its history grows with each commit that was answered."""
        self.outlet = outlet
        self._executor, self._ways, self._home = executor, ways, home
        self._loop = asyncio.get_running_loop()
        self._time = TurnTime(self._loop, executor.now_ms)
        self.now_ms = self._time.now_ms
        self._gathered = Gathered()
        self._jobs = LocalJobs(home, self)
        self._under_way = self._over = False
        self._pause, self._timer = HOLD, self._loop.call_later(HOLD, self._look)

    def begin(self, decision: Decision, consumed: int) -> None:
        """Go on from the first decision, which so many news led to."""
        self._gathered.consumed = consumed
        again = {command.id for command in decision.again}
        for command in self._executor.pending_local():
            if command.id not in again:
                self._jobs.add(command)
        self._take(decision)
        self._move()

    def ended(self, job: LocalJob, event: ActivityCompleted | ActivityFailed) -> None:
        """A local activity has come to its end: news of this turn's own making."""
        if not self._over:
            self._jobs.arrive(job, event)
            self._move()

    def drop(self) -> None:
        """The task is not ours any more: nothing of the turn goes on."""
        if not self._over:
            self._stop(executor=True)
            self._home.release(self)

    # ---- what the code wants

    def _step(self, events: Sequence[bytes | Stamped], told: Sequence[bytes]) -> None:
        length = self._executor.length
        decision = self._ways.advance(self._executor, self.task, self.outlet, events, length=length)
        if decision is None:
            self._stop()
            return
        self._gathered.tell(told)
        self._take(decision)

    def _take(self, decision: Decision) -> None:
        for command in decision.again:
            self._ask(command)
        self._gathered.tell([encode(record_of(command)) for command in decision.commands])
        for command in decision.commands:
            self._ask(command)
        self._gathered.close = decision.close
        if self._gathered.urgent and self._timer.when() > self._loop.time() + PROMPT:
            self._wait(PROMPT)

    def _ask(self, command: Command) -> None:
        if isinstance(command, ScheduleActivity) and command.options.local:
            self._jobs.add(command)
        elif isinstance(command, CancelActivity) and self._jobs.give_up(command.target):
            return
        else:
            self._gathered.urgent = True
        self._gathered.commands.append(command)

    # ---- what follows

    def _move(self) -> None:
        """Do whatever can be done now."""
        while not (self._under_way or self._over or self._gathered.close) and (found := self._jobs.next_end()):
            self._gathered.durable |= found[0].options.local == "durable"
            self._step([Stamped(at_ms=found[1].at_ms or 0, event=found[1])], [encode(found[1])])
        if self._under_way or self._over:
            return
        if self._gathered.close is not None or not self._jobs:
            self._end(self._gathered.commit(self._ways, self.task, keep=False))
        elif self._gathered.due or self._jobs.left:
            self._keep()
        elif not self._jobs.leaving:
            self._jobs.begin()

    def _wait(self, seconds: float) -> None:
        self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self._look)

    def _look(self) -> None:
        """Commit what there is, and hear what came."""
        if not self._under_way:
            self._pause = HOLD if self._gathered else min(LONGEST_LOOK, 2 * self._pause)
            self._move()
            if not (self._under_way or self._over):
                self._keep()
        if not self._over:
            self._wait(self._pause)

    def _end(self, commit: Commit) -> None:
        self._stop()
        self._ways.offer(commit, self.task, self.outlet, self._executor)

    def _keep(self) -> None:
        commit = self._gathered.commit(self._ways, self.task, keep=True)
        if commit.close is not None:
            self._end(commit)  # it has passed a limit
            return
        self._gathered, self._under_way = Gathered(), True
        weight = sum(map(len, commit.records))
        self.outlet.offer(Item(commit, lambda answer: self._kept(commit, answer), weight=weight))

    def _kept(self, commit: Commit, answer: Any) -> None:
        self._under_way = False
        if self._over:
            return
        if not isinstance(answer, Committed | LeaseLost):
            self._stop(executor=True)
            self._ways.refused(commit, answer, self.task, self.outlet, first=True)
        elif isinstance(answer, LeaseLost) or not answer.kept:
            self.drop()  # lost, ended or suspended meanwhile
        else:
            self.task = after(self.task, commit, answer)
            if answer.outbox:
                self.outlet.relay_soon()
            self._go_on(answer.inbox[: self._home.most_news])

    def _go_on(self, news: Sequence[bytes]) -> None:
        if self._jobs.left:
            self._stop(executor=True)
            self._home.give_back(self, self._jobs.unknown)
            return
        if news:
            self._gathered.consumed = len(news)
            self._step(news, ())
            self._time.heard(self._executor.now_ms)
        self._move()

    def _stop(self, *, executor: bool = False) -> None:
        self._over = True
        if executor:
            self._executor.close()
        self._timer.cancel()
        self._jobs.stop()
        self._home.over(self)
