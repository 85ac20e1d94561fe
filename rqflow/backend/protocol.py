"""Backend: the seam between those who ask (workers, clients) and a store that answers calls."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from datetime import timedelta
from typing import Any, Protocol, TypeVar

from rqflow.backend.calls.call import Call
from rqflow.backend.calls.hubs import HubInfo, Limits
from rqflow.backend.calls.instances import Outcome
from rqflow.backend.calls.tasks import Entry, Subscription
from rqflow.errors import RqflowError

R = TypeVar("R")


def partition_of(instance: str, partitions: int) -> int:
    """The partition of an instance id: CRC-32 of its UTF-8 bytes, modulo the hub's partitions."""
    return zlib.crc32(instance.encode()) % partitions


def unwrap(answer: R | RqflowError) -> R:
    """The answer, or raised if it is an error."""
    if isinstance(answer, RqflowError):
        raise answer
    return answer


class Watch(Protocol):
    """Told whenever something happened to one instance that a waiter may care for. May be told too often."""

    @property
    def ended(self) -> Outcome | None:
        """The end that was told of last, if its notice said what it was: as `ReadOutcome` would have answered then.

        It may be of an earlier run than the one that is waited for, so look at its `run`.
        """
        ...

    async def wait(self, timeout: float) -> bool:
        """Until the next notice, or False after `timeout` seconds. A notice since the last wait counts at once."""
        ...


class SyncWatch(Protocol):
    """The blocking twin of Watch."""

    @property
    def ended(self) -> Outcome | None: ...

    def wait(self, timeout: float) -> bool: ...


class Backend(Protocol):
    """A store, as asynchronous code sees it. Bound to one hub."""

    @property
    def hub(self) -> HubInfo: ...

    @property
    def limits(self) -> Limits: ...

    async def send(self, calls: Sequence[Call[Any]]) -> list[Any]:
        """Each call's answer, or its RqflowError as a value, in the order of `calls`.

        One round trip for each partition that the calls name; calls to one partition are carried out in order.
        Raises BackendUnavailable when the connection breaks: then each call may or may not have been carried out.
        """
        ...

    async def call(self, call: Call[R]) -> R:
        """One call's answer; raises its error."""
        ...

    async def wait_for_tasks(
        self, partition: int, worker: str, subscription: Subscription, timeout: timedelta
    ) -> Sequence[Entry]:
        """Block until a task arrives (on the worker's stream or a subscribed queue), and lease it. Empty at `timeout`.

        At most one entry of each stream. Cancelling it may leave entries leased that nobody has seen: Take(again=True).
        """
        ...

    def watch(self, instance: str) -> AbstractAsyncContextManager[Watch]:
        """Listen to an instance; entered when the store is known to tell. Thousands share one connection."""
        ...

    def watch_schedules(self, partition: int) -> AbstractAsyncContextManager[Watch]:
        """Be told when a schedule of a partition is due sooner than any was before. As `watch` in all else."""
        ...

    async def close(self) -> None: ...


class SyncBackend(Protocol):
    """A store, as blocking code sees it; safe for threads."""

    @property
    def hub(self) -> HubInfo: ...

    @property
    def limits(self) -> Limits: ...

    def send(self, calls: Sequence[Call[Any]]) -> list[Any]:
        """As Backend.send."""
        ...

    def call(self, call: Call[R]) -> R: ...

    def watch(self, instance: str) -> AbstractContextManager[SyncWatch]: ...

    def close(self) -> None: ...
