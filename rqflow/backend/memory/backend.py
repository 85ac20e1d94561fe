"""Backends on a memory store: the asynchronous one and its blocking twin."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Any, TypeVar

from rqflow.backend.calls.call import Call
from rqflow.backend.calls.hubs import HubInfo, Limits
from rqflow.backend.calls.tasks import Entry, Subscription
from rqflow.backend.memory.store import MemoryStore, instance_topic, schedules_topic, task_topics
from rqflow.backend.memory.waiting import LoopBell, ThreadBell
from rqflow.backend.protocol import SyncWatch, Watch

R = TypeVar("R")


class MemoryBackend:
    """A memory store, as asynchronous code sees it (see `rqflow.backend.protocol.Backend`)."""

    def __init__(self, store: MemoryStore | None = None) -> None:
        self.store = store or MemoryStore()

    @property
    def hub(self) -> HubInfo:
        return self.store.hub

    @property
    def limits(self) -> Limits:
        return self.store.limits

    async def send(self, calls: Sequence[Call[Any]]) -> list[Any]:
        """As Backend.send. Others get their turn first, as they would while a connection is waited for."""
        await asyncio.sleep(0)
        return self.store.apply_all(calls)

    async def call(self, call: Call[R]) -> R:
        await asyncio.sleep(0)
        return self.store.apply(call)

    async def wait_for_tasks(
        self, partition: int, worker: str, subscription: Subscription, timeout: timedelta
    ) -> Sequence[Entry]:
        """As Backend.wait_for_tasks. The timeout passes on the store's clock or on the wall, whichever is sooner."""
        bell = LoopBell()
        until_ms = self.store.now_ms() + timeout // timedelta(milliseconds=1)
        with self.store.listening(task_topics(partition, worker, subscription), bell):
            while True:
                entries = self.store.lease_entries(partition, worker, subscription)
                left_ms = until_ms - self.store.now_ms()
                if entries is None or entries or left_ms <= 0:
                    return entries or ()
                if not await bell.wait(left_ms / 1000):
                    return self.store.lease_entries(partition, worker, subscription) or ()

    def watch(self, instance: str) -> AbstractAsyncContextManager[Watch]:
        return self._listen(instance_topic(instance))

    @asynccontextmanager
    async def _listen(self, topic: tuple[int | str, str]) -> AsyncIterator[Watch]:
        bell = LoopBell()
        with self.store.listening([topic], bell):
            yield bell

    def watch_schedules(self, partition: int) -> AbstractAsyncContextManager[Watch]:
        """As Backend.watch_schedules."""
        return self._listen(schedules_topic(partition))

    async def close(self) -> None:
        """Nothing to close: the store lives as long as somebody holds it."""


class SyncMemoryBackend:
    """A memory store, as blocking code sees it (see `rqflow.backend.protocol.SyncBackend`)."""

    def __init__(self, store: MemoryStore | None = None) -> None:
        self.store = store or MemoryStore()

    @property
    def hub(self) -> HubInfo:
        return self.store.hub

    @property
    def limits(self) -> Limits:
        return self.store.limits

    def send(self, calls: Sequence[Call[Any]]) -> list[Any]:
        return self.store.apply_all(calls)

    def call(self, call: Call[R]) -> R:
        return self.store.apply(call)

    def watch(self, instance: str) -> AbstractContextManager[SyncWatch]:
        return self._watch(instance)

    @contextmanager
    def _watch(self, instance: str) -> Iterator[SyncWatch]:
        bell = ThreadBell()
        with self.store.listening([instance_topic(instance)], bell):
            yield bell

    def close(self) -> None:
        """Nothing to close: the store lives as long as somebody holds it."""
