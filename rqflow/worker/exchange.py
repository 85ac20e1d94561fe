"""Exchange: a worker's conversation with one partition: what is finished goes out, what is next comes in."""

from __future__ import annotations

import asyncio

from rqflow.backend.calls.outlook import Outlook
from rqflow.worker.intake import Intake
from rqflow.worker.item import Item
from rqflow.worker.listener import Listener
from rqflow.worker.outgoing import Outgoing
from rqflow.worker.shared import Shared
from rqflow.worker.times import Times
from rqflow.worker.trading import Trading

LINGER = 0.001
"""Activities and turns that just began are given this long to end before the loop blocks, or asks for more: saves a
round trip each."""


class Exchange:
    """One loop for one partition: one round trip at a time, and under load a second behind it.

    So load makes the batches, and Redis need not wait for the worker, nor the worker for Redis. It runs whenever
    something is finished, due, or may be there to take. Only an idle one blocks on its streams.
    """

    def __init__(self, partition: int, shared: Shared) -> None:
        self.partition = partition
        self.times = Times(asyncio.get_running_loop().time(), shared.options.sweep)
        self._standing, self._options = shared.standing, shared.options
        self._desk, self._relay = shared.desk, shared.relay
        self._wake = asyncio.Event()
        self._outgoing = Outgoing(shared.desk)
        self._listener = Listener(partition, shared, self._wake.set)
        self._intake = Intake(partition, shared, self._listener)
        self._trading = Trading(self, shared, self._intake, self._outgoing, self.times)
        self._tasks = asyncio.TaskGroup()
        self._second: asyncio.Task[None] | None = None
        """Trades behind a round trip that is under way."""

    def offer(self, item: Item) -> None:
        """Send with the next exchange."""
        self._outgoing.add(item)
        if self._second is None and self._trading.may_go_ahead:
            self._second = self._tasks.create_task(self._go_ahead())
        self._wake.set()

    def relay_soon(self) -> None:
        """The partition's outbox has messages."""
        self._relay.wake(self.partition)

    def wake(self) -> None:
        """Look again: something changed."""
        self._wake.set()

    def look(self) -> None:
        """Ask the store anew, what is due included: something came, or a clock was moved."""
        self._intake.look()
        self.times.next_due = 0.0
        self._wake.set()

    def foresee(self, outlook: Outlook) -> None:
        """What the keeper's renewal said of the partition: an exchange that sleeps hears nothing else."""
        self.times.foresee(outlook, asyncio.get_running_loop().time())
        if outlook.outbox:
            self.relay_soon()
        self._wake.set()

    @property
    def quiet(self) -> bool:
        """All that is finished has been answered, and nothing that was brought waits to be loaded."""
        return not (self._outgoing or self._outgoing.under_way or self._listener.entries)

    @property
    def exhausted(self) -> bool:
        """Quiet, and the last Take found nothing more."""
        return self.quiet and not self._intake.wants

    async def reset(self) -> None:
        """The lease is lost: what is untold would be refused, and the streams read from are others' now."""
        await self._listener.stop()
        self._outgoing.reset()
        self._intake.reset()

    async def run(self) -> None:
        """Trade until the worker has left."""
        try:
            async with self._tasks:
                while not self._standing.left:
                    await self._standing.registered.wait()
                    await self._until_ready()
                    if self._standing.registered.is_set() and not self._standing.left:
                        await self._trade()
        finally:
            await self._listener.stop()

    async def _trade(self) -> None:
        if not await self._trading.trade():
            # Another worker by now: what came is the old one's, and goes to whoever takes over from it.
            await self.reset()

    async def _go_ahead(self) -> None:
        try:
            while self._trading.may_go_ahead:
                await self._trade()
        finally:
            self._second = None
            self._wake.set()

    async def _until_ready(self) -> None:
        while self._trading.under_way and not self._standing.left:
            if self._trading.may_go_ahead:
                return
            self._wake.clear()
            await self._wake.wait()
        loop = asyncio.get_running_loop()
        patience = loop.time() + LINGER
        while self._standing.registered.is_set() and not self._standing.left:
            now, wake_at, wants = loop.time(), self.times.next, self._intake.wants
            turning = self._desk.turns_waiting(self.partition) > 0
            # What may be taken comes with the commits of what is turned: by itself it would hold them up.
            if self._outgoing or now >= wake_at or (wants and not (turning and now < patience)):
                return
            self._wake.clear()
            if now < patience and (wants or (not turning and self._desk.activities_fresh())):
                wake_at = min(wake_at, patience)
            elif not (turning or self._options.burst):
                self._listener.start(activities=self._desk.activity_room() > 0)
            timer = loop.call_at(wake_at, self._wake.set)
            try:
                await self._wake.wait()
            finally:
                timer.cancel()
