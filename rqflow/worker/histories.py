"""Histories: the whole history of a run, read in pages of bounded size, for a turn that has no live executor."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace

from rqflow.backend.calls.instances import ReadHistory
from rqflow.backend.calls.tasks import QueryTask, WorkflowTask
from rqflow.backend.protocol import Backend
from rqflow.worker.link import AWAY, Link

PAGE_BYTES = 4 * 1_048_576
"""What one page should weigh, judged by the history's average event."""
PAGE_EVENTS = 1_000
READERS = 8
"""Histories read at the same time; others wait their turn."""
SETTLING = 10.0
"""Seconds that a question waits for the turn which news before it asked for; then what is committed answers it."""
LOOKS = (0.005, 0.01, 0.02, 0.05, 0.1)
"""Seconds between looks whether that turn is committed; the last one repeats."""


class Histories:
    """Reads what a task did not bring along."""

    def __init__(self, backend: Backend, link: Link) -> None:
        self._backend = backend
        self._link = link
        self._readers = asyncio.Semaphore(READERS)

    async def settled(self, task: QueryTask) -> QueryTask:
        """The question, once the news that were there before it are in the history. Raises as `read`."""
        wanted = task.history_length + len(task.inbox)
        length = task.history_length
        until = asyncio.get_running_loop().time() + SETTLING
        looks = itertools.chain(LOOKS, itertools.repeat(LOOKS[-1]))
        while length < wanted and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(next(looks))
            call = ReadHistory(
                partition=task.partition, instance=task.instance, run=task.run, after=task.history_length, limit=1
            )
            try:
                length = (await self._backend.call(call)).length
            except AWAY as error:
                await self._link.failed(task.partition, error)
        return replace(task, history_length=length, inbox=())

    async def read(self, task: WorkflowTask | QueryTask) -> tuple[bytes, ...]:
        """The first `task.history_length` events. Waits out an absent store. Raises NotFound when the run is gone,
        BackendError when the store breaks over it (P7: the readers are for others, too)."""
        events: list[bytes] = []
        average = 0
        if isinstance(task, WorkflowTask):
            events += task.history if task.history_from == 0 else ()
            average = task.history_bytes // max(1, task.history_length)
        limit = max(10, min(PAGE_EVENTS, PAGE_BYTES // max(1, average)))
        async with self._readers:
            while len(events) < task.history_length:
                call = ReadHistory(
                    partition=task.partition, instance=task.instance, run=task.run, after=len(events), limit=limit
                )
                try:
                    page = await self._backend.call(call)
                except AWAY as error:
                    await self._link.failed(task.partition, error)
                    continue
                self._link.answered(task.partition)
                if not page.events:
                    break
                events += page.events
        return tuple(events[: task.history_length])
