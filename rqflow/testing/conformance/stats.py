"""Stats: how a hub stands in numbers, and what happened in it lately."""

from __future__ import annotations

from rqflow.backend.calls.hubs import PartitionStats, QueueStats, ReadStats
from rqflow.backend.calls.instances import Answer, LifecycleEvent, ReadEvents
from rqflow.backend.calls.tasks import QueryTask, WorkflowTask
from rqflow.core.commands import EmitEvent, StartTimer
from rqflow.testing.conformance.bench import LONG, Bench
from rqflow.testing.conformance.deeds import (
    charge,
    continued,
    finish,
    give_back_call,
    resume,
    stall_call,
    suspend,
    worker,
)
from rqflow.testing.conformance.moving import BLINK
from rqflow.testing.conformance.queries import answer_call, ask
from rqflow.testing.conformance.standing import Standing


async def stats_of(bench: Bench, instance: str = "order") -> PartitionStats:
    return await bench.call(ReadStats(partition=bench.at(instance)))


async def queue_of(bench: Bench, name: str = "main") -> QueueStats:
    [found] = [queue for queue in (await stats_of(bench)).queues if queue.name == name]
    return found


async def events_of(
    bench: Bench, instance: str = "order", after: str = "", limit: int = 100
) -> tuple[LifecycleEvent, ...]:
    return await bench.call(ReadEvents(partition=bench.at(instance), after=after, limit=limit))


class TestStats(Standing):
    """Numbers [A6]."""

    async def test_an_empty_hub_has_nothing(self, bench: Bench) -> None:
        """No instance, nothing due, nobody there."""
        for partition in range(bench.partitions):
            stats = await bench.call(ReadStats(partition=partition))
            assert sum(stats.statuses.values()) == 0
            assert (stats.workers, stats.due, stats.overdue, stats.outbox, stats.broken) == ((), 0, 0, 0, 0)
            assert stats.now_ms > 0

    async def test_instances_are_counted_by_status(self, bench: Bench) -> None:
        """As they move, the counts move."""
        actor = await worker(bench)
        await bench.start("order")
        assert (await stats_of(bench)).statuses.get("running") == 1
        await suspend(bench)
        statuses = (await stats_of(bench)).statuses
        assert (statuses.get("running", 0), statuses.get("suspended")) == (0, 1)
        await resume(bench)
        await finish(actor)
        statuses = (await stats_of(bench)).statuses
        assert (statuses.get("running", 0), statuses.get("completed")) == (0, 1)

    async def test_tasks_are_counted_by_queue(self, bench: Bench) -> None:
        """Queued and leased, workflows and activities; and how long the oldest waits."""
        actor = await worker(bench, queues=("main", "side"))
        await bench.start()
        queue = await queue_of(bench)
        assert (queue.workflows_queued, queue.workflows_leased) == (1, 0)
        await bench.clock.pass_by(BLINK)
        assert (await queue_of(bench)).oldest_queued_ms >= 40
        task = await actor.turn()
        queue = await queue_of(bench)
        assert (queue.workflows_queued, queue.workflows_leased, queue.oldest_queued_ms) == (0, 1, 0)
        await actor.commit(task, charge(1, queue="side"), charge(2, queue="side"))
        assert (await queue_of(bench)).workflows_leased == 0
        side = await queue_of(bench, "side")
        assert (side.activities_queued, side.activities_leased) == (2, 0)
        await actor.take(activity_room=1)
        side = await queue_of(bench, "side")
        assert (side.activities_queued, side.activities_leased) == (1, 1)

    async def test_questions_count_as_work_of_their_queue(self, bench: Bench) -> None:
        """Somebody must take them, from the queue or from the worker that keeps the executor."""
        actor = await worker(bench)
        await bench.start()
        await ask(bench)
        assert (await queue_of(bench)).workflows_queued == 2
        task, question = (await actor.taken(bench.at("order"))).tasks
        assert isinstance(task, WorkflowTask)
        assert isinstance(question, QueryTask)
        assert (await queue_of(bench)).workflows_leased == 2
        await actor.commit(task, sticky=True)
        await bench.call(answer_call(actor, question, Answer(accepted=True, payload=b"1")))
        await ask(bench, query="query-b")
        queue = await queue_of(bench)
        assert (queue.workflows_queued, queue.workflows_leased) == (1, 0)
        await actor.question()
        assert (await queue_of(bench)).workflows_leased == 1

    async def test_what_is_due_is_counted(self, bench: Bench) -> None:
        """And what is overdue."""
        actor = await worker(bench)
        await bench.start()
        await actor.commit(await actor.turn(), StartTimer(id=1, delay=BLINK), StartTimer(id=2, delay=LONG))
        stats = await stats_of(bench)
        assert (stats.due, stats.overdue) == (2, 0)
        await bench.clock.pass_by(BLINK)
        stats = await stats_of(bench)
        assert (stats.due, stats.overdue) == (2, 1)

    async def test_workers_are_shown_with_what_they_told(self, bench: Bench) -> None:
        """Record, what is left of the lease, and their own numbers."""
        actor = await worker(bench)
        await actor.renew(stats=b'{"turns": 7}')
        [shown] = (await stats_of(bench)).workers
        assert shown.record == actor.record
        assert shown.stats == b'{"turns": 7}'
        assert 0 < shown.lease_ms <= 600_000
        await actor.renew(lease=BLINK)
        await bench.clock.pass_by(2 * BLINK)
        [shown] = (await stats_of(bench)).workers
        assert shown.lease_ms < 0
        other = await worker(bench, "other")
        await other.sweep()
        assert [one.record.id for one in (await stats_of(bench)).workers] == ["other"]
        await other.unregister()
        assert (await stats_of(bench)).workers == ()

    async def test_names_that_nobody_knows_are_visible(self, bench: Bench) -> None:
        """Given back as unknown, a task is shown by its queue until somebody takes it."""
        actor = await worker(bench)
        await bench.start()
        task = await actor.turn()
        await bench.call(give_back_call(task, delay=LONG, unknown="checkout"))
        assert (await queue_of(bench)).unknown == (("checkout", 1),)
        assert (await bench.describe()).task == "waiting"

    async def test_a_name_is_shown_until_somebody_takes_its_task(self, bench: Bench) -> None:
        """Back in its queue it still waits; on lease, and after a turn, it does not."""
        actor = await worker(bench)
        await bench.start()
        await bench.call(give_back_call(await actor.turn(), unknown="checkout"))
        assert (await queue_of(bench)).unknown == (("checkout", 1),)
        task = await actor.turn()
        assert (await queue_of(bench)).unknown == ()
        await actor.commit(task, charge(1))
        await bench.call(give_back_call(await actor.activity(), unknown="charge"))
        assert (await queue_of(bench)).unknown == (("charge", 1),)
        await actor.activity()
        assert (await queue_of(bench)).unknown == ()

    async def test_activities_that_nobody_knows_are_visible(self, bench: Bench) -> None:
        """They stay for a worker that knows them."""
        actor = await worker(bench)
        await bench.start()
        await actor.commit(await actor.turn(), charge(1))
        await bench.call(give_back_call(await actor.activity(), delay=BLINK, unknown="charge"))
        assert (await queue_of(bench)).unknown == (("charge", 1),)
        await bench.wait()
        assert (await actor.activity()).attempt == 1


