"""Keeper: the thread that renews the worker's leases, whatever user code does to the loop, and reports what hangs."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from random import Random

from rqflow.backend.calls.outlook import Outlook
from rqflow.backend.calls.tasks import Renew
from rqflow.backend.protocol import SyncBackend
from rqflow.errors import BackendError, RqflowError
from rqflow.worker.activities import Activities
from rqflow.worker.options import WorkerOptions
from rqflow.worker.pulse import Pulse
from rqflow.worker.reports import failed, timed_out
from rqflow.worker.running import Running
from rqflow.worker.standing import Standing

logger = logging.getLogger("rqflow.worker")

LONGEST_TICK = 1.0
OVERDUE = 1.0
"""Seconds past its time limit after which an attempt is given up from here: the loop has not come to it."""


class Keeper:
    """Renews every third of the lease. It never touches what belongs to the loop but by `call_soon_threadsafe`."""

    def __init__(
        self,
        *,
        backend: SyncBackend,
        standing: Standing,
        options: WorkerOptions,
        activities: Activities,
        pulse: Pulse,
        stats: Callable[[], bytes],
        foresee: Callable[[int, Outlook], None],
        random: Random,
    ) -> None:
        """`foresee` is called on the loop, with what each partition said when the lease was renewed."""
        self._backend = backend
        self._standing = standing
        self._options = options
        self._activities = activities
        self._pulse = pulse
        self._stats = stats
        self._foresee = foresee
        self._random = random
        self._loop = asyncio.get_running_loop()
        self._lease = options.granted.total_seconds()
        self._every = self._lease / 3
        self._deadlock_after = options.deadlock_after.total_seconds()
        self._tick = min(self._every, self._deadlock_after / 2, LONGEST_TICK)
        self._epoch = -1
        self._renewed_at = 0.0
        """When the last renewal that succeeded was begun."""
        self._tried_at = 0.0
        self._told = ("", b"")
        """The worker's id, and what the store shows of its work."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease keeper", daemon=True)

    def start(self) -> None:
        """Begin to keep."""
        self._thread.start()

    def stop(self) -> None:
        """Keep no longer; returns at once, a renewal under way ends by itself."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.wait(self._tick):
            try:
                self._pulse.report(self._deadlock_after)
                self._look_at_limits()
                self._keep()
            except Exception:
                logger.exception("the lease keeper failed, and goes on")

    def _keep(self) -> None:
        if not self._standing.registered.is_set():
            return
        epoch, now = self._standing.epoch, time.monotonic()
        if epoch != self._epoch:
            # Just registered: the lease was given a moment ago.
            self._epoch, self._renewed_at, self._tried_at = epoch, now, now
            return
        untold = any(running.untold_details() is not None for running in self._activities.attempts())
        wait = min(self._every, 1.0) if untold else self._every
        if now - self._tried_at < wait - self._tick / 2:
            return
        self._tried_at = now
        reason, outlooks = self._renew(now)
        for partition, outlook in outlooks:
            self._loop.call_soon_threadsafe(self._foresee, partition, outlook)
        if not reason and now - self._renewed_at > self._lease:
            reason = f"it could not be renewed for {now - self._renewed_at:.1f} seconds"
        self._heed(reason, epoch)

    def renew(self) -> None:
        """Renew at once, in the thread that asks, and no more: for tests that leave nothing to chance."""
        epoch = self._standing.epoch
        if self._standing.registered.is_set():
            self._heed(self._renew(time.monotonic())[0], epoch)

    def _heed(self, reason: str, epoch: int) -> None:
        if reason and not self._stop.is_set():
            self._loop.call_soon_threadsafe(self._standing.lose, reason, epoch)

    def _renew(self, now: float) -> tuple[str, list[tuple[int, Outlook]]]:
        """Renew everywhere. Why the lease is lost, or empty; and what the partitions said."""
        worker, self._standing.stats = self._standing.id, self._stats()
        telling = (worker, self._standing.stats)
        by_partition: dict[int, list[tuple[Running, bytes]]] = defaultdict(list)
        for running in self._activities.attempts():
            details = running.untold_details()
            if details is not None:
                by_partition[running.task.partition].append((running, details))
        calls = [
            Renew(
                partition=partition,
                worker=worker,
                lease=self._options.granted,
                heartbeats=tuple((running.task.token, details) for running, details in by_partition[partition]),
                stats=b"" if telling == self._told else self._standing.stats,
            )
            for partition in range(self._backend.hub.partitions)
        ]
        try:
            answers = self._backend.send(calls)
        except BackendError as error:
            logger.debug("leases were not renewed: %s", error)
            return "", []
        outlooks: list[tuple[int, Outlook]] = []
        for call, answer in zip(calls, answers, strict=True):
            if isinstance(answer, Outlook):
                outlooks.append((call.partition, answer))
                for running, details in by_partition[call.partition]:
                    running.details_told(details)
            elif not isinstance(answer, RqflowError):
                return "the store has declared this worker dead", []
        if not any(isinstance(answer, RqflowError) for answer in answers):
            self._renewed_at, self._told = now, telling
        return "", outlooks

    def _look_at_limits(self) -> None:
        """Give up what is long past its time: the loop would have, were it not blocked."""
        now = self._loop.time()
        for running in self._activities.attempts():
            limit = running.passed_limit(now - OVERDUE)
            if limit and running.settle():
                self._give_up(running, limit)

    def _give_up(self, running: Running, limit: str) -> None:
        failure, names = timed_out(running, limit)
        report = failed(running, failure, names, self._random)
        told = False
        try:
            told = not isinstance(self._backend.send([report])[0], BackendError)
        except BackendError as error:
            logger.warning("activity %r could not be given up yet: %s", running.task.name, error)
        if not told:
            self._loop.call_soon_threadsafe(self._activities.telling.tell, running, report)
        self._loop.call_soon_threadsafe(partial(self._activities.drop, running, hard=True))
