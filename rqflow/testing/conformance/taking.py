"""Taking: who gets which task, in which order, and with how much of its history."""

from __future__ import annotations

from rqflow.backend.calls.instances import ReadHistory
from rqflow.backend.calls.tasks import ActivityTask, Subscription, WorkflowTask
from rqflow.core.commands import RecordSideEffect
from rqflow.testing.conformance.bench import Bench, decoded, names_of
from rqflow.testing.conformance.deeds import charge, complete_call, give_back_call, news_of, worker
from rqflow.testing.conformance.moving import BLINK
from rqflow.testing.conformance.standing import Standing


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

    async def test_one_exchange_finishes_and_takes(self, bench: Bench) -> None:
        """Commits, results and a Take in one batch: what the first made, the last already finds."""
        actor = await worker(bench)
        await bench.start()
        task = await actor.turn()
        at = bench.at("order")
        committed, taken = await bench.backend.send([actor.commit_call(task, charge(1)), actor.take_call(at)])
        assert not committed.closed
        [attempt] = taken.tasks
        assert isinstance(attempt, ActivityTask)
        none, taken = await bench.backend.send([complete_call(attempt), actor.take_call(at)])
        assert none is None
        [turn] = taken.tasks
        assert names_of(news_of(turn)) == ["ActivityCompleted"]

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


class TestLoading(Standing):
    """What a task brings with it."""

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

    async def test_reading_behind_the_end_gives_nothing(self, bench: Bench) -> None:
        """But the length."""
        actor = await worker(bench)
        await bench.start()
        await actor.commit(await actor.turn())
        page = await bench.call(ReadHistory(partition=bench.at("order"), instance="order", after=7))
        assert (page.events, page.length) == ((), 1)
        page = await bench.call(ReadHistory(partition=bench.at("order"), instance="order", after=0, limit=1))
        assert (len(page.events), page.length) == (1, 1)

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
