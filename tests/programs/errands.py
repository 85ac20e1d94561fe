"""Errands: what a client does to the instance of a program, and what it sees of it, on any store."""

from __future__ import annotations

from contextlib import suppress
from hashlib import md5
from typing import Any
from uuid import uuid4

from rqflow.backend.calls.instances import (
    Deliver,
    Describe,
    Description,
    ReadOutcome,
    ReadUpdateAnswer,
    Start,
    Terminate,
)
from rqflow.backend.protocol import Backend, partition_of
from rqflow.converters.json import dump_json, load_json
from rqflow.core.events import CancelRequested, News, SignalReceived, UpdateRequested, WorkflowStarted
from rqflow.core.wire import decode_failure, encode
from rqflow.errors import InstanceClosed
from tests.programs.interpret import Raised, run_program
from tests.programs.language import Program, Send, to_json
from tests.programs.reference import Outcome


class Errands:
    """A client of one program."""

    def __init__(self, backend: Backend, instance: str) -> None:
        self.instance = instance
        self._backend = backend
        self._at = partition_of(instance, backend.hub.partitions)
        self._sent: dict[str, int] = {}
        self._updates: list[str] = []

    async def begin(self, program: Program, unit: float) -> None:
        """Start the program's instance. Its run's id, which seeds its randomness, is always the same."""
        started = WorkflowStarted(
            workflow=run_program.name,
            instance=self.instance,
            run=md5(self.instance.encode(), usedforsecurity=False).hexdigest(),
            queue="default",
            payload=run_program.encode_call((to_json(program), unit, 0, [], {}), {}),
        )
        start = Start(
            partition=self._at,
            instance=self.instance,
            run=started.run,
            workflow=started.workflow,
            queue=started.queue,
            started=encode(started),
            retention=self._backend.hub.retention,
            attributes={},
        )
        await self._backend.call(start)

    async def send(self, send: Send) -> None:
        """Do what a program says."""
        match send.what:
            case "cancel":
                await self.cancel()
            case "update":
                self._updates.append(f"update-{len(self._updates)}")
                if not await self._deliver(UpdateRequested(update=self._updates[-1], name="count")):
                    self._updates.pop()
            case _:
                name = "handled" if send.what == "handled" else send.name or "trunk"
                number = self._sent.get(name, 0)
                self._sent[name] = number + 1
                await self._deliver(SignalReceived(name=name, payload=dump_json(number)))

    async def cancel(self) -> None:
        await self._deliver(CancelRequested(reason="enough"))

    async def _deliver(self, news: News) -> bool:
        """False: it had ended, and that is that."""
        cancel = isinstance(news, CancelRequested)
        call = Deliver(
            partition=self._at, instance=self.instance, event=encode(news), request=uuid4().hex, cancel=cancel
        )
        with suppress(InstanceClosed):
            await self._backend.call(call)
            return True
        return False

    async def describe(self, instance: str = "") -> Description:
        """The instance of the program, or another."""
        named = instance or self.instance
        return await self._backend.call(
            Describe(partition=partition_of(named, self._backend.hub.partitions), instance=named)
        )

    async def terminate(self, instance: str = "") -> None:
        """End it, or another, if it has not ended."""
        named = instance or self.instance
        at = partition_of(named, self._backend.hub.partitions)
        await self._backend.call(Terminate(partition=at, instance=named, reason="never ends"))

    async def outcome(self, instance: str = "") -> Outcome:
        """What it came to, or another, as the reference says it."""
        named = instance or self.instance
        at = partition_of(named, self._backend.hub.partitions)
        read = await self._backend.call(ReadOutcome(partition=at, instance=named))
        match read.status:
            case "completed":
                return ("value", _frozen(load_json(read.payload)))
            case "failed":
                failure = decode_failure(read.payload)
                ours = failure.type.endswith(f".{Raised.__name__}")
                return ("failed", failure.message if ours else f"{failure.type}: {failure.message} {failure.traceback}")
            case "canceled":
                return ("canceled",)
            case "terminated":
                return ("never",)
            case _:
                return (read.status,)

    async def accepted(self) -> list[int]:
        """The answers to updates, in order, those that were refused left out."""
        found = list[int]()
        for update in self._updates:
            call = ReadUpdateAnswer(partition=self._at, instance=self.instance, update=update)
            answer = await self._backend.call(call)
            assert answer is not None, f"{update} was never answered"
            if answer.accepted:
                found.append(load_json(answer.payload))
        return found


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
