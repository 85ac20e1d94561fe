"""Fates: what can happen between a worker or client and its store, such as its death at any call.

`FatedBackend` and its blocking twin `FatedSyncBackend` stand before a store and ask a `Fate` around everything that is
sent. Several backends may share one fate: a worker's own and that of the thread that keeps its leases.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import Any, Final, Literal, NoReturn, TypeAlias, TypeVar

from rqflow.backend.calls.call import Call
from rqflow.backend.calls.tasks import Entry, Register, Renew, Subscription
from rqflow.backend.protocol import Backend, SyncBackend, unwrap
from rqflow.testing.passing import PassingBackend, PassingSyncBackend

R = TypeVar("R")

Line: TypeAlias = Literal["call", "renewal"]
"""Who speaks: the event loop of a worker or client, or the thread that keeps a worker's leases."""
WAITING: Final = "wait_for_tasks"
"""Stands for a blocked read among the names of calls."""


class Killed(asyncio.CancelledError):
    """This process was killed: raised where code of it goes on nevertheless, for want of a real death.

    No Exception, so that no handler keeps it alive; and a cancellation, so that its tasks end without a word.
    """


class ThreadKilled(SystemExit):
    """The same in a thread: one that raises SystemExit ends without a word."""


class Fate:
    """Nothing happens. Asked around everything that is sent, on the loop and in threads."""

    def before(self, line: Line, calls: Sequence[str]) -> int:
        """So many of the calls, from the first, reach the store. May raise BackendUnavailable: none does."""
        return len(calls)

    def after(self, line: Line) -> bool:
        """Whether the answers are heard: if not, whoever asked has died. May raise BackendUnavailable."""
        return True

    @property
    def buried(self) -> bool:
        """It is dead, and everybody knows: what is still said is raised at."""
        return False

    def speaking(self) -> AbstractContextManager[Any]:
        """Entered by a thread while it speaks to the store."""
        return nullcontext()


class Counting(Fate):
    """Nothing happens, and what is said is written down."""

    def __init__(self) -> None:
        self.said: dict[Line, list[str]] = {"call": [], "renewal": []}
        """Names of calls, in order."""
        self.last: dict[Line, set[int]] = {"call": set(), "renewal": set()}
        """Numbers, from 1, of calls that were the last of what travelled together."""

    def before(self, line: Line, calls: Sequence[str]) -> int:
        self.said[line] += calls
        self.last[line].add(len(self.said[line]))
        return len(calls)


class Death(Counting):
    """Before or after the n-th call nothing more reaches the store, and no answer is heard: as if by SIGKILL.

    Calls that travel together are counted one by one: a death in between leaves the first of them carried out. The call
    that meets its death never returns; end the task that waits for it (`run_until_death` does). What is said after
    `bury`, such as the goodbye of a worker whose task was canceled, raises Killed.
    """

    def __init__(self, at: int, *, carried_out: bool, line: Line = "call") -> None:
        """`at`: the number of the call, from 1. `carried_out`: whether it still reaches the store."""
        super().__init__()
        self.at = at
        self.carried_out = carried_out
        self.line = line
        self.dead = False
        self.call = ""
        """The name of the call that met it."""
        self._buried = False
        self._renewing = threading.Lock()
        self._lock = threading.Lock()
        self._mourners: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []

    @property
    def buried(self) -> bool:
        return self._buried

    def before(self, line: Line, calls: Sequence[str]) -> int:
        with self._lock:
            if self.dead:
                return 0
            earlier = len(self.said[line])
            super().before(line, calls)
            if line != self.line or not earlier < self.at <= earlier + len(calls):
                return len(calls)
            self.dead = True
            self.call = calls[self.at - earlier - 1]
            mourners = list(self._mourners)
        for loop, told in mourners:
            loop.call_soon_threadsafe(_tell, told)
        return self.at - earlier - (not self.carried_out)

    def after(self, line: Line) -> bool:
        return not self.dead

    def speaking(self) -> AbstractContextManager[Any]:
        return self._renewing

    def bury(self) -> None:
        """It is over, died or not: nothing reaches the store any more, and what is still said raises Killed."""
        self.dead = self._buried = True

    async def wait(self) -> None:
        """Until it has died."""
        loop = asyncio.get_running_loop()
        told = loop.create_future()
        with self._lock:
            if self.dead:
                return
            self._mourners.append((loop, told))
        await told


def _tell(told: asyncio.Future[None]) -> None:
    if not told.done():
        told.set_result(None)


class FatedBackend(PassingBackend):
    """An asynchronous backend under a fate (see `rqflow.backend.protocol.Backend`)."""

    def __init__(self, inner: Backend, fate: Fate) -> None:
        super().__init__(inner)
        self._fate = fate
        self._workers: list[tuple[int, str]] = []

    async def send(self, calls: Sequence[Call[Any]]) -> list[Any]:
        arriving = calls[: self._fate.before("call", [type(call).__name__ for call in calls])]
        self._workers += [(call.partition, call.worker.id) for call in arriving if isinstance(call, Register)]
        answers = await self._inner.send(arriving) if arriving else []
        if not self._fate.after("call"):
            await self._hang()
        return answers

    async def call(self, call: Call[R]) -> R:
        [answer] = await self.send([call])
        found: R = unwrap(answer)
        return found

    async def wait_for_tasks(
        self, partition: int, worker: str, subscription: Subscription, timeout: timedelta
    ) -> Sequence[Entry]:
        entries: Sequence[Entry] = ()
        if self._fate.before("call", [WAITING]):
            entries = await self._inner.wait_for_tasks(partition, worker, subscription, timeout)
        if not self._fate.after("call"):
            await self._hang()
        return entries

    async def lapse(self) -> None:
        """End the leases of all workers that registered here, at once, as if their time had passed."""
        with self._fate.speaking():
            # A renewal that was on its way has arrived, and there will be no other.
            calls = [Renew(partition=at, worker=worker, lease=timedelta(0)) for at, worker in self._workers]
        if calls:
            await self._inner.send(calls)

    async def _hang(self) -> NoReturn:
        if not self._fate.buried:
            await asyncio.get_running_loop().create_future()
        raise Killed


class FatedSyncBackend(PassingSyncBackend):
    """A blocking backend under a fate: by default that of the thread that keeps a worker's leases."""

    def __init__(self, inner: SyncBackend, fate: Fate, *, line: Line = "renewal") -> None:
        super().__init__(inner)
        self._fate = fate
        self._line: Line = line

    def send(self, calls: Sequence[Call[Any]]) -> list[Any]:
        with self._fate.speaking():
            arriving = calls[: self._fate.before(self._line, [type(call).__name__ for call in calls])]
            answers = self._inner.send(arriving) if arriving else []
            if not self._fate.after(self._line):
                raise ThreadKilled
            return answers

    def call(self, call: Call[R]) -> R:
        [answer] = self.send([call])
        found: R = unwrap(answer)
        return found
