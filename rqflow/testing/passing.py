"""Passing: backends that hand on to another all that their heirs do not meddle with."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, AbstractContextManager

from rqflow.backend.calls.hubs import HubInfo, Limits
from rqflow.backend.protocol import Backend, SyncBackend, SyncWatch, Watch


class PassingBackend:
    """All of an asynchronous backend but what is sent and waited for."""

    def __init__(self, inner: Backend) -> None:
        self._inner = inner

    @property
    def hub(self) -> HubInfo:
        return self._inner.hub

    @property
    def limits(self) -> Limits:
        return self._inner.limits

    def watch(self, instance: str) -> AbstractAsyncContextManager[Watch]:
        return self._inner.watch(instance)

    def watch_schedules(self, partition: int) -> AbstractAsyncContextManager[Watch]:
        return self._inner.watch_schedules(partition)

    async def close(self) -> None:
        await self._inner.close()


class PassingSyncBackend:
    """All of a blocking backend but what is sent."""

    def __init__(self, inner: SyncBackend) -> None:
        self._inner = inner

    @property
    def hub(self) -> HubInfo:
        return self._inner.hub

    @property
    def limits(self) -> Limits:
        return self._inner.limits

    def watch(self, instance: str) -> AbstractContextManager[SyncWatch]:
        return self._inner.watch(instance)

    def close(self) -> None:
        self._inner.close()
