"""Errands: the things that customers do, one after the other, as chance has it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Sequence
from typing import Final

from rqflow.client.starting import Request
from rqflow.errors import BackendError, BackendRefused, InstanceExists, RqflowError
from tests.chaos import flows
from tests.chaos.customers import Customer, Errand

MOST: Final = 600
"""Numbers of one stream."""


class Wanderer(Customer):
    """A customer with all errands."""

    @property
    def errands(self) -> Sequence[Errand]:
        return [
            self._trade, self._trade, self._collect, self._collect, self._sell, self._family, self._reserve,
            self._reserve, self._hurry, self._account, self._toil, self._dice, self._crowd, self._build, self._build,
            self._brief, self._deadline, self._heavy, self._forge, self._flood, self._purge, self._duel,
            self._series, self._series, self._stream, self._stream,
        ]  # fmt: skip

    async def _trade(self) -> None:
        await self._plain(flows.trade)

    async def _sell(self) -> None:
        await self._plain(flows.sell, self._chance.randrange(0, 12))

    async def _family(self) -> None:
        await self._plain(flows.family, self._chance.randrange(1, 3), self._chance.randrange(1, 4))

    async def _toil(self) -> None:
        await self._plain(flows.toil, self._chance.randrange(1, 30))

    async def _dice(self) -> None:
        await self._plain(flows.dice)

    async def _build(self) -> None:
        await self._plain(self._chance.choice(["changing", "drifting"]))

    async def _crowd(self) -> None:
        """Many at once, in one round trip."""
        pages = [self._open(flows.leaf, (f"of many {number}",), {}) for number in range(self._chance.randrange(5, 40))]
        requests = [
            Request.of(flows.leaf, self._folder, *page.args, id=page.id, request_id=f"request of {page.id}")
            for page in pages
        ]
        for page in pages:
            page.start = "unknown"
        try:
            started = await self._client.start_many(requests)
        except BackendError:
            return
        for page, each in zip(pages, started, strict=True):
            page.start = "refused" if isinstance(each, BackendRefused) else page.start
        handles = [each for each in started if not isinstance(each, RqflowError)]
        for handle in handles:
            self._page(handle).start, self._page(handle).run = "accepted", handle.run
        await asyncio.gather(*map(self._result, handles))

    async def _brief(self) -> None:
        handle = await self._start(flows.dice, retention=2.0)
        if handle is not None:
            await self._result(handle)

    async def _deadline(self) -> None:
        await self._plain(flows.reserve, timeout=self._chance.uniform(0.2, 3))

    async def _collect(self) -> None:
        handle = await self._start(flows.collect, self._chance.randrange(1, 8), [])
        if handle is None:
            return
        page = self._page(handle)
        for number in range(self._chance.randrange(1, 30)):
            await self._order(page, "number", number, handle.signal("number", number))
            if self._chance.random() < 0.1:
                await asyncio.sleep(self._chance.uniform(0, 0.5))
        await self._maybe_stop(handle)
        if self._chance.random() < 0.7:
            await self._order(page, "number", flows.LAST, handle.signal("number", flows.LAST))
            await self._result(handle)

    async def _reserve(self) -> None:
        handle = await self._start(flows.reserve)
        if handle is None:
            return
        page = self._page(handle)
        await asyncio.sleep(self._chance.uniform(0, 1))
        await self._maybe_stop(handle)
        if self._chance.random() < 0.7:
            await self._order(page, "go", "on", handle.signal("go", "on"))
            await self._result(handle)

    async def _hurry(self) -> None:
        handle = await self._start(flows.hurry, self._chance.uniform(0.05, 2))
        if handle is None:
            return
        await asyncio.sleep(self._chance.uniform(0, 1))
        await self._order(self._page(handle), "go", "on", handle.signal("go", "on"))
        await self._result(handle)

    async def _account(self) -> None:
        handle = await self._start(flows.account)
        if handle is None:
            return
        page = self._page(handle)
        for number in range(self._chance.randrange(1, 6)):
            amount = 1 << number  # so that a total tells what it is made of
            await self._order(page, "add", amount, handle.update("add", amount, result_type=int))
            if self._chance.random() < 0.3:
                with contextlib.suppress(RqflowError):
                    page.totals.append((len(page.told), await handle.query("total", result_type=int)))
        if self._chance.random() < 0.7:
            await self._order(page, "close", "now", handle.signal("close", "now"))
            await self._result(handle)

    async def _heavy(self) -> None:
        await self._plain(flows.heavy, self._chance.choice([1_000, 100_000, 700_000]))

    async def _forge(self) -> None:
        await self._plain(flows.forge)

    async def _flood(self) -> None:
        """Signals as fast as they go, many at once: their order is not known, their number is."""
        handle = await self._start(flows.collect, 20, [])
        if handle is None:
            return
        page, count = self._page(handle), self._chance.randrange(20, 200)
        page.ordered = False
        orders = (self._order(page, "number", each, handle.signal("number", each)) for each in range(count))
        await asyncio.gather(*orders)
        await self._order(page, "number", flows.LAST, handle.signal("number", flows.LAST))
        await self._result(handle)

    async def _series(self) -> None:
        await self._plain(flows.series, self._chance.randrange(2, 12))

    async def _stream(self) -> None:
        """Signals one upon the other, for longer than a lease: whenever a turn out of date is told, there is news
        that it could take for its own."""
        handle = await self._start(flows.collect, 10_000, [])
        if handle is None:
            return
        page, loop = self._page(handle), asyncio.get_running_loop()
        page.ordered = False
        numbers, end = itertools.count(), loop.time() + self._chance.uniform(5, 10)

        async def send() -> None:
            while loop.time() < end and (number := next(numbers)) < MOST:
                await self._order(page, "number", number, handle.signal("number", number))
                await asyncio.sleep(self._chance.uniform(0, 0.06))

        await asyncio.gather(*(send() for _ in range(4)))
        await self._order(page, "number", flows.LAST, handle.signal("number", flows.LAST))
        await self._result(handle)

    async def _purge(self) -> None:
        """Away with it, whatever it is doing."""
        handle = await self._start(self._chance.choice([flows.trade, flows.dice, flows.reserve]))
        if handle is None:
            return
        await asyncio.sleep(self._chance.uniform(0, 1))
        await self._order(self._page(handle), "purge", None, handle.purge(force=True))

    async def _duel(self) -> None:
        """Several want one id for themselves: one gets it."""
        page = self._open(flows.dice, (), {})
        page.start = "unknown"

        async def claim(number: int) -> None:
            request = f"duel {number} of {page.id}"
            try:
                handle = await self._client.start(
                    flows.dice, self._folder, id=page.id, request_id=request, on_reuse="reject"
                )
            except (InstanceExists, BackendError):
                return
            page.start, page.run = "accepted", handle.run
            page.winners.add(handle.run)

        await asyncio.gather(*map(claim, range(3)))
