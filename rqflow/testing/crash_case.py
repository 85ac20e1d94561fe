"""Crash case: one scenario played to its end, undisturbed or with one death, and what the store tells of it then."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from rqflow.authoring.workflows import Workflow
from rqflow.backend.calls.instances import Description
from rqflow.client.asynchronous import AsyncClient
from rqflow.client.statistics import HubStats
from rqflow.core.events import CancelRequested, SignalReceived
from rqflow.core.failure import Failure
from rqflow.core.states import CLOSED
from rqflow.core.wire import decode_failure
from rqflow.errors import BadInput
from rqflow.testing.crash_ground import Stage
from rqflow.testing.crash_points import CrashPoint
from rqflow.testing.doom import run_until_death
from rqflow.testing.fates import Death, Fate
from rqflow.testing.histories import faults_of_history, read_runs
from rqflow.testing.scene import Scene, Script

LOOK_AGAIN: Final = 0.02
LOOKS: Final = 50
"""How often a hub is looked at, in seconds and at most, until what is on its way has arrived."""
SWEEPS: Final = 6
"""How many sweeps it is given after that."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How an instance ended."""

    status: str
    value: Any
    """What it returned, as JSON values if it is a child; or its Failure, without the traceback."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is played again and again."""

    workflow: Workflow[..., Any]
    args: tuple[Any, ...]
    script: Script
    id: str
    patience: timedelta


def immortal() -> Death:
    """A fate that comes at no call, and counts them."""
    return Death(0, carried_out=False)


@dataclass(slots=True)
class Evidence:
    """What a case came to."""

    worker: Death = field(default_factory=immortal)
    client: Death = field(default_factory=immortal)
    ended: dict[str, Ended] = field(default_factory=dict)
    """All instances of the hub, by id."""
    news: dict[tuple[str, str], int] = field(default_factory=dict)
    """How many signals of which name, and cancel requests, reached which instance of a single run."""
    faults: list[str] = field(default_factory=list)
    """What broke a promise, each in a sentence."""
    died: bool = False
    seconds: float = 0.0
    """From the start to the end of the last instance, on the loop's clock."""
    by_net: bool = False
    """Something went on only because workers look by themselves once in a while."""


async def play(stage: Stage, scenario: Scenario, point: CrashPoint | None) -> Evidence:
    """Play a scenario with one death, or none. Raises what a script or an undisturbed worker raises, TimeoutError."""
    case = _Case(stage, scenario, point)
    try:
        async with asyncio.timeout(scenario.patience.total_seconds()):
            await case.play()
    except TimeoutError:
        raise TimeoutError(f"not at its end within {scenario.patience}: {await case.state()}") from None
    return case.evidence


