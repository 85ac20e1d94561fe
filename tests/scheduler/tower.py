"""Tower: a hub with a clock that strikes: a client, a worker, schedulers, and short words for what tests look at."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from rqflow import workflow
from rqflow.authoring.registry import Registry
from rqflow.backend.calls.hubs import ReadStats
from rqflow.backend.calls.instances import Description
from rqflow.backend.calls.schedules import ReadSchedule, ScheduleRow, WriteSchedule
from rqflow.backend.protocol import Backend, SyncBackend, partition_of
from rqflow.client.asynchronous import AsyncClient
from rqflow.client.schedule_reading import Schedule
from rqflow.scheduler.options import SchedulerOptions
from rqflow.scheduler.scheduler import Scheduler
from rqflow.schedules.spec import encode_spec
from rqflow.schedules.state import ScheduleState, decode_state, encode_state
from rqflow.worker.options import WorkerOptions
from rqflow.worker.worker import Worker

T = TypeVar("T")

PATIENCE: Final = 45.0
SECOND: Final = timedelta(seconds=1)


@workflow
async def quick(value: int = 0) -> int:
    """Is over at once."""
    return value


@workflow
async def nap(seconds: float) -> str:
    """Takes a while, and ends when it is canceled."""
    await asyncio.sleep(seconds)
    return "rested"


@workflow
async def failing() -> None:
    """Never works."""
    raise ValueError("no")


@workflow
async def telling(runs: int = 1) -> list[Any]:
    """What it knows of its schedule; in its last run."""
    if runs > 1:
        workflow.continue_as_new(runs - 1)
    found = workflow.info().schedule
    assert found is not None
    assert found.slot.tzinfo is not None
    told = [found.id, found.slot.isoformat(), found.last_success and found.last_success.isoformat()]
    return [*told, (found.last_result or ["", "", "", 0])[3] + 1]


class Tower:
    """See the fixture."""

    def __init__(self, backend: Backend, leases: SyncBackend) -> None:
        self.backend = backend
        self.leases = leases
        self.client = AsyncClient(backend=backend)

    @property
    def partitions(self) -> int:
        return self.backend.hub.partitions

    @asynccontextmanager
    async def working(self) -> AsyncIterator[Worker]:
        """A worker for all workflows of this file."""
        registry = Registry([quick, nap, failing, telling])
        options = WorkerOptions(seed=1, build="test")
        async with Worker(registry, backend=self.backend, leases=self.leases, options=options) as worker:
            yield worker

    @asynccontextmanager
    async def scheduling(
        self, count: int = 1, backend: Backend | None = None, poll: float = 5.0
    ) -> AsyncIterator[None]:
        """So many schedulers."""
        options = SchedulerOptions(seed=1, poll=timedelta(seconds=poll))
        running = [Scheduler(backend or self.backend, options) for _ in range(count)]
        async with asyncio.TaskGroup() as group:
            for one in running:
                group.create_task(one.run())
            try:
                yield
            finally:
                for one in running:
                    one.stop()

    async def now(self) -> datetime:
        """On the store's clock."""
        stats = await self.backend.call(ReadStats(partition=0))
        return datetime.fromtimestamp(stats.now_ms / 1_000, UTC)

    async def row(self, schedule: str) -> ScheduleRow:
        return await self.backend.call(
            ReadSchedule(partition=partition_of(schedule, self.partitions), schedule=schedule)
        )

    async def state(self, schedule: str) -> ScheduleState:
        return decode_state((await self.row(schedule)).state)

    async def get(self, schedule: str) -> Schedule:
        return await self.client.schedules.get(schedule)

    async def set_back(self, schedule: str, by: timedelta) -> None:
        """As if nobody had looked at it for so long."""
        row = await self.row(schedule)
        state = decode_state(row.state)
        ms = row.now_ms - by // timedelta(milliseconds=1)
        await self.backend.call(self.rewrite(row, state=encode_state(ScheduleState(cursor_ms=ms, counts=state.counts))))

    def rewrite(self, row: ScheduleRow, **changes: Any) -> WriteSchedule:
        """A change of a row that is due at once."""
        return WriteSchedule(
            partition=partition_of(row.schedule, self.partitions),
            schedule=row.schedule,
            generation=row.generation,
            revision=row.revision,
            due_ms=row.now_ms,
            **{"state": row.state, **changes},
        )

    async def spoil(self, schedule: str, spec: bytes) -> None:
        """Write a spec that no client would."""
        await self.backend.call(self.rewrite(await self.row(schedule), spec=spec))

    async def respec(self, schedule: str, **action: Any) -> None:
        """Write a spec with another action, past the client's checks."""
        spec = (await self.get(schedule)).spec
        await self.spoil(schedule, encode_spec(replace(spec, action=replace(spec.action, **action))))

    async def rows(self, schedule: str) -> list[Description]:
        """What it started, by slot."""
        found = [row async for row in self.client.list() if row.schedule == schedule]
        return sorted(found, key=lambda row: (row.slot, row.instance))

    async def slots(self, schedule: str) -> list[datetime]:
        return [row.slot for row in await self.rows(schedule) if row.slot is not None]

    async def until(self, look: Callable[[], Awaitable[T]]) -> T:
        """What `look` finds, asked again until it finds something."""
        end = time.monotonic() + PATIENCE
        while not (found := await look()):
            assert time.monotonic() < end, f"not within {PATIENCE:g} seconds"
            await asyncio.sleep(0.05)
        return found
