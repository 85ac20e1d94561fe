"""Registration: how a worker makes itself known, comes back after its lease was lost, and takes its leave."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from rqflow.backend.calls.call import Call
from rqflow.backend.calls.tasks import Register, Renew, Unregister
from rqflow.backend.protocol import Backend, unwrap
from rqflow.errors import LeaseLost, RqflowError
from rqflow.worker.link import Link
from rqflow.worker.options import WorkerOptions
from rqflow.worker.standing import Standing

logger = logging.getLogger("rqflow.worker")

LEAVE_WAIT = 2.0
"""Seconds that a leaving worker gives the store to hear of it; else its lease ends by itself."""


class Registration:
    """A worker's entries in the store, one in each partition."""

    def __init__(self, backend: Backend, standing: Standing, options: WorkerOptions, link: Link) -> None:
        self._backend = backend
        self._standing = standing
        self._options = options
        self._link = link

    async def enter(self) -> None:
        """Register everywhere. Raises what the store says."""
        for answer in await self._backend.send(self._registers()):
            unwrap(answer)
        self._standing.registered.set()

    async def enter_again(self, old: Sequence[str]) -> None:
        """Come back under the new id, however long the store is away. What the old ones held goes to others at once."""
        calls: list[Call[Any]] = [
            Unregister(partition=number, worker=worker) for worker in old for number in self._partitions
        ]
        while True:
            try:
                answers = await self._backend.send([*calls, *self._registers()])
                for answer in answers[len(calls) :]:
                    unwrap(answer)
            except LeaseLost:
                self._standing.renew_id()
            except RqflowError as error:
                await self._link.failed(0, error)
            else:
                self._link.answered(0)
                self._standing.registered.set()
                logger.warning("registered again, as worker %s", self._standing.id)
                return

    async def leave(self) -> None:
        """Give back all that is held. Whether or not the store hears it, this returns soon."""
        worker = self._standing.id
        calls = [Unregister(partition=number, worker=worker) for number in self._partitions]
        # Blocked reads were hung up a moment ago. The store must have seen that before it hands on what we had, or one
        # of them is given it: so their sockets are closed first, and the store has gone round once.
        around = [Renew(partition=number, worker=worker, lease=self._options.granted) for number in self._partitions]
        try:
            async with asyncio.timeout(LEAVE_WAIT):
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                await self._backend.send(around)
                for answer in await self._backend.send(calls):
                    unwrap(answer)
        except (TimeoutError, RqflowError) as error:
            why = str(error) or f"no answer within {LEAVE_WAIT:g} seconds"
            logger.warning("the store did not hear that this worker left; its lease will end: %s", why)

    @property
    def _partitions(self) -> range:
        return range(self._backend.hub.partitions)

    def _registers(self) -> list[Register]:
        record = self._standing.record()
        return [Register(partition=number, worker=record, lease=self._options.granted) for number in self._partitions]
