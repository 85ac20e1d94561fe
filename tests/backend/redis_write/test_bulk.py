"""Bulk: what the calls of a group write together is what each would have written, also where one of them breaks."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import redis

from rqflow.backend.calls.tasks import ActivityTask, CompleteActivity, Sweep, WorkflowTask
from rqflow.core import commands, events
from rqflow.core.options import ActivityOptions
from rqflow.core.wire import encode
from rqflow.errors import BackendError, BackendFull
from tests.backend.redis_write.checked import checked
from tests.backend.redis_write.scripted import DAY, Scripted
from tests.backend.redis_write.test_out_of_memory import CALLS, Scene

DONE = events.WorkflowCompleted(payload=b"1")
INDEXES = ("created", "ids", "closed", "status:running", "status:completed", "workflow:checkout", "queue:q", "due")


def turns(store: Scripted) -> dict[str, WorkflowTask]:
    return {task.instance: task for task in store.take().tasks if isinstance(task, WorkflowTask)}


def listed(store: Scripted, instance: str) -> dict[str, list[float]]:
    """The scores of an instance in each sorted set, times as how far they are off."""
    found: dict[str, list[float]] = {}
    for name in INDEXES:
        members: Any = store.redis.zrange(store.key("meta").removesuffix("meta") + name, 0, -1, withscores=True)
        found[name] = [0.0 for member, _ in members if member.decode().split()[-1] == instance]
    return found


def entries(store: Scripted, name: str, argument: str = "") -> tuple[int, int]:
    """How many entries a stream has, and how many are on lease."""
    stream = store.key(name, argument)
    return int(store.redis.xlen(stream)), int(store.redis.xpending(stream, "rqflow")["pending"])


def test_p7_a_spoiled_index_breaks_those_alone_that_write_to_it(store: Scripted) -> None:
    """[P7] It is the error of each of them; the others of the group are all done, and listed."""
    store.redis.set(store.key("workflow", "other"), "spoiled")
    calls = [store.start_call(name, workflow="other" if "bad" in name else "checkout") for name in ("a", "bad", "b")]
    first, bad, last, again = store.send_all([*calls, store.start_call("bad2", workflow="other")])
    for answer in (bad, again):
        assert isinstance(answer, BackendError)
        assert "WRONGTYPE" in str(answer)
    assert first.created
    assert last.created
    store.redis.delete(store.key("workflow", "other"))
    assert listed(store, "a") == listed(store, "b")
    with checked(store) as check:
        assert {violation.instance for violation in check.violations()} <= {"bad", "bad2"}


def test_p7_a_spoiled_stream_breaks_those_alone_that_remove_from_it(store: Scripted) -> None:
    """[P7] A turn whose task's stream is another thing by now is refused by Redis, others are not."""
    store.register()
    for name in ("a", "bad"):
        store.start(name, queue="lost" if name == "bad" else "q")
    tasks = turns(store)
    stream = store.key("workflows", "lost")
    lost = replace(tasks["a"], instance="bad", run=store.row("bad")["run"], token=store.row("bad")["task"])
    store.redis.delete(stream)
    store.redis.set(stream, "spoiled")
    bad, good = store.send_all([store.commit_call(lost, close=DONE), store.commit_call(tasks["a"], close=DONE)])
    assert isinstance(bad, BackendError)
    assert "WRONGTYPE" in str(bad)
    assert good.closed
    assert entries(store, "workflows", "q") == (0, 0)


def test_p2_a_call_that_breaks_leaves_in_company_what_it_leaves_alone(plain_server: redis.Redis) -> None:
    """[P2] What it had gathered before is written all the same: no more and no less."""
    left = []
    for company in (False, True):
        store = Scripted(plain_server)
        store.register()
        for name in ("good", "bad"):
            store.start(name)
        tasks = turns(store)
        store.redis.hdel(store.key("instance", "bad"), "retention_ms")
        calls = [store.commit_call(tasks[name], close=DONE) for name in ("good", "bad")]
        answers = store.send_all(calls) if company else [*store.send_all(calls[:1]), *store.send_all(calls[1:])]
        assert answers[0].closed
        assert isinstance(answers[1], BackendError)
        names = {name for name in store.names() if not name.startswith("history:")}
        left.append((listed(store, "good"), listed(store, "bad"), entries(store, "workflows", "q"), names))
    assert left[0] == left[1]
    assert left[0][1]["status:completed"] == [0.0]
    assert left[0][2] == (0, 0)


def test_p6_a_removed_entry_is_not_taken_for_one_that_ends_a_blocked_read(store: Scripted) -> None:
    """[P6] A start in the place of one that nobody took, for a later time: the queue is told of that time, though the
    entry that it had is taken out by the same group."""
    store.register()
    store.start("i")
    assert entries(store, "workflows", "q") == (1, 0)
    later = store.start_call("i", on_conflict="terminate_existing", delay=timedelta(minutes=5))
    assert [answer.created for answer in store.send_all([later, later])] == [True, True]
    stream: Any = store.redis.xrange(store.key("workflows", "q"))
    assert [fields[b"kind"] for _, fields in stream] == [b"wake"]


