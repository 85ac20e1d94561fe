"""A year: what a schedule starts in a year, on a clock that a test moves."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from time import process_time
from zoneinfo import ZoneInfo

from rqflow.authoring.workflow_face import workflow
from rqflow.backend.memory.backend import MemoryBackend
from rqflow.backend.memory.store import MemoryStore
from rqflow.client.asynchronous import AsyncClient
from rqflow.scheduler.options import SchedulerOptions
from rqflow.scheduler.scheduler import Scheduler
from rqflow.testing.clock import VirtualClock

YEAR = timedelta(days=365)
BERLIN = ZoneInfo("Europe/Berlin")


@workflow
async def report() -> None:
    """Nobody works here: what is started stays."""


async def test_a_year_of_a_schedule_is_played_in_a_moment() -> None:
    """Each night at 02:30 in Berlin and each Monday at noon, from New Year on: once for each day, on the two days of
    clock changes as well, none on the days that are excluded."""
    clock = VirtualClock()
    backend = MemoryBackend(MemoryStore(hub="year", partitions=1, now_ms=clock.now_ms))
    scheduler = Scheduler(backend, SchedulerOptions(poll=timedelta(days=30)))
    began = process_time()
    async with AsyncClient(backend=backend) as client:
        await client.schedules.create(
            "nightly", report, cron="30 2 * * *", zone="Europe/Berlin", except_dates=["2026-12-24"], overlap="allow"
        )
        await client.schedules.create("weekly", report, cron="0 12 * * mon", zone="Europe/Berlin", overlap="allow")
        while clock.elapsed < YEAR:
            seconds = await scheduler.look(0)
            clock.advance(min(timedelta(seconds=seconds), YEAR - clock.elapsed))
        nightly, weekly = await client.schedules.get("nightly"), await client.schedules.get("weekly")
        rows = [row async for row in client.list(id_prefix="nightly/")]
    took = process_time() - began
    assert (nightly.state.counts.slots, nightly.state.counts.missed, weekly.state.counts.slots) == (364, 0, 52)
    starts = [datetime.fromisoformat(row.instance.removeprefix("nightly/")).astimezone(BERLIN) for row in rows]
    days = Counter(f"{start:%m-%d}" for start in starts)
    assert len(days) == 364
    assert set(days.values()) == {1}
    assert "12-24" not in days
    assert Counter(f"{start:%H:%M}" for start in starts) == {"02:30": 363, "03:00": 1}
    assert all(row.created_at == start.astimezone(UTC) for row, start in zip(rows, starts, strict=True))
    assert took < 10, took  # half a second on a machine of its own
