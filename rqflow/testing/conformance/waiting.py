"""Waiting: how a worker with nothing to do is woken, and what it is brought."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from rqflow.backend.calls.hubs import ReadStats
from rqflow.backend.calls.tasks import ActivityTask, Entry, Subscription, Task, WorkflowTask
from rqflow.core.commands import StartTimer
from rqflow.core.events import TimerFired
from rqflow.errors import LeaseLost, RqflowError
from rqflow.testing.conformance.actor import DONE, Actor
from rqflow.testing.conformance.bench import LONG, Bench
from rqflow.testing.conformance.deeds import charge, news_of, worker
from rqflow.testing.conformance.moving import BLINK
from rqflow.testing.conformance.standing import Standing

SECOND = timedelta(seconds=1)


class TestWaiting(Standing):
    """How a worker with nothing to do is woken."""

    async def test_a_task_that_is_there_is_brought_at_once(self, bench: Bench) -> None:
        """Leased already; Take loads it."""
        actor = await worker(bench)
        await bench.start()
        at = bench.at("order")
        entries = await bench.backend.wait_for_tasks(at, actor.id, actor.subscription, SECOND)
        assert [type(entry) for entry in entries] == [Entry]
        assert await actor.take() == []
        taken = await actor.taken(at, entries=tuple(entries), workflow_room=0)
        [task] = taken.tasks
        assert isinstance(task, WorkflowTask)
        await actor.commit(task, close=DONE)

    async def test_it_ends_empty_at_its_timeout(self, bench: Bench) -> None:
        """Nobody waits for ever."""
        actor = await worker(bench)
        for timeout in (timedelta(milliseconds=5), timedelta(milliseconds=1)):
            assert list(await bench.backend.wait_for_tasks(0, actor.id, actor.subscription, timeout)) == []

    async def test_a_task_that_comes_ends_the_wait(self, bench: Bench) -> None:
        """Workflow tasks, activity tasks, and what is for this worker alone."""
        actor = await worker(bench, queues=("one", "two"))
        at = bench.at("order")

        async def waited() -> WorkflowTask | ActivityTask:
            entries = await bench.backend.wait_for_tasks(at, actor.id, actor.subscription, 20 * SECOND)
            [task] = (await actor.taken(at, entries=tuple(entries), workflow_room=0, activity_room=0)).tasks
            assert isinstance(task, WorkflowTask | ActivityTask)
            return task

        waiting = asyncio.ensure_future(waited())
        await asyncio.sleep(0.01)
        await bench.start(queue="two")
        task = await waiting
        assert isinstance(task, WorkflowTask)
        waiting = asyncio.ensure_future(waited())
        await asyncio.sleep(0.01)
        await actor.commit(task, charge(1, queue="one"))
        assert isinstance(await waiting, ActivityTask)
        waiting = asyncio.ensure_future(waited())
        await asyncio.sleep(0.01)
        await bench.signal("order")
        sticky = await waiting
        assert isinstance(sticky, WorkflowTask)
        assert sticky.history_from == 2

    async def test_of_many_that_wait_each_task_goes_to_one(self, bench: Bench) -> None:
        """None is given twice, none is left."""
        actors = [await worker(bench, f"worker-{number}") for number in range(4)]
        at = bench.at("order-0")
        instances = [f"o-{n}" for n in range(100) if bench.at(f"o-{n}") == at][:4]
        waits = [
            asyncio.ensure_future(bench.backend.wait_for_tasks(at, actor.id, actor.subscription, 3 * SECOND))
            for actor in actors
        ]
        await asyncio.sleep(0.01)
        for instance in instances:
            await bench.start(instance)
        found: list[Task] = []
        for actor, entries in zip(actors, await asyncio.gather(*waits), strict=True):
            found += (await actor.taken(at, entries=tuple(entries))).tasks
        assert sorted(task.instance for task in found) == sorted(instances)

    async def test_what_is_due_is_taken_in_the_step_that_handles_it(self, bench: Bench) -> None:
        """A blocked read that waits gets nothing of it; and a look that asks for none handles none."""
        actor, other = await worker(bench), await worker(bench, "other")
        await bench.start()
        await actor.commit(await actor.turn(), StartTimer(id=1, delay=BLINK), sticky=False)
        await bench.clock.pass_by(BLINK)
        here = bench.at("order")
        waiting = asyncio.ensure_future(bench.backend.wait_for_tasks(here, other.id, other.subscription, SECOND / 5))
        await asyncio.sleep(0.01)
        assert (await actor.taken(here)).fired == 0
        taken = await actor.taken(here, fire=10)
        assert taken.fired == 1
        assert [news_of(task) for task in taken.tasks] == [[TimerFired(id=1)]]  # type: ignore[arg-type]
        assert list(await waiting) == []

    async def test_p6_several_queues_at_once_lose_nothing(self, bench: Bench) -> None:
        """One read that finds tasks in several streams keeps all of them."""
        actor = await worker(bench, queues=("a", "b", "c"))
        at = bench.at("order-0")
        instances = [f"o-{n}" for n in range(200) if bench.at(f"o-{n}") == at][:9]
        for number, instance in enumerate(instances):
            await bench.start(instance, queue="abc"[number % 3])
        found: list[str] = []
        for _ in range(20):
            entries = await bench.backend.wait_for_tasks(at, actor.id, actor.subscription, BLINK)
            assert len(entries) <= 3
            taken = await actor.taken(at, entries=tuple(entries), workflow_room=0)
            found += [task.instance for task in taken.tasks]
            if len(found) == 9:
                break
        assert sorted(found) == sorted(instances)


class TestBrought(Standing):
    """What becomes of entries between the read and the Take, and of wakes."""

    async def test_an_entry_whose_instance_is_gone_is_dropped(self, bench: Bench) -> None:
        """Between the read and its Take the instance was ended."""
        actor = await worker(bench)
        await bench.start()
        at = bench.at("order")
        entries = await bench.backend.wait_for_tasks(at, actor.id, actor.subscription, SECOND)
        await bench.terminate("order")
        assert (await actor.taken(at, entries=tuple(entries))).tasks == ()
        assert await actor.take(again=True) == []

    async def test_p6_a_wait_that_was_canceled_loses_nothing(self, bench: Bench) -> None:
        """What it may have leased is found by asking again."""
        actor = await worker(bench)
        at = bench.at("order")
        waiting = asyncio.ensure_future(bench.backend.wait_for_tasks(at, actor.id, actor.subscription, 20 * SECOND))
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await bench.start()
        assert len([*await actor.take(), *await actor.take(again=True)]) >= 1

    async def test_a_delayed_start_before_all_else_wakes_an_idle_worker(self, bench: Bench) -> None:
        """So that it learns when to look again; the wake itself is no task."""
        actor = await worker(bench)
        at = bench.at("order")
        waiting = asyncio.ensure_future(bench.backend.wait_for_tasks(at, actor.id, actor.subscription, 20 * SECOND))
        await asyncio.sleep(0.01)
        await bench.start(delay=LONG)
        entries = await waiting
        taken = await actor.taken(at, entries=tuple(entries))
        assert taken.tasks == ()
        assert taken.next_due_ms is not None

    async def test_a_wake_that_nobody_waited_for_is_no_task(self, bench: Bench) -> None:
        """A worker that looks by itself finds none, and what stands behind it."""
        actor = await worker(bench)
        at = bench.at("order")
        await bench.start("order", delay=LONG)
        behind = next(f"o-{n}" for n in range(100) if bench.at(f"o-{n}") == at)
        await bench.start(behind)
        found: list[str] = []
        for _ in range(3):
            found += [task.instance for task in (await actor.taken(at, workflow_room=1)).tasks]
        assert found == [behind]

    async def test_one_wake_stands_for_many(self, bench: Bench) -> None:
        """Whoever reads it learns when the earliest of all is due; it is counted as no task [P10]."""
        actor = await worker(bench)
        await bench.start("order", delay=LONG)
        at = bench.at("order")
        later = next(f"o-{n}" for n in range(100) if bench.at(f"o-{n}") == at)
        await bench.start(later, delay=2 * LONG)
        earlier = [f"e-{n}" for n in range(100) if bench.at(f"e-{n}") == at][:5]
        for number, instance in enumerate(earlier, 2):
            await bench.start(instance, delay=LONG / number)
        stats = await bench.call(ReadStats(partition=at))
        assert stats.due == 7
        assert sum(queue.workflows_queued for queue in stats.queues) == 0
        assert len(await bench.backend.wait_for_tasks(at, actor.id, actor.subscription, SECOND)) == 1
        assert len(await bench.backend.wait_for_tasks(at, actor.id, actor.subscription, BLINK)) == 0

    async def test_a_worker_may_wait_for_queues_that_its_record_does_not_name(self, bench: Bench) -> None:
        """What it takes there is taken over, too, when it dies [P6]."""
        actor = await worker(bench, queues=("main",))
        survivor = await worker(bench, "survivor", queues=("main", "side"))
        at = bench.at("order")
        await bench.start("order", queue="side")
        both = Subscription(workflow_queues=("main", "side"))
        entries = await bench.backend.wait_for_tasks(at, actor.id, both, 3 * SECOND)
        assert len(entries) == 1
        await actor.renew(lease=BLINK)
        await bench.clock.pass_by(2 * BLINK)
        await survivor.sweep()
        assert len(await survivor.turns()) == 1

    async def test_p3_an_entry_that_was_taken_over_is_not_loaded(self, bench: Bench) -> None:
        """Its reader died between the read and its Take."""
        actor = await worker(bench)
        survivor = await worker(bench, "survivor")
        await bench.start()
        at = bench.at("order")
        entries = await bench.backend.wait_for_tasks(at, actor.id, actor.subscription, SECOND)
        await actor.renew(lease=BLINK)
        await bench.clock.pass_by(2 * BLINK)
        await survivor.sweep()
        task = await survivor.turn()
        [answer] = await bench.backend.send([actor.take_call(at, entries=tuple(entries))])
        assert isinstance(answer, LeaseLost) or answer.tasks == ()
        await survivor.commit(task, close=DONE)

    async def test_who_is_not_registered_is_brought_nothing(self, bench: Bench) -> None:
        """A task in its hands would be nobody's: it says so, or finds none [P6]."""
        stranger = Actor(bench, "stranger", ("main",), "build-1")
        actor = await worker(bench)
        await bench.start()
        at = bench.at("order")
        waiting = bench.backend.wait_for_tasks(at, stranger.id, stranger.subscription, BLINK)
        [brought] = await asyncio.gather(waiting, return_exceptions=True)
        assert isinstance(brought, RqflowError) or list(brought) == []  # type: ignore[arg-type]
        [answer] = await bench.backend.send([stranger.take_call(at)])
        assert isinstance(answer, LeaseLost) or answer.tasks == ()
        assert len(await actor.turns()) == 1

    async def test_p6_what_reaches_a_dead_workers_wait_is_not_lost(self, bench: Bench) -> None:
        """It was still blocked when it was declared dead, and then a task came [P6]."""
        actor = await worker(bench)
        survivor = await worker(bench, "survivor")
        at = bench.at("order")
        waiting = asyncio.ensure_future(bench.backend.wait_for_tasks(at, actor.id, actor.subscription, 20 * SECOND))
        await asyncio.sleep(0.01)
        await actor.renew(lease=BLINK)
        await bench.clock.pass_by(2 * BLINK)
        await survivor.sweep()
        await bench.start()
        await asyncio.sleep(0.02)
        if waiting.done() and not waiting.exception():
            await bench.backend.send([actor.take_call(at, entries=tuple(waiting.result()))])
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await survivor.sweep()
        assert len(await survivor.turns()) == 1

    async def test_leaving_ends_the_wait(self, bench: Bench) -> None:
        """Or at least does not break it."""
        actor = await worker(bench)
        waiting = asyncio.ensure_future(
            bench.backend.wait_for_tasks(0, actor.id, actor.subscription, timedelta(milliseconds=300))
        )
        await asyncio.sleep(0.01)
        await actor.unregister()
        [answer] = await asyncio.gather(waiting, return_exceptions=True)
        assert isinstance(answer, RqflowError) or list(answer) == []  # type: ignore[arg-type]