class _Case:
    def __init__(self, stage: Stage, scenario: Scenario, point: CrashPoint | None) -> None:
        self._stage = stage
        self._scenario = scenario
        self._client = stage.client(Fate())
        self._began = asyncio.get_running_loop().time()
        self.evidence = Evidence()
        if point is not None and point.who == "client":
            self.evidence.client = point.death()
        elif point is not None:
            self.evidence.worker = point.death()

    async def play(self) -> None:
        acting = asyncio.create_task(self._act())
        try:
            await self._until_death(acting)
            # Whoever died, or did not: a fresh worker ends what there is, and leaves in good order.
            worker, _ = self._stage.worker(Fate())
            async with worker:
                with self._stage.served_by(worker):
                    await acting
                    self.evidence.seconds = asyncio.get_running_loop().time() - self._began
                    await self._look(self._quiet)
        finally:
            acting.cancel()
            await asyncio.wait((acting,))
        self.evidence.died = self.evidence.worker.call != "" or self.evidence.client.call != ""
        await self._testify()

    async def state(self) -> str:
        """How the hub stands, for whoever must find out why it goes no further."""
        rows = [f"{row.instance} ({row.workflow}) {row.status} {row.task}" async for row in self._client.list()]
        return f"{rows}, {await self._client.stats()}"

    async def _until_death(self, acting: asyncio.Task[None]) -> None:
        """Until the first worker has died; or has left, when all is over without that."""
        mortal = self.evidence.worker
        worker, backend = self._stage.worker(mortal)
        with self._stage.served_by(worker):
            living = asyncio.create_task(run_until_death(worker, mortal, backend))
            await asyncio.wait((living, acting), return_when=asyncio.FIRST_COMPLETED)
            if not living.done():
                self.evidence.seconds = asyncio.get_running_loop().time() - self._began
                await self._look(self._quiet_or_dead)
            worker.stop()  # it may still die at its goodbye
            await living

    # ---- clients

    async def _act(self) -> None:
        """Play the script to its end, by a second client if the first dies; then wait for every instance to end."""
        seen = set[int]()
        mortal = self.evidence.client
        acting = asyncio.create_task(self._script(mortal, seen))
        try:
            dying = asyncio.create_task(mortal.wait())
            await asyncio.wait((acting, dying), return_when=asyncio.FIRST_COMPLETED)
            dying.cancel()
            if not acting.done():
                mortal.bury()
                acting.cancel()
                await asyncio.wait((acting,))
                acting = asyncio.create_task(self._script(Fate(), seen))
            await acting
        finally:
            acting.cancel()
        while waiting := await self._rows(open_only=True):
            for row in waiting:
                await self._client.wait_for(row.instance, lambda found: found.status in CLOSED)

    async def _script(self, fate: Fate, seen: set[int]) -> None:
        scenario = self._scenario
        client = self._stage.client(fate)
        await scenario.script(Scene(client, scenario.id, scenario.workflow, scenario.args, seen))
        if not await self._rows():
            raise BadInput("the script has started nothing: it begins with `await scene.start()` or the like")

    async def _rows(self, *, open_only: bool = False) -> list[Description]:
        return [row async for row in self._client.list() if not (open_only and row.status in CLOSED)]

    # ---- evidence

    async def _look(self, well: Any) -> bool:
        """Look until all is well; past what is on its way, for as long as the slowest sweep may take."""
        for wait in _waits(SWEEPS * self._stage.sweep):
            if await well():
                return True
            self.evidence.by_net |= wait > LOOK_AGAIN
            await asyncio.sleep(wait)
        return False

    async def _quiet_or_dead(self) -> bool:
        return self.evidence.worker.dead or await self._quiet()

    async def _quiet(self) -> bool:
        serving = {worker.standing.id for worker in self._stage.serving}
        stats = await self._client.stats()
        return stats.outbox == 0 and {worker.record.id for worker in stats.workers} <= serving

    async def _testify(self) -> None:
        faults = self.evidence.faults
        for row in await self._rows():
            self.evidence.ended[row.instance] = await _ended(self._client, row, self._scenario)
            if row.status not in CLOSED:
                faults.append(f"P6: {row.instance} ({row.workflow}) is still {row.status}")
                continue
            runs = await read_runs(self._stage.backend, row.instance)
            faults += [f"{row.instance}: {fault}" for run in runs for fault in faults_of_history(run)]
            if row.history_length != len(runs[0]):
                faults.append(f"P2: {row.instance} counts {row.history_length} events, and has {len(runs[0])}")
            # What continue-as-new carried along stands in both histories: there the result must tell.
            for stamped in runs[0] if len(runs) == 1 else ():
                if isinstance(stamped.event, SignalReceived | CancelRequested):
                    what = row.instance, getattr(stamped.event, "name", "cancel")
                    self.evidence.news[what] = self.evidence.news.get(what, 0) + 1
        faults += await self._stage.verify()
        for row in await self._rows():
            await self._client.purge(row.instance, force=True)
        if not await self._look(self._empty):
            faults.append(f"P10: not all is gone after everything was purged: {_left(await self._client.stats())}")

    async def _empty(self) -> bool:
        return not _left(await self._client.stats())


def _waits(longest: float) -> Iterator[float]:
    """Seconds between looks: even ones, and then ever longer ones, `longest` in all. What a worker's renewal finds is
    found long before its next sweep, and a case that looked no earlier would outlast its patience."""
    yield from [LOOK_AGAIN] * LOOKS
    wait = LOOK_AGAIN
    while longest > 0:
        wait *= 2
        longest -= wait
        yield wait


def _left(stats: HubStats) -> Mapping[str, Any]:
    """What a hub without instances and workers should not have."""
    queued = sum(
        queue.workflows_queued + queue.workflows_leased + queue.activities_queued + queue.activities_leased
        for queue in stats.queues
    )
    found = {
        "instances": sum(stats.statuses.values()),
        "tasks": queued,
        "workers": len(stats.workers),
        "due": stats.due,
        "outbox": stats.outbox,
        "broken": stats.broken,
    }
    return {what: number for what, number in found.items() if number}


async def _ended(client: AsyncClient, row: Description, scenario: Scenario) -> Ended:
    if row.status == "completed":
        workflow = scenario.workflow if row.instance == scenario.id else None
        value = workflow.decode_result(row.result) if workflow is not None else await client.result(row.instance)
        return Ended(row.status, value)
    return Ended(row.status, _plain(decode_failure(row.result)) if row.result else None)


def _plain(failure: Failure | None) -> Any:
    """Type, message and kind, and those of its causes: a traceback is no result."""
    return None if failure is None else (failure.type, failure.message, failure.kind, _plain(failure.cause))
