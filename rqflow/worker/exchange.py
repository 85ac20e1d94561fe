"""Exchange: a worker's conversation with one partition: what is finished goes out, what is next comes in."""

from __future__ import annotations

import asyncio
from typing import Any

from rqflow.backend.calls.call import Call
from rqflow.backend.calls.outlook import Outlook
from rqflow.backend.calls.tasks import Sweep, Take, Taken
from rqflow.errors import BackendError, BackendRefused, LeaseLost, RqflowError
from rqflow.values import dataclass
from rqflow.worker.intake import Intake
from rqflow.worker.item import Item
from rqflow.worker.listener import Listener
from rqflow.worker.outgoing import Outgoing
from rqflow.worker.sending import send_each
from rqflow.worker.shared import Shared
from rqflow.worker.times import Times

LINGER = 0.001
"""Activities and turns that just began are given this long to end before the loop blocks, or asks for more: saves a
round trip each."""
FIRE_LIMIT = 100
"""Due members handled in one call, so that no script holds Redis for long."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one round trip carries, in the order in which it is carried out: all else makes tasks for the Take."""

    items: tuple[Item, ...]
    sweep: Sweep | None
    take: Take
    epoch: int

    @property
    def calls(self) -> list[Call[Any]]:
        return [*(item.call for item in self.items), *self.own]

    @property
    def own(self) -> list[Call[Any]]:
        """What the worker asks for itself."""
        return [self.take] if self.sweep is None else [self.sweep, self.take]


class Exchange:
    """One loop for one partition: one round trip at a time, so that load makes the batches.

    It runs whenever something is finished, due, or may be there to take. Only an idle one blocks on its streams.
    """

    def __init__(self, partition: int, shared: Shared) -> None:
        self.partition = partition
        backend, standing, options, desk = shared.backend, shared.standing, shared.options, shared.desk
        self.times = Times(asyncio.get_running_loop().time(), options.sweep)
        self._backend, self._standing, self._options, self._desk = backend, standing, options, desk
        self._link, self._relay, self._moved = shared.link, shared.relay, shared.moved
        self._wake = asyncio.Event()
        self._outgoing = Outgoing(desk)
        self._listener = Listener(partition, shared, self._wake.set)
        self._intake = Intake(partition, shared, self._listener)

    def offer(self, item: Item) -> None:
        """Send with the next exchange."""
        self._outgoing.add(item)
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
            while not self._standing.left:
                await self._standing.registered.wait()
                await self._until_ready()
                if self._standing.registered.is_set() and not self._standing.left:
                    await self._trade()
        finally:
            await self._listener.stop()

    async def _until_ready(self) -> None:
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

    def _gather(self) -> Batch:
        now, here = asyncio.get_running_loop().time(), self.partition
        worker, build, losses = self._standing.id, self._standing.build, self._options.max_losses
        sweep = Sweep(partition=here, worker=worker, build=build, max_losses=losses)
        return Batch(
            items=self._outgoing.gather(items=self._options.batch_items, size=self._options.batch_bytes),
            sweep=sweep if now >= self.times.next_sweep else None,
            take=self._intake.take(fire=FIRE_LIMIT if now >= self.times.next_due else 0),
            epoch=self._standing.epoch,
        )

    async def _trade(self) -> None:
        batch = self._gather()
        self._desk.promise(batch.take.activity_room)
        try:
            answers = await send_each(self._backend, batch.calls)
        except BackendError as error:
            answers = [error] * len(batch.calls)
        finally:
            self._desk.keep(batch.take.activity_room)
        refused = self._outgoing.settle(batch.items, answers[: len(batch.items)])
        if batch.epoch != self._standing.epoch:
            # Another worker by now: what came is the old one's, and goes to whoever takes over from it.
            await self.reset()
            return
        refused = self._told(batch, answers[len(batch.items) :]) or refused
        if batch.items and self._options.burst:
            # A call whose script the store had forgotten is carried out after the Take that it travelled with. An idle
            # worker's blocked read sees what it brought; a burst has none, and asks again.
            self._intake.look()
        self._moved()
        if refused is None:
            self._link.answered(self.partition)
        else:
            await self._link.failed(self.partition, refused)

    def _told(self, batch: Batch, answers: list[Any]) -> BackendError | None:
        """What the store said to our own questions; a refusal if it is one."""
        now = asyncio.get_running_loop().time()
        taken = answers[-1]
        if batch.sweep is not None and not isinstance(answers[-2], RqflowError):
            self.times.swept(now, more=bool(answers[-2]))
        elif batch.sweep is not None and isinstance(taken, Taken):
            self.times.sweep_broke(now)
        if isinstance(taken, Taken):
            self.times.learn(taken, now, fired=taken.fired if batch.take.fire else None)
            self._intake.took(batch.take, taken, self)
            for call, answer in zip(batch.own, answers, strict=True):
                self._link.heard(self.partition, type(call).__name__, answer)
            if batch.take.fire:
                problem = BackendRefused(taken.unfired) if taken.unfired else None
                self._link.heard(self.partition, "what is due", problem)
            return None
        self._intake.unheard(batch.take)
        if isinstance(taken, LeaseLost):
            self._standing.lose("the store has declared this worker dead", batch.epoch)
            return None
        return taken if isinstance(taken, BackendError) else BackendError(f"tasks cannot be taken: {taken}")
