"""Worker: one process' share of a hub's work: begun, kept, drained and ended."""

from __future__ import annotations

import asyncio
import logging
import threading
from random import Random
from types import TracebackType
from typing import Self

from rqflow.authoring.registry import Registry, build_id
from rqflow.backend.protocol import Backend, SyncBackend
from rqflow.worker.desk import TaskDesk
from rqflow.worker.exchange import Exchange
from rqflow.worker.histories import Histories
from rqflow.worker.keeper import Keeper
from rqflow.worker.leaving import Leaving
from rqflow.worker.link import Link
from rqflow.worker.options import WorkerOptions
from rqflow.worker.pulse import Pulse
from rqflow.worker.registration import Registration
from rqflow.worker.relay import Relay
from rqflow.worker.shared import Shared
from rqflow.worker.standing import Standing

logger = logging.getLogger("rqflow.worker")


class Worker:
    """Runs workflows and activities on the running event loop until it is stopped.

    `await worker.run()`, or `async with Worker(…)` to have it run beside other code. `leases` is a blocking backend of
    the same hub, for the thread that keeps the leases. Both backends stay the caller's to close.
    """

    def __init__(
        self, registry: Registry, *, backend: Backend, leases: SyncBackend, options: WorkerOptions | None = None
    ) -> None:
        self.options = options or WorkerOptions()
        self.standing = Standing(registry, self.options, self.options.build or build_id(registry))
        self._backend = backend
        self._leases = leases
        self._link = Link(Random(self.options.seed))
        self._leaving = Leaving(self.options, self.standing)
        self._relay = Relay(backend, self._link, self._received, self._leaving.moved)
        self._pulse = Pulse()
        self._registration = Registration(backend, self.standing, self.options, self._link)
        self._exchanges: list[Exchange] = []
        self._lost = asyncio.Event()
        self._old_ids: list[str] = []
        self.keeper: Keeper | None = None
        self._beside: asyncio.Task[None] | None = None
        self.desk = TaskDesk(
            registry=registry,
            options=self.options,
            standing=self.standing,
            limits=backend.limits,
            histories=Histories(backend, self._link),
            pulse=self._pulse,
            random=Random(self.options.seed),
            changed=self._changed,
        )
        self.standing.on_lost = self._lease_lost

    def stop(self, *, now: bool = False) -> None:
        """Finish what runs and leave; `now`: stop what runs, give it back and leave. May be called again."""
        self._leaving.ask(now=now)

    def look(self) -> None:
        """Ask the store at once for what is there and what is due: for tests that move a clock."""
        for exchange in self._exchanges:
            exchange.look()

    async def run(self) -> None:
        """Serve until stopped. Raises BackendError and HubMismatch if it cannot begin; later it outlasts both."""
        self._pulse.thread = threading.get_ident()
        self._exchanges = [self._exchange(partition) for partition in range(self._backend.hub.partitions)]
        await self._registration.enter()
        self.keeper = keeper = self._make_keeper()
        keeper.start()
        logger.info("worker %s serves hub %r", self.standing.id, self._backend.hub.name)
        try:
            async with asyncio.TaskGroup() as group:
                for exchange in self._exchanges:
                    group.create_task(exchange.run())
                beside = [
                    group.create_task(each) for each in (self.desk.turner.run(), self._relay.run(), self._come_back())
                ]
                await self._leaving.wait(self.desk, self._exchanges, self._relay)
                self.standing.leave()
                self._wake()
                for task in beside:
                    task.cancel()
        finally:
            self.standing.leave()
            keeper.stop()
            await self.desk.close()
            await self._registration.leave()
            logger.info("worker %s has left", self.standing.id)

    async def __aenter__(self) -> Self:
        self._beside = asyncio.get_running_loop().create_task(self.run())
        ready = asyncio.get_running_loop().create_task(self.standing.registered.wait())
        await asyncio.wait((self._beside, ready), return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self._beside.done():
            self._beside.result()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._beside is not None
        self.stop(now=error is not None)
        await self._beside

    # ---- parts

    def _exchange(self, partition: int) -> Exchange:
        shared = Shared(
            backend=self._backend,
            standing=self.standing,
            options=self.options,
            desk=self.desk,
            link=self._link,
            relay=self._relay,
            moved=self._leaving.moved,
        )
        return Exchange(partition, shared)

    def _make_keeper(self) -> Keeper:
        return Keeper(
            backend=self._leases,
            standing=self.standing,
            options=self.options,
            activities=self.desk.activities,
            pulse=self._pulse,
            stats=self.desk.stats,
            foresee=lambda partition, outlook: self._exchanges[partition].foresee(outlook),
            random=Random(self.options.seed),
        )

    # ---- what the parts tell

    def _changed(self) -> None:
        """A slot is free, or we were asked to stop."""
        self._leaving.moved()
        self._wake()

    def _wake(self) -> None:
        for exchange in self._exchanges:
            exchange.wake()

    def _received(self, partition: int) -> None:
        if self.options.burst:
            self._exchanges[partition].look()

    def _lease_lost(self, reason: str) -> None:
        logger.error("the lease of worker %s is lost: %s; what it ran is stopped", self.standing.id, reason)
        self._old_ids.append(self.standing.id)
        self.standing.renew_id()
        self.desk.reset()
        self._lost.set()
        self._wake()

    async def _come_back(self) -> None:
        while True:
            await self._lost.wait()
            self._lost.clear()
            for exchange in self._exchanges:
                await exchange.reset()
            old, self._old_ids = tuple(self._old_ids), []
            await self._registration.enter_again(old)
