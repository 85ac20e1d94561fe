"""Listener: the blocked read of an idle exchange, kept running while other things are said."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

from rqflow.backend.calls.tasks import Entry
from rqflow.errors import RqflowError
from rqflow.worker.shared import Shared

LISTEN = timedelta(seconds=5)
"""How long one blocked read lasts at most. What is due is not left to its end: the exchange's own timer is exact.

Never longer than half a lease, of which two thirds are left at least: so none outlives the lease of a worker that was
frozen, to be given a task that nobody has."""


class Listener:
    """Waits on a partition's streams, on a connection of its own. What it brings is leased, but not loaded.

    A read is not cut short when something else happens: it would have to be asked again what it may have read. It
    ends by itself, and what it brought goes into the next Take. A *narrow* read leaves the activities' queues out,
    because there is no room for them; should room come while it lasts, a wide one runs beside it.
    """

    def __init__(self, partition: int, shared: Shared, wake: Callable[[], None]) -> None:
        self.entries: list[Entry] = []
        """Brought and not handed on yet."""
        self.doubtful = False
        """A read ended without telling what it read: the store knows (Take again)."""
        self._partition = partition
        self._backend = shared.backend
        self._standing = shared.standing
        self._link = shared.link
        self._wake = wake
        self._longest = min(LISTEN, shared.options.granted / 2)
        self._readings: dict[asyncio.Task[None], bool] = {}
        """Reads under way, at most a narrow and a wide one."""

    def start(self, *, activities: bool) -> None:
        """Read, unless a read under way does it already."""
        if not self._readings or (activities and True not in self._readings.values()):
            reading = asyncio.get_running_loop().create_task(self._read(activities))
            self._readings[reading] = activities
            reading.add_done_callback(self._ended)

    async def stop(self) -> None:
        """End the reads; what they may have brought unseen is doubtful."""
        readings = list(self._readings)
        self._readings.clear()
        for reading in readings:
            self.doubtful = True
            reading.cancel()
        if readings:
            await asyncio.wait(readings)

    def reset(self) -> None:
        """What was brought belongs to a lease that is lost."""
        self.entries.clear()
        self.doubtful = False

    async def _read(self, activities: bool) -> None:
        epoch = self._standing.epoch
        wanted = self._standing.subscription
        if not activities:
            wanted = type(wanted)(workflow_queues=wanted.workflow_queues)
        try:
            entries = await self._backend.wait_for_tasks(self._partition, self._standing.id, wanted, self._longest)
        except RqflowError as error:
            # Should our streams be gone (we were declared dead), the next Take or Renew says so.
            self.doubtful = True
            await self._link.failed(self._partition, error)
            return
        if epoch == self._standing.epoch:
            self.entries += entries

    def _ended(self, reading: asyncio.Task[None]) -> None:
        if self._readings.pop(reading, None) is not None and not reading.cancelled():
            reading.result()
        self._wake()
