"""Keeping: how long an ended instance stays, how it is removed, and that nothing stays behind."""

from __future__ import annotations

from datetime import timedelta

from rqflow.backend.calls.hubs import ReadStats
from rqflow.backend.calls.instances import Purge, ReadHistory
from rqflow.core.commands import SetAttributes, StartTimer
from rqflow.errors import InstanceNotClosed, InstanceNotFound, LeaseLost, RunNotFound
from rqflow.testing.conformance.bench import LONG, Bench
from rqflow.testing.conformance.deeds import charge, child, continued, finish, news_of, worker
from rqflow.testing.conformance.moving import BLINK
from rqflow.testing.conformance.standing import Standing


def purge_call(bench: Bench, instance: str = "order", *, force: bool = False) -> Purge:
    return Purge(partition=bench.at(instance), instance=instance, force=force)


class TestRetention(Standing):
    """The end of what has ended."""

    async def test_it_is_kept_for_its_retention_and_not_longer(self, bench: Bench) -> None:
        """Row, history and listing go together."""
        actor = await worker(bench)
        await bench.start("order", retention=BLINK, run="run-a")
        await finish(actor)
        assert await bench.status() == "completed"
        assert len(await bench.history()) == 2
        await bench.wait(2 * BLINK)
        await bench.refused(ReadHistory(partition=bench.at("order"), instance="order"), InstanceNotFound)
        assert await bench.listing() == []

    async def test_a_run_that_goes_on_is_kept_for_ever(self, bench: Bench) -> None:
        """Retention begins with the end."""
        await bench.start("order", retention=timedelta(milliseconds=1))
        await bench.wait()
        assert await bench.status() == "running"

    async def test_the_retention_of_an_old_instance_does_not_hit_a_new_one(self, bench: Bench) -> None:
        """The id was used again before it passed."""
        actor = await worker(bench)
        await bench.start("order", run="run-a", retention=BLINK)
        await finish(actor)
        await bench.start("order", run="run-b", retention=BLINK)
        await bench.wait(2 * BLINK)
        assert (await bench.outcome()).run == "run-b"
        assert len((await actor.turn()).inbox) == 1
        call = ReadHistory(partition=bench.at("order"), instance="order", run="run-a")
        await bench.refused(call, RunNotFound)

    async def test_p10_after_it_a_hub_is_as_small_as_before(self, bench: Bench) -> None:
        """Whatever they did: nothing is due, listed, queued or counted any more [P10]."""
        actor = await worker(bench)
        for number in range(5):
            await bench.start(f"order-{number}", retention=BLINK, attributes={"city": "Bern"})
        for instance, task in (await actor.turns()).items():
            commands = (
                charge(1, schedule_to_close=LONG),
                StartTimer(id=2, delay=LONG),
                child(f"{instance}-kid", f"run-{instance}-kid", 3, retention=BLINK),
                SetAttributes(id=4, changes={"size": 1}, payload=b"{}"),
            )
            await actor.commit(task, *commands)
        for number in range(5):
            await bench.terminate(f"order-{number}")
        await actor.take()
        await actor.unregister()
        await bench.wait(2 * BLINK)
        assert await bench.listing() == []
        for partition in range(bench.partitions):
            stats = await bench.call(ReadStats(partition=partition))
            assert (sum(stats.statuses.values()), stats.due, stats.outbox, stats.workers) == (0, 0, 0, ())
            for queue in stats.queues:
                assert (queue.workflows_queued, queue.activities_queued) == (0, 0)
                assert (queue.workflows_leased, queue.activities_leased) == (0, 0)

    async def test_a_removed_id_is_free(self, bench: Bench) -> None:
        """As if it had never been; even the old request starts anew."""
        actor = await worker(bench)
        await bench.start("order", retention=timedelta(0))
        await finish(actor)
        await bench.wait()
        await bench.start("order", on_reuse="reject")
        assert len(news_of(await actor.turn())) == 1


class TestPurge(Standing):
    """Removing before the time [B8]."""

    async def test_it_removes_what_has_ended(self, bench: Bench) -> None:
        """With all runs' histories and everything due."""
        actor = await worker(bench)
        await bench.start("order", run="run-a")
        task = await actor.turn()
        await actor.commit(task, close=continued(task, "run-b"))
        await finish(actor)
        await bench.call(purge_call(bench))
        await bench.refused(purge_call(bench), InstanceNotFound)
        assert await bench.listing() == []
        assert await bench.due() == 0
        await bench.start("order", run="run-c")
        call = ReadHistory(partition=bench.at("order"), instance="order", run="run-a")
        await bench.refused(call, RunNotFound)

    async def test_an_open_instance_is_refused(self, bench: Bench) -> None:
        """It goes on."""
        await bench.start()
        assert (await bench.refused(purge_call(bench), InstanceNotClosed)).status == "running"
        assert await bench.status() == "running"

    async def test_forced_it_ends_it_first(self, bench: Bench) -> None:
        """Turn and activities are fenced off, children go by their policy, a parent is told."""
        actor = await worker(bench)
        [parent, order, kid] = bench.apart("parent", "order", "kid")
        await bench.start(parent)
        await actor.commit(await actor.turn(parent), child(order, "run-order"))
        await actor.commit(await actor.turn(order), charge(1), child(kid, "run-kid", 2))
        await bench.signal(order)
        tasks = await actor.turns()
        await bench.call(purge_call(bench, order, force=True))
        await bench.relay()
        await bench.refused(actor.commit_call(tasks[order]), LeaseLost)
        await bench.refused(purge_call(bench, order), InstanceNotFound)
        assert await bench.status(kid) == "terminated"
        assert [type(event).__name__ for event in news_of((await actor.turns())[parent])] == ["ChildFailed"]

    async def test_an_unknown_one_is_refused(self, bench: Bench) -> None:
        """Not found."""
        await bench.refused(purge_call(bench, "nobody"), InstanceNotFound)

    async def test_what_was_purged_disturbs_nobody(self, bench: Bench) -> None:
        """Late results, signals and due times of it find nothing [P7]."""
        actor = await worker(bench)
        await bench.start()
        await actor.commit(await actor.turn(), charge(1), StartTimer(id=2, delay=BLINK))
        assert len(await actor.take()) == 1
        await bench.call(purge_call(bench, force=True))
        await bench.refused(bench.signal_call("order"), InstanceNotFound)
        await bench.wait()
        assert await actor.take() == []
        assert await actor.take(again=True) == []
