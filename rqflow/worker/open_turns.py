"""Open turns: those whose local activities run, and what they need of their worker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from rqflow.authoring.registry import Registry
from rqflow.backend.calls.tasks import GiveBack, WorkflowTask
from rqflow.core.commands import Decision, ScheduleActivity
from rqflow.core.executor import Executor
from rqflow.worker.decisions import is_local
from rqflow.worker.item import Item, Outlet
from rqflow.worker.local_activities import LocalActivities
from rqflow.worker.local_job import Caller, LocalJob
from rqflow.worker.open_turn import OpenTurn
from rqflow.worker.options import WorkerOptions
from rqflow.worker.standing import Standing
from rqflow.worker.unknown import UnknownNames
from rqflow.worker.ways import Ways


class OpenTurns:
    """All of a worker, bounded by the room that its takes had: an open turn counts until it ends."""

    def __init__(
        self,
        *,
        registry: Registry,
        local: LocalActivities,
        standing: Standing,
        options: WorkerOptions,
        unknown: UnknownNames,
        release: Callable[[int, str], None],
        changed: Callable[[], None],
    ) -> None:
        self.local = local
        self._registry = registry
        self._standing = standing
        self._options = options
        self._unknown = unknown
        self._release = release
        self._changed = changed
        self._open: dict[Caller, OpenTurn] = {}
        self._here: Counter[int] = Counter()

    def __bool__(self) -> bool:
        return bool(self._open)

    def of(self, partition: int) -> int:
        """How many of a partition."""
        return self._here[partition]

    def open(
        self, task: WorkflowTask, executor: Executor, outlet: Outlet, ways: Ways, *, decision: Decision, consumed: int
    ) -> None:
        """Go on with a turn that has local activities to run."""
        turn = OpenTurn(task, executor, outlet, ways=ways, home=self)
        self._open[turn] = turn
        self._here[task.partition] += 1
        turn.begin(decision, consumed)

    def reset(self) -> None:
        """The lease is lost: none of this is ours any more."""
        for turn in list(self._open.values()):
            turn.drop()

    async def close(self) -> None:
        """The worker has left: what still runs is stopped."""
        self.reset()
        await self.local.close()

    # ---- what a turn asks for

    @property
    def draining(self) -> bool:
        return self._standing.draining

    @property
    def most_news(self) -> int:
        return self._options.max_turn_events

    def job_of(self, command: ScheduleActivity, turn: Caller) -> LocalJob | None:
        activity = self._registry.activities.get(command.name)
        return None if activity is None else LocalJob(command, activity, turn)

    def begin(self, job: LocalJob) -> None:
        self.local.begin(job)

    def drop(self, job: LocalJob) -> None:
        self.local.drop(job)

    def over(self, turn: Caller) -> None:
        del self._open[turn]
        self._here[turn.task.partition] -= 1
        self._changed()

    def release(self, turn: Caller) -> None:
        self._release(turn.task.partition, turn.task.token)

    def give_back(self, turn: Caller, unknown: str) -> None:
        task = turn.task
        call = (
            self._unknown.give_back(task, local=unknown)
            if unknown
            else GiveBack(partition=task.partition, instance=task.instance, run=task.run, token=task.token)
        )
        turn.outlet.offer(Item(call, _ignore, token=turn.task.token))


def has_local(decision: Decision, executor: Executor, *, replayed: bool) -> bool:
    """Whether local activities are to be run before the turn is over."""
    if any(map(is_local, decision.commands)) or any(map(is_local, decision.again)):
        return decision.close is None
    return replayed and decision.close is None and not executor.ended and bool(executor.pending_local())


def _ignore(answer: Any) -> None:
    """Nothing follows from the answer."""
