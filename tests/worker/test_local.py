"""Local activities: run inside the turn that called them, recorded, by the rules of any activity (PARITY B26)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from rqflow.authoring.activity_face import activity
from rqflow.authoring.workflow_face import workflow
from rqflow.backend.calls.call import Call
from rqflow.backend.calls.instances import Resume, Suspend
from rqflow.backend.calls.tasks import Commit
from rqflow.core import events
from rqflow.core.options import Retry
from rqflow.errors import BackendError, BackendUnavailable, BadInput
from rqflow.testing.fates import Fate, FatedBackend
from rqflow.testing.histories import faults_of_events
from rqflow.worker import local_activities
from rqflow.worker.options import WorkerOptions
from tests.worker.ground import Ground, settled
from tests.worker.local_flows import (
    FLOWS,
    GATES,
    KEYS,
    RAN,
    clock,
    durable_row,
    gate,
    gated,
    limited,
    mixed,
    near,
    raced,
    row,
    tries,
)


@pytest.fixture(autouse=True)
def fresh() -> None:
    """Nothing ran yet."""
    RAN.clear()
    KEYS.clear()
    GATES.clear()


def names_of(found: list[Any]) -> list[str]:
    return [type(event).__name__ for event in found]


async def test_local_activities_are_one_turn_and_one_history(ground: Ground) -> None:
    """[B26] Scheduled, ended, scheduled, ended …: as of activities from a queue, and committed together."""
    async with ground.worker(*FLOWS) as worker:
        instance = await ground.start(row, "a", 3)
        assert await ground.result(instance) == ["A0", "A1", "A2"]
        assert worker.desk.turns.turned == 1
    found = await ground.events(instance)
    steps = ["ActivityScheduled", "ActivityCompleted"] * 3
    assert names_of(found) == ["WorkflowStarted", *steps, "WorkflowCompleted"]
    assert all(event.local for event in found if isinstance(event, events.ActivityScheduled))
    assert all(event.at_ms for event in found if isinstance(event, events.ActivityCompleted))
    assert RAN == {"a0": 1, "a1": 1, "a2": 1}


async def test_local_activities_stand_beside_everything_else(ground: Ground) -> None:
    """[B26] Gathered with activities of queues, threads and timers; `.options(local=True)` changes one call."""
    async with ground.worker(*FLOWS):
        instance = await ground.start(mixed, "m")
        assert await ground.result(instance) == ["M1", "M2", "M3", "M4"]
    found = await ground.events(instance)
    local = [event.local for event in found if isinstance(event, events.ActivityScheduled)]
    assert local == [True, False, True, True]


async def test_each_durable_result_is_committed_before_the_next_step_begins(memory_ground: Ground) -> None:
    """[B26] One commit for each step, and all in the same turn: nothing is queued in between."""
    lengths: list[int] = []

    @activity(local="durable")
    async def look(instance: str) -> None:
        lengths.append((await memory_ground.describe(instance)).history_length)

    @workflow
    async def looks() -> None:
        for _ in range(3):
            await look(workflow.info().instance)

    async with memory_ground.worker(looks, look) as worker:
        instance = await memory_ground.start(looks)
        assert await memory_ground.result(instance) is None
        assert worker.desk.turns.turned == 1
    assert lengths == [0, 4, 6]


async def test_a_local_activity_is_tried_again_like_any_other(ground: Ground) -> None:
    """[B26, P5] By its policy, with the details of its last heartbeat, and the same idempotency key at each try; only
    its end is recorded."""
    async with ground.worker(*FLOWS):
        instance = await ground.start(tries, "t", 3)
        assert await ground.result(instance) == 3
        failure = await ground.failure(await ground.start(tries, "u", 4))
    assert (RAN["t"], RAN["u"]) == (3, 3)
    assert len(set(KEYS["t"])) == 1
    assert failure.cause is not None
    assert failure.cause.message == "u fails"
    assert names_of(await ground.events(instance))[1:3] == ["ActivityScheduled", "ActivityCompleted"]


async def test_what_fails_a_local_activity_is_told_as_of_any_other(memory_ground: Ground) -> None:
    """[B26] Its exception, arguments and results that do not fit or are too large, its time limits; and code that wants
    a process of its own, if it is called by name only."""

    @activity(local=True, timeout=0.01, retry=Retry(max_attempts=2, initial=timedelta(0)))
    async def slow() -> None:
        await asyncio.sleep(60)

    @activity(local=True, heartbeat=0.01)
    def silent() -> None:
        while not activity.is_cancelled():
            time.sleep(0.001)

    @activity(local=True)
    async def misfit() -> int:
        return "no number"  # type: ignore[return-value]

    @activity(local=True)
    async def huge() -> str:
        return "x" * (memory_ground.backend.limits.payload_bytes + 1)

    @activity(local=True)
    async def gives_up() -> None:
        raise asyncio.CancelledError("of its own")

    @activity(isolate="process")
    def apart() -> None: ...

    @workflow
    async def all_of_them() -> list[str]:
        calls = [slow(), silent(), misfit(), huge(), gives_up()]
        calls += [workflow.execute_activity(name, local=True) for name in ("apart",)]
        calls += [workflow.execute_activity("slow", "unexpected", local=True)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        return [str(each.__cause__ or each) if isinstance(each, Exception) else "fine" for each in answers]

    async with memory_ground.worker(all_of_them, slow, silent, misfit, huge, gives_up, apart):
        told = await memory_ground.result(await memory_ground.start(all_of_them))
    says = ["timeout of 0:00:00.010", "heartbeat of", "result", "result", "of its own"]
    says += ['isolate="process" and cannot run in a workflow', "takes 0 positional arguments"]
    assert len(told) == len(says)
    for text, word in zip(told, says, strict=True):
        assert word in text, told


async def test_news_come_to_a_turn_while_its_local_activity_runs(ground: Ground) -> None:
    """[B26, P8] A signal wins the race, and the activity that nobody waits for any more is stopped."""
    GATES["r"] = asyncio.Event()
    async with ground.worker(*FLOWS):
        instance = await ground.start(raced, "r")
        await settled(lambda: RAN["r"] == 1)
        await ground.signal(instance, "go", "first")
        assert await ground.result(instance) == "signal first"
        await settled(lambda: RAN["r stopped"] == 1)
    assert "ActivityCancelRequested" in names_of(await ground.events(instance))


async def test_a_time_limit_ends_the_wait_for_a_local_activity(ground: Ground) -> None:
    """[B26] Timers and cancellation do not wait for the end of the turn."""
    GATES.update(late=asyncio.Event(), stopped=asyncio.Event())
    async with ground.worker(*FLOWS):
        assert await ground.result(await ground.start(limited, "late")) == "late"
        instance = await ground.start(gate, "stopped")
        await settled(lambda: RAN["stopped"] == 1)
        await ground.cancel(instance)
        assert (await ground.end(instance)).status == "canceled"
        await settled(lambda: RAN["stopped stopped"] == 1)


async def test_a_slow_local_activity_holds_nobody_up(ground: Ground) -> None:
    """[B26, P7] Others are taken and turned beside it, those that come later too, and questions are answered."""
    GATES["slow"] = asyncio.Event()
    async with ground.worker(*FLOWS) as worker:
        slow = await ground.start(gate, "slow")
        await settled(lambda: RAN["slow"] == 1)
        await ground.grown(slow, 2)
        for number in range(3):
            assert await ground.result(await ground.start(row, f"b{number}", 2)) == [f"B{number}0", f"B{number}1"]
        assert await ground.query(slow, "word") == "slow"
        assert not worker.desk.idle
        GATES["slow"].set()
        assert await ground.result(slow) == "SLOW"
        await settled(lambda: worker.desk.idle)


async def test_so_many_local_activities_run_at_a_time_and_the_others_wait(memory_ground: Ground) -> None:
    """[B26, P10] In the order in which they were asked for."""
    most = running = 0

    @activity(local=True)
    async def counted() -> None:
        nonlocal most, running
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        running -= 1

    @workflow
    async def wide() -> None:
        await asyncio.gather(*(counted() for _ in range(20)))

    async with memory_ground.worker(wide, counted, local_slots=3):
        await memory_ground.result(await memory_ground.start(wide))
    assert most == 3
    with pytest.raises(BadInput, match="local_slots must be at least 1"):
        WorkerOptions(local_slots=0)


async def test_a_local_activity_that_waits_too_long_for_its_place_fails(memory_ground: Ground) -> None:
    """[B26] Its schedule_to_start counts from when it was asked for."""

    @activity(local=True, schedule_to_start=0.005)
    async def crowded() -> None:
        await asyncio.sleep(0.02)

    @workflow
    async def crowd() -> str:
        answers = await asyncio.gather(crowded(), crowded(), return_exceptions=True)
        return str(answers[1])

    async with memory_ground.worker(crowd, crowded, local_slots=1):
        assert "schedule_to_start of" in await memory_ground.result(await memory_ground.start(crowd))


async def test_a_turn_commits_what_it_has_before_it_is_too_much(memory_ground: Ground) -> None:
    """[B26, P10] So many events, so many bytes: a turn of any length is written in parts, and read as one history."""

    @activity(local=True)
    async def big(size: int) -> str:
        return "x" * size

    @workflow
    async def long() -> int:
        await asyncio.gather(*(big(1) for _ in range(600)))
        for _ in range(4):
            await big(100_000)
        return 604

    async with memory_ground.worker(long, big, cache_size=0) as worker:
        instance = await memory_ground.start(long)
        assert await memory_ground.result(instance) == 604
        assert worker.desk.turns.turned == 1
    assert len(await memory_ground.events(instance)) == 2 + 2 * 604


async def test_a_runs_time_goes_on_within_a_turn_and_never_ahead_of_the_stores(ground: Ground) -> None:
    """[B26, P4] Each step has the time at which its turn heard of it, and no commit is stamped before that."""
    async with ground.worker(*FLOWS):
        instance = await ground.start(clock, 20)
        times = await ground.result(instance)
    assert times == sorted(times)
    assert times[-1] - times[0] >= 0.019
    ended = [event.at_ms for event in await ground.events(instance) if isinstance(event, events.ActivityCompleted)]
    assert [round(each * 1000) for each in times[1:]] == ended
    closed_at = (await ground.describe(instance)).closed_at
    assert closed_at is not None
    assert (ended[-1] or 0) <= closed_at.timestamp() * 1000


async def test_an_unknown_local_activity_waits_for_a_worker_that_knows_it(ground: Ground) -> None:
    """[B26, P6] What the turn has come to is kept, the task goes back, and nothing stalls."""

    @workflow
    async def modern(word: str) -> list[str]:
        return [await near(word), await gated(word)]

    GATES["new"] = asyncio.Event()
    GATES["new"].set()
    async with ground.worker(modern, near):
        instance = await ground.start(modern, "new")
        await ground.grown(instance, 4)
    assert (await ground.outcome(instance)).status == "running"
    async with ground.worker(modern, near, gated):
        assert await ground.result(instance) == ["NEW", "NEW"]
    assert RAN["new"] == 2


async def test_a_worker_that_leaves_hands_its_open_turns_over(ground: Ground) -> None:
    """[B26, P6] What runs is waited for, what is not begun is for others, and nothing that was done is done again."""
    GATES["w0"] = asyncio.Event()

    @workflow
    async def two(word: str) -> list[str]:
        return [await gated(f"{word}{number}") for number in range(2)]

    first = ground.worker(two, gated)
    async with first:
        instance = await ground.start(two, "w")
        await settled(lambda: RAN["w0"] == 1)
        first.stop()
        GATES.update(w1=asyncio.Event())
        GATES["w0"].set()
        GATES["w1"].set()
    assert (await ground.outcome(instance)).status == "running"
    async with ground.worker(two, gated):
        assert await ground.result(instance) == ["W0", "W1"]
    assert (RAN["w0"], RAN["w1"]) == (1, 1)


async def test_a_worker_that_is_told_to_stop_at_once_stops_its_local_activities(ground: Ground) -> None:
    """[B26, P6] Another worker begins them again."""
    GATES["x"] = asyncio.Event()
    first = ground.worker(*FLOWS)
    async with first:
        instance = await ground.start(gate, "x")
        await settled(lambda: RAN["x"] == 1)
        first.stop(now=True)
    assert RAN["x stopped"] == 1
    GATES["x"].set()
    async with ground.worker(*FLOWS):
        assert await ground.result(instance) == "X"
    assert RAN["x"] == 2


async def test_p3_a_worker_that_lost_its_lease_stops_its_open_turns(ground: Ground) -> None:
    """[P3] Whatever its local activities come to afterwards changes nothing, and its own next worker goes on."""
    GATES["y"] = asyncio.Event()
    async with ground.worker(*FLOWS) as worker:
        instance = await ground.start(gate, "y")
        await settled(lambda: RAN["y"] == 1)
        worker.standing.lose("the test says so", worker.standing.epoch)
        await settled(lambda: RAN["y stopped"] == 1)
        GATES["y"].set()
        assert await ground.result(instance) == "Y"
    assert RAN["y"] == 2
    ends = [event for event in await ground.events(instance) if isinstance(event, events.ActivityCompleted)]
    assert len(ends) == 1


async def test_a_suspended_instance_stops_its_local_activity_and_begins_it_again(ground: Ground) -> None:
    """[B6, B26] Though there is no news when it is resumed."""
    GATES["z"] = asyncio.Event()
    async with ground.worker(*FLOWS):
        instance = await ground.start(gate, "z")
        await settled(lambda: RAN["z"] == 1)
        await ground.backend.call(Suspend(partition=ground.at(instance), instance=instance))
        await settled(lambda: RAN["z stopped"] == 1)
        GATES["z"].set()
        await ground.backend.call(Resume(partition=ground.at(instance), instance=instance))
        assert await ground.result(instance) == "Z"


async def test_p2_a_run_that_passes_a_limit_in_an_open_turn_fails_and_says_so(memory_ground: Ground) -> None:
    """[P10] Arguments that are too large, before anything is begun with them."""

    @workflow
    async def too_much(size: int) -> str:
        return str(await near("x" * size))

    async with memory_ground.worker(too_much, near):
        failure = await memory_ground.failure(await memory_ground.start(too_much, 3_000_000))
    assert "activity near: arguments" in failure.message


class Lossy(FatedBackend):
    """Commits that keep their task are carried out, and their answers lost, so many times."""

    left = 3

    async def send(self, calls: Sequence[Call[Any]]) -> list[Any]:
        answers = await super().send(calls)
        if self.left and any(isinstance(call, Commit) and call.keep for call in calls):
            self.left -= 1
            raise BackendUnavailable("the answer is lost")
        return answers


async def test_p6_a_turn_whose_commits_are_not_answered_is_taken_up_again(ground: Ground) -> None:
    """[P2, P5, P6] The commit that is sent again is refused, for it was carried out; the worker asks for what it holds,
    and goes on from the history: no step is recorded twice, and none is left to nobody."""
    backend = Lossy(ground.backend, Fate())
    lossy = Ground(backend, ground.leases)
    async with lossy.worker(*FLOWS):
        instance = await ground.start(durable_row, "l", 4)
        assert await ground.result(instance) == ["L0", "L1", "L2", "L3"]
    assert backend.left == 0
    assert faults_of_events(await ground.events(instance)) == []


async def test_p1_a_store_that_is_away_for_a_while_costs_an_open_turn_nothing(ground: Ground) -> None:
    """[P1, B26] What it wants to commit goes out again."""

    class Away(FatedBackend):
        left = 3

        async def send(self, calls: Sequence[Call[Any]]) -> list[Any]:
            if self.left and any(isinstance(call, Commit) and call.keep for call in calls):
                self.left -= 1
                raise BackendUnavailable("not now")
            return await super().send(calls)

    async with Ground(Away(ground.backend, Fate()), ground.leases).worker(*FLOWS) as worker:
        instance = await ground.start(durable_row, "away", 3)
        assert await ground.result(instance) == ["AWAY0", "AWAY1", "AWAY2"]
        assert worker.desk.turns.turned == 1
    assert set(RAN.values()) == {1}


async def test_p7_a_commit_that_the_store_breaks_over_sets_its_instance_aside(memory_ground: Ground) -> None:
    """[P7] As of any turn: with the reason, and others go on."""

    class Broken(FatedBackend):
        async def send(self, calls: Sequence[Call[Any]]) -> list[Any]:
            broken = [isinstance(call, Commit) and call.keep for call in calls]
            answers = iter(await super().send([call for call, bad in zip(calls, broken, strict=True) if not bad]))
            return [BackendError("spoiled keys") if bad else next(answers) for bad in broken]

    async with Ground(Broken(memory_ground.backend, Fate()), memory_ground.leases).worker(*FLOWS):
        instance = await memory_ground.start(durable_row, "b", 2)
        assert (await memory_ground.until(instance, "stalled")).status == "stalled"
        assert "spoiled keys" in (await memory_ground.describe(instance)).reason
        assert await memory_ground.result(await memory_ground.start(row, "c", 2)) == ["C0", "C1"]


async def test_a_fault_of_the_worker_around_a_local_activity_is_its_failure(
    memory_ground: Ground, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """[P7] The turn goes on, and the log says it: nobody waits for ever."""
    monkeypatch.setattr(local_activities, "class_names", lambda error: 1 / 0)
    async with memory_ground.worker(*FLOWS):
        failure = await memory_ground.failure(await memory_ground.start(tries, "f", 3))
    assert failure.cause is not None
    assert "division by zero" in failure.cause.message
    assert any("the worker failed around it" in record.getMessage() for record in caplog.records)
