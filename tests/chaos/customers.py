"""Customers: clients that start, signal, update, query, suspend, cancel, terminate and await, as chance has it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from random import Random
from typing import Any, Final, TypeAlias

from rqflow.client.asynchronous import AsyncClient
from rqflow.client.handle import AsyncHandle
from rqflow.client.options import ClientOptions
from rqflow.errors import BackendError, BackendRefused
from tests.chaos import flows
from tests.chaos.book import Answer, Book, Page
from tests.chaos.threaded import ThreadedClient

PATIENCE: Final = 20.0
"""Seconds that a customer waits for a result before it turns to something else; it asks again at the end."""


Errand: TypeAlias = Callable[[], Awaitable[None]]


class Customer:
    """Does one thing after the other, with a client of its own on one of the roads."""

    def __init__(self, url: str, hub: str, folder: str, book: Book, *, name: str, chance: Random) -> None:
        options = ClientOptions(
            retry_for=timedelta(seconds=chance.choice([0, 2, 10])),
            poll=timedelta(seconds=chance.choice([0.5, 5])),
            query_timeout=timedelta(seconds=5),
        )
        kind = chance.choice([AsyncClient, AsyncClient, ThreadedClient])
        self._client: Any = kind(url, hub=hub, options=options)
        self._folder = folder
        self._book = book
        self._name = name
        self._chance = chance
        self._numbers = itertools.count(1)

    async def live(self, enough: asyncio.Event) -> None:
        """Until it is enough; the last thing begun is done."""
        try:
            while not enough.is_set():
                await self._chance.choice(self.errands)()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(enough.wait(), self._chance.uniform(0, 0.3))
        finally:
            await self._client.close()

    @property
    def errands(self) -> Sequence[Errand]:
        """What there is to do, each as often as it is likely."""
        raise NotImplementedError

    # ---- starting and awaiting

    async def _start(self, workflow: Any, *args: Any, **options: Any) -> AsyncHandle[Any] | None:
        """A start, again under the same request where the answer is not known, or left at that."""
        page = self._open(workflow, args, options)
        request = f"request of {page.id}"
        for _ in range(self._chance.randrange(1, 5)):
            before, page.start = page.start, "unknown"
            try:
                handle: AsyncHandle[Any] = await self._client.start(
                    workflow, self._folder, *args, id=page.id, request_id=request, **options
                )
            except BackendError as error:
                # One try whose end is not known, and the start may be there for ever after.
                if isinstance(error, BackendRefused) and before != "unknown":
                    page.start = "refused"
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

    async def _order(self, page: Page, verb: str, value: Any, doing: Awaitable[Any]) -> Answer:
        """Now and then its sender gives up in the middle of it."""
        if self._chance.random() < 0.04:
            doing = asyncio.wait_for(doing, self._chance.uniform(0, 0.02))
        return await page.order(verb, value, doing)

    async def _maybe_stop(self, handle: AsyncHandle[Any]) -> None:
        """Or the like: cancel, terminate, suspend and resume."""
        if self._chance.random() > 0.3:
            return
        await asyncio.sleep(self._chance.uniform(0, 0.5))
        page, verb = self._page(handle), self._chance.choice(["cancel", "terminate", "suspend"])
        await self._order(page, verb, None, getattr(handle, verb)("chaos"))
        if verb == "suspend":
            await asyncio.sleep(self._chance.uniform(0, 1))
            await self._order(page, "resume", None, handle.resume("chaos"))

    async def _plain(self, workflow: Any, *args: Any, **options: Any) -> None:
        if self._chance.random() < 0.1:
            options["delay"] = self._chance.uniform(0, 1.5)
        handle = await self._start(workflow, *args, **options)
        if handle is not None:
            await self._maybe_stop(handle)
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
