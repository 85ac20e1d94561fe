"""Turns: how a commit becomes durable as a whole, and whom the fence keeps out."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from rqflow.core.commands import (
    EmitEvent,
    RecordSideEffect,
    SetAttributes,
    SetStatus,
    StartTimer,
)
from rqflow.core.events import SignalReceived, WorkflowCanceled, WorkflowCompleted, WorkflowFailed
from rqflow.core.wire import decode_failure
from rqflow.errors import LeaseLost, RqflowError
from rqflow.testing.conformance.actor import DONE
from rqflow.testing.conformance.bench import LONG, Bench, names_of
from rqflow.testing.conformance.deeds import (
    BROKEN,
    charge,
    child,
    give_back_call,
    news_of,
    stall_call,
    worker,
)
from rqflow.testing.conformance.moving import BLINK
from rqflow.testing.conformance.standing import Standing


class TestCommit(Standing):
    """What a commit writes [A3]."""

    async def test_news_move_to_the_history_before_the_records(self, bench: Bench) -> None:
        """In the order in which a replay needs them, byte for byte."""
        actor = await worker(bench)
        await bench.start()
        await bench.signal("order", payload=b"1")
        task = await actor.turn()
        committed = await actor.commit(task, charge(1), StartTimer(id=2, delay=LONG, name="patience"))
        assert (committed.closed, committed.more) == (False, False)
        assert names_of(await bench.history()) == [
            "WorkflowStarted", "SignalReceived", "ActivityScheduled", "TimerStarted",
        ]  # fmt: skip
        row = await bench.describe()
        assert (row.task, row.inbox_length, row.history_length, row.timers) == ("", 0, 4, 1)
        assert row.build == "build-1"
        assert [(one.id, one.name, one.state) for one in row.pending] == [(1, "charge", "queued")]

    async def test_history_and_row_agree_on_length_and_bytes(self, bench: Bench) -> None:
        """What a task says of a history is what the history is."""
        actor = await worker(bench)
        await bench.start()
        await actor.commit(await actor.turn(), RecordSideEffect(id=1, payload=b"\xff\x00"))
        await bench.signal("order")
        task = await actor.turn()
        row = await bench.describe()
        assert task.history_length == row.history_length == 2
        assert task.history_bytes == row.history_bytes > 0

    async def test_news_that_come_during_a_turn_queue_the_next(self, bench: Bench) -> None:
        """The commit says so, and the task is there [P6]."""
        actor = await worker(bench)
        await bench.start()
        task = await actor.turn()
        await bench.signal("order", payload=b"late")
        assert (await actor.commit(task)).more
        again = await actor.turn()
        assert news_of(again) == [SignalReceived(name="go", payload=b"late")]
        assert again.token != task.token

    async def test_a_turn_may_consume_less_than_it_was_given(self, bench: Bench) -> None:
        """The rest stays in the inbox, in order, for the next turn."""
        actor = await worker(bench)
        await bench.start()
        await bench.signal("order", payload=b"1")
        assert (await actor.commit(await actor.turn(), consumed=1)).more
        assert news_of(await actor.turn()) == [SignalReceived(name="go", payload=b"1")]

    async def test_status_attributes_and_events_are_part_of_the_commit(self, bench: Bench) -> None:
        """Custom status and attributes change with the turn [B19]."""
        actor = await worker(bench)
        await bench.start(attributes={"old": 1, "kept": True})
        await actor.commit(
            await actor.turn(),
            SetStatus(id=1, payload=b'"half"'),
            SetAttributes(id=2, changes={"city": "Bern", "size": 2.5}, removed=("old",), payload=b"{}"),
            EmitEvent(id=3, name="paid", payload=b"5"),
        )
        row = await bench.describe()
        assert row.custom_status == b'"half"'
        assert row.attributes == {"kept": True, "city": "Bern", "size": 2.5}

    @pytest.mark.parametrize(
        ("close", "status", "payload"),
        [
            (WorkflowCompleted(payload=b"42"), "completed", b"42"),
            (WorkflowFailed(payload=BROKEN), "failed", BROKEN),
            (WorkflowCanceled(), "canceled", b""),
        ],
    )
    async def test_a_closing_commit_ends_the_instance(
        self, bench: Bench, close: Any, status: str, payload: bytes
    ) -> None:
        """Result and status are kept on the row; the End is the history's last event; nothing is left to do."""
        actor = await worker(bench)
        await bench.start()
        committed = await actor.commit(await actor.turn(), charge(1), StartTimer(id=2, delay=BLINK), close=close)
        assert (committed.closed, committed.more) == (True, False)
        outcome = await bench.outcome()
        assert (outcome.status, outcome.payload) == (status, payload)
        row = await bench.describe()
        assert (row.task, row.pending, row.timers, row.inbox_length) == ("", (), 0, 0)
        assert row.closed_at is not None
        assert names_of(await bench.history())[-1] == type(close).__name__
        await bench.wait()
        assert await actor.take() == []

    async def test_news_that_come_too_late_go_with_the_run(self, bench: Bench) -> None:
        """A signal that arrived during the last turn wakes nobody any more."""
        actor = await worker(bench)
        await bench.start()
        task = await actor.turn()
        await bench.signal("order")
        committed = await actor.commit(task, close=DONE)
        assert (committed.closed, committed.more) == (True, False)
        assert await actor.take() == []


