"""Doom: a worker that runs until its death, and leaves nothing behind but what the store has of it."""

from __future__ import annotations

import asyncio

from rqflow.testing.fates import Death, FatedBackend
from rqflow.worker.worker import Worker


async def run_until_death(worker: Worker, death: Death, backend: FatedBackend) -> None:
    """Run a worker on a fated `backend` until it dies, or has ended; then its leases lapse at once.

    Canceled before that, it dies there and then. What fails in the worker otherwise is raised. Code of activities that
    were under way sees its cancellation, which a real death would not give it; nothing that it does is told.
    """
    running = asyncio.get_running_loop().create_task(worker.run())
    dying = asyncio.get_running_loop().create_task(death.wait())
    try:
        await asyncio.wait((running, dying), return_when=asyncio.FIRST_COMPLETED)
        ended = running.done() and not death.dead
    finally:
        death.bury()
        dying.cancel()
        running.cancel()
        await asyncio.wait((running, dying))
        if not running.cancelled():
            running.exception()  # seen: Killed, at its goodbye
    if ended:
        running.result()
    await backend.lapse()
