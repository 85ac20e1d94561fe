"""World: a hub in memory with a virtual clock, workers that may die, and a client that does what a program says.

Time stands still while there is work, and jumps to the next moment at which something happens. So what happens at
different times happens in that order, however slow the machine is; a worker's death takes no time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count

from rqflow.authoring.registry import Registry
from rqflow.backend.calls.hubs import ReadStats
from rqflow.backend.calls.instances import Filter, ListInstances
from rqflow.backend.memory.backend import MemoryBackend, SyncMemoryBackend
from rqflow.backend.memory.store import MemoryStore
from rqflow.core.states import CLOSED
from rqflow.testing.clock import VirtualClock
from rqflow.testing.doom import run_until_death
from rqflow.testing.fates import Death, FatedBackend, FatedSyncBackend
from rqflow.worker.options import WorkerOptions
from rqflow.worker.worker import Worker
from tests.programs.errands import Errands
from tests.programs.interpret import UNIT, run_program, same, step, step_in_thread
from tests.programs.language import Program
from tests.programs.reference import HORIZON, PATIENCE

AGES = timedelta(days=20_000)
"""Longer than any program: leases and retention end only where a test says so."""
STUCK = 20.0
"""Seconds after which work that nobody does is an orphan."""
REGISTRY = Registry([run_program, step, step_in_thread, same])


@dataclass(frozen=True)
class Fate:
    """At which call a worker dies, and whether that call still arrives."""

    at: int
    carried_out: bool


@dataclass(frozen=True)
class Crew:
    """Who runs a program: so many workers at a time; the first of them meet these fates, and are replaced."""

    workers: int = 1
    partitions: int = 1
    cache_size: int = 1_000
    fates: tuple[Fate, ...] = ()


class World:
    """One hub for one program."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._clock = VirtualClock()
        self._store = MemoryStore(partitions=crew.partitions, retention=AGES, now_ms=self._clock.now_ms)
        self.backend = MemoryBackend(self._store)
        self.errands = Errands(self.backend, "program")
        self._fates = list(crew.fates)
        self._living: dict[asyncio.Task[None], Worker] = {}
        self._seeds = count()
        self.deaths = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[World]:
        """Have the workers run beside."""
        try:
            yield self
        finally:
            for worker in self._living.values():
                worker.stop(now=True)
            if self._living:
                await asyncio.wait(self._living)

    async def play(self, program: Program) -> None:
        """Run a program to its end, and everything that it left behind."""
        await self.errands.begin(program, UNIT)
        began, sends = self._clock.now_ms(), list(program.sends)
        for patience in range(1, PATIENCE + 2):
            while True:
                await self._settle()
                moments = [began + round(send.at * UNIT * 1000) for send in sends[:1]]
                moment = min([*moments, *self._due()], default=None)
                if moment is None:
                    break
                self._move_to(moment)
                while sends and began + round(sends[0].at * UNIT * 1000) <= moment:
                    await self.errands.send(sends.pop(0))
            if (await self.errands.describe()).status in CLOSED:
                break
            if patience <= PATIENCE:
                self._move_to(began + round(patience * HORIZON * UNIT * 1000))
                await self.errands.cancel()
        for left in await self.instances():
            await self.errands.terminate(left)
        await self._settle()

    async def instances(self) -> list[str]:
        """All instances of the hub."""
        found = list[str]()
        for partition in range(self._crew.partitions):
            page = await self.backend.call(ListInstances(partition=partition, where=Filter(), limit=1_000))
            found += [row.instance for row in page.rows]
        return found

    def _move_to(self, moment_ms: int) -> None:
        self._clock.advance(timedelta(milliseconds=max(0, moment_ms - self._clock.now_ms())))
        self._look()

    def _look(self) -> None:
        self._store.wake()
        for worker in self._living.values():
            worker.look()

    def _due(self) -> Sequence[int]:
        """When something is due that makes work."""
        agendas = [partition.agenda for partition in self._store._partitions]
        return [at for each in agendas for item, at in each.times.items() if item.occasion != "retention"]

    async def _settle(self) -> None:
        """Until there is no work at this moment. Whoever died is replaced."""
        async with asyncio.timeout(STUCK):
            for spin in count():
                self._replace_the_dead()
                busy = await self._busy()
                if not busy:
                    return
                if spin % 50 == 49:
                    self._look()  # a worker that was just told what is due later has not seen the clock move
                    await asyncio.sleep(0.001)
                await asyncio.sleep(0)

    async def _busy(self) -> bool:
        for partition in range(self._crew.partitions):
            stats = self._store.apply(ReadStats(partition=partition))
            if stats.statuses.get("stalled"):
                rows = [await self.errands.describe(each) for each in await self.instances()]
                raise AssertionError([f"{row.instance} is stalled: {row.reason}" for row in rows if row.reason])
            if stats.outbox or stats.overdue:
                return True
            for queue in stats.queues:
                work = queue.workflows_queued + queue.workflows_leased + queue.activities_queued
                if work or queue.activities_leased:
                    return True
        return False

    def _replace_the_dead(self) -> None:
        for task in [task for task in self._living if task.done()]:
            del self._living[task]
            task.result()
            self.deaths += 1
        while len(self._living) < self._crew.workers:
            fate = self._fates.pop(0) if self._fates else Fate(1_000_000_000, True)
            death = Death(fate.at, carried_out=fate.carried_out)
            backend = FatedBackend(self.backend, death)
            options = WorkerOptions(lease=AGES, cache_size=self._crew.cache_size, build="test", seed=next(self._seeds))
            leases = FatedSyncBackend(SyncMemoryBackend(self._store), death)
            worker = Worker(REGISTRY, backend=backend, leases=leases, options=options)
            task = asyncio.get_running_loop().create_task(run_until_death(worker, death, backend))
            self._living[task] = worker
