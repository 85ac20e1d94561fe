"""Schedules: how they are kept, changed by the first who writes, and found when they are due."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from rqflow.backend.calls.hubs import ReadStats
from rqflow.backend.calls.schedules import (
    BreakSchedule,
    CreateSchedule,
    DeleteSchedule,
    DueSchedules,
    ListSchedules,
    ReadDueSchedules,
    ReadSchedule,
    ScheduledStart,
    ScheduleRow,
    WriteSchedule,
    Written,
)
from rqflow.backend.protocol import Backend
from rqflow.core.events import ScheduleLink, WorkflowStarted
from rqflow.core.wire import encode
from rqflow.errors import (
    BadInput,
    LimitReached,
    PayloadTooLarge,
    ScheduleChanged,
    ScheduleExists,
    ScheduleNotFound,
)
from rqflow.testing.conformance.bench import LONG, QUEUE, Bench
from rqflow.testing.conformance.clocks import Clock
from rqflow.testing.conformance.limits import TIGHT
from rqflow.testing.conformance.moving import BLINK

LEASE = timedelta(minutes=1)


class ScheduleBench(Bench):
    """A bench with short words for schedules."""

    def create_call(self, schedule: str = "nightly", **options: Any) -> CreateSchedule:
        options.setdefault("generation", f"generation-{self.number()}")
        options.setdefault("spec", b'{"when":1}')
        options.setdefault("args", b"[1]")
        options.setdefault("state", b'{"at":0}')
        options.setdefault("due_ms", None)
        return CreateSchedule(partition=self.at(schedule), schedule=schedule, **options)

    async def create(self, schedule: str = "nightly", **options: Any) -> ScheduleRow:
        assert await self.call(self.create_call(schedule, **options))
        return await self.read(schedule)

    async def read(self, schedule: str = "nightly") -> ScheduleRow:
        return await self.call(ReadSchedule(partition=self.at(schedule), schedule=schedule))

    def write_call(self, row: ScheduleRow, **changes: Any) -> WriteSchedule:
        changes.setdefault("state", b'{"at":1}')
        changes.setdefault("due_ms", None)
        return WriteSchedule(
            partition=self.at(row.schedule),
            schedule=row.schedule,
            generation=row.generation,
            revision=row.revision,
            **changes,
        )

    async def write(self, row: ScheduleRow, **changes: Any) -> Written:
        """Write, and let what it sends arrive."""
        written = await self.call(self.write_call(row, **changes))
        await self.relay()
        return written

    async def due_rows(self, schedule: str = "nightly", **options: Any) -> DueSchedules:
        options.setdefault("scheduler", "scheduler-1")
        options.setdefault("lease", LEASE)
        return await self.call(ReadDueSchedules(partition=self.at(schedule), **options))

    async def due_ids(self) -> list[str]:
        """Of all partitions."""
        calls = [
            ReadDueSchedules(partition=partition, scheduler="s", lease=LEASE) for partition in range(self.partitions)
        ]
        return sorted([row.schedule for call in calls for row in (await self.call(call)).rows])

    async def now_ms(self, schedule: str = "nightly") -> int:
        return (await self.call(ReadStats(partition=self.at(schedule)))).now_ms

    async def ends(self, schedule: str = "nightly") -> list[tuple[str, str, bytes]]:
        return [(end.run, end.status, end.result) for end in (await self.read(schedule)).ends]


def order(instance: str, run: str = "run-a", slot_ms: int = 60_000, **options: Any) -> ScheduledStart:
    """One start of the workflow `report`."""
    link = ScheduleLink(schedule="nightly", slot_ms=slot_ms)
    started = WorkflowStarted(workflow="report", instance=instance, run=run, queue=QUEUE, schedule=link, payload=b"[1]")
    options.setdefault("retention", LONG)
    options.setdefault("attributes", {})
    options.setdefault("started", encode(started))
    return ScheduledStart(instance=instance, run=run, workflow="report", queue=QUEUE, slot_ms=slot_ms, **options)


class Scheduling:
    """Tests that stand at a bench for schedules."""

    @pytest.fixture
    def bench(self, backend: Backend, clock: Clock) -> ScheduleBench:
        return ScheduleBench(backend, clock)


class TestSchedule(Scheduling):
    """What is kept of a schedule."""

    async def test_a_schedule_is_kept_word_for_word(self, bench: ScheduleBench) -> None:
        """Spec, arguments and state are opaque to the store, any bytes at all."""
        row = await bench.create("nightly", generation="g1", spec=b"\x00\n{", args=b"\xff", state=b"", due_ms=5_000)
        assert (row.schedule, row.generation, row.revision) == ("nightly", "g1", 1)
        assert (row.spec, row.args, row.state, row.result) == (b"\x00\n{", b"\xff", b"", b"")
        assert (row.ends, row.broken, row.due_ms) == ((), "", 5_000)
        assert 0 <= row.now_ms - row.created_ms < 60_000

    async def test_a_repeated_creation_is_the_same_creation(self, bench: ScheduleBench) -> None:
        """The generation is the request id; another one finds the id in use."""
        call = bench.create_call(generation="g1")
        assert await bench.call(call)
        assert not await bench.call(call)
        await bench.refused(bench.create_call(generation="g2"), ScheduleExists)
        assert (await bench.read()).generation == "g1"

    async def test_what_is_not_there_is_not_found(self, bench: ScheduleBench) -> None:
        """By whatever call."""
        row = await bench.create()
        at = bench.at("nightly")
        await bench.call(DeleteSchedule(partition=at, schedule="nightly"))
        for call in (
            ReadSchedule(partition=at, schedule="nightly"),
            DeleteSchedule(partition=at, schedule="nightly"),
            bench.write_call(row),
            BreakSchedule(partition=at, schedule="nightly", generation=row.generation, revision=1, reason="x"),
        ):
            assert (await bench.refused(call, ScheduleNotFound)).schedule == "nightly"
        assert await bench.due_ids() == []

    async def test_the_first_writer_wins(self, bench: ScheduleBench) -> None:
        """Whoever read the same revision is told, and changes nothing [P9]."""
        row = await bench.create()
        assert (await bench.write(row, state=b"first", due_ms=7)).revision == 2
        await bench.refused(bench.write_call(row, state=b"second"), ScheduleChanged)
        row = await bench.read()
        assert (row.state, row.revision, row.due_ms, row.spec, row.args) == (b"first", 2, 7, b'{"when":1}', b"[1]")
        await bench.write(row, spec=b"s", args=b"a", result=b"r")
        row = await bench.read()
        assert (row.spec, row.args, row.result, row.due_ms, row.revision) == (b"s", b"a", b"r", None, 3)

    async def test_a_schedule_that_was_created_again_is_another_one(self, bench: ScheduleBench) -> None:
        """A writer that slept meanwhile does not take it for the old one."""
        row = await bench.create()
        at = bench.at("nightly")
        stale = DeleteSchedule(partition=at, schedule="nightly", revision=9)
        await bench.refused(stale, ScheduleChanged)
        await bench.call(DeleteSchedule(partition=at, schedule="nightly", revision=1))
        await bench.create()
        await bench.refused(bench.write_call(row), ScheduleChanged)
        late = BreakSchedule(partition=at, schedule="nightly", generation=row.generation, revision=1, reason="x")
        await bench.refused(late, ScheduleChanged)

    async def test_a_broken_schedule_is_left_alone_until_it_is_written_anew(self, bench: ScheduleBench) -> None:
        """It says why, is never due, and harms no other [P7]."""
        row = await bench.create("bad", due_ms=1)
        await bench.create("good", due_ms=1)
        reason = "no time zone is named X"
        await bench.call(
            BreakSchedule(
                partition=bench.at("bad"), schedule="bad", generation=row.generation, revision=1, reason=reason
            )
        )
        row = await bench.read("bad")
        assert (row.broken, row.due_ms, row.revision) == (reason, None, 2)
        await bench.write(row, due_ms=1)
        assert await bench.due_ids() == ["good"]
        await bench.write(await bench.read("bad"), spec=b"new", due_ms=1)
        assert (await bench.read("bad")).broken == ""
        assert await bench.due_ids() == ["bad", "good"]

    async def test_schedules_are_listed_by_id_page_by_page(self, bench: ScheduleBench) -> None:
        """Each once, whatever comes between two pages."""
        names = [f"s{number:02}" for number in range(12)]
        for name in reversed(names):
            await bench.create(name)
        found: list[str] = []
        for partition in range(bench.partitions):
            after: str | None = ""
            for _ in range(100):
                assert after is not None
                page = await bench.call(ListSchedules(partition=partition, after=after, limit=2))
                assert len(page.rows) <= 2
                found += [row.schedule for row in page.rows]
                after = page.cursor
                if after is None:
                    break
        assert sorted(found) == names
        partitions = [bench.at(name) for name in found]
        assert [(at, name) for at, name in zip(partitions, found, strict=True)] == sorted(
            zip(partitions, found, strict=True)
        )

    async def test_a_page_ends_at_about_a_megabyte(self, bench: ScheduleBench) -> None:
        """But it has one row at least."""
        names = [name for name in (f"s{number}" for number in range(40)) if bench.at(name) == bench.at("s0")][:3]
        for name in names:
            await bench.create(name, args=b"x" * 600_000, due_ms=1)
        page = await bench.call(ListSchedules(partition=bench.at("s0")))
        assert len(page.rows) == 1
        assert page.cursor == page.rows[0].schedule
        due = await bench.due_rows("s0")
        assert len(due.rows) == 1
        assert due.next_due_ms == 1


class TestDueSchedules(Scheduling):
    """What schedulers find to do."""

    async def test_the_store_tells_what_is_due_by_its_own_clock(self, bench: ScheduleBench) -> None:
        """The longest overdue first, as many as wanted, and when the next is due."""
        now_ms = await bench.now_ms("a")
        names = [name for name in (f"s{number}" for number in range(60)) if bench.at(name) == bench.at("a")][:3]
        first, second, third = names
        await bench.create(second, due_ms=now_ms - 10)
        await bench.create(first, due_ms=now_ms - 20)
        await bench.create(third, due_ms=now_ms + 60_000)
        found = await bench.due_rows("a", limit=1)
        assert [row.schedule for row in found.rows] == [first]
        assert found.next_due_ms == now_ms - 10
        found = await bench.due_rows("a")
        assert [row.schedule for row in found.rows] == [first, second]
        assert found.next_due_ms == now_ms + 60_000
        assert found.now_ms >= now_ms
        part = await bench.due_rows("a", skip=1)
        assert ([row.schedule for row in part.rows], part.next_due_ms) == ([second], now_ms + 60_000)
        part = await bench.due_rows("a", skip=3)
        assert (part.rows, part.next_due_ms) == ((), None)
        await bench.write(found.rows[0])
        await bench.write(found.rows[1])
        await bench.write(await bench.read(third))
        found = await bench.due_rows("a")
        assert (found.rows, found.next_due_ms, found.outbox) == ((), None, 0)

    async def test_a_step_whose_time_has_passed_or_not_come_is_refused(self, bench: ScheduleBench) -> None:
        """A scheduler whose clock is off, or that slept too long, does no harm."""
        row = await bench.create()
        now_ms = await bench.now_ms()
        early = bench.write_call(row, not_before_ms=now_ms + 3_600_000, starts=(order("early"),))
        late = bench.write_call(row, not_after_ms=now_ms - 1, starts=(order("late"),))
        await bench.refused(early, ScheduleChanged)
        await bench.refused(late, ScheduleChanged)
        assert await bench.listing() == []
        await bench.write(row, not_before_ms=now_ms, not_after_ms=now_ms + 60_000, starts=(order("right"),))
        assert [row.instance for row in await bench.listing()] == ["right"]

    async def test_schedulers_are_told_when_one_is_due_sooner(self, bench: ScheduleBench) -> None:
        """When one becomes the soonest of its partition; the others they find when they look."""
        at = bench.at("a")
        same = [name for name in (f"s{number}" for number in range(60)) if bench.at(name) == at][:2]
        async with bench.backend.watch_schedules(at) as watch:
            await bench.create(same[0], due_ms=5_000)
            assert await watch.wait(5)
            await bench.create(same[1], due_ms=6_000)
            await bench.write(await bench.read(same[1]), due_ms=7_000)
            assert not await watch.wait(0.05)
            await bench.write(await bench.read(same[1]), due_ms=4_000)
            assert await watch.wait(5)

    async def test_schedulers_that_live_are_counted(self, bench: ScheduleBench) -> None:
        """While they look now and then; and so are schedules, and those that nobody looks at in time."""
        now_ms = await bench.now_ms("a")
        await bench.create("a", due_ms=now_ms - 1)
        at = bench.at("a")
        stats = await bench.call(ReadStats(partition=at))
        assert (stats.schedules, stats.schedules_late, stats.schedulers) == (1, 1, 0)
        await bench.due_rows("a", scheduler="one", lease=BLINK)
        await bench.due_rows("a", scheduler="two")
        await bench.due_rows("a", scheduler="two")
        await bench.clock.pass_by(BLINK * 2)
        await bench.write(await bench.read("a"), due_ms=None)
        stats = await bench.call(ReadStats(partition=at))
        assert (stats.schedules, stats.schedules_late, stats.schedulers) == (1, 0, 1)


class TestScheduleLimits:
    """What is refused before anything is written."""

    @pytest.fixture
    def bench(self, tight_backend: Backend, clock: Clock) -> ScheduleBench:
        return ScheduleBench(tight_backend, clock)

    async def test_names_and_values_that_pass_a_limit_are_refused(self, bench: ScheduleBench) -> None:
        """Of the schedule, and of what it starts."""
        long, large = "n" * (TIGHT.name_bytes + 1), b"x" * (TIGHT.payload_bytes + 1)
        await bench.refused(bench.create_call(""), BadInput)
        await bench.refused(bench.create_call(long), LimitReached)
        for field in ("spec", "args", "state"):
            await bench.refused(bench.create_call("nightly", **{field: large}), PayloadTooLarge)
        row = await bench.create()
        for field in ("spec", "args", "state", "result"):
            await bench.refused(bench.write_call(row, **{field: large}), PayloadTooLarge)
        for start in (order(""), order("i" * (TIGHT.id_bytes + 1)), order("n/1", attributes={long: 1})):
            await bench.refused(bench.write_call(row, starts=(start,)), LimitReached)
        big = order("n/1", started=b"[]\n" + large)
        await bench.refused(bench.write_call(row, starts=(big,)), PayloadTooLarge)
        assert (await bench.read()).revision == 1
