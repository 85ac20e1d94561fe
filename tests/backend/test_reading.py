"""Reading: what clients learn of instances is the same from both stores."""

from __future__ import annotations

from datetime import timedelta

import pytest

from rqflow.backend.calls.hubs import ReadStats
from rqflow.backend.calls.instances import (
    Answer,
    Ask,
    Deliver,
    Describe,
    ReadEvents,
    ReadHistory,
    ReadOutcome,
    ReadQueryAnswer,
    ReadUpdateAnswer,
)
from rqflow.backend.calls.tasks import (
    ActivityTask,
    AnswerQuery,
    CompleteActivity,
    GiveBack,
    QueryTask,
    RetryActivity,
)
from rqflow.backend.protocol import Backend, partition_of
from rqflow.core.commands import AnswerUpdate, EmitEvent, ScheduleActivity, StartChild, StartTimer
from rqflow.core.events import ActivityCompleted, SignalReceived, UpdateRequested, WorkflowCompleted
from rqflow.core.options import ActivityOptions, ChildOptions, Retry
from rqflow.core.wire import decode_failure, decode_stored, encode
from rqflow.errors import BackendError, BadInput, InstanceNotFound, RunNotFound
from tests.backend.orders import QUEUE, WORKER, commit, complete, register, start, take, take_workflow


def home(backend: Backend, instance: str) -> int:
    return partition_of(instance, backend.hub.partitions)


def activity(id: int, name: str = "send") -> ScheduleActivity:
    return ScheduleActivity(id=id, name=name, queue=QUEUE, options=ActivityOptions(retry=Retry()), payload=b'"x"')


async def begun(backend: Backend, instance: str, *commands: object) -> int:
    """Start an instance and carry out one turn with these commands."""
    partition = home(backend, instance)
    await backend.call(register(partition))
    await backend.call(start(instance, backend.hub.partitions))
    await backend.call(commit(await take_workflow(backend, partition), *commands))  # type: ignore[arg-type]
    return partition


async def test_a_description_tells_all_that_a_start_said(any_backend: Backend) -> None:
    """What a client gave at the start is what it reads."""
    order = start(
        "größe 1",
        any_backend.hub.partitions,
        attributes={"customer": "ann", "total": 99.5, "paid": True, "items": 2**60},
        status=b'"new"',
        priority=3,
        lane="eu",
        timeout=timedelta(hours=1),
    )
    await any_backend.call(order)
    found = await any_backend.call(Describe(partition=order.partition, instance="größe 1"))
    assert (found.instance, found.run, found.workflow, found.status) == ("größe 1", "größe_1-run", "greet", "running")
    assert found.attributes == {"customer": "ann", "total": 99.5, "paid": True, "items": 2**60}
    assert (found.custom_status, found.priority, found.lane) == (b'"new"', 3, "eu")
    assert found.deadline is not None
    assert abs(found.deadline - found.created_at - timedelta(hours=1)) < timedelta(milliseconds=2)
    assert (found.task, found.inbox_length, found.history_length, found.runs) == ("queued", 1, 0, 1)
    assert found.closed_at is None
    assert found.start_at is None


async def test_a_delayed_start_is_pending_and_says_when(any_backend: Backend) -> None:
    """Before its time an instance shows when it will begin."""
    order = start("later", any_backend.hub.partitions, delay=timedelta(hours=2))
    await any_backend.call(order)
    found = await any_backend.call(Describe(partition=order.partition, instance="later"))
    assert found.status == "pending"
    assert found.start_at is not None
    assert abs(found.start_at - found.created_at - timedelta(hours=2)) < timedelta(milliseconds=2)


async def test_a_description_shows_what_an_instance_waits_for(any_backend: Backend) -> None:
    """Activities with their state and worker, timers and children are seen from outside."""
    child = StartChild(
        id=4, workflow="pack", instance="parcel", run="parcel-run", queue="packing", options=ChildOptions()
    )
    partition = await begun(
        any_backend,
        "waiter",
        activity(1),
        activity(2, "charge"),
        StartTimer(id=3, delay=timedelta(hours=1)),
        child,
    )
    tasks = (await any_backend.call(take(partition, room=1))).tasks
    (leased,) = [task for task in tasks if isinstance(task, ActivityTask) and task.instance == "waiter"]
    found = await any_backend.call(Describe(partition=partition, instance="waiter"))
    assert [(one.id, one.name, one.state, one.worker, one.attempt) for one in found.pending] == [
        (1, "send", "leased", WORKER, 1),
        (2, "charge", "queued", "", 1),
    ]
    assert leased.id == 1
    assert found.timers == 1
    assert found.children == ("parcel",)
    assert found.worker == WORKER
    assert found.task == ""