class TestLifecycle(Standing):
    """The stream of what happened [B10]."""

    async def test_each_step_of_a_life_is_told(self, bench: Bench) -> None:
        """In order, with instance, run and workflow."""
        actor = await worker(bench)
        await bench.start("order", run="run-a", delay=BLINK)
        await bench.wait()
        await suspend(bench)
        await resume(bench)
        task = await actor.turn()
        await actor.commit(task, EmitEvent(id=1, name="paid", payload=b"\xff5"), close=continued(task, "run-b"))
        await bench.call(stall_call(await actor.turn()))
        await resume(bench)
        await finish(actor)
        events = await events_of(bench)
        assert [event.type for event in events] == [
            "pending", "started", "suspended", "resumed", "emitted", "continued", "stalled", "resumed", "completed",
        ]  # fmt: skip
        assert {(event.instance, event.workflow) for event in events} == {("order", "checkout")}
        assert [event.run for event in events][:5] == ["run-a"] * 5
        assert [event.run for event in events][6:] == ["run-b"] * 3
        emitted = events[4]
        assert (emitted.name, emitted.payload) == ("paid", b"\xff5")
        assert [event.at for event in events] == sorted(event.at for event in events)

    async def test_it_is_read_from_where_one_left_off(self, bench: Bench) -> None:
        """By id, in pages; `$` is the end."""
        for number in range(5):
            await bench.start("order", on_conflict="terminate_existing", run=f"run-{number}")
        everything = await events_of(bench)
        some = await events_of(bench, limit=3)
        assert some == everything[:3]
        assert await events_of(bench, after=some[-1].id) == everything[3:]
        assert await events_of(bench, after=everything[-1].id) == ()
        [last] = await events_of(bench, after="$")
        assert last.id == everything[-1].id

    async def test_an_empty_stream_has_no_last(self, bench: Bench) -> None:
        """Neither from the oldest on nor at the end."""
        assert await events_of(bench) == ()
        assert await events_of(bench, after="$") == ()
