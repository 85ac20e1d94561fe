"""Workers: leases that live, end and are taken over; tasks that kill whoever takes them."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from rqflow.backend.calls.tasks import ActivityTask, Sweep, WorkflowTask
from rqflow.errors import LeaseLost
from rqflow.testing.conformance.actor import DONE, Actor
from rqflow.testing.conformance.bench import LONG, Bench
from rqflow.testing.conformance.deeds import (
    charge,
    complete_call,
    dies,
    give_back_call,
    resume,
    suspend,
    worker,
)
from rqflow.testing.conformance.moving import BLINK
from rqflow.testing.conformance.standing import Standing


class TestLease(Standing):
    """A worker's lease [A4]."""

    async def test_a_renewed_lease_lives(self, bench: Bench) -> None:
        """Long work is not taken over as long as its worker says a word in time."""
        actor = await worker(bench, lease=BLINK)
        other = await worker(bench, "other")
        await bench.start()
        task = await actor.turn()
        assert await actor.renew(lease=LONG) == [True] * bench.partitions
        await bench.clock.pass_by(2 * BLINK)
        await other.sweep()
        assert await other.take() == []
        await actor.commit(task, close=DONE)

    async def test_p6_a_worker_is_told_when_the_next_lease_of_another_ends(self, bench: Bench) -> None:
        """[P6] So it is there when there is something to take over, and need not look before."""
        actor = await worker(bench, lease=BLINK)
        assert (await actor.taken(0)).next_lapse_ms is None
        await worker(bench, "later", lease=2 * LONG)
        await worker(bench, "sooner", lease=LONG)
        taken = await actor.taken(0)
        assert taken.next_lapse_ms is not None
        assert 0 < taken.next_lapse_ms - taken.now_ms <= LONG / timedelta(milliseconds=1)

    async def test_p3_a_dead_worker_that_wakes_changes_nothing(self, bench: Bench) -> None:
        """Declared dead, its renewals, takes, commits and results are refused; it comes back under a new id."""
        actor = await worker(bench)
        survivor = await worker(bench, "survivor")
        await bench.start("order")
        await actor.commit(await actor.turn(), charge(1))
        await bench.start("other")
        running = next(task for task in await actor.take() if isinstance(task, ActivityTask))
        turn = next(task for task in await actor.take(again=True) if isinstance(task, WorkflowTask))
        await dies(bench, actor, survivor)
        assert await actor.renew() == [False] * bench.partitions
        await bench.refused(complete_call(running), LeaseLost)
        await bench.refused(actor.commit_call(turn), LeaseLost)
        await bench.refused(give_back_call(turn), LeaseLost)
        tasks = await survivor.take()
        assert {type(task) for task in tasks} == {ActivityTask, WorkflowTask}
        answers = await bench.backend.send([actor.take_call(bench.at("order"))])
        assert isinstance(answers[0], LeaseLost) or answers[0].tasks == ()
        again = await worker(bench, "worker-1-again")
        assert await again.renew() == [True] * bench.partitions

    async def test_p3_a_dead_workers_heartbeat_steals_nothing_back(self, bench: Bench) -> None:
        """The attempt is another's now, with what the heartbeats before had left."""
        actor = await worker(bench)
        survivor = await worker(bench, "survivor")
        await bench.start()
        await actor.commit(await actor.turn(), charge(1))
        first = await actor.activity()
        await actor.renew(heartbeats=((first.token, b"10 %"), ("nonsense", b"?")))
        await dies(bench, actor, survivor)
        await actor.renew(heartbeats=((first.token, b"zombie"),))
        second = await survivor.activity()
        assert (second.attempt, second.losses, second.details) == (2, 1, b"10 %")
        await actor.renew(heartbeats=((second.token, b"zombie"),))
        # Alive again under another id, it still speaks for what it does not hold.
        again = await worker(bench, "worker-1-again")
        await again.renew(heartbeats=((second.token, b"zombie"),))
        [pending] = (await bench.describe()).pending
        assert (pending.heartbeat, pending.worker, pending.state) == (b"10 %", "survivor", "leased")

    async def test_an_unknown_worker_has_no_lease(self, bench: Bench) -> None:
        """And leaving twice is no error."""
        actor = Actor(bench, "nobody", ("main",), "build-1")
        assert await actor.renew() == [False] * bench.partitions
        await actor.unregister()

    async def test_registering_again_keeps_what_it_holds(self, bench: Bench) -> None:
        """A repeat of Register is no new worker."""
        actor = await worker(bench)
        await bench.start()
        task = await actor.turn()
        await actor.register()
        await actor.commit(task, close=DONE)


