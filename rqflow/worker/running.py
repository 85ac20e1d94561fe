"""Running: one attempt of an activity, as its code sees it and as the worker watches it."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cached_property

from rqflow.authoring.attempt import ActivityInfo
from rqflow.backend.calls.tasks import ActivityTask
from rqflow.core.events import Payload
from rqflow.core.options import ActivityOptions
from rqflow.errors import PayloadTooLarge
from rqflow.worker.item import Outlet


class Running:
    """An attempt. Used from the loop, the activity's thread and the lease thread.

    It is *settled* once: whoever settles it (the code's end, a time limit, a cancel, a lost lease) decides what it
    came to, and everything later is dropped. It is *ended* when its code has returned; until then it keeps its slot.
    """

    def __init__(
        self,
        task: ActivityTask,
        options: ActivityOptions,
        outlet: Outlet,
        *,
        now: Callable[[], float],
        payload_limit: int,
    ) -> None:
        self.task = task
        self.options = options
        self.outlet = outlet
        self._now = now
        """The loop's clock."""
        self.began = now()
        self.deadline, self.limit = _deadline(task, options, self.began)
        """On the loop's clock; and the name of the time limit that it comes from."""
        self.details: Payload = task.details
        self.interrupt: Callable[[bool], None] = lambda hard: None
        """Stops the code as far as its kind allows, at once if True; called on the loop."""
        self._payload_limit = payload_limit
        self._heartbeat = math.inf if options.heartbeat is None else options.heartbeat.total_seconds()
        self._beat = self.began
        self._told: Payload = task.details
        self._cancelled = False
        self._settled = False
        self._lock = threading.Lock()

    # ---- what the code sees (the Attempt protocol)

    @cached_property
    def info(self) -> ActivityInfo:
        """Made when asked for: most code does not."""
        return _info(self.task, self.deadline - self.began)

    def heartbeat(self, details: Payload) -> None:
        """The attempt lives."""
        if len(details) > self._payload_limit:
            raise PayloadTooLarge(f"activity {self.task.name}: heartbeat details", len(details), self._payload_limit)
        self._beat = self._now()
        if details:
            self.details = details

    def is_cancelled(self) -> bool:
        """Whether nobody needs the result any more."""
        return self._cancelled

    # ---- what the worker does

    def settle(self) -> bool:
        """True for the first caller only: code, time limit and cancellation end an attempt once (P5)."""
        with self._lock:
            first, self._settled = not self._settled, True
        return first

    @property
    def settled(self) -> bool:
        return self._settled

    def abandon(self) -> None:
        """Nobody needs the result: tell the code."""
        self._cancelled = True

    @property
    def next_check(self) -> float:
        """When a time limit may have passed, on the loop's clock."""
        return min(self.deadline, self._beat + self._heartbeat)

    def passed_limit(self, now: float) -> str:
        """The time limit that has passed, in words; empty if none."""
        if now >= self.deadline:
            return self.limit
        if now >= self._beat + self._heartbeat:
            return f"heartbeat of {self.options.heartbeat}"
        return ""

    def elapsed(self) -> timedelta:
        """Since the activity was scheduled: Redis' time until it was taken, our own since."""
        waited = max(0, self.task.started_at_ms - self.task.scheduled_at_ms)
        return timedelta(milliseconds=waited, seconds=self._now() - self.began)

    def untold_details(self) -> Payload | None:
        """Heartbeat details that the store does not have yet."""
        details = self.details
        return None if details is self._told or details == self._told else details

    def details_told(self, details: Payload) -> None:
        """The store has them."""
        self._told = details


def _deadline(task: ActivityTask, options: ActivityOptions, now: float) -> tuple[float, str]:
    best, name = math.inf, ""
    if options.timeout is not None:
        best, name = now + options.timeout.total_seconds(), f"timeout of {options.timeout}"
    if options.schedule_to_close is not None:
        waited = max(0, task.started_at_ms - task.scheduled_at_ms) / 1000
        left = now + options.schedule_to_close.total_seconds() - waited
        if left < best:
            best, name = left, f"schedule_to_close of {options.schedule_to_close}"
    return best, name


def _info(task: ActivityTask, seconds: float) -> ActivityInfo:
    started = datetime.fromtimestamp(task.started_at_ms / 1000, UTC)
    return ActivityInfo(
        workflow=task.workflow,
        instance=task.instance,
        run=task.run,
        id=task.id,
        name=task.name,
        queue=task.queue,
        attempt=task.attempt,
        losses=task.losses,
        idempotency_key=task.idempotency_key,
        scheduled_at=datetime.fromtimestamp(task.scheduled_at_ms / 1000, UTC),
        deadline=None if math.isinf(seconds) else started + timedelta(seconds=seconds),
        heartbeat=task.details,
    )