async def test_a_description_shows_why_an_activity_waits_for_its_next_try(any_backend: Backend) -> None:
    """Between two attempts the last failure and the time of the next can be read."""
    partition = await begun(any_backend, "flaky", activity(1))
    (task,) = (await any_backend.call(take(partition))).tasks
    assert isinstance(task, ActivityTask)
    await any_backend.call(
        RetryActivity(
            partition=partition,
            instance="flaky",
            run=task.run,
            id=1,
            token=task.token,
            delay=timedelta(minutes=5),
            failure=b'{"type":"OSError"}',
        )
    )
    (waiting,) = (await any_backend.call(Describe(partition=partition, instance="flaky"))).pending
    assert (waiting.state, waiting.attempt, waiting.last_failure) == ("backoff", 2, b'{"type":"OSError"}')
    assert waiting.due_at is not None


async def test_a_leased_turn_names_its_worker(any_backend: Backend) -> None:
    """Who decides on an instance right now is seen in its description."""
    partition = home(any_backend, "turn")
    await any_backend.call(register(partition))
    await any_backend.call(start("turn", any_backend.hub.partitions))
    task = await take_workflow(any_backend, partition)
    found = await any_backend.call(Describe(partition=partition, instance="turn"))
    assert (found.task, found.worker) == ("leased", WORKER)
    await any_backend.call(
        GiveBack(
            partition=partition,
            instance="turn",
            run=task.run,
            token=task.token,
            delay=timedelta(minutes=1),
            unknown="greet",
        )
    )
    assert (await any_backend.call(Describe(partition=partition, instance="turn"))).task == "waiting"


async def test_an_outcome_is_the_result_of_a_completed_instance(any_backend: Backend) -> None:
    """Whoever awaits a result reads the row, never a history."""
    await complete(any_backend, "done", b'"42"')
    outcome = await any_backend.call(ReadOutcome(partition=home(any_backend, "done"), instance="done"))
    assert (outcome.status, outcome.run, outcome.payload) == ("completed", "done-run", b'"42"')
    found = await any_backend.call(Describe(partition=home(any_backend, "done"), instance="done"))
    assert found.closed_at is not None
    assert found.result == b'"42"'


async def test_what_is_not_there_is_said_by_name(any_backend: Backend) -> None:
    """Reading an unknown instance is an error that names it."""
    for call in (
        Describe(partition=0, instance="ghost"),
        ReadOutcome(partition=0, instance="ghost"),
        ReadHistory(partition=0, instance="ghost"),
        ReadUpdateAnswer(partition=0, instance="ghost", update="u"),
    ):
        with pytest.raises(InstanceNotFound, match="ghost"):
            await any_backend.call(call)


async def test_a_history_is_read_in_pages(any_backend: Backend) -> None:
    """Pages follow each other without gap or repetition, and say how long the whole is."""
    partition = await begun(any_backend, "long", *(activity(id) for id in range(1, 25)))
    events: list[bytes] = []
    while True:
        page = await any_backend.call(ReadHistory(partition=partition, instance="long", after=len(events), limit=7))
        assert page.length == 25
        assert page.run == "long-run"
        if not page.events:
            break
        assert len(page.events) <= 7
        events += page.events
    assert len(events) == 25
    assert [getattr(decode_stored(event).event, "id", 0) for event in events] == list(range(25))


async def test_a_history_of_another_instances_run_is_not_shown(any_backend: Backend) -> None:
    """A run id opens only the histories of its own instance."""
    partitions = any_backend.hub.partitions
    await any_backend.call(start("mine", partitions))
    with pytest.raises(RunNotFound, match="elsewhere"):
        await any_backend.call(ReadHistory(partition=home(any_backend, "mine"), instance="mine", run="elsewhere"))


