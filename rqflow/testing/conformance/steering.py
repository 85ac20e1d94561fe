"""Steering: suspend, resume, terminate and stall, and what happens to news and turns meanwhile."""

from __future__ import annotations

from rqflow.backend.calls.instances import Resume, Suspend, Terminate
from rqflow.backend.calls.tasks import WorkflowTask
from rqflow.core.commands import StartTimer
from rqflow.core.events import WorkflowStarted, WorkflowTerminated
from rqflow.errors import InstanceClosed, InstanceNotFound, LeaseLost
from rqflow.testing.conformance.actor import DONE, Actor
from rqflow.testing.conformance.bench import Bench, names_of, signals_in
from rqflow.testing.conformance.deeds import (
    charge,
    complete_call,
    continued,
    finish,
    give_back_call,
    news_of,
    resume,
    stall_call,
    suspend,
    worker,
)
from rqflow.testing.conformance.moving import BLINK
from rqflow.testing.conformance.standing import Standing


class TestSuspend(Standing):
    """An instance that is given no turns [B6]."""

    async def test_news_gather_in_order_until_it_is_resumed(self, bench: Bench) -> None:
        """Signals, timers and results alike; nobody gets a task."""
        actor = await worker(bench)
        await bench.start()
        await actor.commit(await actor.turn(), charge(1), StartTimer(id=2, delay=BLINK))
        running = await actor.activity()
        assert await suspend(bench, reason="month end")
        row = await bench.describe()
        assert (row.status, row.reason) == ("suspended", "month end")
        await bench.signal("order", payload=b"1")
        await bench.call(complete_call(running))
        await bench.wait()
        await bench.signal("order", payload=b"2")
        assert await actor.take() == []
        assert await resume(bench)
        news = news_of(await actor.turn())
        assert names_of(news) == ["SignalReceived", "ActivityCompleted", "TimerFired", "SignalReceived"]
        assert await bench.status() == "running"

    async def test_a_queued_task_is_taken_away(self, bench: Bench) -> None:
        """And comes back with resume."""
        actor = await worker(bench)
        await bench.start()
        await suspend(bench)
        assert (await bench.describe()).task == ""
        assert await actor.take() == []
        await resume(bench)
        assert names_of(news_of(await actor.turn())) == ["WorkflowStarted"]

    async def test_a_task_that_waits_to_come_back_is_taken_away_too(self, bench: Bench) -> None:
        """Its time makes it no task."""
        actor = await worker(bench)
        await bench.start()
        await bench.call(give_back_call(await actor.turn(), delay=BLINK))
        await suspend(bench)
        await bench.wait()
        assert await actor.take() == []
        await resume(bench)
        assert len(await actor.turns()) == 1

    async def test_a_turn_that_is_under_way_may_end(self, bench: Bench) -> None:
        """Its commit counts, but no next turn follows."""
        actor = await worker(bench)
        await bench.start()
        task = await actor.turn()
        await bench.signal("order")
        await suspend(bench)
        committed = await actor.commit(task, charge(1))
        assert (committed.closed, committed.more) == (False, False)
        assert await bench.status() == "suspended"
        await resume(bench)
        assert signals_in(news_of(await actor.turn())) == [b""]

    async def test_a_turn_that_is_under_way_may_end_the_instance(self, bench: Bench) -> None:
        """What has ended is suspended no more."""
        actor = await worker(bench)
        await bench.start()
        task = await actor.turn()
        await suspend(bench)
        assert (await actor.commit(task, close=DONE)).closed
        assert await bench.status() == "completed"

    async def test_a_turn_that_is_under_way_may_continue_as_new(self, bench: Bench) -> None:
        """The next run is suspended as well."""
        actor = await worker(bench)
        await bench.start()
        task = await actor.turn()
        await suspend(bench)
        assert not (await actor.commit(task, close=continued(task, "run-next"))).more
        row = await bench.describe()
        assert (row.status, row.run) == ("suspended", "run-next")
        await resume(bench)
        assert (await actor.turn()).run == "run-next"

    async def test_resumed_during_a_turn_it_has_one_task(self, bench: Bench) -> None:
        """The one under way [P6]."""
        actor = await worker(bench)
        await bench.start()
        task = await actor.turn()
        await suspend(bench)
        await resume(bench)
        assert await actor.take() == []
        await bench.signal("order")
        assert (await actor.commit(task)).more

    async def test_given_back_while_suspended_it_has_no_task(self, bench: Bench) -> None:
        """Until it is resumed."""
        actor = await worker(bench)
        await bench.start()
        task = await actor.turn()
        await suspend(bench)
        await bench.call(give_back_call(task))
        assert (await bench.describe()).task == ""
        assert await actor.take() == []
        await resume(bench)
        assert len(await actor.turns()) == 1

    async def test_twice_is_once(self, bench: Bench) -> None:
        """The second suspend and the second resume say that nothing was to be done."""
        await bench.start()
        assert await suspend(bench)
        assert not await suspend(bench)
        assert await resume(bench)
        assert not await resume(bench)

    async def test_a_cancel_request_waits_too(self, bench: Bench) -> None:
        """It is shown at once, and is news when the instance goes on."""
        actor = await worker(bench)
        await bench.start()
        await suspend(bench)
        await bench.cancel("order")
        row = await bench.describe()
        assert (row.status, row.cancel_requested) == ("suspended", True)
        await resume(bench)
        assert names_of(news_of(await actor.turn())) == ["WorkflowStarted", "CancelRequested"]

    async def test_it_needs_an_open_instance(self, bench: Bench) -> None:
        """Unknown and ended ones are refused [A2]."""
        actor = await worker(bench)
        await bench.start()
        await finish(actor)
        for kind in (Suspend, Resume):
            await bench.refused(kind(partition=bench.at("order"), instance="order"), InstanceClosed)
            await bench.refused(kind(partition=bench.at("nobody"), instance="nobody"), InstanceNotFound)


