"""Clocks: how the suite lets time pass, on a virtual clock and on a real one."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Protocol

from rqflow.backend.calls.hubs import ReadStats
from rqflow.backend.protocol import Backend
from rqflow.testing.clock import VirtualClock


class Clock(Protocol):
    """Lets the store's time pass."""

    async def pass_by(self, span: timedelta) -> None:
        """Return when at least `span` has passed on the store's clock."""
        ...


class SuiteVirtualClock:
    """Moves a virtual clock: nobody waits."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock

    async def pass_by(self, span: timedelta) -> None:
        self._clock.advance(span)


class StoreClock:
    """Waits until the store itself says that the time has passed. The suite asks for tenths of seconds only."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def pass_by(self, span: timedelta) -> None:
        until_ms = await self._now_ms() + span // timedelta(milliseconds=1)
        for _ in range(10_000):
            left_ms = until_ms - await self._now_ms()
            if left_ms <= 0:
                return
            await asyncio.sleep(left_ms / 1000)
        raise AssertionError("the store's clock stands still")

    async def _now_ms(self) -> int:
        return (await self._backend.call(ReadStats(partition=0))).now_ms
