"""Run a worker: what the command line calls: modules in, one process or many, an exit code out."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rqflow.authoring.registry import load_modules
from rqflow.backend.calls.hubs import ReadStats
from rqflow.backend.calls.tasks import Sweep
from rqflow.backend.opening import open_backend, open_sync_backend
from rqflow.backend.protocol import Backend
from rqflow.worker.collector import sparing
from rqflow.worker.options import WorkerOptions
from rqflow.worker.supervisor import supervise
from rqflow.worker.worker import Worker

logger = logging.getLogger("rqflow.worker")

COLD = 1
"""Exit code after a second signal."""
BURST_ROUNDS = 20
"""How often a burst begins again, at most, because tasks were left behind."""


def run_worker(
    *,
    url: str,
    hub: str,
    modules: Sequence[str],
    options: WorkerOptions,
    processes: int = 1,
    allow_eviction: bool = False,
    prepare: Callable[[], None] | None = None,
) -> int:
    """Serve a hub until told to stop: 0 after a warm stop or a finished burst, 1 after a cold stop.

    `prepare`, a module's function, is called first in each worker process: it sets up logging and the like.
    Raises BadInput (a module does not import, an option is absurd), HubNotFound, BackendUnavailable and
    BackendRefused at the start; once it serves, it outlasts Redis' absences.
    """
    service = Service(url, hub, tuple(modules), options, allow_eviction, prepare)
    if processes > 1:
        # What would make every process fail is found here, once, with a clear error.
        load_modules(modules)
        open_sync_backend(url, hub, allow_eviction=allow_eviction).close()
        if prepare is not None:
            prepare()
        return supervise(serve, service, count=processes)
    return serve(service)


@dataclass(frozen=True, slots=True)
class Service:
    """What one worker process is told; see run_worker."""

    url: str
    hub: str
    modules: tuple[str, ...]
    options: WorkerOptions
    allow_eviction: bool
    prepare: Callable[[], None] | None


def serve(service: Service) -> int:
    """Be one worker process."""
    if service.prepare is not None:
        service.prepare()
    return asyncio.run(_serve(service))


async def _serve(service: Service) -> int:
    registry = load_modules(service.modules)
    url, hub, eviction = service.url, service.hub, service.allow_eviction
    backend = await open_backend(url, hub, allow_eviction=eviction)
    try:
        leases = await asyncio.to_thread(open_sync_backend, url, hub, allow_eviction=eviction)
        try:
            signals = _Signals()
            with sparing():
                for _ in range(BURST_ROUNDS):
                    worker = Worker(registry, backend=backend, leases=leases, options=service.options)
                    signals.listen(worker)
                    await worker.run()
                    if signals.count or not service.options.burst or not await _left_behind(backend, worker):
                        break
            return COLD if signals.count > 1 else 0
        finally:
            leases.close()
    finally:
        await backend.close()


async def _left_behind(backend: Backend, worker: Worker) -> bool:
    """Whether tasks wait that this worker could do, now that it has given back what was routed to it.

    Two bursts at once can each find nothing while the other holds an instance: what the first gives back when it
    leaves would wait for nobody. Nor would anybody sweep up what Redis handed to a read that was just hung up.
    """
    wanted = worker.options.subscription
    for partition in range(backend.hub.partitions):
        await backend.call(Sweep(partition=partition, worker=worker.standing.id, build=worker.standing.build))
        stats = await backend.call(ReadStats(partition=partition))
        for queue in stats.queues:
            workflows, activities = queue.workflows_queued, queue.activities_queued
            if not stats.workers:
                workflows, activities = workflows + queue.workflows_leased, activities + queue.activities_leased
            if (workflows and queue.name in wanted.workflow_queues) or (
                activities and queue.name in wanted.activity_queues
            ):
                return True
    return False


class _Signals:
    """The first one drains, the second stops."""

    def __init__(self) -> None:
        self.count = 0
        self._worker: Worker | None = None

    def listen(self, worker: Worker) -> None:
        """From now on they are for this worker."""
        self._worker = worker
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            # Under a supervisor SIGINT is ignored: a terminal sends it to all, and the supervisor passes it on.
            if signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, self._heard)

    def _heard(self) -> None:
        self.count += 1
        if self.count == 1:
            logger.warning("stopping: what runs is finished first; signal again to stop at once")
        if self._worker is not None:
            self._worker.stop(now=self.count > 1)