class TestTakeover(Standing):
    """What becomes of a dead worker's tasks [A4]."""

    async def test_p6_all_that_it_held_is_done_by_others(self, bench: Bench) -> None:
        """However much: far more than ten in flight, in one and in many streams."""
        actor = await worker(bench, queues=("main", "side"))
        survivor = await worker(bench, "survivor", queues=("main", "side"))
        for number in range(60):
            await bench.start(f"order-{number}", queue=("main", "side")[number % 2])
        tasks = [task for task in await actor.take() if isinstance(task, WorkflowTask)]
        for number, task in enumerate(tasks[:30]):
            await actor.commit(task, charge(1, queue=("main", "side")[number % 2]))
        running = await actor.take()
        assert len(running) == 30
        await dies(bench, actor, survivor)
        taken = await survivor.take()
        assert len([task for task in taken if isinstance(task, WorkflowTask)]) == 30
        assert len([task for task in taken if isinstance(task, ActivityTask)]) == 30

    async def test_p6_what_waited_on_its_own_stream_goes_to_all(self, bench: Bench) -> None:
        """Sticky tasks that it had not taken: with their history now, and not counted as lost."""
        actor = await worker(bench)
        survivor = await worker(bench, "survivor")
        for number in range(15):
            await bench.start(f"order-{number}")
        for task in (await actor.turns()).values():
            await actor.commit(task)
        for number in range(15):
            await bench.signal(f"order-{number}")
        assert await survivor.take() == []
        await dies(bench, actor, survivor)
        tasks = (await survivor.turns()).values()
        assert len(tasks) == 15
        assert {(len(task.history), task.history_from, task.deliveries) for task in tasks} == {(1, 0, 1)}

    async def test_a_lost_turn_says_how_often(self, bench: Bench) -> None:
        """`deliveries` counts hand-outs of the turn that was lost; a commit begins anew."""
        survivor = await worker(bench, "survivor")
        await bench.start()
        actor = await worker(bench, "worker-1")
        await actor.turn()
        await dies(bench, actor, survivor)
        task = await survivor.turn()
        assert task.deliveries == 2
        await survivor.commit(task)
        await bench.signal("order")
        assert (await survivor.turn()).deliveries == 1


