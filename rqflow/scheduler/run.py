"""Run a scheduler: what the command line calls: an address in, an exit code out."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

from rqflow.backend.opening import open_backend
from rqflow.scheduler.options import SchedulerOptions
from rqflow.scheduler.scheduler import Scheduler


def run_scheduler(
    *,
    url: str,
    hub: str,
    options: SchedulerOptions | None = None,
    allow_eviction: bool = False,
    prepare: Callable[[], None] | None = None,
) -> int:
    """Fire a hub's schedules until SIGTERM or SIGINT: then what is being written is finished, and 0 returned.

    `prepare` is called first: it sets up logging. Raises HubNotFound, BackendUnavailable and BackendRefused at the
    start; once it serves, it outlasts Redis' absences.
    """
    if prepare is not None:
        prepare()
    return asyncio.run(_run(url, hub, options, allow_eviction=allow_eviction))


async def _run(url: str, hub: str, options: SchedulerOptions | None, *, allow_eviction: bool) -> int:
    backend = await open_backend(url, hub, allow_eviction=allow_eviction)
    try:
        scheduler = Scheduler(backend, options)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, scheduler.stop)
        await scheduler.run()
    finally:
        await backend.close()
    return 0
