"""Deeds: short words for what an actor does with a task, and for the commands that tests give."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from rqflow.backend.calls.instances import Resume, Suspend
from rqflow.backend.calls.tasks import (
    ActivityTask,
    CompleteActivity,
    GiveBack,
    RetryActivity,
    Stall,
    WorkflowTask,
)
from rqflow.core.commands import Continue, ScheduleActivity, StartChild
from rqflow.core.events import ActivityCompleted, Event, News, WorkflowStarted
from rqflow.core.failure import Failure
from rqflow.core.options import ActivityOptions, ChildOptions
from rqflow.core.wire import encode, encode_failure
from rqflow.testing.conformance.actor import DONE, Actor
from rqflow.testing.conformance.bench import QUEUE, Bench, decoded
from rqflow.testing.conformance.moving import BLINK

BROKEN = encode_failure(Failure(type="builtins.ValueError", message="no"))


def news_of(task: WorkflowTask) -> list[Event]:
    """The decoded news of a turn."""
    return decoded(task.inbox)


async def worker(bench: Bench, name: str = "worker-1", **options: Any) -> Actor:
    """A registered worker."""
    queues = options.pop("queues", (QUEUE,))
    build = options.pop("build", "build-1")
    actor = Actor(bench, name, queues, build)
    actor.workflows = options.pop("workflows", actor.workflows)
    actor.activities = options.pop("activities", actor.activities)
    return await actor.register(**options)


async def finish(actor: Actor, instance: str = "order") -> None:
    """Take an instance's turn, and end it."""
    await actor.commit(await actor.turn(instance), close=DONE)


async def suspend(bench: Bench, instance: str = "order", reason: str = "") -> bool:
    return await bench.call(Suspend(partition=bench.at(instance), instance=instance, reason=reason))


async def resume(bench: Bench, instance: str = "order", reason: str = "") -> bool:
    return await bench.call(Resume(partition=bench.at(instance), instance=instance, reason=reason))


def charge(id: int = 1, *, queue: str = QUEUE, payload: bytes = b"5", **options: Any) -> ScheduleActivity:
    """Ask for the activity `charge`."""
    return ScheduleActivity(id=id, name="charge", queue=queue, options=ActivityOptions(**options), payload=payload)


def child(instance: str, run: str, id: int = 1, *, tell_start: bool = False, **options: Any) -> StartChild:
    """Ask for a child."""
    return StartChild(
        id=id,
        workflow="ship",
        instance=instance,
        run=run,
        queue=QUEUE,
        options=ChildOptions(**options),
        tell_start=tell_start,
        payload=b"[1]",
    )


def complete_call(task: ActivityTask, payload: bytes = b"ok") -> CompleteActivity:
    """An attempt has returned."""
    return CompleteActivity(
        partition=task.partition,
        instance=task.instance,
        run=task.run,
        id=task.id,
        token=task.token,
        event=encode(ActivityCompleted(id=task.id, payload=payload)),
    )


def retry_call(task: ActivityTask, delay: timedelta, *, lost: bool = False) -> RetryActivity:
    """An attempt has raised."""
    return RetryActivity(
        partition=task.partition,
        instance=task.instance,
        run=task.run,
        id=task.id,
        token=task.token,
        delay=delay,
        failure=BROKEN,
        lost=lost,
    )


def give_back_call(task: WorkflowTask | ActivityTask, **options: Any) -> GiveBack:
    """The worker does not go on with this."""
    activity = task.id if isinstance(task, ActivityTask) else 0
    return GiveBack(
        partition=task.partition, instance=task.instance, run=task.run, token=task.token, activity=activity, **options
    )


def stall_call(task: WorkflowTask, build: str = "build-1") -> Stall:
    """This code cannot follow this history."""
    return Stall(
        partition=task.partition,
        instance=task.instance,
        run=task.run,
        token=task.token,
        reason="replay differs at command 1",
        build=build,
    )


def continued(task: WorkflowTask, run: str, *carried: News, **options: Any) -> Continue:
    """Go on with another run."""
    options.setdefault("workflow", task.workflow)
    started = WorkflowStarted(
        instance=task.instance, run=run, queue=task.queue, continued_from=task.run, payload=b"[2]", **options
    )
    return Continue(started=started, carried=carried)


async def dies(bench: Bench, actor: Actor, survivor: Actor, *, max_losses: int = 5) -> None:
    """A worker says no more until its lease has ended, and another takes over."""
    await actor.renew(lease=BLINK)
    await bench.clock.pass_by(2 * BLINK)
    await survivor.sweep(max_losses=max_losses)
