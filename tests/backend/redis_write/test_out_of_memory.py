"""Out of memory: a server that is full refuses a whole call, or carries it out; never half of it (P2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import redis

from rqflow.backend.calls.call import Call
from rqflow.backend.calls.instances import Answer, Ask, Deliver, Purge, Resume, Suspend, Terminate
from rqflow.backend.calls.tasks import (
    ActivityTask,
    AnswerQuery,
    CompleteActivity,
    FireDue,
    GiveBack,
    QueryTask,
    ReadOutbox,
    Receive,
    RetryActivity,
    Stall,
    Sweep,
    Unregister,
    WorkflowTask,
)
from rqflow.core import commands, events
from rqflow.core.options import ActivityOptions, ChildOptions
from rqflow.core.wire import encode
from tests.backend.redis_write.scripted import DAY, Scripted

EVENT = encode(events.SignalReceived(name="go"))


class Scene:
    """A hub in which something is under way of every kind."""

    def __init__(self, store: Scripted) -> None:
        self.store = store
        store.register("w1")
        store.register("gone", lease=timedelta(minutes=1))
        store.start("over")
        store.finish("over")
        store.start("waits", delay=timedelta(minutes=5))
        for name in ("turn", "busy", "asked", "held", "late"):
            store.start(name)
        taken = store.take(activity_room=0).tasks
        self.turns = {task.instance: task for task in taken if isinstance(task, WorkflowTask)}
        charge: list[commands.Command] = [
            commands.ScheduleActivity(id=n, name="charge", queue="q", options=ActivityOptions()) for n in range(1, 4)
        ]
        child = commands.StartChild(
            id=4, workflow="ship", instance="kid", run="kid-run", queue="q", options=ChildOptions()
        )
        store.commit(
            self.turns["busy"], *charge, child, commands.StartTimer(id=5, delay=timedelta(minutes=1)), sticky=False
        )
        tasks = store.take(workflow_room=0).tasks
        self.activities = [task for task in tasks if isinstance(task, ActivityTask)]
        store.do(Suspend(partition=0, instance="late"))
        store.do(Ask(partition=0, instance="asked", query="query", name="n", payload=b"", timeout=DAY))
        tasks = store.take(activity_room=0).tasks
        [self.question] = [task for task in tasks if isinstance(task, QueryTask)]
        store.signal("busy")
        store.take("gone", activity_room=0)
        store.pass_by(timedelta(minutes=2))


def _finished(scene: Scene) -> Call[Any]:
    task = scene.activities[0]
    event = encode(events.ActivityCompleted(id=task.id))
    return CompleteActivity(partition=0, instance="busy", run=task.run, id=task.id, token=task.token, event=event)


def _retried(scene: Scene) -> Call[Any]:
    task = scene.activities[1]
    return RetryActivity(
        partition=0, instance="busy", run=task.run, id=task.id, token=task.token, delay=DAY, failure=b"{}"
    )


def _big_turn(scene: Scene) -> Call[Any]:
    asked: list[commands.Command] = [
        commands.ScheduleActivity(id=1, name="charge", queue="q", options=ActivityOptions()),
        commands.StartChild(id=2, workflow="ship", instance="kid2", run="r2", queue="q", options=ChildOptions()),
        commands.SendSignal(id=3, instance="held", name="go"),
        commands.SetAttributes(id=4, changes={"a": 1}),
    ]
    return scene.store.commit_call(scene.turns["turn"], *asked)


def _turn(kind: Any, **options: Any) -> Callable[[Scene], Call[Any]]:
    def call(scene: Scene) -> Call[Any]:
        task = scene.turns["turn"]
        made: Call[Any] = kind(partition=0, instance="turn", run=task.run, token=task.token, **options)
        return made

    return call


def _answer(scene: Scene) -> Call[Any]:
    answer = Answer(accepted=True, payload=b"1")
    return AnswerQuery(
        partition=0, worker="w1", instance="asked", query="query", token=scene.question.token, answer=answer
    )


def _from_elsewhere(scene: Scene) -> Call[Any]:
    """A message as another partition would send it."""
    other = Scripted(scene.store.redis, partitions=4)
    other.register()
    sender = next(name for name in map(str, range(99)) if other.at(name) != 0)
    receiver = next(name for name in map(str, range(99)) if other.at(name) == 0)
    other.start(sender)
    other.commit(other.turn(sender), commands.SendSignal(id=1, instance=receiver, name="go"))
    messages = other.do(ReadOutbox(partition=other.at(sender)))
    return Receive(partition=0, source=3, messages=messages)


CALLS: dict[str, Callable[[Scene], Call[Any]]] = {
    "start": lambda scene: scene.store.start_call("new"),
    "start later": lambda scene: scene.store.start_call("new", delay=DAY),
    "start again": lambda scene: scene.store.start_call("over"),
    "start in its place": lambda scene: scene.store.start_call("busy", on_conflict="terminate_existing"),
    "deliver": lambda _: Deliver(partition=0, instance="busy", event=EVENT, request="r"),
    "cancel what waits": lambda _: Deliver(partition=0, instance="waits", event=EVENT, request="r", cancel=True),
    "terminate": lambda _: Terminate(partition=0, instance="busy"),
    "suspend": lambda _: Suspend(partition=0, instance="busy"),
    "suspend what waits": lambda _: Suspend(partition=0, instance="waits"),
    "resume": lambda _: Resume(partition=0, instance="late"),
    "ask": lambda _: Ask(partition=0, instance="busy", query="q2", name="n", payload=b"", timeout=DAY),
    "answer": _answer,
    "commit": _big_turn,
    "commit an end": lambda scene: scene.store.commit_call(
        scene.turns["turn"], close=events.WorkflowCompleted(payload=b"1")
    ),
    "commit nothing": lambda scene: scene.store.commit_call(scene.turns["turn"], consumed=0),
    "stall": _turn(Stall, reason="differs", build="b"),
    "give back": _turn(GiveBack),
    "give back for later": _turn(GiveBack, delay=DAY, unknown="checkout"),
    "complete": _finished,
    "retry": _retried,
    "fire": lambda _: FireDue(partition=0),
    "sweep": lambda _: Sweep(partition=0, worker="w1", build="b1"),
    "unregister": lambda _: Unregister(partition=0, worker="w1"),
    "purge an open one": lambda _: Purge(partition=0, instance="busy", force=True),
    "receive": _from_elsewhere,
}


@pytest.fixture
def full(plain_server: redis.Redis) -> Iterator[Callable[[], None]]:
    """Fills the server's memory."""

    def fill() -> None:
        plain_server.config_set("maxmemory", 1)

    yield fill
    plain_server.config_set("maxmemory", 0)


