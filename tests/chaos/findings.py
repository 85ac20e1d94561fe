"""Findings: what is read of an instance when all is over: its row, its runs, its result."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rqflow.backend.calls.instances import Describe, Description, ReadHistory
from rqflow.backend.protocol import Backend, partition_of
from rqflow.client.asynchronous import AsyncClient
from rqflow.converters.convert import DEFAULT
from rqflow.core.events import Event, Stamped, WorkflowStarted
from rqflow.core.wire import decode_stored
from rqflow.errors import NotFound


@dataclass(frozen=True)
class Violation:
    """A promise that was not kept."""

    promise: str
    instance: str
    what: str

    def __str__(self) -> str:
        return f"{self.promise} {self.instance}: {self.what}"


@dataclass
class Finding:
    """One instance."""

    row: Description
    runs: list[list[Stamped]]
    """Oldest first."""
    missing: str = ""
    """A run that another one continues, and whose history is not there."""
    problems: list[Violation] = field(default_factory=list)

    @property
    def id(self) -> str:
        return self.row.instance

    @property
    def result(self) -> Any:
        return DEFAULT.decode(self.row.result, Any, where="result") if self.row.result else None

    def events(self) -> list[list[Event]]:
        """Of each run."""
        return [[each.event for each in run] for run in self.runs]

    def says(self, promise: str, what: str) -> None:
        """Note a violation."""
        self.problems.append(Violation(promise, self.id, what))


async def read_run(backend: Backend, instance: str, run: str) -> list[Stamped]:
    """A run's whole history."""
    at, events = partition_of(instance, backend.hub.partitions), list[Stamped]()
    while True:
        page = await backend.call(ReadHistory(partition=at, instance=instance, run=run, after=len(events)))
        events += [decode_stored(stored) for stored in page.events]
        if not page.events or len(events) >= page.length:
            return events


async def read(backend: Backend, instance: str) -> Finding | None:
    """All of it; None if it is gone."""
    at = partition_of(instance, backend.hub.partitions)
    try:
        row = await backend.call(Describe(partition=at, instance=instance))
    except NotFound:
        return None
    runs, run, missing = list[list[Stamped]](), row.run, ""
    while run:
        try:
            events = await read_run(backend, instance, run)
        except NotFound:
            missing = run
            break
        runs.insert(0, events)
        if not events or not isinstance(events[0].event, WorkflowStarted):
            break
        run = events[0].event.continued_from or ""
    return Finding(row, runs, missing)


async def read_all(client: AsyncClient, backend: Backend) -> dict[str, Finding]:
    """Every instance that the hub lists."""
    names = [row.instance async for row in client.list()]
    found = [await read(backend, name) for name in names]
    return {finding.id: finding for finding in found if finding is not None}
