"""Harm: members, entries and messages that no script can read are set aside, and everyone else is served (P7)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

import pytest

from rqflow.backend.calls.instances import Terminate
from rqflow.backend.calls.schedules import CreateSchedule, DeleteSchedule, ListSchedules, ReadDueSchedules
from rqflow.backend.calls.suspects import BeginTurn
from rqflow.backend.calls.tasks import Message, Receive, Sweep, WorkflowTask
from rqflow.core import commands
from rqflow.core.options import ActivityOptions, ChildOptions
from tests.backend.redis_write.scripted import DAY, Scripted

MINUTE = timedelta(minutes=1)
LATE = 9_999_999_999_999


def broken(store: Scripted) -> list[bytes]:
    return cast("list[bytes]", store.redis.lrange(store.key("broken"), 0, -1))


@pytest.mark.parametrize(
    "member", [b"nonsense", b"", b"timer x run i", b"unheard 1 run i", b"retry 9 run i", b"\xff\x00 1"]
)
def test_p7_a_bad_due_member_stops_no_other(store: Scripted, member: bytes) -> None:
    """[P7] It is the first that is due, and the timers behind it fire; it is set aside, or of no effect."""
    store.register()
    store.start()
    store.commit(store.turn(), commands.StartTimer(id=1, delay=MINUTE))
    store.redis.zadd(store.key("due"), {member: 1})
    store.pass_by(2 * MINUTE)
    assert store.fire() == 2
    assert len(store.turn().inbox) == 1
    assert store.redis.zcard(store.key("due")) == 0
    assert len(broken(store)) <= 1


def test_p7_a_due_member_whose_row_is_damaged_is_set_aside(store: Scripted) -> None:
    """[P7] A key of another type makes its script fail half-way; it is told with the member, and others go on."""
    store.register()
    for name in ("good", "bad"):
        store.start(name)
    tasks = {task.instance: task for task in store.take().tasks}
    for name in ("bad", "good"):
        task = tasks[name]
        assert isinstance(task, WorkflowTask)
        store.commit(task, commands.StartTimer(id=1, delay=MINUTE))
    store.redis.delete(store.key("inbox", "bad"))
    store.redis.set(store.key("inbox", "bad"), "not a list")
    store.pass_by(2 * MINUTE)
    assert store.fire() == 2
    assert store.turn("good").inbox
    [told] = broken(store)
    assert b"WRONGTYPE" in told
    assert told.endswith(b" bad")


def test_what_is_set_aside_is_bounded(store: Scripted) -> None:
    """[P10] The newest 1,000 are kept."""
    store.redis.zadd(store.key("due"), {f"nonsense {n}": n for n in range(1_200)})
    while store.fire():
        pass
    kept = broken(store)
    assert len(kept) == 1_000
    assert kept[0].endswith(b"nonsense 1199")


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "task"},
        {"kind": "activity", "run": "r"},
        {"kind": "unheard"},
        {"nothing": "at all"},
        {"kind": "query", "instance": "i", "expires_ms": "soon"},
        {"kind": "task", "instance": "nobody"},
    ],
)
def test_p7_a_bad_entry_is_removed_and_stops_no_other(store: Scripted, fields: dict[Any, Any]) -> None:
    """[P7] On a queue's stream and on a worker's own: Take and Sweep go on behind it."""
    store.register("w1")
    store.register("dead", lease=MINUTE)
    for stream in (store.key("workflows", "q"), store.key("worker", "dead")):
        store.redis.xadd(stream, fields)
    store.start()
    assert store.turn().instance == "i"
    store.pass_by(2 * MINUTE)
    assert store.do(Sweep(partition=0, worker="w1", build="b1")) is False
    assert store.take().tasks == ()
    assert store.redis.xlen(store.key("workflows", "q")) == 1
    assert not store.redis.exists(store.key("worker", "dead"))


def test_p7_a_bad_message_stops_none_behind_it(store_of_four: Scripted) -> None:
    """[P7] What cannot be unpacked, and what names no kind, is set aside; the place in the row of messages moves on."""
    store = store_of_four
    messages = tuple(Message(id=f"{n}-1", to=0, body=body) for n, body in enumerate([b"\xc1", b"\x80", b"\xa1x"], 1))
    assert store.do(Receive(partition=0, source=2, messages=messages)) == 3
    assert len(broken(store)) == 3
    assert store.do(Receive(partition=0, source=2, messages=messages)) == 0
    assert store.redis.hget(store.key("received"), "2") == b"3-1"


def test_p7_a_damaged_relative_does_not_hold_up_an_end(store: Scripted) -> None:
    """[P7] A parent ends though one of its children cannot be told, and the other child is."""
    store.register()
    store.start()
    children = [
        commands.StartChild(id=n, workflow="ship", instance=f"kid{n}", run=f"r{n}", queue="q", options=ChildOptions())
        for n in (1, 2)
    ]
    store.commit(store.turn(), *children)
    store.redis.delete(store.key("history", "r1"))
    store.redis.set(store.key("history", "r1"), "not a list")
    assert store.do(Terminate(partition=0, instance="i"))
    assert store.row("i")["status"] == "terminated"
    assert store.row("kid2")["status"] == "terminated"
    assert len(broken(store)) == 1


def test_p7_an_entry_that_vanished_is_skipped(store: Scripted) -> None:
    """[P7] A pending entry that someone deleted by hand harms no sweep, and no Take that asks again."""
    store.register("w1")
    store.register("dead", lease=MINUTE)
    store.start("one")
    store.start("two")
    first, second = store.take("dead").tasks
    store.redis.xdel(store.key("workflows", "q"), first.token.split("@")[0])
    assert [task.token for task in store.take("dead", again=True).tasks] == [second.token]
    store.pass_by(2 * MINUTE)
    store.do(Sweep(partition=0, worker="w1", build="b1"))
    assert [task.instance for task in store.take().tasks] == ["two"]


def test_an_activity_that_kills_its_workers_fails(store: Scripted) -> None:
    """[P7] Lost with more workers than allowed, it ends with a failure that says so."""
    store.register("w1")
    store.start()
    activity = commands.ScheduleActivity(id=1, name="charge", queue="q", options=ActivityOptions())
    store.commit(store.turn(), activity, sticky=False)
    for n in range(3):
        store.register(f"dead{n}", lease=MINUTE)
        task = store.activity(f"dead{n}")
        assert (task.attempt, task.losses) == (n + 1, n)
        store.pass_by(2 * MINUTE)
        store.do(Sweep(partition=0, worker="w1", build="b1", max_losses=2))
    [event] = store.turn().inbox
    assert b'"worker_lost"' in event
    assert store.redis.zrange(store.key("workers"), 0, -1) == [b"w1"]


def test_a_turn_that_kills_its_workers_stalls_until_other_code_comes(store: Scripted) -> None:
    """[P7] The instance is set aside with a reason; a worker of another build tries it again."""
    store.register("w1")
    store.start()
    for n in range(3):
        store.register(f"dead{n}", lease=MINUTE)
        task = store.turn(worker=f"dead{n}")
        assert task.deliveries == n + 1
        store.do(BeginTurn(partition=0, instance=task.instance, run=task.run, token=task.token))
        store.pass_by(2 * MINUTE)
        store.do(Sweep(partition=0, worker="w1", build="b1", max_losses=2))
    assert store.row()["status"] == "stalled"
    assert "lost with 3 workers" in store.row()["reason"]
    store.register("w2", build="b2", lease=DAY)
    assert store.turn(worker="w2").deliveries == 1


def test_p7_a_schedule_whose_keys_are_spoiled_stops_no_other(store: Scripted) -> None:
    """[P7] One without a row, one of another type, one whose ends are no list, rows and ends that cannot be read: told,
    left out, and not due any more; when the next one is due is right all the same."""
    for name in ("bad", "ends", "revision", "created", "end", "good"):
        store.do(CreateSchedule(partition=0, schedule=name, generation="g", spec=b"", args=b"", state=b"", due_ms=1))
    store.redis.delete(store.key("schedule", "bad"))
    store.redis.set(store.key("schedule", "bad"), "not a hash")
    store.redis.set(store.key("schedule_ends", "ends"), "not a list")
    store.redis.hset(store.key("schedule", "revision"), "revision", "many")
    store.redis.hdel(store.key("schedule", "created"), "created_ms")
    store.redis.rpush(store.key("schedule_ends", "end"), "nonsense")
    store.redis.zadd(store.key("schedules_due"), {"nowhere": 0})
    store.do(CreateSchedule(partition=0, schedule="later", generation="g", spec=b"", args=b"", state=b"", due_ms=LATE))
    found = store.do(ReadDueSchedules(partition=0, scheduler="s", lease=MINUTE))
    assert [row.schedule for row in found.rows] == ["good"]
    assert found.next_due_ms == LATE
    store.do(DeleteSchedule(partition=0, schedule="later"))
    assert store.redis.zrange(store.key("schedules_due"), 0, -1) == [b"good"]
    assert len(broken(store)) == 5
    page = store.do(ListSchedules(partition=0, limit=1))
    while page.cursor is not None and not page.rows:
        page = store.do(ListSchedules(partition=0, limit=1, after=page.cursor))
    assert [row.schedule for row in page.rows] == ["good"]
