"""Threads: a bounded pool of daemon threads for activities that are plain functions."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeAlias, TypeVar

R = TypeVar("R")

Job: TypeAlias = "Callable[[], None] | None"


class ThreadPool:
    """Like the executor of concurrent.futures, but no thread of it keeps the process from ending.

    Python cannot stop a thread: one that ignores `activity.is_cancelled()` would else hold a worker that was told to
    stop at once. Threads are made when first needed and kept.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._jobs: SimpleQueue[Job] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._free = 0
        """Threads that wait, less the jobs that wait for them."""

    def run(self, function: Callable[[], R]) -> asyncio.Future[R]:
        """Run in a thread; the future is of the running loop. Cancelling the future does not stop the thread."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()

        def job() -> None:
            try:
                result = function()
            except BaseException as error:
                told: tuple[Any, ...] = (_fail, future, error)
            else:
                told = (_succeed, future, result)
            # Free before it is known: whoever hears of the end may come with the next job at once.
            with self._lock:
                self._free += 1
            self._tell(loop, *told)

        with self._lock:
            self._free -= 1
            if self._free < 0 and len(self._threads) < self._size:
                self._free += 1
                thread = threading.Thread(target=self._work, name=f"activity-{len(self._threads) + 1}", daemon=True)
                self._threads.append(thread)
                thread.start()
        self._jobs.put(job)
        return future

    def close(self) -> None:
        """Let idle threads end; busy ones end with their job."""
        for _ in self._threads:
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            del job  # while it waits for the next one, it must not keep what this one had

    def _tell(self, loop: asyncio.AbstractEventLoop, how: Callable[..., None], *args: object) -> None:
        try:
            loop.call_soon_threadsafe(how, *args)
        except RuntimeError:
            # The loop is closed: the worker has gone, and its tasks are others' now.
            return


def _succeed(future: asyncio.Future[R], result: R) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[R], error: BaseException) -> None:
    if future.done():
        return
    if isinstance(error, StopIteration):
        # A future cannot carry it: it would end the coroutine that awaits.
        wrapped = RuntimeError("the activity raised StopIteration")
        wrapped.__cause__ = error
        future.set_exception(wrapped)
    else:
        future.set_exception(error)