class TestFence(Standing):
    """A worker that lost its lease changes nothing (P3) and one history has one writer (P2) [B14]."""

    async def test_p3_a_commit_counts_once(self, bench: Bench) -> None:
        """Sent again, because the answer was lost, it changes nothing and says so."""
        actor = await worker(bench)
        await bench.start()
        call = actor.commit_call(await actor.turn(), charge(1))
        await bench.call(call)
        await bench.refused(call, LeaseLost)
        assert (await bench.describe()).history_length == 2
        assert len(await actor.take()) == 1

    async def test_p2_of_two_racing_commits_one_wins(self, bench: Bench) -> None:
        """The history has no duplicate."""
        actor = await worker(bench)
        await bench.start()
        task = await actor.turn()
        calls = [actor.commit_call(task, SetStatus(id=1, payload=b"%d" % number)) for number in range(8)]
        answers = await asyncio.gather(*(bench.backend.send([call]) for call in calls))
        losers = [answer for [answer] in answers if isinstance(answer, LeaseLost)]
        assert len(losers) == 7
        assert names_of(await bench.history()) == ["WorkflowStarted", "StatusSet"]

    async def test_p3_every_stale_order_is_refused(self, bench: Bench) -> None:
        """Commit, stall and give back with an old token or another length: nothing changes."""
        actor = await worker(bench)
        await bench.start()
        old = await actor.turn()
        await bench.call(give_back_call(old))
        new = await actor.turn()
        before = await bench.describe()
        for call in (
            actor.commit_call(old, charge(1)),
            actor.commit_call(new, charge(1), expected_length=7),
            stall_call(old),
            give_back_call(old),
        ):
            await bench.refused(call, LeaseLost)
        assert await bench.describe() == before
        assert not (await actor.commit(new)).more

    async def test_p3_a_token_that_is_none_is_refused(self, bench: Bench) -> None:
        """Empty, wild or of another instance: tokens are compared, not interpreted."""
        actor = await worker(bench)
        [one, two] = bench.apart("one", "two")
        for instance in (one, two):
            await bench.start(instance)
        tasks = await actor.turns()
        task, other = tasks[one], tasks[two]
        for token in ("", "waiting", "0-0", "nonsense", "1-1@workflows:main", "9-9@1@run", "@", other.token + "x"):
            await bench.refused(replace(actor.commit_call(task), token=token), LeaseLost)
        await actor.commit(task)

    async def test_p3_a_queued_task_cannot_be_committed(self, bench: Bench) -> None:
        """Only whoever has it on lease may: one that was given back belongs to nobody."""
        actor = await worker(bench)
        await bench.start()
        task = await actor.turn()
        await bench.call(give_back_call(task, delay=BLINK))
        await bench.refused(actor.commit_call(task), LeaseLost)
        assert (await bench.describe()).history_length == 0

    async def test_p2_a_refused_commit_writes_nothing(self, bench: Bench) -> None:
        """More news than there are cannot be consumed: the whole commit is refused [A3]."""
        actor = await worker(bench)
        [order, ship] = bench.apart("order", "ship")
        await bench.start(order)
        task = await actor.turn(order)
        before = await bench.describe(order)
        call = actor.commit_call(task, charge(1), child(ship, "run-c", 2), SetStatus(id=3, payload=b"1"), consumed=2)
        await bench.refused(call, RqflowError)
        assert await bench.describe(order) == before
        assert await bench.relay() == 0
        assert await actor.take() == []
        await actor.commit(task)

    async def test_terminate_beats_a_racing_commit(self, bench: Bench) -> None:
        """Whatever the turn decided, it comes too late [B7]."""
        actor = await worker(bench)
        await bench.start()
        task = await actor.turn()
        assert await bench.terminate("order", "enough")
        await bench.refused(actor.commit_call(task, close=DONE), LeaseLost)
        outcome = await bench.outcome()
        assert outcome.status == "terminated"
        assert (decode_failure(outcome.payload).kind, decode_failure(outcome.payload).message) == (
            "terminated",
            "enough",
        )

    async def test_a_later_run_of_the_id_is_not_harmed_by_the_old_one(self, bench: Bench) -> None:
        """A turn and an activity of a run that was replaced change nothing of the new one."""
        actor = await worker(bench)
        await bench.start("order", run="run-a")
        old = await actor.turn()
        await bench.start("order", run="run-b", on_conflict="terminate_existing")
        new = await actor.turn()
        before = await bench.describe()
        await bench.refused(actor.commit_call(old, close=DONE), LeaseLost)
        await bench.refused(stall_call(old), LeaseLost)
        assert await bench.describe() == before
        await actor.commit(new, close=DONE)
        assert await bench.status() == "completed"
