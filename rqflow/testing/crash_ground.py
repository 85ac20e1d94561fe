"""Crash ground: where a case is played: a fresh hub and its backends, in memory on a virtual clock, or on a Redis."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from typing import Any, Final, TypeVar

from rqflow.authoring.registry import Registry
from rqflow.backend.calls.tasks import Entry, Subscription
from rqflow.backend.memory.backend import MemoryBackend, SyncMemoryBackend
from rqflow.backend.memory.store import MemoryStore
from rqflow.backend.opening import create_hub, delete_hub, open_backend, open_sync_backend, verify_hub
from rqflow.backend.protocol import Backend, SyncBackend
from rqflow.client.asynchronous import AsyncClient
from rqflow.client.options import ClientOptions
from rqflow.testing.clock import VirtualClock
from rqflow.testing.fates import Fate, FatedBackend, FatedSyncBackend, ThreadKilled
from rqflow.testing.virtual_loop import VirtualLoop
from rqflow.worker.options import WorkerOptions
from rqflow.worker.worker import Worker

T = TypeVar("T")

AGES: Final = timedelta(days=36_500)
"""A lease that does not end by itself: in virtual time a worker would spend its days renewing."""
DAY: Final = timedelta(days=1)
"""Where nobody waits, whoever looks by itself looks once a day of virtual time: all else must be told."""
RENEW_EVERY: Final = 0.03
"""On a Redis: seconds between renewals that are counted."""
_numbers: Final = count(1)


@dataclass(slots=True)
class Stage:
    """A hub for one case, and who serves it at the moment."""

    backend: Backend
    leases: SyncBackend
    registry: Registry
    options: WorkerOptions
    client_options: ClientOptions
    sweep: float
    """Seconds within which some worker looks for what others left behind."""
    verify: Callable[[], Awaitable[list[str]]]
    """What is wrong with the hub's keys, each in a sentence."""
    serving: list[Worker] = field(default_factory=list)
    """Workers that have neither died nor left."""

    def client(self, fate: Fate) -> AsyncClient:
        """A client under a fate."""
        return AsyncClient(backend=FatedBackend(self.backend, fate), options=self.client_options)

    def worker(self, fate: Fate) -> tuple[Worker, FatedBackend]:
        """A worker under a fate, and the backend that it speaks through."""
        backend = FatedBackend(self.backend, fate)
        leases = FatedSyncBackend(self.leases, fate)
        return Worker(self.registry, backend=backend, leases=leases, options=self.options), backend

    @contextmanager
    def served_by(self, worker: Worker) -> Iterator[None]:
        """As long as this worker serves, its keeper is heard."""
        self.serving.append(worker)
        try:
            yield
        finally:
            self.serving.remove(worker)

    def renew(self) -> None:
        """Have all keepers renew, each as far as its death lets it."""
        for worker in list(self.serving):
            try:
                if worker.keeper is not None:
                    worker.keeper.renew()
            except ThreadKilled:
                continue

    def at_work(self) -> bool:
        """Whether an activity runs that is no coroutine: outside of the loop."""
        activities = self.registry.activities
        return any(
            activities[attempt.task.name].mode != "async"
            for worker in self.serving
            for attempt in worker.desk.activities.attempts()
        )


class PatientMemoryBackend(MemoryBackend):
    """Its blocked reads last until something comes: in virtual time one of five seconds would end all the time."""

    async def wait_for_tasks(
        self, partition: int, worker: str, subscription: Subscription, timeout: timedelta
    ) -> Sequence[Entry]:
        return await super().wait_for_tasks(partition, worker, subscription, max(timeout, DAY))


def play_in_memory(
    play: Callable[[Stage], Coroutine[Any, Any, T]], registry: Registry, options: WorkerOptions, partitions: int
) -> T:
    """Play a case on a memory store of its own, on a virtual clock of its own."""
    clock = VirtualClock()
    loop = VirtualLoop(clock)
    store = MemoryStore(partitions=partitions, now_ms=clock.now_ms)
    stage = Stage(
        PatientMemoryBackend(store),
        SyncMemoryBackend(store),
        registry,
        replace(options, lease=AGES, sweep=DAY),
        ClientOptions(poll=DAY, query_timeout=DAY),
        DAY.total_seconds(),
        _nothing,
    )
    loop.busy, loop.on_idle = stage.at_work, stage.renew
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(play(stage))


@asynccontextmanager
async def redis_stage(url: str, registry: Registry, options: WorkerOptions, partitions: int) -> AsyncIterator[Stage]:
    """A fresh hub on a Redis, removed afterwards."""
    hub = f"crash-{os.getpid()}-{next(_numbers)}"
    await asyncio.to_thread(create_hub, url, hub, partitions=partitions)
    try:
        backend = await open_backend(url, hub)
        leases = await asyncio.to_thread(open_sync_backend, url, hub)

        async def verify() -> list[str]:
            report = await asyncio.to_thread(verify_hub, url, hub)
            return [f"{found.promise}: {found.instance or found.key}: {found.wrong}" for found in report.violations]

        net = options.sweep.total_seconds() * 4
        stage = Stage(backend, leases, registry, options, ClientOptions(), net, verify)
        renewing = asyncio.create_task(_renew(stage))
        try:
            yield stage
        finally:
            renewing.cancel()
            await asyncio.wait((renewing,))
            leases.close()
            await backend.close()
    finally:
        await asyncio.to_thread(delete_hub, url, hub, force=True)


async def _nothing() -> list[str]:
    """A memory store has no keys that could be wrong."""
    return []


async def _renew(stage: Stage) -> None:
    while True:
        await asyncio.sleep(RENEW_EVERY)
        await asyncio.to_thread(stage.renew)
