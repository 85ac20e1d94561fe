"""Scheduler: looks at each partition's schedules when one is due, or when it is told that one has changed.

It holds nothing: no lease, no claim, no lock. What it writes is right only for the schedule as it was read, and is
refused if anybody was faster (P9). It reckons with the store's time and, between two looks, with how much time passes;
what its own clock says does not matter.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import Sequence
from contextlib import suppress
from random import Random
from typing import Any, Final

from rqflow.backend.calls.schedules import BreakSchedule, ReadDueSchedules, ScheduleRow, WriteSchedule, Written
from rqflow.backend.protocol import Backend, Watch
from rqflow.errors import BackendError, RqflowError, ScheduleChanged, ScheduleNotFound
from rqflow.scheduler.deciding import broken, decide
from rqflow.scheduler.options import SchedulerOptions
from rqflow.worker.link import AWAY, Link
from rqflow.worker.relay import Relay
from rqflow.worker.sending import send_each

logger = logging.getLogger("rqflow.scheduler")

LAST_CARE: Final = 2.0
"""Seconds that a scheduler that leaves goes on carrying what it has sent to other partitions."""
SPREAD: Final = 10
"""Schedulers that lose races for one crowd spread over so many batches of it."""
DECIDING: Final = 0.25
"""Seconds that deciding may take before what was decided is written: after a long absence each schedule may have
thousands of slots to count, and all that is decided on holds for a while only."""
AFTER_FAULT: Final = 1.0
"""Seconds between two tries of what the store could not do for a reason of its own."""


class Scheduler:
    """Fires the schedules of a hub on the running event loop until it is stopped. The backend stays the caller's."""

    def __init__(self, backend: Backend, options: SchedulerOptions | None = None) -> None:
        self.options = options or SchedulerOptions()
        self.id = f"{self.options.name or f'{socket.gethostname()}-{os.getpid()}'}-{secrets.token_hex(4)}"
        self._backend = backend
        self._random = Random(self.options.seed)
        self._skips: dict[int, int] = {}
        """By partition: so many are left to others at the next look."""
        self._link = Link(self._random)
        self._rested = asyncio.Event()
        self._relay = Relay(backend, self._link, lambda partition: None, self._rested.set)
        self._naps: set[asyncio.Future[bool]] = set()
        self._stopping = False

    def stop(self) -> None:
        """Finish what is being written, and leave. May be called again."""
        self._stopping = True
        for nap in self._naps:
            nap.cancel()

    async def run(self) -> None:
        """Serve until stopped; it outlasts the store's absences."""
        hub = self._backend.hub
        logger.info("scheduler %s serves hub %r", self.id, hub.name)
        async with asyncio.TaskGroup() as group:
            relay = group.create_task(self._relay.run())
            async with asyncio.TaskGroup() as loops:
                for partition in range(hub.partitions):
                    loops.create_task(self._serve(partition))
            await self._carry_on()
            relay.cancel()
        logger.info("scheduler %s has left", self.id)

    async def _serve(self, partition: int) -> None:
        """One partition, with a new watch whenever the store was away."""
        while not self._stopping:
            try:
                async with self._backend.watch_schedules(partition) as watch:
                    while not self._stopping:
                        seconds = await self.look(partition)
                        self._link.answered(partition)
                        if seconds > 0:
                            await self._nap(watch, seconds)
            except AWAY as error:
                await self._link.failed(partition, error)
            except BackendError:
                # About this one call: it is no use to try it again at once.
                logger.exception("partition %d cannot be looked at", partition)
                await asyncio.sleep(AFTER_FAULT)

    async def look(self, partition: int) -> float:
        """Do what is due in a partition. Seconds until there is something to do again; 0: there is more.

        Raises BackendError."""
        skip, limit = self._skips.pop(partition, 0), self.options.batch
        found = await self._backend.call(
            ReadDueSchedules(partition=partition, scheduler=self.id, lease=self.options.lease, limit=limit, skip=skip)
        )
        if found.outbox:
            self._relay.wake(partition)
        if found.rows and await self._write(found.rows) and len(found.rows) == limit:
            # Others work on the same crowd: look at another part of it.
            self._skips[partition] = self._random.randrange(SPREAD) * limit
        if found.rows or skip:
            # What became due beside one that was due already is told to nobody: only who finds nothing may sleep.
            return 0.0
        longest = self.options.poll.total_seconds()
        if found.next_due_ms is None:
            return longest
        return min(longest, max(0.0, (found.next_due_ms - found.now_ms) / 1_000))

    async def _write(self, rows: Sequence[ScheduleRow]) -> bool:
        """Write what happens to each; whether another was faster. What takes too long to decide on stays due."""
        calls: list[WriteSchedule | BreakSchedule] = []
        end = asyncio.get_running_loop().time() + DECIDING
        for row in rows:
            calls.append(decide(row, self._backend.hub))
            if asyncio.get_running_loop().time() > end:
                break
        answers = await send_each(self._backend, calls)
        lost = False
        for row, call, answer in zip(rows, calls, answers, strict=False):
            match answer:
                case Written():
                    if answer.outbox:
                        self._relay.wake(call.partition)
                case ScheduleChanged() | ScheduleNotFound():
                    lost = True
                case RqflowError():
                    await self._set_aside(row, answer)
                case _:
                    logger.error("schedule %r is broken: %s", row.schedule, getattr(call, "reason", ""))
        return lost

    async def _set_aside(self, row: ScheduleRow, error: RqflowError) -> None:
        """What the store does not take is no use to be tried again and again: a limit was passed, say."""
        if isinstance(error, AWAY):
            raise error
        logger.error("schedule %r is broken: %s", row.schedule, error)
        answer: Any = (await self._backend.send([broken(row, self._backend.hub, str(error))]))[0]
        if isinstance(answer, BackendError):
            raise answer

    async def _nap(self, watch: Watch, seconds: float) -> None:
        """Until it is time, or something has changed, or we are stopped."""
        if self._stopping:  # while we looked
            return
        nap = asyncio.ensure_future(watch.wait(seconds))
        self._naps.add(nap)
        try:
            await asyncio.wait((nap,))
        finally:
            self._naps.discard(nap)
            nap.cancel()

    async def _carry_on(self) -> None:
        """What was sent to other partitions arrives before we leave; if it cannot, any worker carries it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_CARE):
                while not self._relay.idle:
                    self._rested.clear()
                    await self._rested.wait()
