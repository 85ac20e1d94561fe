"""Face: one way for tests to use both clients: verbs are called by name, blocking ones in a thread."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

from rqflow.client.asynchronous import AsyncClient
from rqflow.client.handle import AsyncHandle, Handle
from rqflow.client.sync import Client


class Face:
    """A client of either kind."""

    def __init__(self, client: Client | AsyncClient) -> None:
        self.client = client

    async def do(self, verb: str, *args: Any, **options: Any) -> Any:
        """What a verb of the client gives."""
        return await self.on(self.client, verb, *args, **options)

    async def on(self, target: Any, verb: str, *args: Any, **options: Any) -> Any:
        """What a verb of a client, a handle or a starter gives; of a stream all its values."""
        method = getattr(target, verb)
        if isinstance(self.client, Client):
            return await asyncio.to_thread(_exhausted, method, args, options)
        found = method(*args, **options)
        if inspect.isasyncgen(found):
            return [value async for value in found]
        return await found

    async def start(self, *args: Any, **options: Any) -> Handle[Any] | AsyncHandle[Any]:
        """A handle on a new instance."""
        handle: Handle[Any] | AsyncHandle[Any] = await self.do("start", *args, **options)
        return handle

    async def close(self) -> None:
        closing = self.client.close()
        if closing is not None:
            await closing


def _exhausted(method: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    found = method(*args, **options)
    return list(found) if inspect.isgenerator(found) else found