class TestTerminate(Standing):
    """An instance that is ended from outside [B7]."""

    async def test_it_ends_at_once_and_leaves_nothing_to_do(self, bench: Bench) -> None:
        """Its queued task, its activities and its timers are gone; the reason is kept."""
        actor = await worker(bench)
        await bench.start()
        await actor.commit(await actor.turn(), charge(1), StartTimer(id=2, delay=BLINK))
        await bench.signal("order")
        assert await bench.terminate("order", 'ä "enough"\n')
        row = await bench.describe()
        assert (row.status, row.reason, row.task, row.pending, row.timers) == ("terminated", 'ä "enough"\n', "", (), 0)
        assert (await bench.history())[-1] == WorkflowTerminated(reason='ä "enough"\n')
        assert row.history_length == 4
        assert row.closed_at is not None
        await bench.wait()
        assert await actor.take() == []

    async def test_what_no_turn_has_seen_keeps_its_start(self, bench: Bench) -> None:
        """Its history tells what was asked for, though no code has run; news behind the start go [P2]."""
        await bench.start(payload=b'["asked for"]')
        await bench.signal("order")
        assert await bench.terminate("order", "enough")
        started, end = await bench.history()
        assert isinstance(started, WorkflowStarted)
        assert (started.payload, end) == (b'["asked for"]', WorkflowTerminated(reason="enough"))
        assert (await bench.describe()).history_length == 2

    async def test_it_works_while_suspended_and_while_stalled(self, bench: Bench) -> None:
        """Whatever an open instance does, it can be ended."""
        actor = await worker(bench)
        await bench.start("order")
        await suspend(bench)
        assert await bench.terminate("order")
        await bench.start("other")
        await bench.call(stall_call(await actor.turn("other")))
        assert await bench.terminate("other")
        assert [await bench.status("order"), await bench.status("other")] == ["terminated", "terminated"]

    async def test_what_had_ended_stays_as_it_was(self, bench: Bench) -> None:
        """False, and the result is kept."""
        actor = await worker(bench)
        await bench.start()
        await finish(actor)
        assert not await bench.terminate("order")
        assert (await bench.outcome()).payload == DONE.payload

    async def test_an_unknown_one_is_refused(self, bench: Bench) -> None:
        """Not found."""
        await bench.refused(Terminate(partition=bench.at("nobody"), instance="nobody"), InstanceNotFound)

    async def test_the_end_is_stamped_last(self, bench: Bench) -> None:
        """No event of the history is later."""
        actor = await worker(bench)
        await bench.start()
        await actor.commit(await actor.turn(), charge(1))
        await bench.wait()
        await bench.terminate("order")
        row = await bench.describe()
        assert row.closed_at is not None
        assert row.closed_at - row.created_at >= BLINK


