"""Turner: the order in which turns are taken: one after the other, with room for everything else in between."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Sequence

from rqflow.backend.calls.tasks import QueryTask, WorkflowTask
from rqflow.errors import RqflowError
from rqflow.values import dataclass
from rqflow.worker.histories import Histories
from rqflow.worker.item import Outlet
from rqflow.worker.questions import Questions, refused
from rqflow.worker.standing import Standing
from rqflow.worker.trials import Trials
from rqflow.worker.turns import NeedsHistory, Turns

logger = logging.getLogger("rqflow.worker")

SLICE = 0.0002
"""Seconds of turns after which the loop goes round, a few turns: what is finished goes out, and Redis works on it while
the next are turned. With longer slices the two wait for each other."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A task that waits for its turn."""

    task: WorkflowTask | QueryTask
    outlet: Outlet
    epoch: int
    history: Sequence[bytes] | None = None


class Turner:
    """A queue of workflow and query tasks, bounded by the room that the takes had."""

    def __init__(self, turns: Turns, questions: Questions, histories: Histories, standing: Standing) -> None:
        self._turns = turns
        self._questions = questions
        self._histories = histories
        self._standing = standing
        self._queue: deque[Waiting] = deque()
        self._loading: dict[asyncio.Task[None], Waiting] = {}
        self._here: Counter[int] = Counter()
        self._some = asyncio.Event()
        self._trials = Trials(self._try, self._tried)

    def waiting(self, partition: int) -> int:
        """Tasks of a partition that are not finished."""
        return self._here[partition]

    @property
    def idle(self) -> bool:
        return not (self._queue or self._loading or self._trials)

    def accept(self, task: WorkflowTask | QueryTask, outlet: Outlet) -> None:
        """Put it at the end of the queue; `work` when all that came is there."""
        self._here[outlet.partition] += 1
        if isinstance(task, WorkflowTask) and task.deliveries > 1:
            self._trials.add(task, outlet)
        else:
            self._queue.append(Waiting(task, outlet, self._standing.epoch))

    def work(self) -> None:
        """Take turns for as long as a slice lasts; what is left comes after the loop has gone round."""
        time = asyncio.get_running_loop().time
        until = time() + SLICE
        while self._queue and not self._trials.turned and time() < until:
            self._one(self._queue.popleft())
        if self._queue and not self._trials.turned:
            self._some.set()
        else:
            self._some.clear()

    def reset(self) -> None:
        """The lease is lost: none of this is ours any more."""
        self._queue.clear()
        self._trials.reset()
        self.stop_loading()
        self._here.clear()

    def stop_loading(self) -> None:
        """Let go of what is being read."""
        for loading in self._loading:
            loading.cancel()

    async def run(self) -> None:
        """Take the turns that are left until canceled."""
        try:
            while True:
                await self._some.wait()
                self.work()
                await asyncio.sleep(0)
        finally:
            self.stop_loading()

    def _put(self, waiting: Waiting) -> None:
        self._queue.append(waiting)
        self._some.set()

    def _try(self, task: WorkflowTask, outlet: Outlet) -> None:
        """The store knows: it comes next."""
        self._queue.appendleft(Waiting(task, outlet, self._standing.epoch))
        self._some.set()

    def _tried(self, partition: int, taken: bool) -> None:
        """The others may go on."""
        if not taken:
            self._here[partition] -= 1
        self._some.set()

    def _one(self, waiting: Waiting) -> None:
        task, outlet = waiting.task, waiting.outlet
        if waiting.epoch != self._standing.epoch:
            return
        try:
            if isinstance(task, WorkflowTask):
                self._turns.turn(task, outlet, waiting.history)
            else:
                self._questions.answer(task, outlet, waiting.history)
        except NeedsHistory:
            loading = asyncio.get_running_loop().create_task(self._load(waiting))
            self._loading[loading] = waiting
            loading.add_done_callback(self._loaded)
            return
        self._here[outlet.partition] -= 1
        # From here on the worker lives, so far as this turn is concerned; until the store knows it, no other begins.
        self._trials.turned = self._trials.turned or self._trials.is_current(task)

    async def _load(self, waiting: Waiting) -> None:
        task = waiting.task
        if isinstance(task, QueryTask) and task.inbox:
            # Its news are on their way through a turn, here or elsewhere: what is not committed is not told.
            self._put(Waiting(await self._histories.settled(task), waiting.outlet, waiting.epoch))
            return
        self._put(Waiting(task, waiting.outlet, waiting.epoch, await self._histories.read(task)))

    def _loaded(self, loading: asyncio.Task[None]) -> None:
        waiting = self._loading.pop(loading)
        if waiting.epoch != self._standing.epoch or loading.cancelled():
            return
        error = loading.exception()
        if error is None:
            return
        self._here[waiting.outlet.partition] -= 1
        if not isinstance(error, RqflowError):
            logger.error("a history could not be read", exc_info=error)
        if isinstance(waiting.task, WorkflowTask):
            self._turns.cannot_load(waiting.task, waiting.outlet, error)
        else:
            self._questions.reply(waiting.task, waiting.outlet, refused(error))
