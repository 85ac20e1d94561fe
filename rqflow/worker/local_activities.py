"""Local activities: code that runs beside the turn that called it, in this process, by the rules of any activity."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import math
from collections import deque
from datetime import timedelta
from random import Random
from typing import Any

from rqflow.authoring.attempt import CURRENT_ATTEMPT
from rqflow.core.events import ActivityCompleted, ActivityFailed
from rqflow.core.failure import Failure, failure_of
from rqflow.core.wire import encode_failure
from rqflow.errors import BadInput, PayloadTooLarge
from rqflow.worker.execution import Unfit
from rqflow.worker.kinds import Kinds
from rqflow.worker.local_job import LocalJob
from rqflow.worker.options import WorkerOptions
from rqflow.worker.reports import out_of_limit, refusal
from rqflow.worker.retry import TryAgain, after_failure, class_names
from rqflow.worker.running import Running

logger = logging.getLogger("rqflow.worker")

FRESH = 0.002
"""An attempt younger than this (seconds) may end any moment."""
CLOSE_WAIT = 0.5
"""Seconds in which the code of stopped attempts may clean up when the worker leaves."""

End = ActivityCompleted | ActivityFailed


class LocalActivities:
    """All local attempts of a worker: so many at a time, the others wait in the order in which they were asked for.

    They have places and threads of their own, so that activities from queues, however slow, hold no turn up.
    """

    def __init__(self, *, options: WorkerOptions, payload_limit: int, random: Random) -> None:
        self._limit = options.local_slots
        self._payload_limit = payload_limit
        self._random = random
        self._kinds = Kinds(options, payload_limit)
        self._waiting: deque[LocalJob] = deque()
        self._works: dict[asyncio.Task[End | TryAgain | None], Running] = {}
        self._context = contextvars.copy_context()
        self._begun = 0.0

    @property
    def running(self) -> int:
        """Attempts whose code has not returned."""
        return len(self._works)

    @property
    def fresh(self) -> bool:
        """Some attempt was begun a moment ago."""
        return bool(self._works) and asyncio.get_running_loop().time() - self._begun < FRESH

    def begin(self, job: LocalJob) -> None:
        """Begin an attempt as soon as there is a place."""
        job.timer = None
        self._waiting.append(job)
        self._fill()

    def drop(self, job: LocalJob) -> None:
        """Nobody waits for it any more: what its code comes to is not told."""
        job.dropped = True
        if job.timer is not None:
            job.timer.cancel()
        if job.running is not None:
            self._stop(job.running)

    async def close(self) -> None:
        """Stop all, as a worker that leaves does; threads that go on are left alone."""
        self._waiting.clear()
        works = list(self._works)
        for running in list(self._works.values()):
            self._stop(running)
        if works:
            await asyncio.wait(works, timeout=CLOSE_WAIT)
        self._kinds.close()

    def _fill(self) -> None:
        while self._waiting and len(self._works) < self._limit:
            job = self._waiting.popleft()
            if not job.dropped:
                self._start(job)

    def _start(self, job: LocalJob) -> None:
        running = job.next_attempt(self._payload_limit)
        self._begun = running.began
        context = self._context.copy()
        context.run(CURRENT_ATTEMPT.set, running)
        work = asyncio.get_running_loop().create_task(self._outcome(job, running), context=context)
        self._works[work] = running
        if job.activity.mode == "async":
            running.interrupt = lambda hard: _cancel(work)
        work.add_done_callback(lambda done: self._done(job, running, done))
        self._watch(job, running)

    async def _outcome(self, job: LocalJob, running: Running) -> End | TryAgain | None:
        """What the code comes to; None if that was decided elsewhere. Whatever the code raises is its failure."""
        activity, late = job.activity, job.command.options.schedule_to_start
        if activity.mode == "process":
            error = BadInput(f'activity {activity.name} has isolate="process" and cannot run in a workflow\'s turn')
            return _failed(job, refusal(error))
        if late is not None and job.attempt == 1 and running.elapsed() > late:
            failure, _ = out_of_limit(activity.name, 1, f"schedule_to_start of {late}")
            return _failed(job, failure)
        try:
            payload = await self._kinds.run(activity, running, activity.mode)
        except Unfit as unfit:
            return _failed(job, refusal(unfit.error))
        except BaseException as error:
            if running.settled or isinstance(error, GeneratorExit):
                return None
            return self._after(job, running, failure_of(error), class_names(error))
        if len(payload) > self._payload_limit:
            too_large = PayloadTooLarge(f"activity {activity.name}, result", len(payload), self._payload_limit)
            return _failed(job, refusal(too_large))
        return ActivityCompleted(id=job.command.id, at_ms=job.caller.now_ms(), payload=payload)

    def _after(self, job: LocalJob, running: Running, failure: Failure, names: frozenset[str]) -> End | TryAgain:
        verdict = after_failure(
            running.task, running.options, failure, names=names, elapsed=running.elapsed(), random=self._random
        )
        return verdict if isinstance(verdict, TryAgain) else _failed(job, verdict.failure)

    def _done(self, job: LocalJob, running: Running, work: asyncio.Task[End | TryAgain | None]) -> None:
        del self._works[work]
        # Breaks the circle of attempt, task and context: thousands a second are no work for the collector.
        running.interrupt = _nothing
        if job.running is running:
            job.running = None
        if work.cancelled():
            running.settle()  # before its first step, by whoever does not want it
        elif running.settle():
            error = work.exception()
            if error is not None:
                logger.error("local activity %r: the worker failed around it", job.command.name, exc_info=error)
            outcome = work.result() if error is None else _failed(job, failure_of(error))
            if outcome is not None:
                self._tell(job, running, outcome)
        if self._waiting:
            self._fill()

    def _tell(self, job: LocalJob, running: Running, outcome: End | TryAgain) -> None:
        if job.dropped:
            return
        if isinstance(outcome, TryAgain):
            job.details = running.details
            wait = max(0.0, outcome.delay / timedelta(seconds=1))
            job.timer = asyncio.get_running_loop().call_later(wait, self.begin, job)
        else:
            job.caller.ended(job, outcome)

    def _watch(self, job: LocalJob, running: Running) -> None:
        """Look at the time limits when the next may have passed."""
        if running.settled or math.isinf(running.next_check):
            return
        loop = asyncio.get_running_loop()
        limit = running.passed_limit(loop.time())
        if not limit:
            loop.call_at(running.next_check, self._watch, job, running)
        elif running.settle():
            failure, names = out_of_limit(running.task.name, running.task.attempt, limit)
            outcome = self._after(job, running, failure, names)
            self._stop(running)
            self._tell(job, running, outcome)

    def _stop(self, running: Running) -> None:
        running.settle()
        running.abandon()
        running.interrupt(True)


def _failed(job: LocalJob, failure: Failure) -> ActivityFailed:
    return ActivityFailed(id=job.command.id, at_ms=job.caller.now_ms(), payload=encode_failure(failure))


def _nothing(hard: bool) -> None:
    """It has ended."""


def _cancel(work: asyncio.Task[Any]) -> None:
    work.cancel("the activity is not wanted any more, or its time is up")
