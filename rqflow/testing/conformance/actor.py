"""Actor: a worker as the suite plays it, one call at a time, so that it can die or freeze anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from rqflow.backend.calls.suspects import BeginTurn
from rqflow.backend.calls.tasks import (
    ActivityTask,
    CancelNotice,
    Commit,
    Committed,
    QueryTask,
    Register,
    Renew,
    Subscription,
    Sweep,
    Take,
    Taken,
    Task,
    Unregister,
    WorkerRecord,
    WorkflowTask,
)
from rqflow.core.commands import Close, Command, Continue, record_of
from rqflow.core.events import Event, WorkflowCompleted, WorkflowContinued
from rqflow.core.wire import encode
from rqflow.testing.conformance.bench import LONG, Bench

DONE: Final = WorkflowCompleted(payload=b'"done"')


class Actor:
    """A worker that is registered in all partitions."""

    def __init__(self, bench: Bench, name: str, queues: Sequence[str], build: str) -> None:
        self.bench = bench
        self.id = name
        self.subscription = Subscription(workflow_queues=tuple(queues), activity_queues=tuple(queues))
        self.build = build
        self.workflows: tuple[str, ...] = ("checkout",)
        self.activities: tuple[str, ...] = ("charge",)
        self.notices: list[CancelNotice] = []

    @property
    def record(self) -> WorkerRecord:
        return WorkerRecord(
            id=self.id,
            name=self.id,
            host="here",
            pid=1,
            build=self.build,
            subscription=self.subscription,
            workflows=self.workflows,
            activities=self.activities,
            workflow_slots=10,
            activity_slots=10,
        )

    async def register(self, lease: timedelta = LONG) -> Actor:
        for partition in range(self.bench.partitions):
            await self.bench.call(Register(partition=partition, worker=self.record, lease=lease))
        return self

    async def renew(self, lease: timedelta = LONG, **told: Any) -> list[bool]:
        """Whether the lease goes on, in each partition."""
        calls = [
            Renew(partition=partition, worker=self.id, lease=lease, **told)
            for partition in range(self.bench.partitions)
        ]
        return [await self.bench.call(call) is not None for call in calls]

    async def unregister(self) -> None:
        for partition in range(self.bench.partitions):
            await self.bench.call(Unregister(partition=partition, worker=self.id))

    async def sweep(self, max_losses: int = 5) -> None:
        """Sweep until there is nothing more to do."""
        for partition in range(self.bench.partitions):
            call = Sweep(partition=partition, worker=self.id, build=self.build, max_losses=max_losses)
            for _ in range(1_000):
                if not await self.bench.call(call):
                    break
            else:
                raise AssertionError("a sweep has no end")

    def take_call(self, partition: int, **options: Any) -> Take:
        options.setdefault("subscription", self.subscription)
        options.setdefault("workflow_room", 100)
        options.setdefault("activity_room", 100)
        return Take(partition=partition, worker=self.id, **options)

    async def taken(self, partition: int, **options: Any) -> Taken:
        taken = await self.bench.call(self.take_call(partition, **options))
        self.notices += taken.notices
        return taken

    async def take(self, **options: Any) -> list[Task]:
        """The tasks of all partitions."""
        tasks: list[Task] = []
        for partition in range(self.bench.partitions):
            tasks += (await self.taken(partition, **options)).tasks
        return tasks

    async def turn(self, instance: str = "order") -> WorkflowTask:
        """The one workflow task that there is for an instance."""
        taken = await self.taken(self.bench.at(instance), activity_room=0)
        found = [task for task in taken.tasks if isinstance(task, WorkflowTask) and task.instance == instance]
        assert len(found) == 1, f"one task of {instance} was expected, got {taken.tasks}"
        return found[0]

    async def turns(self) -> dict[str, WorkflowTask]:
        """All workflow tasks that there are, by instance; each instance has at most one (P6)."""
        tasks = [task for task in await self.take(activity_room=0) if isinstance(task, WorkflowTask)]
        found = {task.instance: task for task in tasks}
        assert len(found) == len(tasks), f"an instance has two tasks: {tasks}"
        return found

    async def activity(self, instance: str = "order") -> ActivityTask:
        """The one activity task that there is in the partition of an instance."""
        taken = await self.taken(self.bench.at(instance), workflow_room=0)
        [task] = taken.tasks
        assert isinstance(task, ActivityTask)
        return task

    async def question(self, instance: str = "order") -> QueryTask:
        """The one query task that there is in the partition of an instance."""
        taken = await self.taken(self.bench.at(instance), activity_room=0)
        [task] = taken.tasks
        assert isinstance(task, QueryTask)
        return task

    def begin_call(self, task: WorkflowTask) -> BeginTurn:
        return BeginTurn(partition=task.partition, instance=task.instance, run=task.run, token=task.token)

    async def begin(self, task: WorkflowTask) -> None:
        """Say that a turn which was lost before is begun again."""
        await self.bench.call(self.begin_call(task))

    def commit_call(self, task: WorkflowTask, *commands: Command, close: Close | None = None, **options: Any) -> Commit:
        """A commit that consumes all news of the turn, unless told otherwise."""
        records: list[Event] = [record_of(command) for command in commands]
        if isinstance(close, Continue):
            started = close.started
            records.append(WorkflowContinued(run=started.run, workflow=started.workflow, payload=started.payload))
        elif close is not None:
            records.append(close)
        options.setdefault("consumed", len(task.inbox))
        options.setdefault("expected_length", task.history_length)
        options.setdefault("build", self.build)
        options.setdefault("worker", self.id)
        return Commit(
            partition=task.partition,
            instance=task.instance,
            run=task.run,
            token=task.token,
            records=tuple(map(encode, records)),
            commands=commands,
            close=close,
            **options,
        )

    async def commit(
        self, task: WorkflowTask, *commands: Command, close: Close | None = None, **options: Any
    ) -> Committed:
        """Commit, and let the letters that it causes arrive."""
        committed = await self.bench.call(self.commit_call(task, *commands, close=close, **options))
        await self.bench.relay()
        return committed
