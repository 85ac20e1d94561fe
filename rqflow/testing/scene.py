"""Scene: what a script of clients acts in: one instance of a workflow, and verbs that may be repeated after a death."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, Unpack

from rqflow.authoring.workflows import Workflow
from rqflow.backend.calls.instances import Description
from rqflow.client.asynchronous import AsyncClient
from rqflow.client.handle import AsyncHandle
from rqflow.client.options import StartKeywords
from rqflow.client.starting import Request
from rqflow.converters.json import load_json
from rqflow.errors import Conflict, UpdateFailed


class Scene:
    """One client's view of the instance under test.

    Every order that a script gives through the scene carries a request id made of its place in the script: a client
    that died is followed by one that plays the script from its beginning, and what was carried out before counts once.
    """

    id: str
    """The instance's id."""
    client: AsyncClient
    """For whatever the scene has no word for. Give such orders a `request_id` of your own."""

    def __init__(
        self, client: AsyncClient, id: str, workflow: Workflow[..., Any], args: tuple[Any, ...], seen: set[int]
    ) -> None:
        self.client = client
        self.id = id
        self._workflow = workflow
        self._args = args
        self._seen = seen
        self._repeated = bool(seen)
        self._orders = self._waits = 0
        seen.add(0)

    @property
    def handle(self) -> AsyncHandle[Any]:
        """The instance, by its id."""
        return self.client.handle(self.id)

    async def start(self, **options: Unpack[StartKeywords]) -> None:
        """Start the instance, with any option of `Client.start` but its id and request id."""
        await self.client.start(self._workflow, *self._args, **self._named(options))

    async def signal(self, signal: Any, value: Any = None) -> None:
        """As `Client.signal`."""
        await self._order(self.client.signal(self.id, signal, value, request_id=self._request()))

    async def signal_with_start(self, signal: Any, value: Any = None, **options: Unpack[StartKeywords]) -> None:
        """As `Client.signal_with_start`."""
        named = self._named(options)
        await self._order(
            self.client.signal_with_start(self._workflow, *self._args, signal=signal, value=value, **named)
        )

    async def update(self, update: Any, *args: Any) -> Any:
        """As `Client.update`: its answer. None if the instance had ended before the client's successor asked again."""
        return await self._order(self.client.update(self.id, update, *args, request_id=self._request()))

    async def update_with_start(self, update: Any, *args: Any, **options: Unpack[StartKeywords]) -> Any:
        """As `Client.update_with_start`: its answer."""
        request = Request.of(self._workflow, *self._args, **self._named(options))
        return await self._order(self.client.update_with_start(request, update, args))

    async def query(self, query: Any, *args: Any) -> Any:
        """As `Client.query`."""
        return await self.client.query(self.id, query, *args)

    async def cancel(self, reason: str = "") -> None:
        """As `Client.cancel`."""
        await self._order(self.client.cancel(self.id, reason, request_id=self._request()))

    async def terminate(self, reason: str = "", *, recursive: bool = False) -> None:
        """As `Client.terminate`."""
        await self.client.terminate(self.id, reason, recursive=recursive)

    async def suspend(self, reason: str = "") -> None:
        """As `Client.suspend`."""
        await self._order(self.client.suspend(self.id, reason))

    async def resume(self) -> None:
        """As `Client.resume`."""
        await self._order(self.client.resume(self.id))

    async def until(self, condition: Callable[[Description], bool]) -> Description:
        """Wait until the instance's description meets a condition, or the instance has ended.

        What was seen before a client died need not be true again for its successor.
        """
        self._waits += 1
        number = self._waits
        found = await self.client.wait_for(self.id, lambda row: number in self._seen or condition(row))
        self._seen.add(number)
        return found

    async def shows(self, status: Any) -> None:
        """Wait until the workflow shows this custom status (`workflow.set_status`), or has ended."""
        await self.until(lambda row: row.custom_status != b"" and load_json(row.custom_status) == status)

    async def sleep(self, seconds: float) -> None:
        """Let time pass: on the memory store nobody waits for it."""
        await asyncio.sleep(seconds)

    # ---- what makes it repeatable

    def _request(self) -> str:
        self._orders += 1
        return f"order-{self._orders}"

    def _named(self, options: StartKeywords) -> StartKeywords:
        return {**options, "id": self.id, "request_id": self._request()}

    async def _order(self, order: Awaitable[Any]) -> Any:
        """Give an order. If it had been given before, by one who died, the instance may have ended since."""
        try:
            return await order
        except (Conflict, UpdateFailed):
            if self._repeated:
                return None
            raise


Script: TypeAlias = Callable[[Scene], Awaitable[None]]
"""What clients do in a scene, from the start of the instance to their last word."""


async def only_start(scene: Scene) -> None:
    """The shortest script: the instance is started."""
    await scene.start()
