"""Roads: what a villain does to proxies: slow, cut, cut in mid-reply, closed for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from random import Random

from tests.chaos.ground import Deed
from tests.chaos.proxy import Proxy


class SpoiltRoads:
    """One of the roads, or all of them."""

    def __init__(self, proxies: Sequence[Proxy]) -> None:
        self._proxies = proxies

    @property
    def deeds(self) -> Sequence[Deed]:
        return [
            Deed("road slow", self._slow),
            Deed("road cut in mid-reply", self._cut_replies),
            Deed("road cut", self._cut),
            Deed("road holds everything", self._hold, 30),
            Deed("road holds replies", self._hold_replies),
        ]

    async def _spoil(self, chance: Random, spoil: Callable[[Proxy], object], seconds: float) -> None:
        # Most often one of them: those who come by the others take over, and go on, before it heals.
        proxies = chance.choice([self._proxies, self._proxies[:1], self._proxies[1:]])
        try:
            for proxy in proxies:
                spoil(proxy)
            await asyncio.sleep(seconds)
        finally:
            for proxy in proxies:
                proxy.heal()

    async def _slow(self, chance: Random) -> None:
        delay = chance.choice([0.01, 0.1, 0.5])
        await self._spoil(chance, lambda proxy: setattr(proxy, "delay", delay), chance.uniform(1, 5))

    async def _cut_replies(self, chance: Random) -> None:
        await self._spoil(chance, lambda proxy: setattr(proxy, "cut_in_reply", True), chance.uniform(0.1, 2))

    async def _cut(self, chance: Random) -> None:
        for _ in range(chance.randrange(1, 4)):
            await self._spoil(chance, Proxy.cut, chance.uniform(0, 0.5))

    async def _hold(self, chance: Random) -> None:
        def hold(proxy: Proxy) -> None:
            proxy.holds_requests = proxy.holds_replies = True

        await self._spoil(chance, hold, chance.uniform(1, 12))

    async def _hold_replies(self, chance: Random) -> None:
        await self._spoil(chance, lambda proxy: setattr(proxy, "holds_replies", True), chance.uniform(1, 6))
