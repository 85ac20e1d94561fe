"""Activities: attempts in their slots: begun, watched, stopped, and told to the store when they end."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

from rqflow.authoring.activities import Activity, Mode
from rqflow.authoring.attempt import CURRENT_ATTEMPT
from rqflow.authoring.registry import Registry
from rqflow.backend.calls.tasks import ActivityTask, CancelNotice, CompleteActivity, RetryActivity
from rqflow.core.failure import failure_of
from rqflow.core.options import ActivityOptions
from rqflow.core.wire import decode_options
from rqflow.errors import CorruptEvent, ProcessDied
from rqflow.worker.containing import later, lost, mode_of
from rqflow.worker.execution import Unfit
from rqflow.worker.isolated import ChildRaised
from rqflow.worker.item import Item, Outlet
from rqflow.worker.kinds import Kinds
from rqflow.worker.options import WorkerOptions
from rqflow.worker.reports import failed, final, refusal, success, timed_out
from rqflow.worker.retry import class_names
from rqflow.worker.running import Running
from rqflow.worker.slots import Slots
from rqflow.worker.standing import Standing
from rqflow.worker.telling import Telling
from rqflow.worker.unknown import UnknownNames

logger = logging.getLogger("rqflow.worker")

FRESH = 0.002
"""An attempt younger than this (seconds) may end any moment."""

CLOSE_WAIT = 0.5
"""Seconds in which the code of stopped attempts may clean up when the worker leaves."""


class Activities:
    """All attempts of a worker. An attempt has a slot until its code has returned, whatever was decided about it."""

    def __init__(
        self,
        *,
        registry: Registry,
        options: WorkerOptions,
        standing: Standing,
        payload_limit: int,
        unknown: UnknownNames,
        release: Callable[[int, str], None],
        changed: Callable[[], None],
        random: Random,
    ) -> None:
        self.slots = Slots(registry, options)
        self.telling = Telling(options, standing)
        self.finished = 0
        self._registry = registry
        self._options = options
        self._payload_limit = payload_limit
        self._unknown = unknown
        self._release = release
        self._changed = changed
        self._random = random
        self._kinds = Kinds(options, payload_limit)
        self._running: dict[Running, asyncio.Task[None]] = {}
        self._begun = 0.0

    def attempts(self) -> tuple[Running, ...]:
        """Those whose code has not returned. Safe to call from another thread."""
        return tuple(self._running)

    @property
    def fresh(self) -> bool:
        """Some attempt was begun a moment ago."""
        return bool(self._running) and asyncio.get_running_loop().time() - self._begun < FRESH

    def accept(self, task: ActivityTask, outlet: Outlet) -> None:
        """Begin an attempt."""
        activity = self._registry.activities.get(task.name)
        if activity is None:
            outlet.offer(Item(self._unknown.give_back(task), answered=_ignore, token=task.token))
            return
        loop = asyncio.get_running_loop()
        try:
            options = decode_options(task.options)
        except CorruptEvent as error:
            running = Running(task, ActivityOptions(), outlet, now=loop.time, payload_limit=self._payload_limit)
            self.telling.tell(running, final(running, refusal(error)))
            return
        mode = mode_of(activity, task, self._options)
        if mode != activity.mode and not self.slots.process_is_free:
            outlet.offer(Item(later(task), answered=_ignore, token=task.token))
            return
        running = Running(task, options, outlet, now=loop.time, payload_limit=self._payload_limit)
        self._begun = running.began
        self.slots.occupy(mode)
        work = loop.create_task(self._attempt(activity, running, mode))
        self._running[running] = work
        work.add_done_callback(partial(self._ended, running, mode))
        if mode == "async":
            running.interrupt = lambda hard: _cancel(work)
        self._watch(running)

    async def _attempt(self, activity: Activity[..., Any], running: Running, mode: Mode) -> None:
        CURRENT_ATTEMPT.set(running)
        report = await self._outcome(activity, running, mode)
        if report is not None and running.settle():
            self.telling.tell(running, report)

    def _ended(self, running: Running, mode: Mode, work: asyncio.Task[None]) -> None:
        # Not in a `finally` of the coroutine: one that is canceled before its first step never enters its body.
        del self._running[running]
        # Breaks the circle of attempt, task and context: thousands a second are no work for the collector.
        running.interrupt = _nothing
        self.slots.free(mode)
        self.finished += 1
        if not work.cancelled() and (error := work.exception()) is not None:
            logger.error("activity %r: the worker failed around it", running.task.name, exc_info=error)
        self._changed()

    async def _outcome(
        self, activity: Activity[..., Any], running: Running, mode: Mode
    ) -> CompleteActivity | RetryActivity | None:
        """What the code comes to; None if that was decided elsewhere. Whatever the code raises is its failure."""
        try:
            payload = await self._kinds.run(activity, running, mode)
        except ProcessDied as error:
            if running.settled:
                return None
            if mode != activity.mode:
                return lost(running, error, self._options.max_losses)
            return failed(running, failure_of(error), class_names(error), self._random)
        except Unfit as unfit:
            return final(running, refusal(unfit.error))
        except ChildRaised as raised:
            return failed(running, raised.failure, raised.names, self._random)
        except BaseException as error:
            if running.settled or isinstance(error, GeneratorExit):
                return None
            return failed(running, failure_of(error), class_names(error), self._random)
        return success(running, payload, self._payload_limit)

    async def close(self) -> None:
        """Stop all, as a worker that leaves does: what they come to is not told, threads that go on are left alone."""
        works = [self._running[running] for running in self.attempts()]
        for running in self.attempts():
            self.drop(running, hard=True)
        if works:
            await asyncio.wait(works, timeout=CLOSE_WAIT)
        for work in works:
            work.cancel()
        self._kinds.close()

    def cancel(self, notice: CancelNotice) -> None:
        """Nobody needs this one."""
        for running in self.attempts():
            if (running.task.partition, running.task.token) == (notice.partition, notice.token):
                self.drop(running, hard=False)

    def drop(self, running: Running, *, hard: bool) -> None:
        """Stop an attempt as far as its kind allows; what it comes to is not told."""
        running.settle()
        running.abandon()
        running.interrupt(hard)
        self._release(running.task.partition, running.task.token)

    def _watch(self, running: Running) -> None:
        """Look at the time limits when the next may have passed."""
        if running.settled or math.isinf(running.next_check):
            return
        loop = asyncio.get_running_loop()
        limit = running.passed_limit(loop.time())
        if limit:
            self.give_up(running, limit)
        else:
            loop.call_at(running.next_check, self._watch, running)

    def give_up(self, running: Running, limit: str) -> None:
        """An attempt passed a time limit: it is told as timed out, whatever its code still does."""
        if running.settle():
            failure, names = timed_out(running, limit)
            self.telling.tell(running, failed(running, failure, names, self._random))
            running.abandon()
            running.interrupt(True)


def _cancel(work: asyncio.Task[None]) -> None:
    work.cancel("the activity is not wanted any more, or its time is up")


def _nothing(hard: bool) -> None:
    """There is nothing left to stop."""


def _ignore(answer: Any) -> None:
    """Nothing follows from the answer: a refused report is of an attempt that is not ours any more."""
