"""Bounds: big batches go in pieces, and everything that gathers has a limit or a life that ends (P10)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from rqflow.backend.calls.hubs import Limits
from rqflow.backend.calls.instances import Deliver, Purge, Resume, Suspend, Terminate
from rqflow.backend.calls.tasks import (
    DropOutbox,
    GiveBack,
    Stall,
    Sweep,
    Unregister,
)
from rqflow.core import commands, events
from rqflow.core.options import ActivityOptions
from rqflow.core.wire import encode
from rqflow.errors import LeaseLost, LimitReached
from tests.backend.redis_write.scripted import DAY, PERMANENT, Scripted

MINUTE = timedelta(minutes=1)


def test_p10_earlier_runs_are_forgotten_by_themselves_and_by_a_purge(store: Scripted) -> None:
    """[P10] The history of a run that was continued has a life that ends; a purge does not wait for it."""
    store.register()
    store.start()
    for n in range(3):
        task = store.turn()
        started = events.WorkflowStarted(workflow="checkout", instance="i", run=f"next{n}", queue="q")
        store.commit(task, close=commands.Continue(started=started))
        assert 0 < store.redis.pttl(store.key("history", task.run)) <= DAY // timedelta(milliseconds=1)
    store.finish()
    store.do(Purge(partition=0, instance="i"))
    store.do(Unregister(partition=0, worker="w1"))
    assert set(store.names()) <= PERMANENT


def test_lists_longer_than_luas_stack_are_moved_in_pieces(plain_server: object) -> None:
    """A turn of 1,000 news and 9,000 records, 8,000 timers that go together, 9,000 dropped messages."""
    limits = Limits(history_events=100_000, inbox_events=100_000)
    store = Scripted(plain_server, limits=limits)  # type: ignore[arg-type]
    store.register()
    store.start()
    for n in range(1_200):
        store.signal(payload=b"%d" % n)
    task = store.turn()
    assert len(task.inbox) == 1_000
    timers = [commands.StartTimer(id=n, delay=DAY) for n in range(1, 8_001)]
    effects = [commands.RecordSideEffect(id=n) for n in range(8_001, 9_001)]
    assert store.commit(task, *timers, *effects).more
    assert store.redis.llen(store.key("history", task.run)) == 10_000
    assert store.redis.zcard(store.key("due")) == 8_000
    rest = store.turn()
    assert len(rest.inbox) == 201
    store.commit(rest, close=events.WorkflowCompleted())
    assert store.redis.zcard(store.key("due")) == 1  # its retention
    store.do(DropOutbox(partition=0, ids=tuple(f"{n}-1" for n in range(9_000))))


def test_the_end_of_a_run_with_many_activities_leaves_nothing_that_stays(plain_server: object) -> None:
    """[P10] The first thousand are taken out at once; the entries of the others go when somebody takes them."""
    store = Scripted(plain_server)  # type: ignore[arg-type]
    store.register()
    store.start()
    options = ActivityOptions(schedule_to_start=DAY, schedule_to_close=DAY)
    many = [commands.ScheduleActivity(id=n, name="charge", queue="q", options=options) for n in range(1, 1_201)]
    store.commit(store.turn(), *many)
    store.do(Terminate(partition=0, instance="i"))
    assert store.redis.zcard(store.key("due")) == 1  # its retention
    assert store.redis.xlen(store.key("activities", "q")) == 200
    assert store.take(activity_room=1_000).tasks == ()
    assert store.redis.xlen(store.key("activities", "q")) == 0


def test_a_turn_is_bounded_in_bytes_and_so_is_the_first_page_of_a_history(store: Scripted) -> None:
    """2 MiB of news and 1 MiB of history at most, but always one event."""
    store.register()
    store.start()
    big = b"x" * 900_000
    for _ in range(5):
        store.signal(payload=big)
    task = store.turn()
    assert len(task.inbox) == 3
    store.commit(task, sticky=False)
    task = store.turn()
    assert task.history_length == 3
    assert len(task.history) == 2
    assert len(task.inbox) == 2
    store.commit(task, sticky=False, consumed=1)
    store.signal()
    task = store.turn()
    assert task.history_from == 0
    assert len(task.history) == 2
    small = Scripted(store.redis)
    small.register()
    small.start()
    for n in range(3_000):
        small.signal(payload=b"%d" % n)
    task = small.turn()
    small.commit(task, sticky=False)
    assert len(task.inbox) == 1_000
    task = small.turn()
    small.commit(task, sticky=False)
    task = small.turn()
    assert (task.history_length, len(task.history)) == (2_000, 1_000)


def test_a_sweep_takes_over_a_hundred_tasks_a_time(store: Scripted) -> None:
    """[P10] And says that there is more; in the end the dead worker has left nothing."""
    store.register("w1")
    store.register("dead", lease=MINUTE)
    for n in range(250):
        store.start(f"i{n}")
    assert len(store.take("dead", workflow_room=1_000).tasks) == 250
    store.pass_by(2 * MINUTE)
    sweep = Sweep(partition=0, worker="w1", build="b1")
    assert [store.do(sweep), store.do(sweep), store.do(sweep)] == [True, True, False]
    assert store.redis.zrange(store.key("workers"), 0, -1) == [b"w1"]
    tasks = store.take("w1", workflow_room=1_000).tasks
    assert len(tasks) == 250
    assert not store.redis.exists(store.key("worker_info", "dead"), store.key("worker", "dead"))


def test_stalled_instances_are_retried_a_hundred_a_time(store: Scripted) -> None:
    """[P10] A worker of another build comes; those of queues that it does not serve, or of its own build, stay."""
    store.register("w1")
    for n in range(250):
        store.start(f"i{n}")
    for task in store.take("w1", workflow_room=1_000).tasks:
        store.do(
            Stall(partition=0, instance=task.instance, run=task.run, token=task.token, reason="differs", build="b1")
        )
    assert store.redis.zcard(store.key("status", "stalled")) == 250
    sweep = Sweep(partition=0, worker="w1", build="b1")
    while store.do(sweep):
        pass
    assert store.redis.zcard(store.key("status", "stalled")) == 250
    store.register("w2", build="b2")
    assert store.redis.zcard(store.key("status", "stalled")) == 150
    sweep = Sweep(partition=0, worker="w2", build="b2")
    while store.do(sweep):
        pass
    assert store.redis.zcard(store.key("status", "stalled")) == 0
    assert len(store.take("w2", workflow_room=1_000).tasks) == 250


def test_notices_wake_a_worker_once_and_do_not_pile_up(store: Scripted) -> None:
    """[P10] A worker without room for turns hears of activities that nobody wants any more."""
    store.register("w1")
    store.start()
    activities: list[commands.Command] = [
        commands.ScheduleActivity(id=n, name="charge", queue="q", options=ActivityOptions()) for n in range(1, 6)
    ]
    store.commit(store.turn(), *activities, sticky=False)
    tokens = {task.token for task in store.take("w1", workflow_room=0).tasks}
    store.do(Terminate(partition=0, instance="i"))
    assert store.redis.xlen(store.key("worker", "w1")) == 1
    taken = store.take("w1", workflow_room=0, activity_room=0)
    assert {notice.token for notice in taken.notices} == tokens
    assert store.redis.xlen(store.key("worker", "w1")) == 0
    assert store.take("w1").notices == ()


def test_names_that_nobody_knows_are_shown_and_forgotten(store: Scripted) -> None:
    """[P10] What was given back as unknown has a life that ends."""
    store.register()
    store.start()
    task = store.turn()
    back = GiveBack(
        partition=0, instance="i", run=task.run, token=task.token, delay=timedelta(seconds=10), unknown="checkout"
    )
    store.do(back)
    assert 60_000 < store.redis.pttl(store.key("unknown", "q")) <= 70_000
    assert store.redis.zcard(store.key("unknown", "q")) == 1
    with pytest.raises(LeaseLost):
        store.do(back)


def test_an_instance_remembers_its_last_thousand_requests(store: Scripted) -> None:
    """[P10] In the order in which they came, however fast; a repeat of those does nothing."""
    store.start()
    event = encode(events.SignalReceived(name="go"))
    for n in range(1_005):
        store.do(Deliver(partition=0, instance="i", event=event, request=f"r{n}"))
    assert store.redis.zcard(store.key("requests", "i")) == 1_000
    before = store.redis.llen(store.key("inbox", "i"))
    for n in range(5, 1_005):
        store.do(Deliver(partition=0, instance="i", event=event, request=f"r{n}"))
    assert store.redis.llen(store.key("inbox", "i")) == before
    store.do(Deliver(partition=0, instance="i", event=event, request="r0"))
    assert store.redis.llen(store.key("inbox", "i")) == before + 1


def test_answers_to_updates_survive_continue_as_new_unless_they_are_too_many(store: Scripted) -> None:
    """[P10] Who asked just before a run ended still gets the answer; a thousand and more stay with the old run."""
    store.register()
    store.start()
    for many, kept in ((3, True), (1_001, False)):
        task = store.turn()
        answers = [commands.AnswerUpdate(id=n, update=f"u{many}-{n}", accepted=True) for n in range(1, many + 1)]
        started = events.WorkflowStarted(workflow="checkout", instance="i", run=f"after{many}", queue="q")
        store.commit(task, *answers, close=commands.Continue(started=started))
        assert bool(store.redis.exists(store.key("answers", f"after{many}"))) is kept


def test_what_a_run_waits_for_is_limited(plain_server: object) -> None:
    """[P10] The commit is refused as a whole; what it cancels counts."""
    store = Scripted(plain_server, limits=Limits(outstanding=3))  # type: ignore[arg-type]
    store.register()
    store.start()
    task = store.turn()
    timers = [commands.StartTimer(id=n, delay=DAY) for n in range(1, 5)]
    with pytest.raises(LimitReached, match="waits for"):
        store.commit(task, *timers)
    store.commit(task, *timers[:3])
    store.signal()
    store.commit(store.turn(), commands.CancelTimer(id=5, target=1), commands.StartTimer(id=6, delay=DAY))
    assert store.redis.hlen(store.key("outstanding", task.run)) == 3


def test_a_suspended_instance_gathers_news_and_goes_on_with_all(store: Scripted) -> None:
    """A task that nobody has is taken back at once; the stream has no dead entry."""
    store.register()
    store.start()
    assert store.do(Suspend(partition=0, instance="i"))
    assert store.redis.xlen(store.key("workflows", "q")) == 0
    store.signal()
    assert store.take().tasks == ()
    assert store.do(Resume(partition=0, instance="i"))
    assert len(store.turn().inbox) == 2
