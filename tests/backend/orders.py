"""Orders: calls with the fields that a test does not care for filled in."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NoReturn

import coverage

from rqflow.backend.calls.instances import Start
from rqflow.backend.calls.tasks import (
    Commit,
    Entry,
    Register,
    Subscription,
    Take,
    WorkerRecord,
    WorkflowTask,
)
from rqflow.backend.protocol import Backend, partition_of
from rqflow.core.commands import Close, Command, record_of
from rqflow.core.events import WorkflowCompleted, WorkflowStarted
from rqflow.core.wire import encode

QUEUE = "default"
WORKER = "worker-1"
BOTH = Subscription(workflow_queues=(QUEUE,), activity_queues=(QUEUE,))


def start(instance: str, partitions: int = 1, **options: Any) -> Start:
    """A start of workflow `greet`; its run is `<instance>-run`, without spaces."""
    workflow = options.pop("workflow", "greet")
    queue = options.pop("queue", QUEUE)
    run = options.pop("run", f"{instance.replace(' ', '_')}-run")
    started = WorkflowStarted(workflow=workflow, instance=instance, run=run, queue=queue, payload=b"[]")
    options = {"retention": timedelta(days=1), "attributes": {}, **options}
    return Start(
        partition=partition_of(instance, partitions),
        instance=instance,
        run=run,
        workflow=workflow,
        queue=queue,
        started=encode(started),
        **options,
    )


def register(partition: int = 0, worker: str = WORKER, subscription: Subscription = BOTH) -> Register:
    """A worker of all queues of `subscription`."""
    record = WorkerRecord(
        id=worker,
        name=worker,
        host="here",
        pid=1,
        build="b1",
        subscription=subscription,
        workflows=("greet",),
        activities=("send",),
        workflow_slots=10,
        activity_slots=10,
    )
    return Register(partition=partition, worker=record, lease=timedelta(seconds=30))


def take(partition: int = 0, worker: str = WORKER, entries: tuple[Entry, ...] = (), room: int = 10) -> Take:
    """As much as there is of both kinds."""
    return Take(
        partition=partition,
        worker=worker,
        subscription=BOTH,
        workflow_room=room,
        activity_room=room,
        entries=entries,
    )


def commit(task: WorkflowTask, *commands: Command, close: Close | None = None, worker: str = WORKER) -> Commit:
    """A turn that consumes all news."""
    records = [encode(record_of(command)) for command in commands]
    if close is not None and isinstance(close, WorkflowCompleted):
        records.append(encode(close))
    return Commit(
        partition=task.partition,
        worker=worker,
        instance=task.instance,
        run=task.run,
        token=task.token,
        expected_length=task.history_length,
        consumed=len(task.inbox),
        records=tuple(records),
        commands=commands,
        close=close,
        build="b1",
    )


async def until(happened: Callable[[], bool], seconds: float = 20) -> None:
    """Look again and again, for what no event tells; fails after `seconds`."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        if happened():
            return
        assert loop.time() < deadline, "it did not happen"
        await asyncio.sleep(0.005)


def leave(code: int) -> NoReturn:
    """The end of a forked child: what it ran counts for the coverage, and nothing of the parent's is torn down."""
    measured = coverage.Coverage.current()
    if measured is not None:
        measured.stop()
        measured.save()
    os._exit(code)


async def take_workflow(backend: Backend, partition: int = 0) -> WorkflowTask:
    """The one workflow task that is there."""
    (task,) = (await backend.call(take(partition))).tasks
    assert isinstance(task, WorkflowTask)
    return task


async def complete(backend: Backend, instance: str, payload: bytes = b'"done"') -> None:
    """Run an instance of one turn to its end."""
    partition = partition_of(instance, backend.hub.partitions)
    await backend.call(register(partition))
    await backend.call(start(instance, backend.hub.partitions))
    task = await take_workflow(backend, partition)
    await backend.call(commit(task, close=WorkflowCompleted(payload=payload)))
