"""Pending: the typed future that a call inside a workflow returns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar, cast

R = TypeVar("R", covariant=True)
S = TypeVar("S")

if TYPE_CHECKING:
    # A future, for `gather`, `wait` and `shield`; and what type checkers let pass into `create_task`, which our event
    # loop accepts for a future too.
    class Pending(asyncio.Future[R], Coroutine[Any, Any, R]):  # type: ignore[type-var]
        """Scheduled already; await it, or hand it to asyncio's gather, wait, timeout, shield or TaskGroup."""
else:
    Pending = asyncio.Future


def pending(source: asyncio.Future[S], decode: Callable[[S], R], *, keep: bool = False) -> Pending[R]:
    """A future of the decoded value. Unless `keep`, its cancellation reaches `source`: nobody waits for that any more.

    What `decode` raises is what the future fails with."""
    target: asyncio.Future[R] = source.get_loop().create_future()

    def arrived(done: asyncio.Future[S]) -> None:
        target.remove_done_callback(left)  # it would find nothing to do
        if target.done():
            if not done.cancelled():
                done.exception()  # seen: whoever cancelled the wait does not care how it ended
        elif done.cancelled():
            target.cancel()
        elif (error := done.exception()) is not None:
            target.set_exception(error)
        else:
            try:
                target.set_result(decode(done.result()))
            except Exception as misfit:
                target.set_exception(misfit)

    def left(done: asyncio.Future[R]) -> None:
        if done.cancelled() and not source.done():
            source.cancel()

    source.add_done_callback(arrived)
    if not keep:
        target.add_done_callback(left)
    return cast("Pending[R]", target)
