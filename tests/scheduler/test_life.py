"""Life of a schedule on real Redis: absences, backfills, pauses, what a workflow knows, what breaks, what is left."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from rqflow.backend.calls.call import Call
from rqflow.backend.calls.schedules import WriteSchedule
from rqflow.backend.opening import verify_hub
from rqflow.backend.protocol import Backend
from rqflow.client.schedule_reading import Schedule
from rqflow.errors import ScheduleChanged, ScheduleNotFound
from rqflow.scheduler.deciding import decide
from rqflow.scheduler.options import SchedulerOptions
from rqflow.scheduler.scheduler import Scheduler
from rqflow.schedules.state import decode_state, encode_state
from tests.promises.evidence import Store
from tests.scheduler.test_overlapping_runs import most_at_once
from tests.scheduler.tower import Tower, failing, nap, quick, telling

DAY = timedelta(days=1)


class Meddled:
    """A backend on which somebody else comes between a scheduler's first look and what it writes then."""

    def __init__(self, inner: Backend) -> None:
        self._inner = inner
        self.between: list[Callable[[], Awaitable[None]]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def send(self, calls: Sequence[Call[Any]]) -> list[Any]:
        if self.between and any(isinstance(call, WriteSchedule) for call in calls):
            await self.between.pop()()
        return await self._inner.send(calls)


async def _not_found(look: Callable[[], Awaitable[bool]]) -> bool:
    """Whether it is so; not while a schedule is still to come."""
    with suppress(ScheduleNotFound):
        return await look()
    return False


async def test_after_five_minutes_without_a_scheduler_the_last_minute_is_caught_up(tower: Tower) -> None:
    """[P9] Older slots are left out and counted; then it goes on. [F4]"""
    create = tower.client.schedules.create
    await create("s", quick, every=10, overlap="allow")
    await tower.set_back("s", timedelta(minutes=5))
    began = await tower.now()
    async with tower.scheduling():

        async def caught_up() -> bool:
            return (await tower.state("s")).next_ms is not None

        await tower.until(caught_up)
    found = await tower.slots("s")
    counts = (await tower.state("s")).counts
    assert 24 <= counts.missed <= 25
    assert (counts.slots, counts.skipped) == (len(found), 0)
    assert 5 <= len(found) <= 7
    assert began - timedelta(seconds=61) < found[0] < found[-1] <= await tower.now()


async def test_a_month_is_filled_back_so_many_at_a_time_and_stops_when_its_schedule_is_paused(tower: Tower) -> None:
    """[P9] Each day once, never more than three at once; a pause in the middle loses nothing. [F4]"""
    schedules = tower.client.schedules
    await schedules.create("s", nap, 0.3, cron="0 3 * * *")
    end = datetime(2026, 1, 31, tzinfo=UTC)
    async with tower.working(), tower.scheduling(2):
        await schedules.backfill("s", end - 30 * DAY, end, limit=3)

        async def begun() -> bool:
            return len(await tower.slots("s")) >= 6

        await tower.until(begun)
        await schedules.pause("s", "in the middle")

        async def quiet() -> bool:
            return not (await tower.get("s")).state.running

        await tower.until(quiet)
        half = await tower.slots("s")
        assert 6 <= len(half) < 30
        await asyncio.sleep(0.5)
        assert await tower.slots("s") == half
        await schedules.resume("s")

        async def filled() -> bool:
            found = await tower.get("s")
            return not found.state.backfills and not found.state.running

        await tower.until(filled)
    rows = await tower.rows("s")
    first = datetime(2026, 1, 1, 3, tzinfo=UTC)
    assert [row.slot for row in rows] == [first + number * DAY for number in range(30)]
    assert {row.status for row in rows} == {"completed"}
    assert most_at_once(rows) <= 3
    assert (await tower.state("s")).counts.backfills == 30


async def test_a_workflow_knows_its_slot_and_the_last_success(tower: Tower) -> None:
    """And what that returned; also in the runs that it goes on with. [C12]"""
    async with tower.working(), tower.scheduling():
        create = tower.client.schedules.create
        await create("s", telling, 2, every=1, keep_result=True, max_runs=3, overlap="buffer_all")

        async def through() -> bool:
            return (await tower.get("s")).state.counts.completed == 3

        await tower.until(through)
    rows = await tower.rows("s")
    told = [json.loads(row.result) for row in rows]
    slots = [row.slot for row in rows]
    assert [one[:2] for one in told] == [["s", slot and slot.isoformat()] for slot in slots]
    assert [one[2] for one in told] == [None, slots[0] and slots[0].isoformat(), slots[1] and slots[1].isoformat()]
    assert [one[3] for one in told] == [1, 2, 3]
    assert [row.runs for row in rows] == [2, 2, 2]
    found: Schedule = await tower.get("s")
    assert found.state.last_success_ms == round(slots[2].timestamp() * 1_000) if slots[2] else False


async def test_it_pauses_after_failures_in_a_row_and_goes_on_when_it_is_resumed(tower: Tower) -> None:
    """The reason names the last one. [F4]"""
    async with tower.working(), tower.scheduling():
        await tower.client.schedules.create("s", failing, every=1, pause_after=2, overlap="buffer_one")

        async def paused() -> bool:
            return (await tower.get("s")).state.paused

        await tower.until(paused)
        state = (await tower.get("s")).state
        assert "2 failures in a row, the last one s/" in state.reason
        await tower.client.schedules.resume("s")

        async def again() -> bool:
            return (await tower.get("s")).state.counts.failed > 2

        await tower.until(again)


async def test_a_schedule_that_breaks_says_why_and_harms_no_other(tower: Tower) -> None:
    """[P7] A spec nobody can read, a zone that is gone, a template that yields a bad id: the others fire on. [F4]"""
    schedules = tower.client.schedules
    for name in ("unreadable", "zone", "template", "long", "good"):
        await schedules.create(name, quick, every=1, overlap="allow")
    await tower.spoil("unreadable", b"nonsense")
    await tower.spoil("zone", (await tower.row("zone")).spec.replace(b'"UTC"', b'"Mars/Olympus"'))
    await tower.respec("template", template="{color}")
    await tower.respec("long", template="x" * 600)
    reasons = {"unreadable": "not JSON", "zone": "Mars/Olympus", "template": "{color}", "long": "bytes of the instance"}
    async with tower.scheduling():

        async def told() -> bool:
            return all([(await tower.row(name)).broken for name in reasons])

        await tower.until(told)
        for name, reason in reasons.items():
            row = await tower.row(name)
            assert reason in row.broken, row.broken
            assert row.due_ms is None
        seen = len(await tower.slots("good"))

        async def fires_on() -> bool:
            return len(await tower.slots("good")) > seen + 1

        await tower.until(fires_on)
        await schedules.update("template", template="{schedule}/{slot}")

        async def mended() -> bool:
            return bool(await tower.slots("template"))

        await tower.until(mended)
    assert (await tower.row("template")).broken == ""
    assert await tower.slots("long") == []


async def test_a_scheduler_sleeps_until_the_next_slot_and_is_woken_by_a_change(tower: Tower) -> None:
    """No polling: its net is an hour wide here, and yet a new schedule and a trigger start at once. [F4]"""
    async with tower.scheduling(poll=3_600):
        await asyncio.sleep(0.3)
        await tower.client.schedules.create("yearly", quick, cron="0 0 1 1 *")

        async def looked() -> bool:
            return (await tower.state("yearly")).next_ms is not None

        await tower.until(looked)
        instance = await tower.client.schedules.trigger("yearly")

        async def started() -> bool:
            return [row.instance for row in await tower.rows("yearly")] == [instance]

        await tower.until(started)
        await tower.client.schedules.create("soon", quick, every=2, max_runs=1)

        async def fired() -> bool:
            return bool(await tower.slots("soon"))

        await tower.until(fired)


async def test_what_becomes_due_while_others_are_written_is_not_slept_over(tower: Tower) -> None:
    """Beside one that is due already nobody is told of it: the scheduler looks until it finds nothing."""
    create, meddled = tower.client.schedules.create, Meddled(tower.backend)

    async def between() -> None:
        await create("second", quick, cron="0 0 1 1 *")

    meddled.between.append(between)
    async with tower.scheduling(backend=cast("Backend", meddled), poll=3_600):
        await asyncio.sleep(0.3)
        await create("first", quick, cron="0 0 1 1 *")

        async def looked() -> bool:
            return all([(await tower.state(name)).next_ms is not None for name in ("first", "second")])

        await tower.until(lambda: _not_found(looked))
    assert meddled.between == []


async def test_what_takes_long_to_decide_on_is_done_bit_by_bit(tower: Tower, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was decided holds for the catch-up window only: it is written before the rest is decided on."""
    monkeypatch.setattr("rqflow.scheduler.scheduler.DECIDING", 0.0)
    names = [f"s{number}" for number in range(8)]
    for name in names:
        await tower.client.schedules.create(name, quick, every=1, max_runs=1)
    async with tower.scheduling():

        async def fired() -> bool:
            return all([(await tower.state(name)).counts.slots == 1 for name in names])

        await tower.until(fired)
    assert [len(await tower.slots(name)) for name in names] == [1] * 8


async def test_a_backfill_that_is_given_again_after_its_end_is_the_same_one(tower: Tower) -> None:
    """[P9] Its runs are found ended, and not run again; it is through, and holds nothing up. [F4]"""
    schedules = tower.client.schedules
    await schedules.create("s", quick, cron="0 3 * * *")
    end = datetime(2026, 1, 31, tzinfo=UTC)
    async with tower.working(), tower.scheduling():

        async def through() -> bool:
            found = await tower.get("s")
            return not found.state.backfills and not found.state.running

        for _ in range(2):
            await schedules.backfill("s", end - 5 * DAY, end, backfill_id="january")
            await tower.until(through)
            rows = await tower.rows("s")
            assert (len(rows), {row.status for row in rows}) == (5, {"completed"})
    assert (await tower.get("s")).state.counts.refused == 0


async def test_slots_start_close_to_their_time(tower: Tower) -> None:
    """In their order, and never before; benchmarks/schedules.py says how close on an idle machine. [F3]"""
    async with tower.scheduling():
        await tower.client.schedules.create("s", quick, every=1, overlap="allow")

        async def some() -> bool:
            return len(await tower.slots("s")) >= 3

        await tower.until(some)
    for row in await tower.rows("s"):
        assert row.slot is not None
        assert timedelta(0) <= row.created_at - row.slot < timedelta(seconds=20)


@pytest.mark.parametrize("seconds", [-7 * 3_600, 7 * 3_600])
async def test_a_step_that_was_made_with_another_time_is_refused(tower: Tower, seconds: int) -> None:
    """[P9] Were a scheduler to take another clock for the store's, it would do no harm."""
    await tower.client.schedules.create("s", quick, every=1, overlap="allow", catch_up="1m")
    row = await tower.row("s")
    [answer] = await tower.backend.send([decide(replace(row, now_ms=row.now_ms + seconds * 1_000), tower.backend.hub)])
    if seconds > 0:
        assert isinstance(answer, ScheduleChanged)
        assert (await tower.row("s")).revision == 1
    assert await tower.slots("s") == []


@pytest.mark.timeout(180)
async def test_nothing_is_left_of_schedules_that_were_deleted(tower: Tower, redis_url: str) -> None:
    """[P10] When all that they started has ended and retention has passed, the hub has its own keys only. [F4]"""
    schedules = tower.client.schedules
    async with tower.working(), tower.scheduling(2, poll=0.2):
        for name in ("a", "b", "c"):
            await schedules.create(name, quick, every=1, overlap="allow", retention=1, keep_result=True)
        await schedules.trigger("a")

        seen = {name: set[Any]() for name in ("a", "b", "c")}

        async def some() -> bool:
            # Whatever was there at any time: an instance goes as the second one comes.
            for name, slots in seen.items():
                slots.update(await tower.slots(name))
            return all(len(slots) >= 2 for slots in seen.values())

        await tower.until(some)
        assert verify_hub(redis_url, tower.backend.hub.name).violations == ()
        for name in ("a", "b", "c"):
            await schedules.delete(name)

        async def forgotten() -> bool:
            # A start that is still on its way to another partition is an instance to come: look twice.
            looks = [await tower.client.stats(), await tower.client.stats()]
            return not any(look.statuses or look.outbox for look in looks)

        await tower.until(forgotten)

    store = Store(redis_url, tower.backend.hub.name, tower.partitions)
    kept = {"meta", "counters", "queues", "received", "events", "outbox", "workflows:default", "activities:default"}

    async def empty() -> bool:
        return {name for _, name in store.names()} <= kept

    await tower.until(empty)
    store.close()


async def test_a_scheduler_that_is_stopped_while_it_looks_leaves_at_once(
    tower: Tower, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not sleep first until its next slot, an hour from now."""
    scheduler = Scheduler(tower.backend, SchedulerOptions(seed=1, poll=timedelta(hours=1)))
    look = scheduler.look

    async def stopped_meanwhile(partition: int) -> float:
        seconds = await look(partition)
        scheduler.stop()
        return seconds

    monkeypatch.setattr(scheduler, "look", stopped_meanwhile)
    async with asyncio.timeout(20):
        await scheduler.run()


async def test_a_run_that_a_failover_lost_does_not_block_its_schedule(tower: Tower, redis_url: str) -> None:
    """[P9] Its keys are gone, and no end was told: after ten minutes it is asked after, shown as lost, and the next
    slot starts."""
    await tower.client.schedules.create("s", nap, 3_600, every=1)
    store = Store(redis_url, tower.backend.hub.name, tower.partitions)
    async with tower.scheduling():

        async def runs() -> bool:
            return bool((await tower.state("s")).running)

        await tower.until(runs)
        [one] = (await tower.state("s")).running
        store.lose(one.instance)
        while True:
            row = await tower.row("s")
            state = decode_state(row.state)
            aged = tuple(replace(each, checked_ms=1) for each in state.running)
            try:
                await tower.backend.call(tower.rewrite(row, state=encode_state(replace(state, running=aged))))
            except ScheduleChanged:
                continue
            break

        async def goes_on() -> bool:
            shown = (await tower.get("s")).state
            outcomes = {each.outcome for each in shown.recent if each.instance == one.instance}
            return "lost" in outcomes and any(each.instance != one.instance for each in shown.running)

        await tower.until(goes_on)
        assert (await tower.state("s")).counts.other_ends == 1
    store.close()
