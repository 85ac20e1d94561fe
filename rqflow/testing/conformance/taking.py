"""Taking: who gets which task, in which order, with how much of its history, and how one waits for it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from rqflow.backend.calls.instances import ReadHistory
from rqflow.backend.calls.tasks import ActivityTask, Entry, Subscription, Task, WorkflowTask
from rqflow.core.commands import RecordSideEffect
from rqflow.testing.conformance.actor import DONE
from rqflow.testing.conformance.bench import LONG, Bench, decoded, names_of
from rqflow.testing.conformance.deeds import charge, give_back_call, news_of, worker
from rqflow.testing.conformance.moving import BLINK
from rqflow.testing.conformance.standing import Standing

SECOND = timedelta(seconds=1)


class TestTake(Standing):
    """Which tasks a worker is given."""

    async def test_no_more_than_it_has_room_for(self, bench: Bench) -> None:
        """Room for workflow and for activity tasks is counted apart; none is taken without room [A11]."""
        actor = await worker(bench)
        for number in range(6):
            await bench.start(f"order-{number}")
        tasks = await actor.turns()
        for task in list(tasks.values())[:3]:
            await actor.commit(task, charge(1), charge(2))
        for task in list(tasks.values())[3:]:
            await bench.call(give_back_call(task))
        for at in range(bench.partitions):
            assert (await actor.taken(at, workflow_room=0, activity_room=0)).tasks == ()
            some = (await actor.taken(at, workflow_room=1, activity_room=2)).tasks
            assert len([task for task in some if isinstance(task, WorkflowTask)]) <= 1
            assert len([task for task in some if isinstance(task, ActivityTask)]) <= 2
        await actor.take()
        assert len(await actor.take(again=True)) == 9

    async def test_queues_are_served_in_their_order(self, bench: Bench) -> None:
        """As long as the first has tasks, the second waits."""
        actor = await worker(bench, queues=("urgent", "slow"))
        [slow] = bench.apart("slow")
        same = [f"u-{n}" for n in range(200) if bench.at(f"u-{n}") == bench.at(slow)][:3]
        await bench.start(slow, queue="slow")
        for instance in same:
            await bench.start(instance, queue="urgent")
        order = []
        for _ in range(4):
            [task] = (await actor.taken(bench.at(slow), workflow_room=1)).tasks
            assert isinstance(task, WorkflowTask)
            order.append(task.instance)
        assert order == [*same, slow]

    async def test_oldest_first(self, bench: Bench) -> None:
        """Within a queue of one partition."""
        actor = await worker(bench)
        instances = [f"o-{n}" for n in range(400) if bench.at(f"o-{n}") == 0][:20]
        for instance in instances:
            await bench.start(instance)
        assert list(await actor.turns()) == instances

    async def test_only_what_it_asks_for(self, bench: Bench) -> None:
        """Other queues' tasks stay where they are; workflow-only workers take no activities [A11]."""
        actor = await worker(bench)
        other = await worker(bench, "other", queues=("side",))
        await bench.start()
        assert await other.take() == []
        await actor.commit(await actor.turn(), charge(1, queue="side"))
        assert await actor.take() == []
        assert await other.take(subscription=Subscription(workflow_queues=("side",))) == []
        task = (await other.take())[0]
        assert isinstance(task, ActivityTask)
        assert task.queue == "side"

    async def test_the_news_of_a_kept_executor_go_to_its_keeper(self, bench: Bench) -> None:
        """Alone, and without the history that it has already [A5]."""
        actor = await worker(bench)
        other = await worker(bench, "other")
        await bench.start()
        await actor.commit(await actor.turn(), RecordSideEffect(id=1))
        await bench.signal("order")
        assert await other.take() == []
        task = await actor.turn()
        assert (task.history, task.history_from, task.history_length) == ((), 2, 2)
        assert names_of(news_of(task)) == ["SignalReceived"]
        assert (await bench.describe()).worker == actor.id

    async def test_a_commit_may_say_that_the_executor_is_not_kept(self, bench: Bench) -> None:
        """Then the news are for all, with the history."""
        actor = await worker(bench)
        other = await worker(bench, "other")
        await bench.start()
        await actor.commit(await actor.turn(), RecordSideEffect(id=1), sticky=False)
        await bench.signal("order")
        task = await other.turn()
        assert names_of(decoded(task.history)) == ["WorkflowStarted", "SideEffectRecorded"]
        assert (task.history_from, task.history_length, task.build) == (0, 2, "build-1")

    async def test_a_task_given_back_is_for_all(self, bench: Bench) -> None:
        """With its whole history, at once; nothing is counted as lost [B13]."""
        actor = await worker(bench)
        other = await worker(bench, "other")
        await bench.start()
        await actor.commit(await actor.turn())
        await bench.signal("order")
        await bench.call(give_back_call(await actor.turn()))
        task = await other.turn()
        assert (len(task.history), task.deliveries) == (1, 1)

    async def test_a_task_given_back_with_a_delay_waits(self, bench: Bench) -> None:
        """News meanwhile make it no second task [P6]."""
        actor = await worker(bench)
        await bench.start()
        await bench.call(give_back_call(await actor.turn(), delay=BLINK))
        await bench.signal("order")
        assert (await bench.describe()).task == "waiting"
        assert await actor.take() == []
        await bench.wait()
        assert names_of(news_of(await actor.turn())) == ["WorkflowStarted", "SignalReceived"]

    async def test_what_it_holds_is_given_again_if_asked(self, bench: Bench) -> None:
        """After a broken connection: the same tasks under the same tokens, and not counted as lost."""
        actor = await worker(bench)
        await bench.start("one")
        await bench.start("two")
        tasks = await actor.turns()
        await actor.commit(tasks["one"], charge(1))
        [activity] = [task for task in await actor.take() if isinstance(task, ActivityTask)]
        again = await actor.take(again=True)
        assert {task.token for task in again} == {tasks["two"].token, activity.token}
        assert {task.deliveries for task in again if isinstance(task, WorkflowTask)} == {1}
        assert {task.attempt for task in again if isinstance(task, ActivityTask)} == {1}
        assert await actor.take() == []

    async def test_p7_a_long_history_comes_page_by_page(self, bench: Bench) -> None:
        """A task carries a first page; ReadHistory gives the rest, in the same order [P7][B12]."""
        actor = await worker(bench)
        await bench.start()
        effects = [RecordSideEffect(id=n, payload=b"%d" % n) for n in range(1, 2_501)]
        await actor.commit(await actor.turn(), *effects, sticky=False)
        await bench.signal("order")
        task = await actor.turn()
        assert task.history_length == 2_501
        assert 1 <= len(task.history) <= 1_000
        events = list(task.history)
        for _ in range(10):
            if len(events) == task.history_length:
                break
            call = ReadHistory(partition=task.partition, instance="order", run=task.run, after=len(events), limit=700)
            page = await bench.call(call)
            assert page.length == 2_501
            assert len(page.events) <= 700
            events += page.events
        effects_read = decoded(events)[1:]
        assert [event.payload for event in effects_read] == [b"%d" % n for n in range(1, 2_501)]  # type: ignore[union-attr]

    async def test_p7_a_heavy_history_comes_in_small_pages(self, bench: Bench) -> None:
        """No task carries much more than a mebibyte of it [P7]."""
        actor = await worker(bench)
        await bench.start()
        effects = [RecordSideEffect(id=n, payload=b"x" * 400_000) for n in range(1, 7)]
        await actor.commit(await actor.turn(), *effects, sticky=False)
        await bench.signal("order")
        task = await actor.turn()
        assert 1 <= len(task.history) < 7
        assert sum(map(len, task.history)) <= 2 * 1_048_576


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
