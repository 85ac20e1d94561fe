"""Ghost: a worker played call by call, so that it can be dead, late or mistaken at any moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from rqflow.authoring.registry import load_modules
from rqflow.backend.calls.call import Call
from rqflow.backend.calls.tasks import (
    ActivityTask,
    Commit,
    QueryTask,
    Register,
    Subscription,
    Sweep,
    Take,
    Task,
    WorkerRecord,
    WorkflowTask,
)
from rqflow.core.commands import Decision
from rqflow.core.executor import Executor
from rqflow.core.wire import decode_stored
from rqflow.worker.decisions import commit_of
from tests.promises.processes import VERBS
from tests.promises.yard import Yard

WANTED = Subscription(workflow_queues=("default",), activity_queues=("default",))
LONG = timedelta(minutes=10)
NOTHING = timedelta(milliseconds=1)
"""A lease that has lapsed when the next call arrives."""


class Ghost:
    """Keeps no executor and has no mind of its own: it does what a test says."""

    def __init__(self, yard: Yard, name: str, build: str = "test") -> None:
        self.yard = yard
        self.id = name
        self.build = build

    @property
    def partitions(self) -> range:
        return range(self.yard.backend.hub.partitions)

    async def send(self, *calls: Call[Any]) -> list[Any]:
        """Answers, or errors as values."""
        return await self.yard.backend.send(calls)

    async def register(self, lease: timedelta = LONG) -> Ghost:
        record = WorkerRecord(
            id=self.id, name=self.id, host="here", pid=1, build=self.build, subscription=WANTED, workflows=(),
            activities=(), workflow_slots=1, activity_slots=1,
        )  # fmt: skip
        for at in self.partitions:
            await self.yard.backend.call(Register(partition=at, worker=record, lease=lease))
        return self

    def take_call(self, partition: int, *, again: bool = False, room: int = 100) -> Take:
        return Take(
            partition=partition, worker=self.id, subscription=WANTED, workflow_room=room, activity_room=room,
            again=again,
        )  # fmt: skip

    async def take(self, *, again: bool = False, room: int = 100) -> list[Task]:
        """What there is; `again`: what it has on lease, too."""
        found: list[Task] = []
        for at in self.partitions:
            found += (await self.yard.backend.call(self.take_call(at, again=again, room=room))).tasks
        return found

    async def sweep(self, max_losses: int = 100) -> None:
        """Until there is nothing more to do."""
        for at in self.partitions:
            call = Sweep(partition=at, worker=self.id, build=self.build, max_losses=max_losses)
            for _ in range(1_000):
                if not await self.yard.backend.call(call):
                    break
            else:
                raise AssertionError("a sweep has no end")

    async def succeed(self, other: Ghost) -> None:
        """The other one dies, and this one takes over from it."""
        await other.register(NOTHING)

        async def over() -> bool:
            await self.sweep()
            store = self.yard.store
            return all(store.redis.zscore(store.key(at, "workers"), other.id) is None for at in self.partitions)

        await self.yard.until(over)

    def decide(self, task: WorkflowTask, consumed: int | None = None) -> Decision:
        """What the code wants after so many of its news."""
        assert (task.history_from, len(task.history)) == (0, task.history_length), "the whole history is needed"
        events = [decode_stored(stored) for stored in (*task.history, *task.inbox[:consumed])]
        executor = Executor(load_modules([VERBS]).workflows[task.workflow])
        try:
            return executor.advance(events, replayed=task.history_length)
        finally:
            executor.close()

    def commit_call(self, task: WorkflowTask, decision: Decision, **options: Any) -> Commit:
        """The turn; `options` to spoil it."""
        commit = commit_of(
            task, decision, consumed=len(task.inbox), limits=self.yard.backend.limits, worker=self.id, sticky=False,
            build=self.build,
        )  # fmt: skip
        return replace(commit, **options)

    async def turn(self, task: WorkflowTask, consumed: int | None = None) -> Any:
        """Take a turn on so many of its news: the answer."""
        decision = self.decide(task, consumed)
        count = len(task.inbox) if consumed is None else consumed
        [answer] = await self.send(self.commit_call(task, decision, consumed=count))
        return answer


def of_kind(tasks: Sequence[Task], instance: str) -> tuple[list[WorkflowTask], list[ActivityTask], list[QueryTask]]:
    """The tasks of an instance, by kind."""
    its = [task for task in tasks if task.instance == instance]
    return (
        [task for task in its if isinstance(task, WorkflowTask)],
        [task for task in its if isinstance(task, ActivityTask)],
        [task for task in its if isinstance(task, QueryTask)],
    )
