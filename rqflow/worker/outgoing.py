"""Outgoing: what is finished and not yet told to the store, in order, in batches of bounded size."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from typing import Any

from rqflow.errors import BackendError, LeaseLost
from rqflow.worker.item import Desk, Item
from rqflow.worker.link import AWAY

logger = logging.getLogger("rqflow.worker")


class Outgoing:
    """A queue that forgets an item only when the store has answered it (P1).

    Bounded by what the worker has taken: each task in hand finishes once (P10).
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._waiting: deque[Item] = deque()
        self.under_way = 0
        """Items that were sent and not answered."""
        self._unheard: list[Item] = []
        """Nobody answered: they go out again, before all others and in their order, when nothing is under way."""

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, item: Item) -> None:
        """Send it with the next batch."""
        self._waiting.append(item)

    def gather(self, *, items: int, size: int) -> tuple[Item, ...]:
        """The oldest items, so many and so many bytes at most; at least one, if there is one."""
        batch: list[Item] = []
        weight = 0
        while self._waiting and len(batch) < items and weight < size:
            batch.append(self._waiting.popleft())
            weight += batch[-1].weight
        self.under_way += len(batch)
        return tuple(batch)

    def settle(self, batch: Sequence[Item], answers: Sequence[Any]) -> BackendError | None:
        """Hand each answer to whom it concerns; the first refusal by the store itself (such as: out of memory).

        P7: a call over which the store itself broke (its instance's keys are spoiled) would break again: it is its
        sender's affair, and holds nobody else up.
        """
        self.under_way -= len(batch)
        refused: list[Item] = []
        reason: BackendError | None = None
        for item, answer in zip(batch, answers, strict=True):
            if isinstance(answer, AWAY):
                refused.append(item)
                reason = reason or answer
            else:
                if isinstance(answer, BackendError):
                    logger.error("%s was not understood by the store: %s", type(item.call).__name__, answer)
                item.answered(answer)
                self._desk.release(item.call.partition, item.token)
        # Fences refuse what of these had been carried out.
        self._unheard += refused
        if not self.under_way:
            self._waiting.extendleft(reversed(self._unheard))
            self._unheard.clear()
        return reason

    def reset(self) -> None:
        """The lease is lost: what waits would be refused."""
        waiting = [*self._unheard, *self._waiting]
        self._unheard.clear()
        self._waiting.clear()
        for item in waiting:
            item.answered(LeaseLost(item.token))
            self._desk.release(item.call.partition, item.token)