class TestSweep(Standing):
    """How a takeover goes about its work."""

    async def test_a_sweep_is_bounded_and_says_whether_there_is_more(self, bench: Bench) -> None:
        """Hundreds of tasks are taken over in several calls, and none is forgotten [P10]."""
        actor = await worker(bench)
        survivor = await worker(bench, "survivor")
        for number in range(150):
            await bench.start(f"order-{number}")
        held = await actor.take(workflow_room=1_000)
        waiting = bench.at("order-0")
        assert len(held) == 150
        await actor.renew(lease=BLINK)
        await bench.clock.pass_by(2 * BLINK)
        calls = 0
        while await bench.call(Sweep(partition=waiting, worker="survivor", build="build-1")):
            calls += 1
            assert calls < 1_000
        await survivor.sweep()
        assert len(await survivor.take(workflow_room=1_000)) == 150

    async def test_two_that_sweep_at_once_duplicate_nothing(self, bench: Bench) -> None:
        """Each task goes to one of them."""
        actor = await worker(bench)
        survivors = [await worker(bench, f"survivor-{number}") for number in range(3)]
        for number in range(40):
            await bench.start(f"order-{number}")
        assert len(await actor.take()) == 40
        await actor.renew(lease=BLINK)
        await bench.clock.pass_by(2 * BLINK)
        await asyncio.gather(*(survivor.sweep() for survivor in survivors))
        taken = [task for tasks in await asyncio.gather(*(one.take() for one in survivors)) for task in tasks]
        assert len(taken) == len({task.instance for task in taken}) == 40

    async def test_a_worker_does_not_take_over_from_itself(self, bench: Bench) -> None:
        """One that slept too long, and nobody noticed, goes on."""
        actor = await worker(bench, lease=BLINK)
        await bench.start()
        task = await actor.turn()
        await bench.clock.pass_by(2 * BLINK)
        await actor.sweep()
        assert await actor.renew() == [True] * bench.partitions
        await actor.commit(task, close=DONE)

    async def test_the_executor_of_a_dead_worker_is_kept_by_nobody(self, bench: Bench) -> None:
        """News go to the shared stream, already before anybody took over."""
        actor = await worker(bench)
        survivor = await worker(bench, "survivor")
        await bench.start()
        await actor.commit(await actor.turn())
        await actor.renew(lease=BLINK)
        await bench.clock.pass_by(2 * BLINK)
        await bench.signal("order")
        assert (await survivor.turn()).history_from == 0

    async def test_what_ended_meanwhile_is_taken_over_by_nobody(self, bench: Bench) -> None:
        """Tasks of instances that are gone vanish with their worker."""
        actor = await worker(bench)
        survivor = await worker(bench, "survivor")
        await bench.start("one")
        await bench.start("two")
        for task in (await actor.turns()).values():
            await actor.commit(task, charge(1))
        assert len(await actor.take()) == 2
        await bench.terminate("one")
        await dies(bench, actor, survivor)
        assert [task.instance for task in await survivor.take()] == ["two"]

    async def test_suspended_during_a_lost_turn_it_waits(self, bench: Bench) -> None:
        """The takeover gives it no task; resume does [P6]."""
        actor = await worker(bench)
        survivor = await worker(bench, "survivor")
        await bench.start()
        await actor.turn()
        await suspend(bench)
        await dies(bench, actor, survivor)
        assert await survivor.take() == []
        await resume(bench)
        assert len(await survivor.turns()) == 1


class TestLeaving(Standing):
    """A worker that says goodbye [A5]."""

    async def test_all_that_it_has_goes_back_at_once(self, bench: Bench) -> None:
        """Leased and sticky tasks, without a loss or an attempt counted."""
        actor = await worker(bench)
        other = await worker(bench, "other")
        for instance in ("one", "two", "three"):
            await bench.start(instance)
        tasks = await actor.turns()
        await actor.commit(tasks["one"], charge(1))
        await actor.commit(tasks["two"])
        await bench.signal("two")
        assert len([task for task in await actor.take(workflow_room=0) if isinstance(task, ActivityTask)]) == 1
        await actor.unregister()
        taken = await other.take()
        turns = {task.instance: task.deliveries for task in taken if isinstance(task, WorkflowTask)}
        assert turns == {"two": 1, "three": 1}
        [activity] = [task for task in taken if isinstance(task, ActivityTask)]
        assert (activity.attempt, activity.losses) == (1, 0)
        assert await actor.renew() == [False] * bench.partitions
        await bench.refused(actor.commit_call(tasks["three"]), LeaseLost)

    async def test_news_for_its_executors_go_to_all(self, bench: Bench) -> None:
        """Nothing waits for one that is gone."""
        actor = await worker(bench)
        other = await worker(bench, "other")
        await bench.start()
        await actor.commit(await actor.turn())
        await actor.unregister()
        await bench.signal("order")
        assert len(await other.turns()) == 1

    async def test_with_nothing_in_hand_it_just_leaves(self, bench: Bench) -> None:
        """Twice is no error."""
        actor = await worker(bench)
        await actor.unregister()
        await actor.unregister()
        assert await actor.renew() == [False] * bench.partitions
