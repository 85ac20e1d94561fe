"""Gathering from threads: what many ask of a store while others wait for their answers leaves as one batch."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from rqflow.backend.calls.call import Call
from rqflow.backend.calls.durability import read_durability
from rqflow.backend.protocol import SyncBackend
from rqflow.client.gathering import MOST, kind_of
from rqflow.errors import BackendUnavailable, RqflowError

AT_ONCE: Final = 2
"""Batches of one kind that are under way. Of one, a connection that says nothing would hold up everybody."""


def _shut() -> Any:
    lock = threading.Lock()
    lock.acquire()
    return lock


@dataclass(slots=True, eq=False)
class _Asked:
    """Calls of one thread, which sleeps until it is told what came of them, or to carry a batch."""

    calls: Sequence[Call[Any]]
    sleeps: Any
    """A lock that is released to wake it: the cheapest there is."""
    batch: list[_Asked] = field(default_factory=list)
    """What it is to carry: its own calls first."""
    answers: list[Any] | None = None
    gone: bool = False
    """It was interrupted, and carries nothing."""


@dataclass(slots=True)
class _Kind:
    """Calls of one partition that promise something, or that do not."""

    under_way: int = 0
    waiting: list[_Asked] = field(default_factory=list)


class ThreadGathering:
    """Threads that share one backend.

    A thread switch costs more than a call that travels with others. So whoever finds two of his kind under way waits
    for one of them to come back, and the first who waits takes all the others along. Who is alone is not held up.
    """

    def __init__(self, backend: SyncBackend) -> None:
        self.backend = backend
        self._lock = threading.Lock()
        self._kinds: dict[tuple[int, bool], _Kind] = {}
        # Where promises wait for replicas, one that has to wait long must hold up no other.
        self._slow = bool(read_durability(backend.hub.durability).replicas)

    def send(self, calls: Sequence[Call[Any]]) -> list[Any]:
        """As SyncBackend.send."""
        name = kind_of(calls)
        if name is None or (name[1] and self._slow):
            return self.backend.send(calls)
        with self._lock:
            kind = self._kinds.setdefault(name, _Kind())
            asked = _Asked(calls, _shut()) if kind.under_way >= AT_ONCE else None
            if asked is None:
                kind.under_way += 1
            else:
                kind.waiting.append(asked)
        return self._go(kind, calls) if asked is None else self._wait(kind, asked)

    def _go(self, kind: _Kind, calls: Sequence[Call[Any]]) -> list[Any]:
        try:
            return self.backend.send(calls)
        finally:
            self._pass_on(kind)

    def _pass_on(self, kind: _Kind) -> None:
        """A place is free: the first who waits takes it, and the others along."""
        with self._lock:
            there = [asked for asked in kind.waiting if not asked.gone]
            batch, kind.waiting = there[:MOST], there[MOST:]
            if not batch:
                kind.under_way -= 1
                return
            batch[0].batch = batch
        batch[0].sleeps.release()

    def _wait(self, kind: _Kind, asked: _Asked) -> list[Any]:
        try:
            asked.sleeps.acquire()
        except BaseException:
            with self._lock:
                asked.gone = True
                kind.waiting[:0] = asked.batch
            if asked.batch:
                self._pass_on(kind)
            raise
        if asked.batch:
            self._carry(kind, asked.batch)
        return self.backend.send(asked.calls) if asked.answers is None else asked.answers

    def _carry(self, kind: _Kind, batch: Sequence[_Asked]) -> None:
        """Send what all of them asked for. Whatever happens, each is woken."""
        calls = [call for asked in batch for call in asked.calls]
        answers: list[Any] | None = None
        try:
            answers = self._go(kind, calls)
        except RqflowError as error:
            answers = [_own(error) for _ in calls]
        except Exception:
            # Something cannot be sent at all. That is the fault of one of them, so each tries by himself.
            answers = None
        except BaseException:
            answers = [BackendUnavailable("the thread that carried this call was interrupted") for _ in calls]
            raise
        finally:
            for asked in batch:
                if answers is not None:
                    asked.answers, answers = answers[: len(asked.calls)], answers[len(asked.calls) :]
                if asked is not batch[0]:
                    asked.sleeps.release()


def _own(error: RqflowError) -> RqflowError:
    """An error that its caller may raise while others raise theirs."""
    return BackendUnavailable(str(error)) if type(error) is BackendUnavailable else error
