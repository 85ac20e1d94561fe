"""Leaving: when a worker ends: told to, or with nothing left of a burst; and what it waits for before it goes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from rqflow.worker.desk import TaskDesk
from rqflow.worker.exchange import Exchange
from rqflow.worker.options import WorkerOptions
from rqflow.worker.relay import Relay
from rqflow.worker.standing import Standing

logger = logging.getLogger("rqflow.worker")


class Leaving:
    """Looks again whenever something has moved; nothing is asked in intervals."""

    def __init__(self, options: WorkerOptions, standing: Standing) -> None:
        self._options = options
        self._standing = standing
        self._moved = asyncio.Event()
        self._asked = asyncio.Event()
        self._at_once = asyncio.Event()

    def ask(self, *, now: bool) -> None:
        """The worker shall leave; `now`: without waiting for what runs."""
        self._asked.set()
        if now:
            self._at_once.set()
        self._moved.set()

    def moved(self) -> None:
        """Something was finished, told or carried."""
        self._moved.set()

    async def wait(self, desk: TaskDesk, exchanges: Sequence[Exchange], relay: Relay) -> None:
        """Until the worker may go."""
        while not self._asked.is_set():
            await self._next_move()
            if self._options.burst and self._nothing_left(desk, exchanges, relay):
                self._asked.set()
        self._standing.draining = True
        for exchange in exchanges:
            exchange.wake()
        try:
            async with asyncio.timeout(self._options.drain_timeout.total_seconds()):
                while not (self._at_once.is_set() or _drained(desk, exchanges, relay)):
                    await self._next_move()
        except TimeoutError:
            logger.warning("what still runs after %s is stopped and given back", self._options.drain_timeout)

    async def _next_move(self) -> None:
        await self._moved.wait()
        self._moved.clear()

    def _nothing_left(self, desk: TaskDesk, exchanges: Sequence[Exchange], relay: Relay) -> bool:
        soon = asyncio.get_running_loop().time() + self._options.burst_patience.total_seconds()
        return _drained(desk, exchanges, relay) and all(
            exchange.exhausted and exchange.times.next_due > soon for exchange in exchanges
        )


def _drained(desk: TaskDesk, exchanges: Sequence[Exchange], relay: Relay) -> bool:
    return desk.idle and relay.idle and all(exchange.quiet for exchange in exchanges)
