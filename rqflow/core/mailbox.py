"""Mailbox: a run's signals, kept in order until the code has read them.

P8 rests on it: a signal is buffered, handed to one receiver, or read. What was handed to a receiver that is cancelled
before it has read goes back to its old place; what is not read at continue-as-new is carried to the next run.
"""

from __future__ import annotations

import asyncio
import inspect
from bisect import insort
from collections import deque
from collections.abc import Awaitable, Callable, Generator
from operator import itemgetter
from typing import Any, TypeAlias

from rqflow.core.events import Payload, SignalReceived
from rqflow.core.futures import RunFuture
from rqflow.core.gate import Gate
from rqflow.core.loop import RunLoop

Handler: TypeAlias = Callable[[Payload], Awaitable[None] | None]
Letter: TypeAlias = tuple[int, SignalReceived]
"""A signal and its place among all that the run was sent."""

_ORDER = itemgetter(0)


class Receipt(RunFuture[Payload]):
    """Awaits one signal; reading its result is what takes the signal out of the mailbox."""

    __slots__ = ("_awaiting", "_box", "letter", "name")

    def __init__(self, place: int, loop: asyncio.AbstractEventLoop, box: Mailbox, name: str) -> None:
        super().__init__(place, loop)
        self._box = box
        self._awaiting = 0
        self.name = name
        self.letter: Letter | None = None
        """What was handed to it, until it is read."""

    def __await__(self) -> Generator[Any, None, Payload]:
        # Not the base class's, which does not tell whether the result has reached the code: a task that is cancelled
        # between being woken and running again has taken nothing.
        if not self.done():
            self._asyncio_future_blocking = True
            self._awaiting += 1
            try:
                yield self
            except BaseException:
                self._awaiting -= 1
                self._put_back()
                raise
            self._awaiting -= 1
        self._box.read(self)
        return super().result()

    __iter__ = __await__

    def result(self) -> Payload:
        """The signal's payload, which now counts as read."""
        # A task that wakes looks at the result before its coroutine runs: that is not yet reading.
        if not self._awaiting:
            self._box.read(self)
        return super().result()

    def cancel(self, msg: Any | None = None) -> bool:
        """As asyncio's; a signal that was handed over but not read goes to the next who asks."""
        if super().cancel(msg):
            self._box.leave(self)
            return True
        self._put_back()
        return False

    def _put_back(self) -> None:
        if not self._awaiting:
            self._box.put_back(self)


class Mailbox:
    """The signals of one run."""

    __slots__ = ("_asking", "_gate", "_handed", "_handlers", "_kept", "_loop")

    def __init__(self, loop: RunLoop, gate: Gate) -> None:
        self._loop = loop
        self._gate = gate
        self._kept: dict[str, list[Letter]] = {}
        self._asking: dict[str, deque[Receipt]] = {}
        self._handed: dict[Receipt, None] = {}
        self._handlers: dict[str, Handler] = {}

    def deliver(self, order: int, event: SignalReceived) -> None:
        """Take in a signal: it goes to the oldest receiver, else to the handler, else it is kept."""
        insort(self._kept.setdefault(event.name, []), (order, event), key=_ORDER)
        self._distribute(event.name)

    def receive(self, name: str) -> Receipt:
        """Await the next signal of this name."""
        self._gate.check("workflow.receive")
        receipt = Receipt(self._loop.place(), self._loop, self, name)
        self._asking.setdefault(name, deque()).append(receipt)
        self._distribute(name)
        return receipt

    def handle(self, name: str, handler: Handler) -> None:
        """Hand all signals of this name, kept ones first, to `handler`; receivers that wait already go before it."""
        self._gate.check("workflow.on_signal")
        self._handlers[name] = handler
        self._distribute(name)

    def read(self, receipt: Receipt) -> None:
        """The receiver reads its signal. Raises CancelledError if that went back, and on to somebody else."""
        letter = receipt.letter
        if letter is None or self._loop.over:
            return  # what the run comes to is settled by now: the next one gets the signal
        if receipt in self._handed:
            del self._handed[receipt]
        elif letter in (kept := self._kept.get(receipt.name, [])):
            kept.remove(letter)
        else:
            raise asyncio.CancelledError(f"the signal {receipt.name!r} went to another receiver")
        receipt.letter = None

    def leave(self, receipt: Receipt) -> None:
        """The receiver gives its place up."""
        waiting = self._asking.get(receipt.name)
        if waiting is not None and receipt in waiting:
            waiting.remove(receipt)
            if not waiting:
                del self._asking[receipt.name]

    def put_back(self, receipt: Receipt) -> None:
        """The receiver was cancelled between being handed a signal and reading it."""
        if receipt in self._handed and receipt.letter is not None and not self._gate.closed:
            del self._handed[receipt]
            self.deliver(*receipt.letter)

    def unread(self) -> list[Letter]:
        """What the code has not read, in no order."""
        handed = [receipt.letter for receipt in self._handed if receipt.letter is not None]
        return handed + [letter for letters in self._kept.values() for letter in letters]

    def forget(self) -> None:
        """Drop everything."""
        self._kept, self._asking, self._handed, self._handlers = {}, {}, {}, {}

    def _distribute(self, name: str) -> None:
        letters, asking = self._kept.get(name), self._asking.get(name)
        while letters and asking:
            receipt = asking.popleft()
            receipt.letter = letters.pop(0)
            self._handed[receipt] = None
            receipt.set_result(receipt.letter[1].payload)
        if asking is not None and not asking:
            del self._asking[name]
        if letters and name in self._handlers:
            self._loop.call_soon(self._call_handler, name)
        elif letters is not None and not letters:
            del self._kept[name]

    def _call_handler(self, name: str) -> None:
        """Hand one kept signal to the handler. One callback for each, so that one that raises harms no other."""
        letters = self._kept.get(name)
        if not letters or self._loop.over:
            return
        _, event = letters.pop(0)
        self._distribute(name)
        answer = self._handlers[name](event.payload)
        if inspect.isawaitable(answer):
            self._loop.create_task(_finish(answer), name=f"signal {name}")


async def _finish(answer: Awaitable[None]) -> None:
    await answer
