"""Item: something finished that waits to be told to the store, and the seams between an exchange and the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from rqflow.backend.calls.call import Call
from rqflow.backend.calls.tasks import CancelNotice, Task
from rqflow.values import dataclass


@dataclass(frozen=True, slots=True)
class Item:
    """A call, and who hears its answer."""

    call: Call[Any]
    answered: Callable[[Any], None]
    """Given the answer or an RqflowError, once; while the store is away or refuses all, the call is sent again."""
    weight: int = 0
    """Bytes, as far as they matter to the size of a batch."""
    token: str = ""
    """Of the task that this finishes; released with the answer."""


class Outlet(Protocol):
    """Where finished things go: the exchange of the partition that their tasks came from."""

    @property
    def partition(self) -> int: ...

    def offer(self, item: Item) -> None:
        """Send with the next exchange."""
        ...

    def relay_soon(self) -> None:
        """The partition's outbox has messages."""
        ...


class Desk(Protocol):
    """What an exchange hands tasks to."""

    def accept(self, task: Task, outlet: Outlet) -> None:
        """Take charge of a task; sooner or later the outlet is offered what it came to."""
        ...

    def work(self) -> None:
        """Take the first turns at once, when all that came was accepted: what they come to can leave at once, too."""
        ...

    def cancel(self, notice: CancelNotice) -> None:
        """An activity is not wanted any more."""
        ...

    def holds(self, task: Task) -> bool:
        """Whether this task is here already."""
        ...

    def release(self, partition: int, token: str) -> None:
        """The store has heard the end of a task, or it is not ours any more."""
        ...

    def turns_waiting(self, partition: int) -> int:
        """Workflow and query tasks of a partition that are here and not finished."""
        ...

    def turns_open(self, partition: int) -> int:
        """Turns of a partition that wait for local activities."""
        ...

    def activity_room(self) -> int:
        """Activities that may come now."""
        ...

    def promise(self, room: int) -> None:
        """Keep activity room for a Take that is under way."""
        ...

    def keep(self, room: int) -> None:
        """The Take was answered: the promise ends."""
        ...

    def activities_fresh(self) -> bool:
        """Whether activities were begun a moment ago and may end any moment."""
        ...
