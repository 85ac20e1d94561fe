"""Gathering: what many coroutines ask of a store in one turn of the event loop leaves as one batch."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from rqflow.backend.calls.call import Call
from rqflow.backend.protocol import Backend
from rqflow.errors import RqflowError

MOST: Final = 100
"""Calls of one batch."""
FEW: Final = 4
"""Whoever asks for more at once has a batch of his own already."""


@dataclass(slots=True)
class _Asked:
    """Calls of one caller, who is away when he was canceled."""

    calls: Sequence[Call[Any]]
    answers: asyncio.Future[list[Any]]


@dataclass(slots=True, eq=False)
class _Batch:
    """What leaves at the next turn."""

    asked: list[_Asked] = field(default_factory=list)
    room: int = MOST


def kind_of(calls: Sequence[Call[Any]]) -> tuple[int, bool] | None:
    """With which others these calls may travel: their partition, and whether they promise. None: alone."""
    if not 1 <= len(calls) <= FEW:
        return None
    kind = (calls[0].partition, calls[0].promises)
    return kind if len(calls) == 1 or all((call.partition, call.promises) == kind for call in calls) else None


class Gathering:
    """Callers of one backend, in one event loop.

    Who is alone is not held up: his calls leave at once. A batch is of one partition, so that a server that is away
    harms nobody who asks another one, and holds either promises or none, so that reads need not wait for replicas.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.loop = asyncio.get_running_loop()
        self._under_way = 0
        self._batches: dict[tuple[int, bool], _Batch] = {}
        """By partition, and whether they promise; each will be taken up by a task."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def send(self, calls: Sequence[Call[Any]]) -> list[Any]:
        """As Backend.send."""
        kind = kind_of(calls) if self._under_way else None
        return await (self._send(calls) if kind is None else self._join(kind, calls))

    async def _send(self, calls: Sequence[Call[Any]]) -> list[Any]:
        self._under_way += 1
        try:
            return await self.backend.send(calls)
        finally:
            self._under_way -= 1

    def _join(self, kind: tuple[int, bool], calls: Sequence[Call[Any]]) -> asyncio.Future[list[Any]]:
        batch = self._batches.get(kind)
        if batch is None or batch.room < len(calls):
            batch = self._batches[kind] = _Batch()
            task = self.loop.create_task(self._carry(kind, batch))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        batch.room -= len(calls)
        asked = _Asked(calls, self.loop.create_future())
        batch.asked.append(asked)
        return asked.answers

    async def _carry(self, kind: tuple[int, bool], batch: _Batch) -> None:
        """It runs at the next turn of the loop: till then the batch gathers."""
        if self._batches.get(kind) is batch:
            del self._batches[kind]
        waiting = [asked for asked in batch.asked if not asked.answers.done()]
        if waiting:
            await self._bring(waiting)

    async def _bring(self, waiting: Sequence[_Asked]) -> None:
        """Send what was asked for, and hand out the answers."""
        try:
            answers = await self._send([call for asked in waiting for call in asked.calls])
        except asyncio.CancelledError:
            for asked in waiting:
                asked.answers.cancel()
            raise
        except Exception as error:
            if isinstance(error, RqflowError) or len(waiting) == 1:
                _fail(waiting, error)
                return
            # Something cannot be sent at all. That is the fault of one of them, so each tries by himself; whatever
            # clients send may be sent again.
            for asked in waiting:
                await self._bring([asked])
        else:
            left = iter(answers)
            for asked in waiting:
                found = list(islice(left, len(asked.calls)))
                if not asked.answers.done():
                    asked.answers.set_result(found)


def _fail(waiting: Sequence[_Asked], error: Exception) -> None:
    for asked in waiting:
        if not asked.answers.done():
            asked.answers.set_exception(error)
