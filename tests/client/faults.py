"""Faults: a store whose connection breaks when told to, before or after it has carried out what it was sent."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from datetime import timedelta
from typing import Any, TypeVar

from rqflow.backend.calls.call import Call
from rqflow.backend.calls.hubs import HubInfo, Limits
from rqflow.backend.calls.tasks import Entry, Subscription
from rqflow.backend.protocol import Backend, SyncBackend, SyncWatch, Watch
from rqflow.errors import BackendFull, BackendUnavailable

R = TypeVar("R")

BROKEN = "the connection broke"


class Faults:
    """Which of the next sends break, and how."""

    def __init__(self) -> None:
        self.before = 0
        """So many sends break before they arrive."""
        self.after = 0
        """So many sends are carried out, and their answers are lost."""
        self.refused = 0
        """And of those after them so many are refused."""
        self.sends = 0
        """How many were tried."""

    def going(self) -> None:
        self.sends += 1
        if self.before:
            self.before -= 1
            raise BackendUnavailable(BROKEN)

    def refuses(self) -> bool:
        """Whether the store refuses this one."""
        refuses = self.refused > 0 and not self.before and not self.after
        self.refused -= refuses
        return refuses

    def coming(self) -> None:
        if self.after:
            self.after -= 1
            raise BackendUnavailable(BROKEN)


class BreakingSyncBackend:
    """A blocking backend with faults."""

    def __init__(self, inner: SyncBackend, faults: Faults) -> None:
        self._inner = inner
        self._faults = faults

    @property
    def hub(self) -> HubInfo:
        return self._inner.hub

    @property
    def limits(self) -> Limits:
        return self._inner.limits

    def send(self, calls: Sequence[Call[Any]]) -> list[Any]:
        self._faults.going()
        if self._faults.refuses():
            return [BackendFull("full") for _ in calls]
        answers = self._inner.send(calls)
        self._faults.coming()
        return answers

    def call(self, call: Call[R]) -> R:
        raise NotImplementedError

    def watch(self, instance: str) -> AbstractContextManager[SyncWatch]:
        return self._inner.watch(instance)

    def close(self) -> None:
        self._inner.close()


class BreakingBackend:
    """An asynchronous backend with faults."""

    def __init__(self, inner: Backend, faults: Faults) -> None:
        self._inner = inner
        self._faults = faults

    @property
    def hub(self) -> HubInfo:
        return self._inner.hub

    @property
    def limits(self) -> Limits:
        return self._inner.limits

    async def send(self, calls: Sequence[Call[Any]]) -> list[Any]:
        self._faults.going()
        if self._faults.refuses():
            return [BackendFull("full") for _ in calls]
        answers = await self._inner.send(calls)
        self._faults.coming()
        return answers

    async def call(self, call: Call[R]) -> R:
        raise NotImplementedError

    async def wait_for_tasks(
        self, partition: int, worker: str, subscription: Subscription, timeout: timedelta
    ) -> Sequence[Entry]:
        raise NotImplementedError

    def watch(self, instance: str) -> AbstractAsyncContextManager[Watch]:
        return self._inner.watch(instance)

    def watch_schedules(self, partition: int) -> AbstractAsyncContextManager[Watch]:
        return self._inner.watch_schedules(partition)

    async def close(self) -> None:
        await self._inner.close()
