"""Moving: how the suite lets time pass and letters arrive."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, TypeVar

from rqflow.backend.calls.call import Call
from rqflow.backend.calls.hubs import ReadStats
from rqflow.backend.calls.tasks import DropOutbox, FireDue, Message, ReadOutbox, Receive
from rqflow.backend.protocol import Backend
from rqflow.testing.conformance.clocks import Clock

R = TypeVar("R")

BLINK: Final = timedelta(milliseconds=40)
"""A duration that tests wait for."""


class Moving:
    """A backend whose time and letters the test moves."""

    def __init__(self, backend: Backend, clock: Clock) -> None:
        self.backend = backend
        self.clock = clock
        self.partitions = backend.hub.partitions

    async def call(self, call: Call[R]) -> R:
        return await self.backend.call(call)

    async def fire(self, partition: int | None = None) -> int:
        """Handle all that is due. How many that were."""
        handled = 0
        for one in range(self.partitions) if partition is None else (partition,):
            for _ in range(1_000):
                fired = await self.call(FireDue(partition=one))
                handled += fired
                if not fired:
                    break
        return handled

    async def wait(self, span: timedelta = BLINK) -> int:
        """Let time pass, and handle what is due then."""
        await self.clock.pass_by(span)
        fired = await self.fire()
        await self.relay()
        return fired

    async def messages(self, partition: int) -> tuple[Message, ...]:
        return await self.call(ReadOutbox(partition=partition))

    async def relay(self, *, times: int = 1) -> int:
        """Carry all letters between partitions until none is left, each `times` times. How many were new."""
        new = 0
        for _ in range(1_000):
            moved = 0
            for source in range(self.partitions):
                waiting = await self.messages(source)
                moved += len(waiting)
                for _ in range(times):
                    for message in waiting:
                        new += await self.call(Receive(partition=message.to, source=source, messages=(message,)))
                if waiting:
                    await self.call(DropOutbox(partition=source, ids=tuple(message.id for message in waiting)))
            if not moved:
                return new
        raise AssertionError("letters breed letters without end")

    async def due(self) -> int:
        """What waits for its time, in all partitions."""
        stats = [await self.call(ReadStats(partition=partition)) for partition in range(self.partitions)]
        return sum(one.due for one in stats)
