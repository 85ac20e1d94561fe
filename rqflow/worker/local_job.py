"""Local job: one local activity of an open turn, through all of its attempts."""

from __future__ import annotations

from asyncio import TimerHandle, get_running_loop
from typing import Any, Protocol

from rqflow.authoring.activities import Activity
from rqflow.backend.calls.tasks import ActivityTask, WorkflowTask
from rqflow.core.commands import ScheduleActivity
from rqflow.core.events import ActivityCompleted, ActivityFailed, Payload
from rqflow.worker.item import Outlet
from rqflow.worker.running import Running


class Caller(Protocol):
    """The turn that a local activity belongs to."""

    task: WorkflowTask

    @property
    def outlet(self) -> Outlet: ...

    def now_ms(self) -> int:
        """The turn's time."""
        ...

    def ended(self, job: LocalJob, event: ActivityCompleted | ActivityFailed) -> None:
        """It has come to its end, at the event's time."""
        ...


class LocalJob:
    """What is kept of it between attempts. Attempts are counted here alone: another worker counts anew."""

    __slots__ = ("activity", "attempt", "caller", "command", "details", "dropped", "running", "scheduled_ms", "timer")

    def __init__(self, command: ScheduleActivity, activity: Activity[..., Any], caller: Caller) -> None:
        self.command = command
        self.activity = activity
        self.caller = caller
        self.scheduled_ms = caller.now_ms()
        self.attempt = 0
        """Of the attempts begun so far."""
        self.details: Payload = b""
        """What the last heartbeat left."""
        self.running: Running | None = None
        """The attempt whose code has not returned."""
        self.timer: TimerHandle | None = None
        """Until the next attempt."""
        self.dropped = False
        """Nobody waits for it any more."""

    def next_attempt(self, payload_limit: int) -> Running:
        """Another attempt, as its code will see it: like that of any activity."""
        self.attempt += 1
        caller, command = self.caller, self.command
        of = caller.task
        task = ActivityTask(
            partition=of.partition,
            instance=of.instance,
            run=of.run,
            id=command.id,
            token=of.token,
            name=command.name,
            queue=command.queue,
            workflow=of.workflow,
            payload=command.payload,
            attempt=self.attempt,
            losses=0,
            options=b"",
            scheduled_at_ms=self.scheduled_ms,
            started_at_ms=caller.now_ms(),
            details=self.details,
        )
        now = get_running_loop().time
        self.running = Running(task, command.options, caller.outlet, now=now, payload_limit=payload_limit)
        return self.running
