"""P9: a schedule's slot starts one instance, however many schedulers run, die, freeze or race."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest

from rqflow.backend.calls.hubs import ReadStats
from rqflow.backend.calls.instances import ReadEvents
from rqflow.backend.calls.schedules import ReadDueSchedules, ReadSchedule, ScheduleRow, WriteSchedule
from rqflow.backend.opening import create_hub, open_backend, verify_hub
from rqflow.backend.protocol import Backend, partition_of
from rqflow.backend.redis.embedded import EmbeddedServer
from rqflow.client.asynchronous import AsyncClient
from rqflow.scheduler.deciding import decide
from rqflow.scheduler.options import SchedulerOptions
from rqflow.scheduler.scheduler import Scheduler
from rqflow.schedules.state import decode_state, encode_state
from rqflow.schedules.steering import first_state
from rqflow.testing.fates import Death, FatedBackend
from tests.promises.clockwork import scheduler_process
from tests.promises.processes import WorkerProcess
from tests.promises.verbs import single

SECOND = timedelta(seconds=1)
PATIENCE = 45.0


async def now(backend: Backend) -> datetime:
    """On the store's clock."""
    return datetime.fromtimestamp((await backend.call(ReadStats(partition=0))).now_ms / 1_000, UTC)


async def slots(client: AsyncClient, schedule: str) -> list[datetime]:
    """Of all that a schedule started."""
    return sorted([row.slot async for row in client.list() if row.schedule == schedule and row.slot is not None])


async def beginnings(backend: Backend, schedule: str) -> Counter[str]:
    """How often each instance of a schedule has begun: an id that is used twice would show as one instance."""
    found: Counter[str] = Counter()
    for partition in range(backend.hub.partitions):
        after = ""
        while events := await backend.call(ReadEvents(partition=partition, after=after, limit=1_000)):
            found.update(each.instance for each in events if each.type == "started")
            after = events[-1].id
    return Counter({name: count for name, count in found.items() if name.startswith(f"{schedule}/")})


async def check(backend: Backend, client: AsyncClient, schedule: str) -> list[datetime]:
    """Slots that follow each other without a gap, each started once, as its schedule has counted."""
    found = await slots(client, schedule)
    assert {later - earlier for earlier, later in pairwise(found)} <= {SECOND}
    begun = await beginnings(backend, schedule)
    assert set(begun.values()) == {1}
    assert len(begun) == len(found)
    counts = (await client.schedules.get(schedule)).state.counts
    assert (counts.slots, counts.missed, counts.skipped, counts.refused) == (len(found), 0, 0, 0)
    return found


@pytest.mark.timeout(240)
async def test_p9_every_slot_of_a_minute_once_though_schedulers_die_and_freeze_and_redis_restarts(
    redis_server: EmbeddedServer, tmp_path: Path
) -> None:
    """[P9] Of three schedulers one is killed, one frozen and thawed, one has a clock that is hours off. [F5]"""
    url = redis_server.url
    create_hub(url, "minute", partitions=4)
    backend, client = await open_backend(url, "minute"), AsyncClient(url, hub="minute")
    schedulers = [
        scheduler_process(url, "minute", tmp_path / f"scheduler-{number}.log", poll=1.0, hours=hours)
        for number, hours in enumerate((0, 0, 7))
    ]
    worker = WorkerProcess(url, "minute", tmp_path / "worker.log", lease=10.0)
    killed, frozen, _ = schedulers
    try:
        await alive(backend, 3)
        began = await now(backend)
        await client.schedules.create("s", single, 1, every=1, overlap="allow", retention="1h")
        for until, deed in (
            (8, killed.kill),
            (14, frozen.freeze),
            (26, redis_server.restart),
            (40, frozen.thaw),
            (60, lambda: None),
        ):
            await passed(backend, began + timedelta(seconds=until))
            await asyncio.to_thread(deed)
        await passed(backend, began + timedelta(seconds=62))
        await client.schedules.pause("s")
        await settled(client, "s")
        found = await check(backend, client, "s")
        assert found[0] - began <= SECOND
        assert len(found) >= 60
        assert verify_hub(url, "minute").violations == ()
    finally:
        for process in (*schedulers, worker):
            process.remove()
        await client.close()
        await backend.close()


async def alive(backend: Backend, count: int) -> None:
    """So many schedulers have looked."""
    end = time.monotonic() + PATIENCE
    while True:
        stats = await backend.call(ReadStats(partition=0))
        if stats.schedulers >= count:
            return
        assert time.monotonic() < end
        await asyncio.sleep(0.1)


async def passed(backend: Backend, moment: datetime) -> None:
    """Until the store's clock shows it."""
    await asyncio.sleep(max(0.0, (moment - await now(backend)).total_seconds()))


