"""Families: what instances send each other, in order and in bounded steps; and nothing is left when all is over."""

from __future__ import annotations

from datetime import timedelta
from typing import cast

from rqflow.backend.calls.instances import Deliver, Terminate
from rqflow.backend.calls.tasks import (
    ActivityTask,
    DropOutbox,
    ReadOutbox,
    Receive,
    Renew,
    RetryActivity,
    Sweep,
    Unregister,
)
from rqflow.core import commands
from rqflow.core.options import ActivityOptions, ChildOptions
from tests.backend.redis_write.scripted import DAY, PERMANENT, Scripted

MINUTE = timedelta(minutes=1)


def relay(store: Scripted) -> int:
    """Carry messages until there are none. How many there were."""
    carried = 0
    for _ in range(1_000):
        moved = 0
        for source in range(store.place.hub.partitions):
            messages = store.do(ReadOutbox(partition=source))
            for message in messages:
                store.do(Receive(partition=message.to, source=source, messages=(message,)))
            store.do(DropOutbox(partition=source, ids=tuple(message.id for message in messages)))
            moved += len(messages)
        carried += moved
        if not moved:
            return carried
    raise AssertionError("messages without end")


def kids(count: int, policy: str = "terminate") -> list[commands.Command]:
    options = ChildOptions(parent_close=policy)  # type: ignore[arg-type]
    return [
        commands.StartChild(id=n, workflow="ship", instance=f"kid{n}", run=f"r{n}", queue="q", options=options)
        for n in range(1, count + 1)
    ]


def test_p10_when_all_is_over_only_permanent_keys_remain(store_of_four: Scripted) -> None:
    """[P10] Starts, retries, children, signals, ends, dead workers: retention removes all."""
    store = store_of_four
    store.register("w1")
    store.register("dead", lease=MINUTE)
    for n in range(20):
        store.start(f"i{n}", attributes={"n": n}, retention=MINUTE, timeout=timedelta(hours=1))
    for partition in range(4):
        for task in store.take("w1", partition, activity_room=0).tasks:
            assert not isinstance(task, ActivityTask)
            charge = commands.ScheduleActivity(
                id=1,
                name="charge",
                queue="q",
                options=ActivityOptions(schedule_to_start=DAY, schedule_to_close=DAY),
            )
            child = commands.StartChild(
                id=2, workflow="ship", instance=f"kid-{task.instance}", run=f"{task.run}.2", queue="q",
                options=ChildOptions(retention=MINUTE),
            )  # fmt: skip
            rest = [
                commands.SendSignal(id=3, instance="i1", name="go"),
                commands.StartTimer(id=4, delay=DAY),
                commands.AnswerUpdate(id=5, update="u", accepted=True),
            ]
            store.commit(task, charge, child, *rest)  # type: ignore[arg-type]
    relay(store)
    for partition in range(4):
        for task in store.take("dead", partition, workflow_room=0).tasks:
            assert isinstance(task, ActivityTask)
            store.do(Renew(partition=partition, worker="dead", lease=MINUTE, heartbeats=((task.token, b"half"),)))
            retry = RetryActivity(
                partition=partition,
                instance=task.instance,
                run=task.run,
                id=task.id,
                token=task.token,
                delay=DAY,
                failure=b"{}",
            )
            if task.instance != "i3":
                store.do(retry)
    store.pass_by(2 * MINUTE)
    for partition in range(4):
        while store.do(Sweep(partition=partition, worker="w1", build="b1")):
            pass
    for n in range(20):
        store.do(Deliver(partition=store.at(f"i{n}"), instance=f"i{n}", event=b"[1]", request=f"r{n}"))
        store.do(Terminate(partition=store.at(f"i{n}"), instance=f"i{n}"))
    relay(store)
    for partition in range(4):
        store.do(Unregister(partition=partition, worker="w1"))
    store.pass_by(2 * MINUTE)
    store.fire()
    assert set(store.names()) <= PERMANENT
    for partition in range(4):
        assert store.redis.xlen(store.key("workflows", "q", partition)) == 0
        assert store.redis.xlen(store.key("activities", "q", partition)) == 0
        consumers = store.redis.xinfo_consumers(store.key("workflows", "q", partition), "rqflow")
        assert consumers == []


def test_a_family_of_any_size_is_taken_down_in_bounded_steps(store: Scripted) -> None:
    """[P10] A script delivers 200 messages itself; the rest goes to the outbox, in order, even to its own partition."""
    store.register()
    store.start()
    store.commit(store.turn(), *kids(450))
    assert store.redis.zcard(store.key("created")) == 201
    assert store.redis.xlen(store.key("outbox")) == 250
    # A signal sent later must not overtake the start of its child.
    store.signal()
    task = store.turn()
    answer = store.commit(task, commands.SendSignal(id=500, instance="kid450", name="go", payload=b"late"))
    assert answer.outbox == 1
    assert relay(store) == 251
    assert store.redis.zcard(store.key("created")) == 451
    [_, signal] = cast("list[bytes]", store.redis.lrange(store.key("inbox", "kid450"), 0, -1))
    assert signal.endswith(b"late")
    store.do(Terminate(partition=0, instance="i"))
    relay(store)
    assert store.redis.zcard(store.key("status", "terminated")) == 451
    assert store.redis.hget(store.key("counters"), "self") == b"0"
    # And with nothing under way the next message is delivered at once.
    store.start("other")
    store.start("friend")
    tasks = {task.instance: task for task in store.take().tasks}
    send = commands.SendSignal(id=1, instance="friend", name="go")
    assert store.commit(tasks["other"], send).outbox == 0  # type: ignore[arg-type]


def test_what_a_message_leads_to_does_not_overtake_those_behind_it(store: Scripted) -> None:
    """[P6] A parent is ended by one message while the start of its child is in a later one: no orphan comes of it."""
    store.register()
    store.start("top")
    store.commit(store.turn("top"), *kids(201))
    store.do(Terminate(partition=0, instance="top"))
    grandchild = commands.StartChild(
        id=1, workflow="ship", instance="grandchild", run="r", queue="q", options=ChildOptions()
    )
    store.commit(store.turn("kid1"), grandchild)
    messages = store.do(ReadOutbox(partition=0, limit=1_000))
    # The last start, the ends of all, and the grandchild's start.
    assert len(messages) == 203
    store.do(Receive(partition=0, source=0, messages=messages))
    store.do(DropOutbox(partition=0, ids=tuple(message.id for message in messages)))
    assert store.row("grandchild")["status"] == "running"
    relay(store)
    assert store.redis.zcard(store.key("status", "running")) == 0
