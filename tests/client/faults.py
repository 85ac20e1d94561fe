"""Faults: a store whose connection breaks when told to, before or after it has carried out what it was sent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, TypeVar

from rqflow.backend.calls.call import Call
from rqflow.backend.calls.tasks import Entry, Subscription
from rqflow.backend.protocol import Backend, SyncBackend
from rqflow.errors import BackendFull, BackendUnavailable
from rqflow.testing.passing import PassingBackend, PassingSyncBackend

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


class BreakingSyncBackend(PassingSyncBackend):
    """A blocking backend with faults."""

    def __init__(self, inner: SyncBackend, faults: Faults) -> None:
        super().__init__(inner)
        self._faults = faults

    def send(self, calls: Sequence[Call[Any]]) -> list[Any]:
        self._faults.going()
        if self._faults.refuses():
            return [BackendFull("full") for _ in calls]
        answers = self._inner.send(calls)
        self._faults.coming()
        return answers

    def call(self, call: Call[R]) -> R:
        raise NotImplementedError


class BreakingBackend(PassingBackend):
    """An asynchronous backend with faults."""

    def __init__(self, inner: Backend, faults: Faults) -> None:
        super().__init__(inner)
        self._faults = faults

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
