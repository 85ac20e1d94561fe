"""Ground: a hub on some backend, with the few verbs that worker tests need, made of calls alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

from rqflow.authoring.activities import Activity
from rqflow.authoring.registry import Registry
from rqflow.authoring.workflows import Workflow
from rqflow.backend.calls.instances import (
    Ask,
    Deliver,
    Describe,
    Description,
    Outcome,
    ReadHistory,
    ReadOutcome,
    ReadQueryAnswer,
    Start,
)
from rqflow.backend.protocol import Backend, SyncBackend, partition_of
from rqflow.converters.json import dump_json, load_json
from rqflow.core.events import CancelRequested, Event, SignalReceived, WorkflowStarted
from rqflow.core.failure import Failure
from rqflow.core.states import CLOSED
from rqflow.core.wire import decode_failure, decode_stored, encode
from rqflow.worker.options import WorkerOptions
from rqflow.worker.worker import Worker

LEASE = timedelta(seconds=10)
"""Longer than a loaded machine takes a breath; tests of leases give a shorter one."""


@dataclass(frozen=True)
class Ground:
    """A hub to run workers on."""

    backend: Backend
    leases: SyncBackend

    def worker(self, *definitions: Workflow[..., Any] | Activity[..., Any], **options: Any) -> Worker:
        """A worker that knows these."""
        chosen: dict[str, Any] = {"lease": LEASE, "seed": 1, "build": "test", "contain_after": 0, **options}
        return Worker(Registry(definitions), backend=self.backend, leases=self.leases, options=WorkerOptions(**chosen))

    def at(self, instance: str) -> int:
        return partition_of(instance, self.backend.hub.partitions)

    async def start(self, workflow: Workflow[..., Any] | str, *args: Any, id: str = "", queue: str = "default") -> str:
        """The id of a new instance."""
        instance, run = id or uuid4().hex, uuid4().hex
        name = workflow if isinstance(workflow, str) else workflow.name
        payload = dump_json(args) if isinstance(workflow, str) else workflow.encode_call(args, {})
        started = WorkflowStarted(workflow=name, instance=instance, run=run, queue=queue, payload=payload)
        await self.backend.call(
            Start(
                partition=self.at(instance),
                instance=instance,
                run=run,
                workflow=name,
                queue=queue,
                started=encode(started),
                retention=timedelta(hours=1),
                attributes={},
            )
        )
        return instance

    async def start_many(self, workflow: Workflow[..., Any], values: Sequence[Any]) -> list[str]:
        return [await self.start(workflow, value) for value in values]

    async def signal(self, instance: str, name: str, value: Any = None) -> None:
        event = encode(SignalReceived(name=name, payload=dump_json(value)))
        await self.backend.call(
            Deliver(partition=self.at(instance), instance=instance, event=event, request=uuid4().hex)
        )

    async def cancel(self, instance: str) -> None:
        await self.backend.call(
            Deliver(
                partition=self.at(instance),
                instance=instance,
                event=encode(CancelRequested(reason="test")),
                request=uuid4().hex,
                cancel=True,
            )
        )

    async def outcome(self, instance: str) -> Outcome:
        return await self.backend.call(ReadOutcome(partition=self.at(instance), instance=instance))

    async def end(self, instance: str) -> Outcome:
        """How the instance ended, once it has."""
        return await self.until(instance, *CLOSED)

    async def until(self, instance: str, *statuses: str) -> Outcome:
        """How the instance stands, once it has one of these statuses."""
        async with self.backend.watch(instance) as watch:
            while True:
                outcome = await self.outcome(instance)
                if outcome.status in statuses:
                    return outcome
                await watch.wait(0.2)

    async def result(self, instance: str) -> Any:
        """What it returned."""
        outcome = await self.end(instance)
        assert outcome.status == "completed", (outcome.status, outcome.payload)
        return load_json(outcome.payload)

    async def failure(self, instance: str) -> Failure:
        """Why it failed."""
        outcome = await self.end(instance)
        assert outcome.status == "failed", outcome
        return decode_failure(outcome.payload)

    async def describe(self, instance: str) -> Description:
        return await self.backend.call(Describe(partition=self.at(instance), instance=instance))

    async def grown(self, instance: str, length: int) -> None:
        """Until its history has so many events."""
        async with asyncio.timeout(30):
            while (await self.describe(instance)).history_length < length:  # noqa: ASYNC110 (nobody is told of it)
                await asyncio.sleep(0.01)

    async def events(self, instance: str) -> list[Event]:
        page = await self.backend.call(ReadHistory(partition=self.at(instance), instance=instance, limit=10_000))
        return [decode_stored(stored).event for stored in page.events]

    async def query(self, instance: str, name: str, value: Any = None) -> Any:
        """The answer of a query, or its failure."""
        question, at = uuid4().hex, self.at(instance)
        ask = Ask(
            partition=at,
            instance=instance,
            query=question,
            name=name,
            payload=dump_json(value),
            timeout=timedelta(seconds=10),
        )
        async with self.backend.watch(instance) as watch:
            await self.backend.call(ask)
            while True:
                answer = await self.backend.call(ReadQueryAnswer(partition=at, instance=instance, query=question))
                if answer is not None:
                    return load_json(answer.payload) if answer.accepted else decode_failure(answer.payload)
                await watch.wait(0.2)


async def settled(condition: Callable[[], Any], *, within: float = 10.0) -> None:
    """Until a condition holds."""
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 (what is waited for has no event)
            await asyncio.sleep(0.005)


def vanish(worker: Worker) -> None:
    """Let it leave without a word."""

    async def say_nothing() -> None: ...

    worker._registration.leave = say_nothing  # type: ignore[method-assign]
