"""Yard: a hub on a real Redis, a folder for effects, a client, and worker processes that come and go."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from rqflow.authoring.registry import Registry, load_modules
from rqflow.backend.protocol import Backend, SyncBackend
from rqflow.client.asynchronous import AsyncClient
from rqflow.client.handle import AsyncHandle
from rqflow.core.events import ChildStarted, Event
from rqflow.worker.options import WorkerOptions
from rqflow.worker.worker import Worker
from tests.promises.evidence import Store, check_effects, check_ended, history_of
from tests.promises.processes import VERBS, WorkerProcess
from tests.promises.verbs import effects

T = TypeVar("T")

PATIENCE = 40.0
"""Seconds after which a test gives up; far more than a loaded machine needs."""


class Yard:
    """See the fixtures `yard` (a server of its own, durable) and `ground` (the shared server)."""

    def __init__(
        self, url: str, hub: str, folder: Path, *, backend: Backend, leases: SyncBackend, cache_size: int
    ) -> None:
        self.url = url
        self.hub = hub
        self.folder = str(folder)
        self.backend = backend
        self.leases = leases
        self.cache_size = cache_size
        self.client = AsyncClient(url, hub=hub)
        self.store = Store(url, hub, backend.hub.partitions)
        self._processes: list[WorkerProcess] = []

    async def close(self) -> None:
        """End what is left."""
        for process in self._processes:
            process.remove()
        self.store.close()
        await self.client.close()
        self.leases.close()
        await self.backend.close()

    # ---- workers

    def process(self, **options: Any) -> WorkerProcess:
        """A worker process with a short lease."""
        log = Path(self.folder) / f"worker-{len(self._processes)}.log"
        chosen = {"lease": 1.0, "sweep": 0.1, "cache_size": self.cache_size, "build": "test", **options}
        process = WorkerProcess(self.url, self.hub, log, **chosen)
        self._processes.append(process)
        return process

    def worker(self, **options: Any) -> Worker:
        """A worker of this process that knows all verbs."""
        backend, leases = options.pop("backend", self.backend), options.pop("leases", self.leases)
        registry: Registry = options.pop("registry", None) or load_modules([VERBS])
        chosen = {"cache_size": self.cache_size, "build": "test", "seed": 1, **options}
        return Worker(registry, backend=backend, leases=leases, options=WorkerOptions(**chosen))

    async def serving(self, process: WorkerProcess, *, but: str = "") -> str:
        """The id under which a process serves in all partitions; another than `but`."""

        async def look() -> str:
            stats = await self.client.stats()
            found = [worker.record.id for worker in stats.workers if worker.record.pid == process.pid]
            return next((name for name in found if name != but and self._registered(name)), "")

        found: str = await self.until(look, lambda: process.said)
        return found

    def _registered(self, worker: str) -> bool:
        partitions = range(self.backend.hub.partitions)
        return all(self.store.redis.zscore(self.store.key(each, "workers"), worker) for each in partitions)

    def said(self) -> str:
        """The logs of all processes."""
        return "\n".join(f"--- {process.pid}\n{process.said}" for process in self._processes)

    # ---- gates and waits

    def hold(self, gate: str) -> None:
        """Shut a gate."""
        (Path(self.folder) / gate).touch()

    def release(self, gate: str) -> None:
        """Open it."""
        (Path(self.folder) / gate).unlink()

    async def until(self, look: Callable[[], Any], state: Callable[[], object] | None = None) -> Any:
        """What `look` finds, asked again until it finds something."""
        end = time.monotonic() + PATIENCE
        while True:
            found = look()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found
            assert time.monotonic() < end, f"not within {PATIENCE:g} seconds; {(state or self.said)()}"
            await asyncio.sleep(0.02)

    async def begun(self, what: str, process: WorkerProcess) -> None:
        """A process is in the middle of something."""
        await self.until(lambda: any(effect.pid == process.pid for effect in effects(self.folder, what)))

    async def more(self, what: str, count: int) -> None:
        """So many effects more than there are now."""
        enough = len(effects(self.folder, what)) + count
        await self.until(lambda: len(effects(self.folder, what)) >= enough)

    # ---- ends

    async def results(self, handles: Iterable[AsyncHandle[T]]) -> list[T]:
        """What all of them came to."""
        try:
            async with asyncio.timeout(PATIENCE):
                return [await handle.result() for handle in handles]
        except TimeoutError as error:
            raise AssertionError(f"not all ended: {await self.client.stats()}\n{self.said()}") from error

    async def check(self, handles: Iterable[AsyncHandle[Any]]) -> dict[str, list[Event]]:
        """[P1, P2, P5, P6] Everything that must be true of instances that have completed, their children included."""
        found, names = dict[str, list[Event]](), [handle.id for handle in handles]
        children = [row.instance async for row in self.client.list() if row.parent in names]
        for name in names + children:
            found[name] = await check_ended(self.backend, name)
            if name in names:
                assert sum(isinstance(each, ChildStarted) for each in found[name]) <= 1
            check_effects(effects(self.folder), found[name])
        self.store.check()
        return found

    async def histories(self, names: Iterable[str]) -> dict[str, list[Event]]:
        """The last runs of these instances."""
        return {name: await history_of(self.backend, name) for name in names}
