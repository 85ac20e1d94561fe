"""Bench: what each test of the suite stands at: a backend, a clock, and short words for what tests do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import count
from typing import Any, Final, TypeVar

from rqflow.backend.calls import instances
from rqflow.backend.calls.call import Call
from rqflow.backend.calls.instances import (
    Deliver,
    Describe,
    Description,
    Filter,
    InstancePage,
    ListInstances,
    Outcome,
    ReadHistory,
    ReadOutcome,
    Start,
    Started,
)
from rqflow.backend.protocol import Backend, partition_of
from rqflow.core.events import CancelRequested, Event, SignalReceived, WorkflowStarted
from rqflow.core.wire import decode_stored, encode
from rqflow.errors import RqflowError
from rqflow.testing.conformance.clocks import Clock
from rqflow.testing.conformance.moving import Moving

R = TypeVar("R")
E = TypeVar("E", bound=RqflowError)

QUEUE: Final = "main"
LONG: Final = timedelta(minutes=10)
"""A duration that never passes in a test."""


class Bench(Moving):
    """A backend with a hub of its own, and a clock."""

    def __init__(self, backend: Backend, clock: Clock) -> None:
        super().__init__(backend, clock)
        self._numbers = count(1)

    def at(self, instance: str) -> int:
        """The partition of an instance."""
        return partition_of(instance, self.partitions)

    def number(self) -> int:
        """A number that was not given before."""
        return next(self._numbers)

    def apart(self, *names: str) -> list[str]:
        """Ids made of these names, each in another partition than the one before, if there are several."""
        found: list[str] = []
        for name in names:
            candidates = (f"{name}-{n}" for n in count(1))
            before = self.at(found[-1]) if found and self.partitions > 1 else -1
            found.append(next(one for one in candidates if self.at(one) != before))
        return found

    async def refused(self, call: Call[Any], error: type[E]) -> E:
        """The error that a call must end with."""
        [answer] = await self.backend.send([call])
        assert isinstance(answer, error), f"{error.__name__} was expected, got {answer!r}"
        return answer

    def start_call(self, instance: str = "order", **options: Any) -> Start:
        """A Start with the suite's defaults; `payload` and `headers` go into the WorkflowStarted."""
        run = options.pop("run", None) or f"run-{self.number()}"
        workflow = options.pop("workflow", "checkout")
        queue = options.pop("queue", QUEUE)
        started = WorkflowStarted(
            workflow=workflow, instance=instance, run=run, queue=queue, payload=options.pop("payload", b"[]")
        )
        options.setdefault("retention", LONG)
        options.setdefault("attributes", {})
        return Start(
            partition=self.at(instance),
            instance=instance,
            run=run,
            workflow=workflow,
            queue=queue,
            started=options.pop("started", encode(started)),
            **options,
        )

    async def start(self, instance: str = "order", **options: Any) -> Started:
        return await self.call(self.start_call(instance, **options))

    def signal_call(self, instance: str, name: str = "go", payload: bytes = b"", request: str = "") -> Deliver:
        event = encode(SignalReceived(name=name, payload=payload))
        request = request or f"request-{self.number()}"
        return Deliver(partition=self.at(instance), instance=instance, event=event, request=request)

    async def signal(self, instance: str, name: str = "go", payload: bytes = b"", request: str = "") -> None:
        await self.call(self.signal_call(instance, name, payload, request))

    async def cancel(self, instance: str, reason: str = "") -> None:
        event = encode(CancelRequested(reason=reason))
        request = f"request-{self.number()}"
        await self.call(
            Deliver(partition=self.at(instance), instance=instance, event=event, request=request, cancel=True)
        )

    async def terminate(self, instance: str, reason: str = "", *, recursive: bool = False) -> bool:
        """Terminate, and let the letters that it causes arrive."""
        call = instances.Terminate(partition=self.at(instance), instance=instance, reason=reason, recursive=recursive)
        answer = await self.call(call)
        await self.relay()
        return answer

    async def describe(self, instance: str = "order") -> Description:
        return await self.call(Describe(partition=self.at(instance), instance=instance))

    async def outcome(self, instance: str = "order") -> Outcome:
        return await self.call(ReadOutcome(partition=self.at(instance), instance=instance))

    async def status(self, instance: str = "order") -> str:
        return (await self.outcome(instance)).status

    async def history(self, instance: str = "order", run: str = "") -> list[Event]:
        """The decoded events of a run."""
        page = await self.call(ReadHistory(partition=self.at(instance), instance=instance, run=run))
        return decoded(page.events)

    async def listing(self, **where: Any) -> list[Description]:
        """All instances that a filter finds, read to the end in all partitions."""
        found: list[Description] = []
        for partition in range(self.partitions):
            below: int | None = None
            for _ in range(1_000):
                call = ListInstances(partition=partition, where=Filter(**where), below=below)
                page: InstancePage = await self.call(call)
                found += page.rows
                below = page.cursor
                if below is None:
                    break
        return found


def decoded(events: Sequence[bytes]) -> list[Event]:
    """Stored events, decoded."""
    return [decode_stored(event).event for event in events]


def names_of(events: Sequence[Event]) -> list[str]:
    """Their types."""
    return [type(event).__name__ for event in events]


def signals_in(events: Sequence[Event]) -> list[bytes]:
    """Payloads of the signals among events, in order."""
    return [event.payload for event in events if isinstance(event, SignalReceived)]
