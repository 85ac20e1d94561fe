"""Waiters: what workflow code awaits: the futures of activities, children, timers and messages.

Cancelling one is a wish of its own: an activity is told to stop, a timer is taken back, a child is asked to cancel.
The await ends at once; nobody waits for the other side to agree (shield an await to keep the thing alive).
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from typing import Any

from rqflow.core.commands import CancelActivity, CancelTimer, Command, SendCancel
from rqflow.core.events import Payload
from rqflow.core.futures import RunFuture, T
from rqflow.core.ledger import Ledger


class Waiter(RunFuture[T]):
    """A future that a command's end resolves."""

    __slots__ = ("_ledger", "id", "name")

    def __init__(self, place: int, loop: asyncio.AbstractEventLoop, ledger: Ledger, id: int, name: str) -> None:
        super().__init__(place, loop)
        self._ledger = ledger
        self.id = id
        self.name = name
        """Of the activity, child or signal, for errors."""

    def cancel(self, msg: Any | None = None) -> bool:
        """As asyncio's, and nothing is waited for any more."""
        if self.done():
            return False
        if not self._ledger.gate.closed:
            self._ledger.gate.check("cancelling")
            self._give_up()
        return super().cancel(msg)

    def _give_up(self) -> None:
        """Nobody waits any more. The command itself cannot be taken back, unless this is an Undoable."""
        self._ledger.disregard(self.id)


class Undoable(Waiter[T]):
    """A future whose command another command takes back."""

    __slots__ = ()

    def _give_up(self) -> None:
        if self._ledger.withdraw(self.id):
            self._ledger.ask(self._undoing(self._ledger.next_id("cancelling")))

    @abstractmethod
    def _undoing(self, id: int) -> Command:
        """The command that takes this one back."""


class ActivityFuture(Undoable[Payload]):
    """Awaits an activity's result."""

    __slots__ = ()

    def _undoing(self, id: int) -> Command:
        return CancelActivity(id=id, target=self.id)


class TimerFuture(Undoable[None]):
    """Awaits a named timer."""

    __slots__ = ()

    def _undoing(self, id: int) -> Command:
        return CancelTimer(id=id, target=self.id)


class SendFuture(Waiter[None]):
    """Awaits the delivery of a message, which cannot be unsent; `name` is the instance that it goes to."""

    __slots__ = ()


class ChildFuture(Undoable[Payload]):
    """Awaits a child's result; cancelling it asks the child to cancel."""

    __slots__ = ("instance", "started")

    def __init__(
        self, place: int, loop: asyncio.AbstractEventLoop, ledger: Ledger, *, id: int, name: str, instance: str
    ) -> None:
        super().__init__(place, loop, ledger, id, name)
        self.instance = instance
        self.started: RunFuture[str] = RunFuture(place + 1, loop)

    def cancel(self, msg: Any | None = None) -> bool:
        """As Undoable's; whoever awaits the start of a child that was never asked for is cancelled too."""
        before = self._ledger.number
        canceled = super().cancel(msg)
        if canceled and self._ledger.number == before:
            self.started.cancel(msg)
        return canceled

    def _undoing(self, id: int) -> Command:
        return SendCancel(id=id, instance=self.instance)
