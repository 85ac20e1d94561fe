"""Saga: steps that are taken back in reverse order when a later one fails [G5]."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, ParamSpec

from rqflow.errors import CompensationFailed

P = ParamSpec("P")


class Saga:
    """Collects compensations; if the block ends by an exception or a cancellation, runs them, the last one first.

    Cancelling the run does not stop them. Each is tried even if another fails; the block's own exception is raised
    when all succeed, CompensationFailed when one does not.
    """

    def __init__(self) -> None:
        self._steps: list[tuple[str, Callable[[], Awaitable[Any]]]] = []

    def add(self, compensate: Callable[P, Awaitable[Any]], *args: P.args, **kwargs: P.kwargs) -> None:
        """From here on, undoing means calling this too: an activity, a child workflow or an async function."""
        name = str(getattr(compensate, "name", None) or getattr(compensate, "__name__", repr(compensate)))
        self._steps.append((name, lambda: compensate(*args, **kwargs)))

    async def __aenter__(self) -> Saga:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Other BaseExceptions end the run's code without ending its story: it continues as new, or was let go.
        if isinstance(error, (Exception, asyncio.CancelledError)):
            await self.compensate(error)

    async def compensate(self, error: BaseException | None = None) -> None:
        """Take back what was done so far, now. Raises CompensationFailed from `error`."""
        work = asyncio.get_running_loop().create_task(self._unwind())
        canceled = False
        while not work.done():
            try:
                await asyncio.shield(work)
            except asyncio.CancelledError:
                canceled = True
        failures = work.result()
        if failures:
            name, first = failures[0]
            raise CompensationFailed(name, first, len(failures)) from (error or first)
        if canceled and not isinstance(error, asyncio.CancelledError):
            raise asyncio.CancelledError

    async def _unwind(self) -> list[tuple[str, Exception]]:
        failures = []
        while self._steps:
            name, step = self._steps.pop()
            try:
                await step()
            except Exception as failure:
                failures.append((name, failure))
        return failures
