"""Trials: turns that were lost with a worker are tried one at a time and alone: they may be what kills it (P7)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from heapq import heappop, heappush
from itertools import count
from typing import Any

from rqflow.backend.calls.suspects import BeginTurn
from rqflow.backend.calls.tasks import GiveBack, WorkflowTask
from rqflow.errors import RqflowError
from rqflow.worker.item import Item, Outlet

logger = logging.getLogger("rqflow.worker")

AGAIN = timedelta(seconds=1)
"""After which a turn is tried again that the store would not let begin."""


@dataclass(frozen=True, slots=True)
class Trial:
    """The outlet of a turn that is tried alone: whatever the turn comes to goes through it."""

    inner: Outlet
    told: Callable[[], None]
    """The store has heard what the turn came to."""

    @property
    def partition(self) -> int:
        return self.inner.partition

    def offer(self, item: Item) -> None:
        """Send with the next exchange."""

        def answered(answer: Any) -> None:
            item.answered(answer)
            self.told()

        self.inner.offer(replace(item, answered=answered))

    def relay_soon(self) -> None:
        """The partition's outbox has messages."""
        self.inner.relay_soon()


class Trials:
    """The store is told before such a turn is begun; if the worker dies, that turn is to blame, and no other.

    Those that were lost least often come first: what kills its workers comes when the others are done.
    """

    def __init__(self, begin: Callable[[WorkflowTask, Outlet], None], ended: Callable[[int, bool], None]) -> None:
        self._begin = begin
        self._ended = ended
        self._waiting: list[tuple[int, int, WorkflowTask, Outlet]] = []
        self._numbers = count()
        self._current: WorkflowTask | None = None
        self.turned = False
        """The turn on trial has been taken, and the store has not heard of it: nothing else is begun."""

    def __bool__(self) -> bool:
        return self._current is not None or bool(self._waiting)

    def add(self, task: WorkflowTask, outlet: Outlet) -> None:
        """Try it when it is its turn."""
        heappush(self._waiting, (task.deliveries, next(self._numbers), task, outlet))
        self._next()

    def reset(self) -> None:
        """The lease is lost: none of this is ours any more."""
        self._waiting.clear()
        self._current = None
        self.turned = False

    def is_current(self, task: object) -> bool:
        """Whether this is the turn on trial."""
        return task is self._current

    def _next(self) -> None:
        if self._current is not None or not self._waiting:
            return
        _, _, task, outlet = heappop(self._waiting)
        self._current = task

        def answered(answer: Any) -> None:
            if self._current is not task:
                return
            if isinstance(answer, RqflowError):
                self._give_back(task, outlet)
                return
            logger.info(
                "instance %r: its turn was lost %d times; it is tried alone", task.instance, task.deliveries - 1
            )
            self._begin(task, Trial(outlet, lambda: self._told(task)))

        call = BeginTurn(partition=task.partition, instance=task.instance, run=task.run, token=task.token)
        outlet.offer(Item(call, answered))

    def _told(self, task: WorkflowTask, *, taken: bool = True) -> None:
        if self._current is task:
            self._current = None
            self.turned = False
            self._next()
            self._ended(task.partition, taken)

    def _give_back(self, task: WorkflowTask, outlet: Outlet) -> None:
        """It is another's by now, or the store breaks over it: nobody must wait for it here."""
        call = GiveBack(partition=task.partition, instance=task.instance, run=task.run, token=task.token, delay=AGAIN)
        outlet.offer(Item(call, lambda answer: self._told(task, taken=False), token=task.token))