async def settled(client: AsyncClient, schedule: str) -> None:
    """All that it started has ended, and it knows."""
    end = time.monotonic() + PATIENCE
    while (await client.schedules.get(schedule)).state.running:
        assert time.monotonic() < end
        await asyncio.sleep(0.1)


# ---- death at every call, and every order of two


@pytest.fixture
async def client(backend: Backend) -> AsyncIterator[AsyncClient]:
    made = AsyncClient(backend=backend)
    yield made
    await made.close()


async def late(backend: Backend, client: AsyncClient, schedule: str, **options: Any) -> datetime:
    """A schedule of five slots, a second apart, that are all due by now; the first of them."""
    begin = (await now(backend)).replace(microsecond=0) - 5 * SECOND
    await client.schedules.create(
        schedule, single, 1, every=1, max_runs=5, overlap="allow", catch_up="1h", unchecked=True, **options
    )
    at = partition_of(schedule, backend.hub.partitions)
    row = await backend.call(ReadSchedule(partition=at, schedule=schedule))
    state = encode_state(first_state(round(begin.timestamp() * 1_000) - 1))
    await backend.call(rewrite(backend, row, state))
    return begin


def rewrite(backend: Backend, row: ScheduleRow, state: bytes) -> WriteSchedule:
    """A change that is due at once."""
    return WriteSchedule(
        partition=partition_of(row.schedule, backend.hub.partitions),
        schedule=row.schedule,
        generation=row.generation,
        revision=row.revision,
        state=state,
        due_ms=row.now_ms,
    )


async def served(backend: Backend, client: AsyncClient, schedule: str) -> None:
    """A scheduler that nothing happens to serves until all five slots have started."""
    scheduler = Scheduler(backend, SchedulerOptions(seed=1, poll=timedelta(seconds=1)))
    async with asyncio.TaskGroup() as group:
        group.create_task(scheduler.run())
        end = time.monotonic() + PATIENCE
        while len(await slots(client, schedule)) < 5:
            assert time.monotonic() < end, await slots(client, schedule)
            await asyncio.sleep(0.02)
        scheduler.stop()


async def until_death(backend: Backend, client: AsyncClient, schedule: str, death: Death) -> bool:
    """A scheduler serves until it dies; False: all had started before."""
    running = asyncio.get_running_loop().create_task(Scheduler(FatedBackend(backend, death)).run())
    try:
        end = time.monotonic() + PATIENCE
        while not death.dead:
            if len(await slots(client, schedule)) == 5 and (await messages(backend)) == 0:
                return False
            assert time.monotonic() < end
            await asyncio.sleep(0.01)
        return True
    finally:
        death.bury()
        running.cancel()
        await asyncio.wait((running,))


async def messages(backend: Backend) -> int:
    """Under way between partitions."""
    stats = [await backend.call(ReadStats(partition=at)) for at in range(backend.hub.partitions)]
    return sum(each.outbox for each in stats)


@pytest.mark.parametrize("carried_out", [False, True], ids=["unheard", "carried-out"])
async def test_p9_a_scheduler_may_die_at_every_call(backend: Backend, client: AsyncClient, carried_out: bool) -> None:
    """[P9] Whatever it said last, carried out or not: the next one starts what is left, and no more. [F5]"""
    deaths = 0
    for at in range(1, 40):
        schedule = f"s{at}"
        begin = await late(backend, client, schedule)
        died = await until_death(backend, client, schedule, Death(at, carried_out=carried_out))
        await served(backend, client, schedule)
        assert await check(backend, client, schedule) == [begin + number * SECOND for number in range(5)], at
        await client.schedules.delete(schedule)
        deaths += died
        if not died:
            break
    # A read and a write; where others live in other partitions each is read, and the messages are carried.
    assert deaths >= (2 if backend.hub.partitions == 1 else 7)


@pytest.mark.parametrize("order", list(combinations(range(4), 2)), ids=str)
async def test_p9_two_schedulers_race_call_by_call(any_backend: Backend, order: tuple[int, int]) -> None:
    """[P9] In every order of their reads and writes, one of them fires, and the other changes nothing. [F5]"""
    backend, client = any_backend, AsyncClient(backend=any_backend)
    begin = await late(backend, client, "s")
    at = partition_of("s", backend.hub.partitions)
    calls: dict[str, Any] = {}
    for place in range(4):
        name = "a" if place in order else "b"
        if name not in calls:
            due = await backend.call(ReadDueSchedules(partition=at, scheduler=name, lease=SECOND))
            calls[name] = [decide(row, backend.hub) for row in due.rows]
        else:
            await backend.send(calls[name])
    await served(backend, client, "s")
    assert await slots(client, "s") == [begin + number * SECOND for number in range(5)]
    assert set((await beginnings(backend, "s")).values()) == {1}
    row = await backend.call(ReadSchedule(partition=at, schedule="s"))
    assert decode_state(row.state).counts.slots == 5
    await client.close()
