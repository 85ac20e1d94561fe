"""Firing: what a schedule starts and stops in one step, and how it is told what became of it."""

from __future__ import annotations

from typing import Final

from rqflow.backend.calls.instances import Purge
from rqflow.backend.calls.schedules import BreakSchedule, DeleteSchedule, ScheduledCheck, ScheduledStop
from rqflow.core.events import ScheduleLink, WorkflowCompleted, WorkflowFailed, WorkflowStarted
from rqflow.errors import ScheduleChanged
from rqflow.testing.conformance.actor import DONE
from rqflow.testing.conformance.bench import LONG
from rqflow.testing.conformance.deeds import BROKEN, continued, finish, news_of, worker
from rqflow.testing.conformance.moving import BLINK
from rqflow.testing.conformance.schedules import ScheduleBench, Scheduling, order

THREE: Final = (
    order("n/1", "run-1"),
    order("n/2", "run-2", keep_result=True),
    order("n/3", "run-3", keep_result=True),
)
"""Starts of one step; the results of two of them are wanted."""


class TestFiring(Scheduling):
    """What a schedule starts and stops, in its own partition and in others."""

    async def test_a_slot_starts_one_instance_whoever_tries(self, bench: ScheduleBench) -> None:
        """Two schedulers that read the same write the same: one of them starts it [P9]."""
        row = await bench.create()
        call = bench.write_call(row, starts=(order("nightly/1", "run-1"),), due_ms=9_000)
        answers = await bench.backend.send([call, call, call])
        assert [isinstance(answer, ScheduleChanged) for answer in answers] == [False, True, True]
        await bench.relay()
        [found] = await bench.listing()
        assert (found.instance, found.run, found.workflow, found.status) == ("nightly/1", "run-1", "report", "running")

    async def test_an_instance_knows_the_schedule_that_started_it(self, bench: ScheduleBench) -> None:
        """Its row shows it, and its first news says it; all options of the start are kept."""
        actor = await worker(bench)
        row = await bench.create()
        start = order("n/1", slot_ms=90_000, attributes={"city": "Bern"}, priority=3, lane="l", timeout=LONG)
        await bench.write(row, starts=(start,))
        found = await bench.describe("n/1")
        assert (found.schedule, found.slot and found.slot.timestamp()) == ("nightly", 90.0)
        assert (found.attributes, found.priority, found.lane, found.parent) == ({"city": "Bern"}, 3, "l", "")
        assert found.deadline is not None
        [event] = news_of(await actor.turn("n/1"))
        assert isinstance(event, WorkflowStarted)
        assert event.schedule == ScheduleLink(schedule="nightly", slot_ms=90_000)
        other = await bench.start("by-hand")
        assert (await bench.describe(other.instance)).schedule == ""

    async def test_many_start_in_one_step(self, bench: ScheduleBench) -> None:
        """In whichever partition each lives."""
        row = await bench.create()
        await bench.write(row, starts=tuple(order(f"n/{number}", f"run-{number}") for number in range(50)))
        assert len(await bench.listing(status="running")) == 50


