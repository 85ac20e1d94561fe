"""Schedules: how late a slot starts on an idle system, and how long many that are due at once take to start.

    python benchmarks/schedules.py [--url URL] [--slots N] [--many N] [--schedulers N]

Without --url on a private Redis that writes its append-only file every second. No workers run: an instance counts as
started at the time that the store gave its first event.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from rqflow.backend.calls.hubs import ReadStats
from rqflow.backend.calls.instances import Filter, ListInstances
from rqflow.backend.calls.schedules import CreateSchedule
from rqflow.backend.opening import create_hub, delete_hub, open_backend
from rqflow.backend.protocol import Backend, partition_of
from rqflow.backend.redis.embedded import EmbeddedServer
from rqflow.scheduler.scheduler import Scheduler
from rqflow.schedules.policy import Action, Policy
from rqflow.schedules.spec import ScheduleSpec, encode_spec
from rqflow.schedules.state import encode_state
from rqflow.schedules.steering import first_state
from rqflow.schedules.timetable import Timetable

HUB = "schedules-benchmark"
PATIENCE = 60
"""Seconds until those that have not started are given up."""


def create(schedule: str, backend: Backend, now_ms: int, timetable: Timetable) -> CreateSchedule:
    """The call that writes a schedule."""
    spec = ScheduleSpec(
        timetable=timetable,
        policy=Policy(overlap="allow"),
        action=Action(workflow="report", queue="default", retention=timedelta(minutes=10)),
    )
    return CreateSchedule(
        partition=partition_of(schedule, backend.hub.partitions),
        schedule=schedule,
        generation=f"{schedule}-1",
        spec=encode_spec(spec),
        args=b"[]",
        state=encode_state(first_state(now_ms)),
        due_ms=now_ms,
    )


@asynccontextmanager
async def schedulers(url: str, count: int) -> AsyncIterator[None]:
    """So many schedulers, each with a connection of its own, in this process."""
    backends = [await open_backend(url, HUB) for _ in range(count)]
    running = [Scheduler(backend) for backend in backends]
    async with asyncio.TaskGroup() as group:
        for one in running:
            group.create_task(one.run())
        try:
            yield
        finally:
            for one in running:
                one.stop()
    for backend in backends:
        await backend.close()


async def now_ms(backend: Backend) -> int:
    return (await backend.call(ReadStats(partition=0))).now_ms


async def instances(backend: Backend) -> list[tuple[int, int]]:
    """Slot and creation of each instance, in ms."""
    found: list[tuple[int, int]] = []
    for partition in range(backend.hub.partitions):
        below: int | None = None
        while True:
            page = await backend.call(ListInstances(partition=partition, where=Filter(), below=below, limit=1_000))
            for row in page.rows:
                assert row.slot is not None
                found.append((round(row.slot.timestamp() * 1_000), round(row.created_at.timestamp() * 1_000)))
            below = page.cursor
            if below is None:
                break
    return found


async def lateness(url: str, slots: int) -> list[int]:
    """How late each slot of an every-second schedule was started, in ms."""
    backend = await open_backend(url, HUB)
    async with schedulers(url, 1):
        begun = await now_ms(backend)
        await backend.call(create("every-second", backend, begun, Timetable(every=timedelta(seconds=1))))
        await asyncio.sleep(slots + 1.5)
    found = await instances(backend)
    await backend.close()
    return [created - slot for slot, created in found]


async def crowd(url: str, many: int, count: int) -> tuple[float, float, int]:
    """Seconds from the common slot of many schedules to the first and to the last start, and how many started."""
    backend = await open_backend(url, HUB)
    begun = await now_ms(backend)
    # Time enough to write them all and to have their first look.
    slot = (begun + 15_000 + 2 * many) // 60_000 * 60_000 + 60_000
    at = datetime.fromtimestamp(slot / 1_000, ZoneInfo("Europe/Berlin"))
    timetable = Timetable(cron=(f"{at.minute} {at.hour} * * *",), zone="Europe/Berlin")
    async with schedulers(url, count):
        for first in range(0, many, 500):
            calls = [create(f"s{number:06}", backend, begun, timetable) for number in range(first, first + 500)]
            await backend.send(calls)
        await asyncio.sleep(max(0, slot + 1_000 - await now_ms(backend)) / 1_000)
        found: list[tuple[int, int]] = []
        for _ in range(PATIENCE):
            found = await instances(backend)
            if len(found) >= many:
                break
            await asyncio.sleep(1)
    await backend.close()
    lates = [created - slot for _, created in found]
    return min(lates) / 1_000, max(lates) / 1_000, len(lates)


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url")
    parser.add_argument("--slots", type=int, default=30)
    parser.add_argument("--many", type=int, default=10_000)
    parser.add_argument("--schedulers", type=int, default=1)
    parser.add_argument("--partitions", type=int, default=1)
    options = parser.parse_args(arguments)
    with EmbeddedServer() as server:
        url = options.url or server.url
        for title in ("lateness", "crowd"):
            create_hub(url, HUB, partitions=options.partitions)
            try:
                if title == "lateness":
                    late = sorted(asyncio.run(lateness(url, options.slots)))
                    print(
                        f"{len(late)} slots, one a second: late by {statistics.median(late):.0f} ms in the median, "
                        f"{late[-1]} ms at most"
                    )
                else:
                    first, last, count = asyncio.run(crowd(url, options.many, options.schedulers))
                    print(
                        f"{count:,} of {options.many:,} due at once, {options.schedulers} schedulers: "
                        f"the first after {first:.2f} s, the last after {last:.2f} s"
                    )
            finally:
                delete_hub(url, HUB, force=True)


if __name__ == "__main__":
    main(sys.argv[1:])