class TestStall(Standing):
    """An instance whose code cannot follow it."""

    async def test_it_is_set_aside_with_its_news(self, bench: Bench) -> None:
        """No task, the reason shown, nothing consumed; its token is void."""
        actor = await worker(bench)
        await bench.start()
        task = await actor.turn()
        await bench.call(stall_call(task))
        row = await bench.describe()
        assert (row.status, row.reason, row.task) == ("stalled", "replay differs at command 1", "")
        assert (row.inbox_length, row.history_length) == (1, 0)
        await bench.refused(actor.commit_call(task), LeaseLost)
        await bench.signal("order")
        assert await actor.take() == []

    async def test_resume_lets_it_go_on(self, bench: Bench) -> None:
        """With all its news."""
        actor = await worker(bench)
        await bench.start()
        await bench.call(stall_call(await actor.turn()))
        await bench.signal("order")
        assert await resume(bench)
        assert names_of(news_of(await actor.turn())) == ["WorkflowStarted", "SignalReceived"]

    async def test_it_can_be_suspended_and_resumed(self, bench: Bench) -> None:
        """Suspended, no build makes it go on."""
        actor = await worker(bench)
        await bench.start()
        await bench.call(stall_call(await actor.turn()))
        assert await suspend(bench)
        newer = await worker(bench, "worker-2", build="build-2")
        await newer.sweep()
        assert await newer.take() == []
        assert await resume(bench)
        assert len(await newer.turns()) == 1

    async def test_a_worker_of_another_build_lets_it_go_on(self, bench: Bench) -> None:
        """By registering, or by its sweep; one of the same build does not [B20]."""
        actor = await worker(bench)
        await bench.start()
        await bench.call(stall_call(await actor.turn()))
        await worker(bench, "worker-2")
        await actor.sweep()
        assert await bench.status() == "stalled"
        newer = await worker(bench, "worker-3", build="build-2")
        await newer.sweep()
        assert await bench.status() == "running"
        task = await newer.turn()
        await newer.commit(task)
        assert (await bench.describe()).build == "build-2"

    async def test_a_sweep_lets_those_of_its_queues_go_on(self, bench: Bench) -> None:
        """A worker of another build that was there before is enough; one of other queues has nothing to say."""
        actor = await worker(bench)
        newer = await worker(bench, "worker-2", build="build-2", queues=("main", "more"))
        stranger = await worker(bench, "worker-3", build="build-9", queues=("side",))
        nobody = Actor(bench, "nobody", ("main",), "build-9")
        await bench.start()
        await bench.call(stall_call(await actor.turn()))
        await stranger.sweep()
        await nobody.sweep()
        assert await bench.status() == "stalled"
        await newer.sweep()
        assert await bench.status() == "running"
        assert len(await newer.turns()) == 1

    async def test_many_that_stalled_go_on_in_bounded_steps(self, bench: Bench) -> None:
        """A deploy after an accident: all of them, however many [P10]."""
        actor = await worker(bench)
        for number in range(150):
            await bench.start(f"order-{number}")
        tasks = [task for task in await actor.take(workflow_room=1_000) if isinstance(task, WorkflowTask)]
        assert len(tasks) == 150
        for task in tasks:
            await bench.call(stall_call(task))
        newer = await worker(bench, "worker-2", build="build-2")
        await newer.sweep()
        assert len(await newer.take(workflow_room=1_000)) == 150

    async def test_suspended_during_the_turn_it_is_stalled(self, bench: Bench) -> None:
        """The graver state is shown."""
        actor = await worker(bench)
        await bench.start()
        task = await actor.turn()
        await suspend(bench)
        await bench.call(stall_call(task))
        assert await bench.status() == "stalled"