class TestEndOfRun(Scheduling):
    """How a schedule learns of the end of what it started."""

    async def test_an_end_makes_its_schedule_due_at_once(self, bench: ScheduleBench) -> None:
        """It says how; the result comes along only where it is wanted."""
        actor = await worker(bench)
        row = await bench.create()
        await bench.write(row, starts=THREE, due_ms=await bench.now_ms() + 3_600_000)
        turns = await actor.turns()
        await actor.commit(turns["n/1"], close=DONE)
        assert await bench.due_ids() == ["nightly"]
        await actor.commit(turns["n/2"], close=WorkflowCompleted(payload=b'"two\n"'))
        await actor.commit(turns["n/3"], close=WorkflowFailed(payload=BROKEN))
        row = await bench.read()
        assert await bench.ends() == [
            ("run-1", "completed", b""),
            ("run-2", "completed", b'"two\n"'),
            ("run-3", "failed", b""),
        ]
        assert row.ends[0].at_ms <= row.now_ms
        await bench.write(row, ends=2)
        assert await bench.ends() == [("run-3", "failed", b"")]
        assert await bench.due_ids() == ["nightly"]
        await bench.write(await bench.read(), ends=1)
        assert await bench.due_ids() == []

    async def test_every_kind_of_end_is_told(self, bench: ScheduleBench) -> None:
        """Terminated, timed out, purged while open, replaced by another start: no run stays open in the books."""
        row = await bench.create()
        starts = (
            order("n/1", "run-1"),
            order("n/2", "run-2", timeout=BLINK),
            order("n/3", "run-3"),
            order("n/4", "run-4"),
        )
        await bench.write(row, starts=starts)
        await bench.terminate("n/1")
        await bench.call(Purge(partition=bench.at("n/3"), instance="n/3", force=True))
        await bench.start("n/4", on_conflict="terminate_existing")
        await bench.wait()
        assert sorted(await bench.ends()) == [
            ("run-1", "terminated", b""),
            ("run-2", "timed_out", b""),
            ("run-3", "terminated", b""),
            ("run-4", "terminated", b""),
        ]

    async def test_what_is_asked_after_tells_its_end_again_or_that_it_is_not_there(self, bench: ScheduleBench) -> None:
        """What still runs says nothing, nor does a start that is on its way; another instance of the id is not it."""
        actor = await worker(bench)
        row = await bench.create()
        await bench.write(row, starts=(order("n/1", "run-1"), order("n/2", "run-2", keep_result=True)))
        await actor.commit((await actor.turns())["n/2"], close=WorkflowCompleted(payload=b"2"))
        await bench.start("n/4", run="by-hand")
        row = await bench.read()
        runs = (("n/1", "run-1"), ("n/2", "run-2"), ("n/3", "run-3"), ("n/4", "run-4"), ("n/5", "run-5"))
        checks = tuple(ScheduledCheck(instance=instance, run=run) for instance, run in runs)
        due_ms = await bench.now_ms() + 3_600_000
        await bench.write(row, ends=len(row.ends), starts=(order("n/5", "run-5"),), checks=checks, due_ms=due_ms)
        assert sorted(await bench.ends()) == [
            ("run-2", "completed", b"2"),
            ("run-3", "lost", b""),
            ("run-4", "lost", b""),
        ]
        assert await bench.due_ids() == ["nightly"]

    async def test_a_start_whose_id_is_in_use_is_told_as_refused(self, bench: ScheduleBench) -> None:
        """The instance that has the id is left alone; one that has ended makes room."""
        actor = await worker(bench)
        await bench.start("n/1", run="by-hand")
        await bench.start("n/2", run="by-hand-too")
        await actor.commit((await actor.turns())["n/2"], close=DONE)
        row = await bench.create()
        await bench.write(row, starts=(order("n/1", "run-1"), order("n/2", "run-2")))
        assert await bench.ends() == [("run-1", "refused", b"")]
        assert ((await bench.outcome("n/1")).run, (await bench.outcome("n/2")).run) == ("by-hand", "run-2")

    async def test_a_run_that_continues_as_new_ends_once(self, bench: ScheduleBench) -> None:
        """Under the run that it was started with, when its last run ends."""
        actor = await worker(bench)
        row = await bench.create()
        await bench.write(row, starts=(order("n/1", "run-1"),))
        task = await actor.turn("n/1")
        await actor.commit(task, close=continued(task, "run-1b"))
        assert await bench.ends() == []
        assert (await bench.describe("n/1")).schedule == "nightly"
        await finish(actor, "n/1")
        assert await bench.ends() == [("run-1", "completed", b"")]

    async def test_runs_are_stopped_before_others_start(self, bench: ScheduleBench) -> None:
        """Asked to cancel, or terminated; an instance that has the id by now and is another one is left alone."""
        row = await bench.create()
        await bench.write(row, starts=(order("n/1", "run-1"), order("n/2", "run-2"), order("n/3", "run-3")))
        await bench.start("n/3", run="another", on_conflict="terminate_existing")
        await bench.relay()
        stops = (
            ScheduledStop(instance="n/1", run="run-1", terminate=False, reason="the next slot"),
            ScheduledStop(instance="n/2", run="run-2", terminate=True, reason="the next slot"),
            ScheduledStop(instance="n/3", run="run-3", terminate=True, reason="the next slot"),
            ScheduledStop(instance="n/9", run="run-9", terminate=False, reason="the next slot"),
        )
        row = await bench.read()
        await bench.write(row, ends=len(row.ends), stops=stops, starts=(order("n/2", "run-2b"),))
        assert (await bench.describe("n/1")).cancel_requested
        assert (await bench.outcome("n/3")).run == "another"
        assert (await bench.status("n/3"), (await bench.outcome("n/2")).run) == ("running", "run-2b")
        assert await bench.ends() == [("run-2", "terminated", b"")]

    async def test_what_a_deleted_schedule_started_goes_on(self, bench: ScheduleBench) -> None:
        """Its end tells nobody, not even a schedule that was created under the same id since."""
        actor = await worker(bench)
        row = await bench.create()
        await bench.write(row, starts=(order("n/1", "run-1"), order("n/2", "run-2")))
        await bench.call(DeleteSchedule(partition=bench.at("nightly"), schedule="nightly"))
        turns = await actor.turns()
        await actor.commit(turns["n/1"], close=DONE)
        await bench.create()
        await actor.commit(turns["n/2"], close=DONE)
        assert await bench.ends() == []
        assert await bench.due_ids() == []

    async def test_a_broken_schedule_hears_of_ends_and_is_not_due(self, bench: ScheduleBench) -> None:
        """They are there when it is mended."""
        actor = await worker(bench)
        row = await bench.create()
        await bench.write(row, starts=(order("n/1", "run-1"),))
        await bench.call(
            BreakSchedule(
                partition=bench.at("nightly"), schedule="nightly", generation=row.generation, revision=2, reason="x"
            )
        )
        await finish(actor, "n/1")
        assert await bench.due_ids() == []
        assert len(await bench.ends()) == 1
        await bench.write(await bench.read(), spec=b"new")
        assert await bench.due_ids() == ["nightly"]


