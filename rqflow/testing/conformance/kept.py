"""Kept turns: commits after which a worker goes on under the same token, and what becomes of a turn that it loses."""

from __future__ import annotations

from dataclasses import replace

from rqflow.backend.calls.instances import Terminate
from rqflow.backend.calls.tasks import Committed, WorkflowTask
from rqflow.core.commands import EmitEvent, RecordSideEffect, SendSignal, SetStatus, StartTimer
from rqflow.core.events import SignalReceived, TimerFired
from rqflow.errors import LeaseLost
from rqflow.testing.conformance.actor import DONE, Actor
from rqflow.testing.conformance.bench import LONG, Bench, decoded, names_of
from rqflow.testing.conformance.deeds import (
    charge,
    dies,
    give_back_call,
    news_of,
    resume,
    stall_call,
    suspend,
    worker,
)
from rqflow.testing.conformance.moving import BLINK
from rqflow.testing.conformance.standing import Standing


def after(task: WorkflowTask, committed: Committed, told: int) -> WorkflowTask:
    """The task as its worker has it when `told` events are committed."""
    return replace(task, history_length=task.history_length + told, inbox=committed.inbox)


async def kept(actor: Actor, instance: str = "order") -> WorkflowTask:
    """A turn that was begun, committed and goes on."""
    task = await actor.turn(instance)
    committed = await actor.commit(task, RecordSideEffect(id=1), keep=True)
    assert (committed.kept, committed.closed, committed.more, committed.inbox) == (True, False, False, ())
    return after(task, committed, len(task.inbox) + 1)


