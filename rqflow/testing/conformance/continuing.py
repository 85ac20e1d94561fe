"""Continuing: from one run to the next with nothing lost between them."""

from __future__ import annotations

import asyncio

from rqflow.backend.calls.instances import ReadHistory
from rqflow.core.events import CancelRequested, SignalReceived, UpdateRequested, WorkflowStarted
from rqflow.errors import LeaseLost, RunNotFound
from rqflow.testing.conformance.bench import LONG, Bench, names_of, signals_in
from rqflow.testing.conformance.deeds import charge, continued, finish, news_of, worker
from rqflow.testing.conformance.moving import BLINK
from rqflow.testing.conformance.standing import Standing


class TestContinueAsNew(Standing):
    """A run that ends so that the next may begin [B18]."""

    async def test_the_next_run_begins_with_an_empty_history(self, bench: Bench) -> None:
        """Same id, new run, new workflow if it wants one; the instance stays open."""
        actor = await worker(bench)
        await bench.start("order", run="run-a", attributes={"city": "Bern"}, status=b'"x"')
        task = await actor.turn()
        committed = await actor.commit(task, charge(1), close=continued(task, "run-b", workflow="refund"))
        assert (committed.closed, committed.more) == (False, True)
        following = await actor.turn()
        [started] = news_of(following)
        assert isinstance(started, WorkflowStarted)
        assert (started.run, started.continued_from, started.payload) == ("run-b", "run-a", b"[2]")
        assert (following.run, following.history_length, following.workflow) == ("run-b", 0, "refund")
        row = await bench.describe()
        assert (row.run, row.runs, row.status, row.workflow) == ("run-b", 2, "running", "refund")
        assert (row.attributes, row.custom_status, row.pending) == ({"city": "Bern"}, b'"x"', ())
        assert [one.run for one in await bench.listing(workflow="refund")] == ["run-b"]
        assert await bench.listing(workflow="checkout") == []

    async def test_each_run_keeps_its_history(self, bench: Bench) -> None:
        """The old one ends with WorkflowContinued and stays readable; an unknown run is refused."""
        actor = await worker(bench)
        await bench.start("order", run="run-a")
        task = await actor.turn()
        await actor.commit(task, close=continued(task, "run-b"))
        await finish(actor)
        assert names_of(await bench.history("order", "run-a")) == ["WorkflowStarted", "WorkflowContinued"]
        assert names_of(await bench.history("order")) == ["WorkflowStarted", "WorkflowCompleted"]
        call = ReadHistory(partition=bench.at("order"), instance="order", run="run-z")
        assert (await bench.refused(call, RunNotFound)).run == "run-z"

    async def test_p8_carried_news_come_first_then_those_no_turn_has_seen(self, bench: Bench) -> None:
        """Order is kept, and none is lost or told twice [P8]."""
        actor = await worker(bench)
        await bench.start()
        for payload in (b"1", b"2"):
            await bench.signal("order", payload=payload)
        task = await actor.turn()
        for payload in (b"3", b"4"):
            await bench.signal("order", payload=payload)
        carried = [event for event in news_of(task) if isinstance(event, SignalReceived)]
        await actor.commit(task, close=continued(task, "run-b", *carried))
        await bench.signal("order", payload=b"5")
        news = news_of(await actor.turn())
        assert isinstance(news[0], WorkflowStarted)
        assert signals_in(news) == [b"1", b"2", b"3", b"4", b"5"]

    async def test_p8_runs_that_each_read_a_part_keep_the_order_of_the_rest(self, bench: Bench) -> None:
        """What is carried again goes before what was carried and not looked at, and that before all else [P8]."""
        actor = await worker(bench)
        await bench.start()
        for payload in (b"1", b"2", b"3"):
            await bench.signal("order", payload=payload)
        task = await actor.turn()
        signals = [event for event in news_of(task) if isinstance(event, SignalReceived)]
        await actor.commit(task, close=continued(task, "run-b", *signals[:2]), consumed=3)
        await bench.clock.pass_by(BLINK)
        task = await actor.turn()
        await actor.commit(task, close=continued(task, "run-c", signals[0]), consumed=2)
        await bench.signal("order", payload=b"4")
        assert signals_in(news_of(await actor.turn())) == [b"1", b"2", b"3", b"4"]

    async def test_updates_and_cancels_are_kept_too(self, bench: Bench) -> None:
        """They are for the instance, not for the run."""
        actor = await worker(bench)
        await bench.start()
        task = await actor.turn()
        await bench.cancel("order")
        update = UpdateRequested(update="update-a", name="rename", payload=b"1")
        await actor.commit(task, close=continued(task, "run-b", update))
        news = news_of(await actor.turn())
        assert news[1] == update
        assert isinstance(news[2], CancelRequested)

    async def test_p8_signals_that_race_with_it_all_arrive_once(self, bench: Bench) -> None:
        """Whichever side of the commit each of them falls on."""
        actor = await worker(bench)
        await bench.start()
        seen: list[bytes] = []
        sent: list[bytes] = []
        for turn in range(10):
            task = await actor.turn()
            seen += signals_in(news_of(task))
            payloads = [b"%d-%d" % (turn, number) for number in range(5)]
            sent += payloads
            commit = actor.commit(task, close=continued(task, f"run-next-{turn}"))
            await asyncio.gather(*(bench.signal("order", payload=payload) for payload in payloads), commit)
        seen += signals_in(news_of(await actor.turn()))
        assert sorted(seen) == sorted(sent)
        assert (await bench.describe()).runs == 11

    async def test_a_repeated_commit_does_not_run_it_twice(self, bench: Bench) -> None:
        """The next run is begun once."""
        actor = await worker(bench)
        await bench.start()
        task = await actor.turn()
        call = actor.commit_call(task, close=continued(task, "run-b"))
        await bench.call(call)
        await bench.refused(call, LeaseLost)
        row = await bench.describe()
        assert (row.run, row.runs, row.inbox_length) == ("run-b", 2, 1)
        assert len(await actor.turns()) == 1

    async def test_the_start_request_is_still_known(self, bench: Bench) -> None:
        """A late repeat of the start is the same start, of whatever run is current now."""
        actor = await worker(bench)
        call = bench.start_call("order", run="run-a")
        await bench.call(call)
        task = await actor.turn()
        await actor.commit(task, close=continued(task, "run-b"))
        again = await bench.call(call)
        assert (again.run, again.created) == ("run-b", True)
        assert (await bench.describe()).runs == 2

    async def test_old_histories_go_after_their_retention(self, bench: Bench) -> None:
        """While the instance lives on [P10]."""
        actor = await worker(bench)
        await bench.start("order", run="run-a", retention=BLINK)
        task = await actor.turn()
        await actor.commit(task, close=continued(task, "run-b"))
        await bench.wait(2 * BLINK)
        call = ReadHistory(partition=bench.at("order"), instance="order", run="run-a")
        await bench.refused(call, RunNotFound)
        assert await bench.status() == "running"

    async def test_a_long_chain_of_runs_keeps_its_retention(self, bench: Bench) -> None:
        """Each of many histories can still be read."""
        actor = await worker(bench)
        await bench.start("order", run="run-0", retention=LONG)
        for number in range(1, 21):
            task = await actor.turn()
            await actor.commit(task, close=continued(task, f"run-{number}"))
        for number in range(20):
            assert names_of(await bench.history("order", f"run-{number}"))[-1] == "WorkflowContinued"
