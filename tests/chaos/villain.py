"""Villain: does one evil deed after the other, takes each back, and looks how long it takes until life goes on."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from tests.chaos.book import Book
from tests.chaos.ground import Deed

PATIENCE: Final = 45.0
"""Seconds after a deed was taken back within which some instance must end: a generous bound, for loaded machines."""


class Villain:
    """One hand. Two of them at once do worse than either. What is chosen follows from the source of chance alone."""

    def __init__(self, deeds: Sequence[Deed], book: Book, chance: Random, tell: Callable[[str], None]) -> None:
        self.counts = Counter[str]()
        self.recoveries: dict[str, list[float]] = {}
        """By deed: seconds from its end until a client saw the next result."""
        self.stuck: list[str] = []
        """Deeds after which nothing went on."""
        self._deeds = deeds
        self._book = book
        self._chance = chance
        self._tell = tell

    async def rage(self) -> None:
        """Until canceled."""
        # Each deed has its turn before chance takes over, so that short plays see them all.
        first = list(self._deeds)
        self._chance.shuffle(first)
        while True:
            await asyncio.sleep(self._chance.uniform(0.1, 1.5))
            deed = first.pop() if first else self._choose()
            self.counts[deed.name] += 1
            self._tell(deed.name)
            await self._do(deed)
            await self._recover(deed)

    async def _do(self, deed: Deed) -> None:
        """To its end, for half a deed may be one that nobody takes back: a server was killed, and not started again."""
        doing = asyncio.ensure_future(deed.do(Random(self._chance.random())))
        try:
            await asyncio.shield(doing)
        except asyncio.CancelledError:
            await doing
            raise

    def _choose(self) -> Deed:
        [deed] = self._chance.choices(self._deeds, [deed.weight for deed in self._deeds])
        return deed

    async def _recover(self, deed: Deed) -> None:
        began, results = time.monotonic(), self._book.results
        while self._book.results == results:
            if time.monotonic() - began > PATIENCE:
                self.stuck.append(f"nothing ended within {PATIENCE:g} seconds after: {deed.name}")
                return
            await asyncio.sleep(0.01)
        self.recoveries.setdefault(deed.name, []).append(time.monotonic() - began)
