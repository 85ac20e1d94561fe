"""Threaded: the blocking client, called from threads, with the face of the asynchronous one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from rqflow.client.handle import Handle
from rqflow.client.options import ClientOptions
from rqflow.client.sync import Client


class ThreadedClient:
    """The few verbs that customers use."""

    def __init__(self, url: str, *, hub: str, options: ClientOptions) -> None:
        self._client = Client(url, hub=hub, options=options)
        self._threads = ThreadPoolExecutor(8, "customer")

    async def run(self, do: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """In a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: do(*args, **options))

    async def start(self, *args: Any, **options: Any) -> ThreadedHandle:
        return ThreadedHandle(self, await self.run(self._client.start, *args, **options))

    async def start_many(self, requests: Sequence[Any]) -> list[Any]:
        started = await self.run(self._client.start_many, requests)
        return [ThreadedHandle(self, each) if isinstance(each, Handle) else each for each in started]

    async def close(self) -> None:
        """What threads still wait for ends with an error."""
        await asyncio.to_thread(self._client.close)
        await asyncio.to_thread(self._threads.shutdown)


class ThreadedHandle:
    """A handle whose every verb runs in a thread."""

    def __init__(self, client: ThreadedClient, handle: Handle[Any]) -> None:
        self.id, self.run = handle.id, handle.run
        self._client = client
        self._handle = handle

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        return lambda *args, **options: self._client.run(getattr(self._handle, verb), *args, **options)
