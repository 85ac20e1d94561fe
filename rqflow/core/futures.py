"""Futures: asyncio futures and tasks that hash by a number, so that sets of them iterate alike at every replay."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, TypeVar

T = TypeVar("T")


class RunFuture(asyncio.Future[T]):
    """A future of a run."""

    __slots__ = ("_place",)

    def __init__(self, place: int, loop: asyncio.AbstractEventLoop) -> None:
        self._place = place
        super().__init__(loop=loop)

    def __hash__(self) -> int:
        return self._place


class RunHandle(asyncio.Handle):
    """A callback that is ready."""

    __slots__ = ()

    _callback: Callable[..., object]
    _context: Context

    def __init__(
        self, callback: Callable[..., object], args: tuple[Any, ...], loop: asyncio.AbstractEventLoop, context: Context
    ) -> None:
        # As the base class's, which asks the loop for its debug mode each time.
        self._callback, self._args, self._loop, self._context = callback, args, loop, context
        self._cancelled = False
        self._repr = self._source_traceback = None


class DurableTimer(asyncio.TimerHandle):
    """A handle of `loop.call_later`, whose time is told by the store."""

    __slots__ = ("id",)

    id: int
    """Of the command that asked for it."""
    _callback: Callable[..., object]
    _context: Context
    _scheduled: bool


class RunTask(asyncio.Task[T]):
    """A task of a run; it knows whether anybody waits for it."""

    __slots__ = ("_place", "watchers")

    def __init__(
        self,
        place: int,
        coro: Coroutine[Any, Any, T],
        *,
        loop: asyncio.AbstractEventLoop,
        name: str,
        context: Context | None,
        eager: bool,
        ended: Callable[[RunTask[T]], object],
    ) -> None:
        # Both are read before the base class has finished its own __init__: it registers the task by its hash.
        self._place = place
        self.watchers = 0
        more: dict[str, Any] = {"eager_start": True} if eager else {}  # the word is new in Python 3.12
        super().__init__(coro, loop=loop, name=name, context=context, **more)
        # asyncio keeps all tasks of the process in one set. Ours are not left there: their order in asyncio.all_tasks()
        # would depend on what else runs, and thousands of waiting runs would weigh on everybody's.
        asyncio._unregister_task(self)
        super().add_done_callback(ended)

    def __hash__(self) -> int:
        return self._place

    def add_done_callback(self, fn: Callable[[Any], object], /, *, context: Context | None = None) -> None:
        """As asyncio's; `await` comes here too."""
        self.watchers += 1
        super().add_done_callback(fn, context=context)

    def remove_done_callback(self, fn: Callable[[Any], object], /) -> int:
        """As asyncio's."""
        removed = super().remove_done_callback(fn)
        self.watchers -= removed
        return removed


def as_coroutine(awaitable: Coroutine[Any, Any, T] | asyncio.Future[T]) -> Coroutine[Any, Any, T]:
    """What `create_task` needs. Calling an activity gives a future, which people hand to `create_task` all the same."""
    return _wait(awaitable) if isinstance(awaitable, asyncio.Future) else awaitable


async def _wait(future: asyncio.Future[T]) -> T:
    return await future
