"""Customers: clients that start, signal, update, query, suspend, cancel, terminate and await, as chance has it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable
from datetime import timedelta
from random import Random
from typing import Any, Final

from rqflow.client.asynchronous import AsyncClient
from rqflow.client.handle import AsyncHandle
from rqflow.client.options import ClientOptions
from rqflow.client.starting import Request
from rqflow.errors import BackendError, RqflowError
from tests.chaos import flows
from tests.chaos.book import Book, Page

PATIENCE: Final = 20.0
"""Seconds that a customer waits for a result before it turns to something else; it asks again at the end."""


class Customer:
    """Does one thing after the other, with a client of its own on one of the roads."""

    def __init__(self, url: str, hub: str, folder: str, book: Book, *, name: str, chance: Random) -> None:
        options = ClientOptions(
            retry_for=timedelta(seconds=chance.choice([0, 2, 10])),
            poll=timedelta(seconds=chance.choice([0.5, 5])),
            query_timeout=timedelta(seconds=5),
        )
        self._client = AsyncClient(url, hub=hub, options=options)
        self._folder = folder
        self._book = book
        self._name = name
        self._chance = chance
        self._numbers = itertools.count(1)

    async def live(self, enough: asyncio.Event) -> None:
        """Until it is enough; the last thing begun is done."""
        deeds: list[Callable[[], Awaitable[None]]] = [
            self._trade, self._trade, self._collect, self._collect, self._sell, self._family, self._reserve,
            self._reserve, self._hurry, self._account, self._toil, self._dice, self._crowd, self._build, self._build,
            self._brief, self._deadline,
        ]  # fmt: skip
        try:
            while not enough.is_set():
                await self._chance.choice(deeds)()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(enough.wait(), self._chance.uniform(0, 0.3))
        finally:
            await self._client.close()

    # ---- starting and awaiting

    async def _start(self, workflow: Any, *args: Any, **options: Any) -> AsyncHandle[Any] | None:
        """A start, again under the same request where the answer is not known, or left at that."""
        page = self._open(workflow, args, options)
        request = f"request of {page.id}"
        for _ in range(self._chance.randrange(1, 5)):
            try:
                handle: AsyncHandle[Any] = await self._client.start(
                    workflow, self._folder, *args, id=page.id, request_id=request, **options
                )
            except BackendError:
                await asyncio.sleep(self._chance.uniform(0, 1))
                continue
            page.start, page.run = "accepted", handle.run
            return handle
        return None

    def _open(self, workflow: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Page:
        name = workflow if isinstance(workflow, str) else workflow.name
        return self._book.open(f"{self._name}-{next(self._numbers)}-{name}", name, args, options.get("retention"))

    def _page(self, handle: AsyncHandle[Any]) -> Page:
        return self._book.pages[handle.id]

    async def _result(self, handle: AsyncHandle[Any]) -> None:
        page = self._page(handle)
        if await page.await_result(handle.result(timeout=PATIENCE)):
            self._book.seen(page)

    async def _maybe_stop(self, handle: AsyncHandle[Any]) -> None:
        """Or the like: cancel, terminate, suspend and resume."""
        if self._chance.random() > 0.3:
            return
        await asyncio.sleep(self._chance.uniform(0, 0.5))
        page, verb = self._page(handle), self._chance.choice(["cancel", "terminate", "suspend"])
        await page.order(verb, None, getattr(handle, verb)("chaos"))
        if verb == "suspend":
            await asyncio.sleep(self._chance.uniform(0, 1))
            await page.order("resume", None, handle.resume("chaos"))

    async def _plain(self, workflow: Any, *args: Any, **options: Any) -> None:
        handle = await self._start(workflow, *args, **options)
        if handle is not None:
            await self._maybe_stop(handle)
            await self._result(handle)

    # ---- what there is to do

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
        try:
            started = await self._client.start_many(requests)
        except BackendError:
            return
        handles = [each for each in started if isinstance(each, AsyncHandle)]
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
            await page.order("number", number, handle.signal("number", number))
            if self._chance.random() < 0.1:
                await asyncio.sleep(self._chance.uniform(0, 0.5))
        await self._maybe_stop(handle)
        if self._chance.random() < 0.7:
            await page.order("number", flows.LAST, handle.signal("number", flows.LAST))
            await self._result(handle)

    async def _reserve(self) -> None:
        handle = await self._start(flows.reserve)
        if handle is None:
            return
        page = self._page(handle)
        await asyncio.sleep(self._chance.uniform(0, 1))
        await self._maybe_stop(handle)
        if self._chance.random() < 0.7:
            await page.order("go", "on", handle.signal("go", "on"))
            await self._result(handle)

    async def _hurry(self) -> None:
        handle = await self._start(flows.hurry, self._chance.uniform(0.05, 2))
        if handle is None:
            return
        await asyncio.sleep(self._chance.uniform(0, 1))
        await self._page(handle).order("go", "on", handle.signal("go", "on"))
        await self._result(handle)

    async def _account(self) -> None:
        handle = await self._start(flows.account)
        if handle is None:
            return
        page = self._page(handle)
        for number in range(self._chance.randrange(1, 6)):
            amount = 1 << number  # so that a total tells what it is made of
            await page.order("add", amount, handle.update("add", amount, result_type=int))
            if self._chance.random() < 0.3:
                with contextlib.suppress(RqflowError):
                    page.totals.append((len(page.told), await handle.query("total", result_type=int)))
        if self._chance.random() < 0.7:
            await page.order("close", "now", handle.signal("close", "now"))
            await self._result(handle)


ENDINGS: Final = {
    "collect": ("number", flows.LAST),
    "reserve": ("go", "on"),
    "hurry": ("go", "on"),
    "account": ("close", "now"),
}
"""The signal that lets a workflow end, for those that wait for one."""


async def let_end(client: AsyncClient, page: Page) -> None:
    """In peace: give an instance what it waits for, and let it go on."""
    handle: AsyncHandle[Any] = client.handle(page.id)
    if page.asked("suspend"):
        await page.order("resume", None, handle.resume("peace"))
    if page.workflow in ENDINGS:
        # Even if it was told before: a Redis that loses what it had told may have lost that.
        verb, value = ENDINGS[page.workflow]
        await page.order(verb, value, handle.signal(verb, value))