def _value(store: Scripted, key: str | bytes) -> Any:
    """All that a key holds. A big hash is put in another order by whoever reads it."""
    return store.redis.hgetall(key) if store.redis.type(key) == b"hash" else store.redis.dump(key)


def test_p1_a_full_server_hands_out_tasks_and_says_why_what_is_due_must_wait(
    store: Scripted, full: Callable[[], None]
) -> None:
    """[P1] It is handled when there is memory again."""
    Scene(store)
    due = store.redis.zcard(store.key("due"))
    store.pass_by(2 * DAY)
    full()
    taken = store.take(fire=100)
    assert taken.fired == 0
    assert "OOM" in taken.unfired
    assert store.redis.zcard(store.key("due")) == due
    store.redis.config_set("maxmemory", 0)
    again = store.take(fire=100)
    assert again.fired > 0
    assert again.unfired == ""


@pytest.mark.parametrize("name", CALLS)
def test_p2_a_full_server_refuses_a_call_as_a_whole(store: Scripted, full: Callable[[], None], name: str) -> None:
    """[P2] Not a byte has changed; and when there is memory again the same call is carried out."""
    call = CALLS[name](Scene(store))
    before = {key: _value(store, key) for key in store.redis.keys(store.key("meta").removesuffix("meta") + "*")}
    full()
    with pytest.raises(redis.ResponseError, match=r"OOM|maxmemory"):
        store.send(call)
    after = {key: _value(store, key) for key in before}
    assert after == before
    store.redis.config_set("maxmemory", 0)
    store.do(call)