def test_p6_one_instance_ended_and_started_again_and_again_by_one_group(store: Scripted) -> None:
    """[P6] Its last run is the one that is listed, has the task and its times; the checker finds nothing."""
    store.register()
    delays = [timedelta(minutes=minutes) for minutes in (0, 5, 0, 1, 0, 0, 9)]
    calls = [store.start_call("i", on_conflict="terminate_existing", delay=delay) for delay in delays]
    answers = store.send_all([store.start_call("other"), *calls, store.start_call("another")])
    assert all(answer.created for answer in answers)
    assert store.row("i")["run"] == calls[-1].run
    assert store.redis.zcard(store.key("status", "running")) == 2
    assert store.redis.zscore(store.key("status", "pending"), "i") is not None
    with checked(store) as check:
        assert check.violations() == ()


def test_p6_ends_of_one_instances_activities_in_one_group(store: Scripted) -> None:
    """[P5, P6] Some twice, and those of others between them: each is news once, for one task."""
    store.register()
    for name in ("a", "b"):
        store.start(name)
        asked = [commands.ScheduleActivity(id=n, name="charge", queue="q", options=ActivityOptions()) for n in (1, 2)]
        store.commit(store.turn(name), *asked)
    held = [task for task in store.take(workflow_room=0).tasks if isinstance(task, ActivityTask)]
    event = encode(events.ActivityCompleted(id=1, payload=b"1"))
    ends = [
        CompleteActivity(
            partition=0, instance=task.instance, run=task.run, id=task.id, token=task.token,
            event=event.replace(b",1]", b",%d]" % task.id),
        )
        for task in held
    ]  # fmt: skip
    answers = store.send_all([*ends, *ends])
    assert [isinstance(answer, BaseException) for answer in answers] == [False] * 4 + [True] * 4
    assert entries(store, "activities", "q") == (0, 0)
    assert entries(store, "worker", "w1") == (2, 0)
    with checked(store) as check:
        assert check.violations() == ()


def test_p6_news_go_to_the_worker_that_lives_and_past_the_one_that_does_not(store: Scripted) -> None:
    """[P6] Whether a worker lives is looked up once a group, for each of them."""
    store.register("w1")
    store.register("w2")
    for name, worker in (("a", "w1"), ("b", "w2"), ("c", "w1"), ("d", "w2")):
        store.start(name)
        timer = commands.ScheduleActivity(id=1, name="charge", queue="q", options=ActivityOptions())
        store.commit(store.turn(name, worker), timer, worker=worker)
    held = [task for task in store.take("w1", workflow_room=0).tasks if isinstance(task, ActivityTask)]
    store.redis.zadd(store.key("workers"), {"w2": 1})
    for task in store.send_all(
        [
            CompleteActivity(
                partition=0, instance=task.instance, run=task.run, id=1, token=task.token,
                event=encode(events.ActivityCompleted(id=1, payload=b"1")),
            )
            for task in held
        ]
    ):  # fmt: skip
        assert not isinstance(task, BaseException)
    assert {name: store.row(name)["task"].split("@")[1] for name in "abcd"} == {
        "a": "worker:w1", "b": "workflows:q", "c": "worker:w1", "d": "workflows:q",
    }  # fmt: skip
    store.do(Sweep(partition=0, worker="w1", build="b1"))
    with checked(store) as check:
        assert check.violations() == ()


def test_p10_a_group_writes_as_much_to_one_key_as_it_likes(store: Scripted) -> None:
    """[P10] More than fits in one command: Lua hands on some thousand arguments, not more."""
    store.register()
    for number in range(20):
        store.start(f"i{number}")
    timers = [commands.StartTimer(id=n, delay=DAY) for n in range(1, 60)]
    answers = store.send_all([store.commit_call(task, *timers) for task in turns(store).values()])
    assert not any(isinstance(answer, BaseException) for answer in answers)
    assert store.redis.zcard(store.key("due")) == 20 * 59
    with checked(store) as check:
        assert check.violations() == ()


@pytest.mark.parametrize(
    "name", [name for name in CALLS if name.split()[0] in ("start", "commit", "complete", "retry")]
)
def test_p2_a_full_server_refuses_each_of_two_that_travel_together(store: Scripted, name: str) -> None:
    """[P2] Nothing is gathered by a call that was refused, so not a byte has changed."""
    call = CALLS[name](Scene(store))
    other = store.start_call("beside") if name.startswith("start") else call
    store.send_all([store.start_call("warm"), store.start_call("up")])
    before = {key: store.redis.dump(key) for key in store.redis.keys("*") if store.redis.type(key) != b"hash"}
    rows = {key: store.redis.hgetall(key) for key in store.redis.keys("*") if store.redis.type(key) == b"hash"}
    store.redis.config_set("maxmemory", 1)
    try:
        answers = store.send_all([call, other])
    finally:
        store.redis.config_set("maxmemory", 0)
    assert [type(answer) for answer in answers] == [BackendFull, BackendFull]
    assert {key: store.redis.dump(key) for key in before} == before
    assert {key: store.redis.hgetall(key) for key in rows} == rows
    assert len(store.redis.keys("*")) == len(before) + len(rows)
    assert not isinstance(store.send_all([call, call])[0], BaseException)