class TestEndsAgain(Scheduling):
    """Ends that are told again, and ends that are many."""

    async def test_a_repeated_start_is_the_same_start(self, bench: ScheduleBench) -> None:
        """An instance that runs goes on; one that has ended is told again as it ended: none stays in the books."""
        actor = await worker(bench)
        row = await bench.create()
        await bench.write(row, starts=THREE)
        turns = await actor.turns()
        await actor.commit(turns["n/2"], close=WorkflowCompleted(payload=b'"two"'))
        await actor.commit(turns["n/3"], close=WorkflowFailed(payload=BROKEN))
        row = await bench.read()
        await bench.write(row, ends=len(row.ends), starts=THREE)
        told = [("run-2", "completed", b'"two"'), ("run-3", "failed", b"")]
        assert sorted(await bench.ends()) == told
        assert await bench.status("n/1") == "running"
        await actor.commit(turns["n/1"], close=DONE)
        assert sorted(await bench.ends()) == [("run-1", "completed", b""), *told]

    async def test_many_large_ends_are_shown_a_few_at_a_time(self, bench: ScheduleBench) -> None:
        """[P10] About a megabyte of results, at least one; the schedule stays due until all have been seen."""
        actor = await worker(bench)
        row = await bench.create()
        large = b'"' + b"x" * 700_000 + b'"'
        await bench.write(
            row, starts=tuple(order(f"n/{number}", f"run-{number}", keep_result=True) for number in (1, 2))
        )
        for task in (await actor.turns()).values():
            await actor.commit(task, close=WorkflowCompleted(payload=large))
        seen: list[str] = []
        for _ in range(2):
            assert await bench.due_ids() == ["nightly"]
            row = await bench.read()
            assert [end.result for end in row.ends] == [large]
            seen += (end.run for end in row.ends)
            await bench.write(row, ends=len(row.ends))
        assert (sorted(seen), await bench.ends(), await bench.due_ids()) == (["run-1", "run-2"], [], [])
