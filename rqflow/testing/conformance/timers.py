"""Timers: what fires at its time, once, and only if it is still wanted."""

from __future__ import annotations

from datetime import timedelta

from rqflow.backend.calls.tasks import FireDue
from rqflow.core.commands import CancelTimer, StartTimer
from rqflow.core.events import TimerFired
from rqflow.core.wire import decode_failure
from rqflow.errors import LeaseLost
from rqflow.testing.conformance.actor import DONE
from rqflow.testing.conformance.bench import LONG, Bench, names_of
from rqflow.testing.conformance.deeds import continued, news_of, worker
from rqflow.testing.conformance.moving import BLINK
from rqflow.testing.conformance.standing import Standing


class TestTimer(Standing):
    """A run's durable timers."""

    async def test_it_fires_at_its_time_and_not_before(self, bench: Bench) -> None:
        """Once."""
        actor = await worker(bench)
        await bench.start()
        await actor.commit(await actor.turn(), StartTimer(id=1, delay=BLINK))
        assert await bench.fire() == 0
        assert await bench.wait() == 1
        assert news_of(await actor.turn()) == [TimerFired(id=1)]
        assert await bench.fire() == 0

    async def test_the_next_due_time_is_told_to_whoever_takes(self, bench: Bench) -> None:
        """So that a worker sleeps exactly until then."""
        actor = await worker(bench)
        await bench.start()
        at = bench.at("order")
        assert (await actor.taken(at, workflow_room=0)).next_due_ms is None
        await actor.commit(
            await actor.turn(), StartTimer(id=1, delay=LONG), StartTimer(id=2, delay=timedelta(seconds=5))
        )
        taken = await actor.taken(at)
        assert taken.next_due_ms is not None
        assert 4_000 < taken.next_due_ms - taken.now_ms <= 5_000

    async def test_a_timer_without_delay_is_due_at_once(self, bench: Bench) -> None:
        """It still comes as news of its own."""
        actor = await worker(bench)
        await bench.start()
        await actor.commit(await actor.turn(), StartTimer(id=1, delay=timedelta(0)))
        await bench.fire()
        assert news_of(await actor.turn()) == [TimerFired(id=1)]

    async def test_a_canceled_timer_never_fires(self, bench: Bench) -> None:
        """And leaves nothing due."""
        actor = await worker(bench)
        await bench.start()
        await actor.commit(await actor.turn(), StartTimer(id=1, delay=BLINK), StartTimer(id=2, delay=LONG))
        await bench.signal("order")
        await actor.commit(await actor.turn(), CancelTimer(id=3, target=1))
        assert await bench.due() == 1
        assert await bench.wait() == 0
        assert await actor.take() == []

    async def test_one_that_fired_first_stays_fired(self, bench: Bench) -> None:
        """Canceled in the same moment: the news is there for the next turn, and no other timer is hit."""
        actor = await worker(bench)
        await bench.start()
        await actor.commit(await actor.turn(), StartTimer(id=1, delay=BLINK))
        await bench.signal("order")
        task = await actor.turn()
        await bench.wait()
        await actor.commit(task, CancelTimer(id=2, target=1), StartTimer(id=3, delay=LONG))
        assert news_of(await actor.turn()) == [TimerFired(id=1)]
        assert (await bench.describe()).timers == 1

    async def test_started_and_canceled_by_one_commit_it_is_nothing(self, bench: Bench) -> None:
        """Commands are carried out in their order."""
        actor = await worker(bench)
        await bench.start()
        await actor.commit(await actor.turn(), StartTimer(id=1, delay=BLINK), CancelTimer(id=2, target=1))
        assert (await bench.describe()).timers == 0
        await bench.wait()
        assert await actor.take() == []

    async def test_many_that_are_due_at_once_all_fire(self, bench: Bench) -> None:
        """In bounded batches; each instance gets one task [P10]."""
        actor = await worker(bench)
        for number in range(40):
            await bench.start(f"order-{number}")
        for task in await actor.take():
            await actor.commit(task, *(StartTimer(id=id, delay=BLINK) for id in range(1, 6)))  # type: ignore[arg-type]
        await bench.clock.pass_by(BLINK)
        fired = [await bench.call(FireDue(partition=partition, limit=7)) for partition in range(bench.partitions)]
        assert max(fired) == 7
        assert await bench.fire() + sum(fired) == 200
        tasks = await actor.take()
        assert len(tasks) == 40
        for task in tasks:
            assert {event.id for event in news_of(task)} == {1, 2, 3, 4, 5}  # type: ignore[arg-type, union-attr]

    async def test_a_timer_of_an_old_run_does_not_reach_the_next(self, bench: Bench) -> None:
        """The new run's timer of the same number is another one."""
        actor = await worker(bench)
        await bench.start()
        await actor.commit(await actor.turn(), StartTimer(id=1, delay=BLINK))
        await bench.signal("order")
        task = await actor.turn()
        await actor.commit(task, close=continued(task, "run-next"))
        await actor.commit(await actor.turn(), StartTimer(id=1, delay=LONG))
        await bench.wait()
        assert await actor.take() == []
        assert (await bench.describe()).timers == 1

    async def test_timers_of_an_ended_run_are_gone(self, bench: Bench) -> None:
        """Only its retention is due."""
        actor = await worker(bench)
        await bench.start()
        await actor.commit(await actor.turn(), *(StartTimer(id=id, delay=BLINK) for id in range(1, 11)))
        await bench.signal("order")
        await actor.commit(await actor.turn(), close=DONE)
        assert await bench.due() == 1


class TestDeadline(Standing):
    """A run's time limit."""

    async def test_a_run_that_passes_it_ends_as_timed_out(self, bench: Bench) -> None:
        """Its code is not asked, and a turn that is under way comes too late."""
        actor = await worker(bench)
        await bench.start(timeout=BLINK)
        task = await actor.turn()
        row = await bench.describe()
        assert row.deadline is not None
        assert row.deadline - row.created_at == BLINK
        await bench.wait()
        outcome = await bench.outcome()
        assert (outcome.status, decode_failure(outcome.payload).kind) == ("timed_out", "timeout")
        assert names_of(await bench.history()) == ["WorkflowStarted", "WorkflowTimedOut"]
        await bench.refused(actor.commit_call(task, close=DONE), LeaseLost)

    async def test_each_run_has_its_own(self, bench: Bench) -> None:
        """Continue-as-new begins the time anew."""
        actor = await worker(bench)
        await bench.start(timeout=LONG)
        first = (await bench.describe()).deadline
        await bench.wait()
        task = await actor.turn()
        limit_ms = LONG // timedelta(milliseconds=1)
        await actor.commit(task, close=continued(task, "run-next", timeout_ms=limit_ms))
        second = (await bench.describe()).deadline
        assert first is not None
        assert second is not None
        assert second - first >= BLINK
        assert await bench.due() == 1
