"""Relay: carries what one partition's instances sent to those of others: in order, at least once, in bounded steps."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable

from rqflow.backend.calls.tasks import DropOutbox, Message, ReadOutbox, Receive
from rqflow.backend.protocol import Backend, unwrap
from rqflow.errors import BackendError, RqflowError
from rqflow.worker.link import Link

logger = logging.getLogger("rqflow.worker")

STEP = 100
"""Messages read at a time."""


class Relay:
    """One for a worker. Several workers may relay one outbox at once: the receiver drops what it has had.

    A message is dropped from the outbox only when its receiver has it (P1), so a relay that dies in between costs a
    repeat.
    """

    def __init__(
        self, backend: Backend, link: Link, received: Callable[[int], None], rested: Callable[[], None]
    ) -> None:
        self._backend = backend
        self._link = link
        self._received = received
        """Called with the partition that got messages."""
        self._rested = rested
        """Called when nothing more waits: a worker that leaves has waited for it."""
        self._waiting: set[int] = set()
        self._some = asyncio.Event()
        self._refusing: set[int] = set()
        """Partitions that took nothing at the last try: it is said once."""
        self.carried = 0
        self.busy = False
        """A message is under way."""

    @property
    def idle(self) -> bool:
        """Nothing is waiting to be relayed, as far as this worker knows."""
        return not self._waiting and not self.busy

    def wake(self, partition: int) -> None:
        """This partition's outbox has messages."""
        self._waiting.add(partition)
        self._some.set()

    async def run(self) -> None:
        """Relay until canceled."""
        while True:
            await self._some.wait()
            self._some.clear()
            for partition in sorted(self._waiting):
                # Forgotten before it is looked at: whoever wakes us meanwhile has written after our look.
                self._waiting.discard(partition)
                self.busy = True
                try:
                    if await self._step(partition):
                        self.wake(partition)
                except BackendError as error:
                    self.wake(partition)
                    await self._link.failed(partition, error)
                finally:
                    self.busy = False
            self._rested()

    async def _step(self, partition: int) -> bool:
        """Carry the oldest messages; whether there may be more that can be carried."""
        messages = await self._backend.call(ReadOutbox(partition=partition, limit=STEP))
        if not messages:
            return False
        by_target: dict[int, list[Message]] = defaultdict(list)
        for message in messages:
            by_target[message.to].append(message)
        targets = sorted(by_target)
        answers = await self._backend.send(
            [Receive(partition=to, source=partition, messages=tuple(by_target[to])) for to in targets]
        )
        received: list[str] = []
        reached: list[int] = []
        for to, answer in zip(targets, answers, strict=True):
            if isinstance(answer, RqflowError):
                if to not in self._refusing:
                    logger.error("partition %d refused messages of partition %d, they wait: %s", to, partition, answer)
                self._refusing.add(to)
            else:
                self._refusing.discard(to)
                self.carried += len(by_target[to])
                self._received(to)
                received += [message.id for message in by_target[to]]
                reached.append(to)
        if received:
            await self._drop(partition, received, reached)
        return len(messages) == STEP and bool(received)

    async def _drop(self, partition: int, received: list[str], reached: list[int]) -> None:
        """Forget what has arrived; and go on where it had something sent in turn."""
        # A message that ends an instance makes no task there, so no Take would tell that its family is to hear of it:
        # they would wait for some sweep, one at each generation.
        looks = [ReadOutbox(partition=to, limit=1) for to in reached]
        answers = await self._backend.send([DropOutbox(partition=partition, ids=tuple(received)), *looks])
        unwrap(answers[0])
        for to, found in zip(reached, answers[1:], strict=True):
            if found and not isinstance(found, RqflowError):
                self.wake(to)
