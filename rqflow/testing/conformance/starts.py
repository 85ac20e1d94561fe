"""Starts: how an instance begins, at once, later, or not at all because its id is taken."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from rqflow.backend.calls.instances import Resume, Suspend
from rqflow.core.events import CancelRequested, SignalReceived, WorkflowFailed, WorkflowStarted
from rqflow.core.wire import decode_stored, encode
from rqflow.errors import InstanceExists, InstanceNotFound, LeaseLost
from rqflow.testing.conformance.actor import DONE
from rqflow.testing.conformance.bench import LONG, Bench, names_of, signals_in
from rqflow.testing.conformance.deeds import BROKEN, finish, news_of, worker
from rqflow.testing.conformance.moving import BLINK
from rqflow.testing.conformance.standing import Standing


class TestStart(Standing):
    """A start that finds its id free."""

    async def test_a_started_instance_runs_and_has_one_task(self, bench: Bench) -> None:
        """Its row says all that the start said."""
        started = await bench.start("order", run="run-a", attributes={"city": "Bern", "size": 3}, priority=7, lane="x")
        assert (started.instance, started.run, started.created) == ("order", "run-a", True)
        row = await bench.describe("order")
        assert (row.status, row.run, row.workflow, row.queue, row.task) == (
            "running",
            "run-a",
            "checkout",
            "main",
            "queued",
        )
        assert row.attributes == {"city": "Bern", "size": 3}
        assert (row.priority, row.lane, row.runs, row.history_length, row.inbox_length) == (7, "x", 1, 0, 1)

    async def test_the_first_news_is_the_start(self, bench: Bench) -> None:
        """A turn begins with WorkflowStarted, word for word as the client wrote it."""
        actor = await worker(bench)
        await bench.start("order", run="run-a", payload=b'[{"n":18446744073709551615}]', status=b'"new"')
        task = await actor.turn()
        [event] = news_of(task)
        assert isinstance(event, WorkflowStarted)
        assert event.payload == b'[{"n":18446744073709551615}]'
        assert (task.history, task.history_from, task.history_length, task.deliveries, task.build) == ((), 0, 0, 1, "")
        assert (await bench.describe()).custom_status == b'"new"'

    async def test_a_repeated_start_is_the_same_start(self, bench: Bench) -> None:
        """The run is the request id: sending it again starts nothing, whatever has become of it [B4]."""
        actor = await worker(bench)
        call = bench.start_call("order", run="run-a")
        assert await bench.call(call) == await bench.call(call)
        await finish(actor)
        again = await bench.call(call)
        assert again.created
        assert await bench.status() == "completed"
        assert await actor.take() == []

    async def test_a_start_that_was_replaced_is_not_repeated(self, bench: Bench) -> None:
        """A late repeat of the start whose instance another start has replaced starts no third one."""
        call = bench.start_call("order", run="run-a")
        await bench.call(call)
        await bench.start("order", run="run-b", on_conflict="terminate_existing")
        assert (await bench.call(call)).run == "run-b"
        assert (await bench.outcome()).run == "run-b"

    async def test_signal_with_start_delivers_behind_the_start(self, bench: Bench) -> None:
        """Both are there for the first turn, in order; a repeat brings no second signal."""
        actor = await worker(bench)
        signal = encode(SignalReceived(name="go", payload=b"1"))
        call = bench.start_call("order", signal=signal, signal_request="request-a")
        await bench.call(call)
        await bench.call(call)
        assert names_of(news_of(await actor.turn())) == ["WorkflowStarted", "SignalReceived"]

    async def test_signal_with_start_needs_no_request(self, bench: Bench) -> None:
        """Then nobody can tell a repeat, and each is another signal."""
        actor = await worker(bench)
        signal = encode(SignalReceived(name="go", payload=b"1"))
        for _ in range(3):
            await bench.start("order", on_conflict="use_existing", signal=signal)
        assert signals_in(news_of(await actor.turn())) == [b"1"] * 3

    async def test_signal_with_start_signals_what_runs_already(self, bench: Bench) -> None:
        """With use_existing the signal goes to the instance that there is."""
        actor = await worker(bench)
        await bench.start("order", run="run-a")
        signal = encode(SignalReceived(name="go", payload=b"1"))
        call = bench.start_call("order", on_conflict="use_existing", signal=signal, signal_request="request-a")
        assert (await bench.call(call)).run == "run-a"
        await bench.call(call)
        assert signals_in(news_of(await actor.turn())) == [b"1"]

    @pytest.mark.parametrize("instance", ["ä ö/ü: %7B{}", "日本語 🚀", "a b\tc", "*?[x]", "x" * 512])
    async def test_an_id_may_hold_any_text(self, bench: Bench, instance: str) -> None:
        """Spaces, braces, wildcards and any script: the id is opaque."""
        actor = await worker(bench)
        await bench.start(instance)
        await finish(actor, instance)
        assert (await bench.outcome(instance)).payload == DONE.payload
        assert [row.instance for row in await bench.listing()] == [instance]

    async def test_an_unknown_id_is_not_found(self, bench: Bench) -> None:
        """Reading what never was says so."""
        with pytest.raises(InstanceNotFound):
            await bench.outcome("nobody")
        with pytest.raises(InstanceNotFound):
            await bench.describe("nobody")


class TestIdPolicies(Standing):
    """A start that finds its id taken [B4]."""

    async def test_an_open_instance_refuses_by_default(self, bench: Bench) -> None:
        """The error names the id and its status."""
        await bench.start("order")
        error = await bench.refused(bench.start_call("order"), InstanceExists)
        assert (error.instance, error.status) == ("order", "running")

    async def test_use_existing_gives_the_run_that_there_is(self, bench: Bench) -> None:
        """Nothing is created."""
        await bench.start("order", run="run-a")
        started = await bench.start("order", run="run-b", on_conflict="use_existing")
        assert (started.run, started.created) == ("run-a", False)

    async def test_terminate_existing_replaces_it_at_once(self, bench: Bench) -> None:
        """The old turn is fenced off; only the new run has a task."""
        actor = await worker(bench)
        await bench.start("order", run="run-a")
        old = await actor.turn()
        started = await bench.start("order", run="run-b", on_conflict="terminate_existing")
        assert (started.run, started.created) == ("run-b", True)
        assert names_of(await bench.history("order", "run-a"))[-1] == "WorkflowTerminated"
        assert (await actor.turn()).run == "run-b"
        await bench.refused(actor.commit_call(old), LeaseLost)

    @pytest.mark.parametrize(
        ("policy", "status", "accepted"),
        [
            ("allow", "completed", True),
            ("allow", "failed", True),
            ("allow_failed", "completed", False),
            ("allow_failed", "failed", True),
            ("allow_failed", "terminated", True),
            ("reject", "completed", False),
            ("reject", "failed", False),
        ],
    )
    async def test_an_ended_instance_gives_its_id_by_the_reuse_policy(
        self, bench: Bench, policy: Any, status: str, accepted: bool
    ) -> None:
        """allow: always; allow_failed: unless it completed; reject: never."""
        actor = await worker(bench)
        await bench.start("order", run="run-a")
        await end_as(bench, actor, status)
        call = bench.start_call("order", run="run-b", on_reuse=policy)
        if not accepted:
            assert (await bench.refused(call, InstanceExists)).status == status
            assert (await bench.outcome()).run == "run-a"
            return
        assert (await bench.call(call)).created
        assert (await actor.turn()).run == "run-b"
        assert await bench.status() == "running"

    async def test_a_reused_id_starts_afresh(self, bench: Bench) -> None:
        """Row, inbox and listing are the new instance's; the old run's history stays readable."""
        actor = await worker(bench)
        await bench.start("order", run="run-a", attributes={"city": "Bern"})
        await finish(actor)
        await bench.start("order", run="run-b", workflow="refund")
        row = await bench.describe()
        assert (row.workflow, row.attributes, row.result, row.closed_at, row.history_length) == (
            "refund",
            {},
            b"",
            None,
            0,
        )
        assert [row.run for row in await bench.listing()] == ["run-b"]
        assert await bench.listing(attributes={"city": "Bern"}) == []
        assert await bench.listing(workflow="checkout") == []
        assert names_of(await bench.history("order", "run-a")) == ["WorkflowStarted", "WorkflowCompleted"]


async def end_as(bench: Bench, actor: Any, status: str) -> None:
    """End the instance `order` so that it has this status."""
    if status == "completed":
        await finish(actor)
    elif status == "failed":
        await actor.commit(await actor.turn(), close=WorkflowFailed(payload=BROKEN))
    else:
        await bench.terminate("order")


class TestDelayedStart(Standing):
    """A start that waits for its time [B3]."""

    async def test_it_is_pending_until_its_time(self, bench: Bench) -> None:
        """No task before, one after."""
        actor = await worker(bench)
        await bench.start("order", delay=BLINK)
        row = await bench.describe()
        assert (row.status, row.task) == ("pending", "")
        assert row.start_at is not None
        assert row.start_at - row.created_at == BLINK
        assert await actor.take() == []
        await bench.wait()
        task = await actor.turn()
        assert await bench.status() == "running"
        assert decode_stored(task.inbox[0]).at_ms >= round(row.start_at.timestamp() * 1000)

    async def test_it_may_name_the_moment(self, bench: Bench) -> None:
        """`at` in the past is now; in the future it waits."""
        await bench.start("order")
        now = (await bench.describe()).created_at
        await bench.start("late", at=now + timedelta(days=300_000))
        await bench.start("early", at=now - timedelta(days=1))
        assert await bench.status("late") == "pending"
        assert await bench.status("early") == "running"

    async def test_news_gather_while_it_is_pending(self, bench: Bench) -> None:
        """They wake nobody, and stand behind the start in order [P8]."""
        actor = await worker(bench)
        await bench.start("order", delay=BLINK)
        for payload in (b"1", b"2"):
            await bench.signal("order", payload=payload)
        assert await actor.take() == []
        await bench.wait()
        news = news_of(await actor.turn())
        assert names_of(news) == ["WorkflowStarted", "SignalReceived", "SignalReceived"]
        assert signals_in(news) == [b"1", b"2"]

    async def test_a_cancel_request_begins_it_at_once(self, bench: Bench) -> None:
        """So that its code can end in good order; it does not begin a second time."""
        actor = await worker(bench)
        await bench.start("order", delay=BLINK)
        await bench.cancel("order", "changed my mind")
        task = await actor.turn()
        assert isinstance(news_of(task)[1], CancelRequested)
        assert (await bench.describe()).cancel_requested
        await actor.commit(task)
        await bench.wait()
        assert await actor.take() == []

    async def test_terminate_reaches_what_has_not_begun(self, bench: Bench) -> None:
        """It never runs."""
        actor = await worker(bench)
        await bench.start("order", delay=BLINK)
        assert await bench.terminate("order", "no need")
        await bench.wait()
        assert await bench.status() == "terminated"
        assert await actor.take() == []

    async def test_suspended_before_its_time_it_waits_for_resume(self, bench: Bench) -> None:
        """Its time does not make it run; resume does."""
        actor = await worker(bench)
        await bench.start("order", delay=BLINK, timeout=LONG)
        at = bench.at("order")
        assert await bench.call(Suspend(partition=at, instance="order"))
        await bench.wait()
        assert await bench.status() == "suspended"
        assert await actor.take() == []
        assert await bench.call(Resume(partition=at, instance="order"))
        assert names_of(news_of(await actor.turn())) == ["WorkflowStarted"]
        assert (await bench.describe()).deadline is not None

    async def test_the_time_limit_counts_from_the_beginning(self, bench: Bench) -> None:
        """Not from the moment of the request."""
        await bench.start("order", delay=BLINK, timeout=LONG)
        assert (await bench.describe()).deadline is None
        await bench.wait()
        row = await bench.describe()
        assert row.deadline is not None
        assert row.deadline - row.created_at >= LONG + BLINK
