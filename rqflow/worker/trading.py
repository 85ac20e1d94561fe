"""Trading: one round trip of an exchange: what goes with it, and what its answers mean to whom."""

from __future__ import annotations

import asyncio
from typing import Any

from rqflow.backend.calls.call import Call
from rqflow.backend.calls.tasks import Sweep, Take, Taken
from rqflow.errors import BackendError, BackendRefused, LeaseLost, RqflowError
from rqflow.values import dataclass
from rqflow.worker.intake import Intake
from rqflow.worker.item import Item, Outlet
from rqflow.worker.outgoing import Outgoing
from rqflow.worker.sending import send_each
from rqflow.worker.shared import Shared
from rqflow.worker.times import Times

FIRE_LIMIT = 100
"""Due members handled in one call, so that no script holds Redis for long."""
AHEAD = 4
"""So many finished items leave while a round trip is under way; fewer are not worth one of their own."""


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


class Trading:
    """The round trips of one partition, of which two are under way at most.

    The store answers them in their order, but for what it lacked a script for. They need no order: no task comes before
    the store has heard the end of what made it, and what was carried out in another order is refused by its fence.
    """

    def __init__(self, outlet: Outlet, shared: Shared, intake: Intake, outgoing: Outgoing, times: Times) -> None:
        self.under_way: list[Batch] = []
        """The oldest comes first."""
        self._outlet = outlet
        self._partition = outlet.partition
        self._backend, self._standing, self._options = shared.backend, shared.standing, shared.options
        self._desk, self._link, self._moved = shared.desk, shared.link, shared.moved
        self._intake = intake
        self._outgoing = outgoing
        self._times = times

    @property
    def may_go_ahead(self) -> bool:
        """Whether one is under way, all is well, and enough is finished for a second behind it."""
        return (
            len(self.under_way) == 1
            and len(self._outgoing) >= AHEAD
            and self.under_way[0].epoch == self._standing.epoch
            and self._link.is_well(self._partition)
        )

    async def trade(self) -> bool:
        """Make one. False: it belonged to a lease that is lost by now, and so does what it brought."""
        batch = self._gather()
        self.under_way.append(batch)
        self._desk.promise(batch.take.activity_room)
        try:
            answers = await send_each(self._backend, batch.calls)
        except BackendError as error:
            answers = [error] * len(batch.calls)
        finally:
            self.under_way.remove(batch)
            self._desk.keep(batch.take.activity_room)
        refused = self._outgoing.settle(batch.items, answers[: len(batch.items)])
        if batch.epoch != self._standing.epoch:
            return False
        refused = self._told(batch, answers[len(batch.items) :]) or refused
        if batch.items and self._options.burst:
            # A call whose script the store had forgotten is carried out after the Take that it travelled with. An idle
            # worker's blocked read sees what it brought; a burst has none, and asks again.
            self._intake.look()
        self._moved()
        if refused is None:
            self._link.answered(self._partition)
        else:
            await self._link.failed(self._partition, refused)
        return True

    def _gather(self) -> Batch:
        now, here = asyncio.get_running_loop().time(), self._partition
        worker, build, losses = self._standing.id, self._standing.build, self._options.max_losses
        sweep = Sweep(partition=here, worker=worker, build=build, max_losses=losses)
        # What is under way does its share; that one is shall not keep all after it from it.
        fires = any(batch.take.fire for batch in self.under_way)
        sweeps = any(batch.sweep for batch in self.under_way)
        return Batch(
            items=self._outgoing.gather(items=self._options.batch_items, size=self._options.batch_bytes),
            sweep=sweep if now >= self._times.next_sweep and not sweeps else None,
            take=self._intake.take(fire=FIRE_LIMIT if now >= self._times.next_due and not fires else 0),
            epoch=self._standing.epoch,
        )

    def _told(self, batch: Batch, answers: list[Any]) -> BackendError | None:
        """What the store said to our own questions; a refusal if it is one."""
        now = asyncio.get_running_loop().time()
        taken = answers[-1]
        if batch.sweep is not None and not isinstance(answers[-2], RqflowError):
            self._times.swept(now, more=bool(answers[-2]))
        elif batch.sweep is not None and isinstance(taken, Taken):
            self._times.sweep_broke(now)
        if isinstance(taken, Taken):
            self._times.learn(taken, now, fired=taken.fired if batch.take.fire else None)
            self._intake.took(batch.take, taken, self._outlet)
            for call, answer in zip(batch.own, answers, strict=True):
                self._link.heard(self._partition, type(call).__name__, answer)
            if batch.take.fire:
                problem = BackendRefused(taken.unfired) if taken.unfired else None
                self._link.heard(self._partition, "what is due", problem)
            return None
        self._intake.unheard(batch.take)
        if isinstance(taken, LeaseLost):
            self._standing.lose("the store has declared this worker dead", batch.epoch)
            return None
        return taken if isinstance(taken, BackendError) else BackendError(f"tasks cannot be taken: {taken}")