async def test_a_history_page_is_bounded_in_bytes(backend: Backend) -> None:
    """Events of a megabyte each do not come all at once, whatever limit was asked for [P10]."""
    partition = home(backend, "heavy")
    await backend.call(register(partition))
    await backend.call(start("heavy", backend.hub.partitions))
    for number in range(6):
        await backend.call(
            Deliver(
                partition=partition,
                instance="heavy",
                event=encode(SignalReceived(name="s", payload=b'"' + b"x" * 1_000_000 + b'"')),
                request=f"r{number}",
            )
        )
    for _ in range(6):
        tasks = (await backend.call(take(partition))).tasks
        for task in tasks:
            await backend.call(commit(task))  # type: ignore[arg-type]
    first = await backend.call(ReadHistory(partition=partition, instance="heavy"))
    assert first.length == 7
    assert 1 <= len(first.events) < 7
    rest = await backend.call(ReadHistory(partition=partition, instance="heavy", after=len(first.events)))
    assert rest.events


@pytest.mark.parametrize(("after", "limit"), [(-1, 10), (0, 0)])
async def test_an_absurd_page_of_a_history_is_refused(backend: Backend, after: int, limit: int) -> None:
    """A page has a beginning and at least one event."""
    with pytest.raises(BadInput, match="history"):
        await backend.call(ReadHistory(partition=0, instance="x", after=after, limit=limit))


async def test_a_questions_answer_can_be_read(any_backend: Backend) -> None:
    """A query is asked, taken by a worker, answered, and then read."""
    partition = home(any_backend, "asked")
    await any_backend.call(register(partition))
    await any_backend.call(start("asked", any_backend.hub.partitions))
    await any_backend.call(commit(await take_workflow(any_backend, partition)))
    read = ReadQueryAnswer(partition=partition, instance="asked", query="q1")
    await any_backend.call(
        Ask(
            partition=partition,
            instance="asked",
            query="q1",
            name="contents",
            payload=b"[]",
            timeout=timedelta(minutes=1),
        )
    )
    assert await any_backend.call(read) is None
    (question,) = (await any_backend.call(take(partition))).tasks
    assert isinstance(question, QueryTask)
    answer = Answer(accepted=True, payload=b'["apple"]')
    await any_backend.call(
        AnswerQuery(
            partition=partition, worker=WORKER, instance="asked", query="q1", token=question.token, answer=answer
        )
    )
    assert await any_backend.call(read) == answer


async def test_an_updates_answer_can_be_read_and_an_end_without_one_is_a_failure(any_backend: Backend) -> None:
    """Whoever waits for an update hears of its answer, or that none will come."""
    partition = await begun(any_backend, "updated")
    for update in ("u1", "u2"):
        event = encode(UpdateRequested(update=update, name="add", payload=b"[1]"))
        await any_backend.call(Deliver(partition=partition, instance="updated", event=event, request=update))
    read = {one: ReadUpdateAnswer(partition=partition, instance="updated", update=one) for one in ("u1", "u2")}
    assert await any_backend.call(read["u1"]) is None
    task = await take_workflow(any_backend, partition)
    answer = AnswerUpdate(id=1, update="u1", accepted=False, payload=b'{"type":"ValueError"}')
    await any_backend.call(commit(task, answer, close=WorkflowCompleted(payload=b"1")))
    assert await any_backend.call(read["u1"]) == Answer(accepted=False, payload=b'{"type":"ValueError"}')
    unanswered = await any_backend.call(read["u2"])
    assert unanswered is not None
    assert not unanswered.accepted
    assert decode_failure(unanswered.payload).kind == "not_found"


async def test_lifecycle_events_tell_the_story_in_order(any_backend: Backend) -> None:
    """From the oldest kept, after a known one, or the last alone."""
    partition = await begun(any_backend, "story", EmitEvent(id=1, name="halfway", payload=b'"50 %"'))
    everything = await any_backend.call(ReadEvents(partition=partition))
    mine = [event for event in everything if event.instance == "story"]
    assert "started" in {event.type for event in mine}
    assert (mine[-1].type, mine[-1].name, mine[-1].payload) == ("emitted", "halfway", b'"50 %"')
    assert mine[-1].workflow == "greet"
    assert mine[-1].run == "story-run"
    after = await any_backend.call(ReadEvents(partition=partition, after=everything[0].id))
    assert after == everything[1:]
    assert await any_backend.call(ReadEvents(partition=partition, after="$")) == everything[-1:]
    assert await any_backend.call(ReadEvents(partition=partition, limit=1)) == everything[:1]


