"""Fates: what can happen between a worker and its store: death at any call, lost answers, late renewals."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from datetime import timedelta
from random import Random
from typing import Any, TypeVar

from rqflow.backend.calls.call import Call
from rqflow.backend.calls.hubs import HubInfo, Limits
from rqflow.backend.calls.tasks import Entry, Subscription
from rqflow.backend.protocol import Backend, SyncBackend, SyncWatch, Watch, unwrap
from rqflow.errors import BackendUnavailable

R = TypeVar("R")


class Fate:
    """Nothing happens. Called around everything that a worker sends."""

    def __init__(self) -> None:
        self.sent = 0
        """Of the main connection, waits for tasks included."""

    def before(self) -> None:
        """May raise BackendUnavailable: it never arrived."""

    def after(self) -> None:
        """May raise BackendUnavailable: it was carried out, and nobody heard the answer."""

    def renewal(self) -> None:
        """As `before`, in the thread that keeps the leases."""


class Death(Fate):
    """From the n-th sending on, nothing of this worker reaches the store: as if it were dead."""

    def __init__(self, at: int, *, carried_out: bool) -> None:
        super().__init__()
        self.dead = asyncio.Event()
        self._at = at
        self._carried_out = carried_out
        """Whether the n-th sending still arrives."""

    def before(self) -> None:
        self.sent += 1
        if self.sent > self._at or (self.sent == self._at and not self._carried_out):
            self._die()

    def after(self) -> None:
        if self.sent >= self._at:
            self._die()

    def renewal(self) -> None:
        if self.sent >= self._at:
            raise BackendUnavailable("dead")

    def _die(self) -> None:
        self.dead.set()
        raise BackendUnavailable("dead")


class Losses(Fate):
    """A share of all sendings is lost on its way, and as many answers."""

    def __init__(self, share: float, seed: int) -> None:
        super().__init__()
        self._share = share
        self._random = Random(seed)

    def _lose(self) -> None:
        if self._random.random() < self._share:
            raise BackendUnavailable("lost")

    def before(self) -> None:
        self.sent += 1
        self._lose()

    def after(self) -> None:
        self._lose()


class Lateness(Fate):
    """Some renewals take longer than the lease lasts."""

    def __init__(self, share: float, seconds: float, seed: int) -> None:
        super().__init__()
        self._share = share
        self._seconds = seconds
        self._random = Random(seed)

    def renewal(self) -> None:
        if self._random.random() < self._share:
            time.sleep(self._seconds)


class FatedBackend:
    """An asynchronous backend under a fate."""

    def __init__(self, inner: Backend, fate: Fate) -> None:
        self._inner = inner
        self._fate = fate

    @property
    def hub(self) -> HubInfo:
        return self._inner.hub

    @property
    def limits(self) -> Limits:
        return self._inner.limits

    async def send(self, calls: Sequence[Call[Any]]) -> list[Any]:
        self._fate.before()
        answers = await self._inner.send(calls)
        self._fate.after()
        return answers

    async def call(self, call: Call[R]) -> R:
        [answer] = await self.send([call])
        found: R = unwrap(answer)
        return found

    async def wait_for_tasks(
        self, partition: int, worker: str, subscription: Subscription, timeout: timedelta
    ) -> Sequence[Entry]:
        self._fate.before()
        entries = await self._inner.wait_for_tasks(partition, worker, subscription, timeout)
        self._fate.after()
        return entries

    def watch(self, instance: str) -> AbstractAsyncContextManager[Watch]:
        return self._inner.watch(instance)

    async def close(self) -> None:
        await self._inner.close()


class FatedLeases:
    """A blocking backend under a fate."""

    def __init__(self, inner: SyncBackend, fate: Fate) -> None:
        self._inner = inner
        self._fate = fate

    @property
    def hub(self) -> HubInfo:
        return self._inner.hub

    @property
    def limits(self) -> Limits:
        return self._inner.limits

    def send(self, calls: Sequence[Call[Any]]) -> list[Any]:
        self._fate.renewal()
        return self._inner.send(calls)

    def call(self, call: Call[R]) -> R:
        [answer] = self.send([call])
        found: R = unwrap(answer)
        return found

    def watch(self, instance: str) -> AbstractContextManager[SyncWatch]:
        return self._inner.watch(instance)

    def close(self) -> None:
        self._inner.close()