class TestKeptTurn(Standing):
    """A commit that keeps its task [B26]."""

    async def test_a_turn_that_is_kept_goes_on_under_its_token(self, bench: Bench) -> None:
        """What it committed is in the history, nobody else gets a task, and its next commit follows (P2)."""
        actor, other = await worker(bench), await worker(bench, "worker-2")
        await bench.start()
        task = await kept(actor)
        assert names_of(await bench.history()) == ["WorkflowStarted", "SideEffectRecorded"]
        assert await other.take() == []
        row = await bench.describe()
        assert (row.task, row.worker, row.history_length, row.build) == ("leased", actor.id, 2, "build-1")
        task = after(task, await actor.commit(task, charge(2), StartTimer(id=3, delay=LONG), keep=True), 2)
        assert (await actor.commit(task, close=DONE)).closed
        assert names_of(await bench.history())[2:] == ["ActivityScheduled", "TimerStarted", "WorkflowCompleted"]

    async def test_what_came_meanwhile_comes_with_the_answer(self, bench: Bench) -> None:
        """It stays in the inbox until a commit consumes it, and nothing is told twice (P8)."""
        actor = await worker(bench)
        await bench.start()
        task = await actor.turn()
        for payload in (b"1", b"2"):
            await bench.signal("order", payload=payload)
        committed = await actor.commit(task, StartTimer(id=1, delay=BLINK), keep=True)
        assert decoded(committed.inbox) == [SignalReceived(name="go", payload=payload) for payload in (b"1", b"2")]
        await bench.wait(2 * BLINK)
        look = await actor.commit(after(task, committed, 2), keep=True, consumed=0)
        assert decoded(look.inbox)[2:] == [TimerFired(id=1)]
        assert not (await actor.commit(after(task, look, 2), keep=False, consumed=3)).more
        assert (await bench.describe()).task == ""

    async def test_the_end_of_a_kept_turn_queues_the_next_if_there_is_news(self, bench: Bench) -> None:
        """As of any turn (P6)."""
        actor = await worker(bench)
        await bench.start()
        task = await kept(actor)
        await bench.signal("order")
        assert (await actor.commit(task)).more
        assert names_of(news_of(await actor.turn())) == ["SignalReceived"]

    async def test_p3_a_kept_turn_that_was_lost_is_fenced(self, bench: Bench) -> None:
        """Another worker gets the task, without news, and the one that lost it changes nothing."""
        actor, other = await worker(bench), await worker(bench, "worker-2")
        await bench.start()
        task = await kept(actor)
        await dies(bench, actor, other)
        again = await other.turn()
        assert (again.inbox, again.history_length, again.deliveries) == ((), 2, 2)
        assert names_of(decoded(again.history)) == ["WorkflowStarted", "SideEffectRecorded"]
        for keep in (True, False):
            await bench.refused(actor.commit_call(task, EmitEvent(id=2, name="late"), keep=keep), LeaseLost)
        await other.commit(again, close=DONE)
        assert await bench.status() == "completed"

    async def test_p7_a_look_that_commits_nothing_is_no_progress(self, bench: Bench) -> None:
        """What its worker lost before still counts; a commit with events sets the count back."""
        actor, other, third = [await worker(bench, f"worker-{number}") for number in (1, 2, 3)]
        await bench.start()
        await kept(actor)
        await dies(bench, actor, other)
        again = await other.turn()
        await other.begin(again)
        assert (await other.commit(again, keep=True)).kept
        await dies(bench, other, third)
        last = await third.turn()
        assert last.deliveries == 3
        last = after(last, await third.commit(last, RecordSideEffect(id=2), keep=True), 1)
        await bench.call(give_back_call(last))
        assert (await third.turn()).deliveries == 1

    async def test_p2_a_kept_commit_counts_once(self, bench: Bench) -> None:
        """Sent again because its answer was lost, it changes nothing and says so."""
        actor = await worker(bench)
        await bench.start()
        task = await actor.turn()
        call = actor.commit_call(task, SetStatus(id=1, payload=b'"half"'), keep=True)
        assert (await bench.call(call)).kept
        await bench.refused(call, LeaseLost)
        assert (await bench.describe()).custom_status == b'"half"'
        [held] = [each for each in await actor.take(again=True) if isinstance(each, WorkflowTask)]
        assert (held.token, held.inbox, held.history_length) == (task.token, (), 2)

    async def test_a_suspended_instance_keeps_no_turn(self, bench: Bench) -> None:
        """What it did is committed; resumed, it has a turn though there is no news: something may be unfinished."""
        actor = await worker(bench)
        await bench.start()
        task = await kept(actor)
        await suspend(bench)
        committed = await actor.commit(task, RecordSideEffect(id=2), keep=True)
        assert (committed.kept, committed.more) == (False, False)
        assert (await bench.describe()).task == ""
        assert await resume(bench)
        again = await actor.turn()
        assert (again.inbox, again.history_length) == ((), 3)
        await bench.call(stall_call(again))
        assert await resume(bench)
        assert (await actor.turn()).inbox == ()

    async def test_an_instance_that_is_ended_keeps_no_turn(self, bench: Bench) -> None:
        """Terminated meanwhile, it refuses what its worker says."""
        actor = await worker(bench)
        await bench.start()
        task = await kept(actor)
        await bench.call(Terminate(partition=bench.at("order"), instance="order"))
        await bench.refused(actor.commit_call(task, keep=True), LeaseLost)

    async def test_a_kept_turn_sends_what_it_asked_for(self, bench: Bench) -> None:
        """Activities and status do not wait for the end of the turn."""
        actor = await worker(bench)
        await bench.start()
        task = await actor.turn()
        await actor.commit(task, charge(1), SetStatus(id=2, payload=b"7"), keep=True)
        assert (await actor.activity()).name == "charge"
        assert (await bench.describe()).custom_status == b"7"
        assert names_of(await bench.history()) == ["WorkflowStarted", "ActivityScheduled", "StatusSet"]

    async def test_what_a_kept_turn_causes_itself_comes_with_its_answer(self, bench: Bench) -> None:
        """A message to an instance that is not there fails at once, where both live in one partition (P8)."""
        actor = await worker(bench)
        await bench.start()
        committed = await actor.commit(
            await actor.turn(), SendSignal(id=1, instance="order-x", name="hello"), keep=True
        )
        if bench.at("order-x") == bench.at("order"):
            assert names_of(decoded(committed.inbox)) == ["SignalFailed"]