async def test_events_after_what_is_no_id_are_refused(backend: Backend) -> None:
    """A cursor of another kind is an error that shows what one looks like."""
    with pytest.raises(BadInput, match="1700000000000-0"):
        await backend.call(ReadEvents(partition=0, after="yesterday"))


async def test_stats_count_instances_tasks_and_workers(any_backend: Backend) -> None:
    """An operator sees what waits, what is on lease, and who works."""
    hour = StartTimer(id=3, delay=timedelta(hours=1))
    partition = await begun(any_backend, "counted", activity(1), activity(2), hour)
    names = [f"more-{n}" for n in range(200) if home(any_backend, f"more-{n}") == partition][:3]
    for name in names:
        await any_backend.call(start(name, any_backend.hub.partitions))
    await any_backend.call(start(names[0], any_backend.hub.partitions))
    await any_backend.call(take(partition, room=1))
    stats = await any_backend.call(ReadStats(partition=partition))
    assert stats.statuses == {"running": 4}
    (queue,) = [one for one in stats.queues if one.name == QUEUE]
    assert (queue.workflows_queued, queue.workflows_leased) == (2, 1)
    assert (queue.activities_queued, queue.activities_leased) == (1, 1)
    assert queue.oldest_queued_ms >= 0
    (worker,) = stats.workers
    assert worker.record.id == WORKER
    assert 0 < worker.lease_ms <= 30_000
    assert (stats.due, stats.overdue, stats.outbox, stats.broken) == (1, 0, 0, 0)
    assert stats.now_ms > 0


async def test_stats_show_names_that_no_worker_knows(any_backend: Backend) -> None:
    """A task that was given back as unknown is counted under its name."""
    partition = home(any_backend, "strange")
    await any_backend.call(register(partition))
    await any_backend.call(start("strange", any_backend.hub.partitions))
    task = await take_workflow(any_backend, partition)
    await any_backend.call(
        GiveBack(
            partition=partition,
            instance="strange",
            run=task.run,
            token=task.token,
            delay=timedelta(minutes=1),
            unknown="greet",
        )
    )
    (queue,) = (await any_backend.call(ReadStats(partition=partition))).queues
    assert queue.unknown == (("greet", 1),)


async def test_stats_of_a_sticky_task_count_for_its_queue(any_backend: Backend) -> None:
    """A task on a worker's own stream belongs to the queue of its instance."""
    partition = await begun(any_backend, "sticky", activity(1))
    (task,) = (await any_backend.call(take(partition))).tasks
    assert isinstance(task, ActivityTask)
    event = encode(ActivityCompleted(id=1, payload=b"1"))
    await any_backend.call(
        CompleteActivity(partition=partition, instance="sticky", run=task.run, id=1, token=task.token, event=event)
    )
    (queue,) = (await any_backend.call(ReadStats(partition=partition))).queues
    assert (queue.workflows_queued, queue.workflows_leased) == (1, 0)
    await any_backend.call(take(partition))
    (queue,) = (await any_backend.call(ReadStats(partition=partition))).queues
    assert (queue.workflows_queued, queue.workflows_leased) == (0, 1)


async def test_stats_of_an_untouched_partition_are_empty(backend: Backend) -> None:
    """Nothing is there before anything happened, and asking makes nothing."""
    for partition in range(backend.hub.partitions):
        stats = await backend.call(ReadStats(partition=partition))
        assert (stats.statuses, stats.queues, stats.workers, stats.due) == ({}, (), (), 0)


async def test_each_call_of_a_batch_fails_by_itself(any_backend: Backend) -> None:
    """One unknown instance among others is an error in its place."""
    await any_backend.call(start("here", any_backend.hub.partitions))
    found, missing, again = await any_backend.send(
        [
            ReadOutcome(partition=home(any_backend, "here"), instance="here"),
            ReadOutcome(partition=0, instance="gone"),
            ReadOutcome(partition=home(any_backend, "here"), instance="here"),
        ]
    )
    assert found.status == again.status == "running"
    assert isinstance(missing, InstanceNotFound)
    assert not isinstance(missing, BackendError)
