"""Groups: calls that travel as one EVALSHA do what they do one by one, and one that breaks harms no other."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import redis

from rqflow.backend.calls.call import Call
from rqflow.backend.calls.hubs import Limits
from rqflow.backend.calls.instances import Start
from rqflow.backend.calls.tasks import (
    ActivityTask,
    Commit,
    Committed,
    CompleteActivity,
    FireDue,
    Register,
    RetryActivity,
    Take,
    WorkerRecord,
    WorkflowTask,
)
from rqflow.backend.redis.commands import Command, Place
from rqflow.backend.redis.grouping import ARGUMENT_BYTES, BYTES, ITEMS, Group, size_of
from rqflow.backend.redis.translate import translate
from rqflow.core import commands, events
from rqflow.core.commands import record_of
from rqflow.core.options import ActivityOptions, ChildOptions
from rqflow.core.wire import encode
from rqflow.errors import BackendError, BackendFull, InstanceExists, LeaseLost
from tests.backend.redis_write.checked import checked
from tests.backend.redis_write.machine import BROKEN
from tests.backend.redis_write.scripted import DAY, SUBSCRIPTION, Scripted
from tests.backend.redis_write.twins import Twins, shape
from tests.backend.redis_write.worker_rules import KINDS, command_of

NAMES = [f"i{number}" for number in range(5)]


def evaluations(store: Scripted) -> int:
    return int(store.redis.info("commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"])


class Life:
    """Twins whose calls travel together, in Redis; a seed draws what they are."""

    def __init__(self, server: redis.Redis, partitions: int, seed: int) -> None:
        self.twins = Twins(server, partitions)
        self.random = random.Random(seed)
        self.held: list[tuple[Any, Any]] = []
        self.runs = 0
        record = WorkerRecord(
            id="w", name="n", host="h", pid=1, build="b", subscription=SUBSCRIPTION, workflows=(), activities=(),
            workflow_slots=1, activity_slots=1,
        )  # fmt: skip
        for partition in self.twins.partitions:
            self.twins.both(Register(partition=partition, worker=record, lease=timedelta(days=9)))

    def together(self, pairs: Iterable[tuple[Call[Any], Call[Any]]]) -> None:
        """Calls to memory and to the scripts, which are answered alike and leave the same."""
        pairs = list(pairs)
        ours = self.twins.memory.apply_all([one for one, _ in pairs])
        theirs = self.twins.scripted.send_all([other for _, other in pairs])
        for (call, _), *answers in zip(pairs, ours, theirs, strict=True):
            seen = [shape(each) if isinstance(each, Exception) else each for each in answers]
            seen = [replace(each, outbox=0) if isinstance(each, Committed) else each for each in seen]
            assert seen[0] == seen[1], f"{call}: memory answers {seen[0]!r}, the scripts {seen[1]!r}"
        self.twins.compare()

    def start(self) -> None:
        """Some of them again, some that are there."""
        calls = []
        for _ in range(self.random.randint(1, 40)):
            self.runs += self.random.random() < 0.8
            name = self.random.choice([*NAMES, f"other{self.runs}"])
            policy: Any = self.random.choice(["fail", "use_existing", "terminate_existing"])
            calls.append(self.twins.scripted.start_call(name, run=f"{name}-run{self.runs}", on_conflict=policy))
        self.together(zip(calls, calls, strict=True))

    def finish(self) -> None:
        """All that is held, turns and activities as they come, some of it twice."""
        for partition in self.twins.partitions:
            call = Take(partition=partition, worker="w", subscription=SUBSCRIPTION, workflow_room=50, activity_room=50)
            self.held += self.twins.take(call)
        self.random.shuffle(self.held)
        held = [*self.held, *self.random.sample(self.held, len(self.held) // 4)]
        self.held = self.held[: len(self.held) // 10]
        self.together(self._ends(*pair) for pair in held)

    def _ends(self, ours: Any, theirs: Any) -> tuple[Call[Any], Call[Any]]:
        same = {"partition": ours.partition, "instance": ours.instance, "run": ours.run}
        if isinstance(ours, ActivityTask) and self.random.random() < 0.2:
            failed = {"id": ours.id, "delay": timedelta(minutes=self.random.randint(0, 1)), "failure": BROKEN, **same}
            return RetryActivity(token=ours.token, **failed), RetryActivity(token=theirs.token, **failed)
        if isinstance(ours, ActivityTask):
            done = {"id": ours.id, "event": encode(events.ActivityCompleted(id=ours.id, payload=b"1")), **same}
            return CompleteActivity(token=ours.token, **done), CompleteActivity(token=theirs.token, **done)
        assert isinstance(ours, WorkflowTask)
        asked = [
            command_of(self.random.choice(KINDS), self.random.randint(0, 59), ours.history_length + number, ours.run)
            for number in range(1, self.random.randint(1, 5))
        ]
        end = events.WorkflowCompleted(payload=b"1") if self.random.random() < 0.4 else None
        turn = {
            "records": tuple(encode(each) for each in [*map(record_of, asked), *([end] if end else [])]),
            "commands": tuple(asked), "close": end, "consumed": len(ours.inbox), "worker": "w",
            "expected_length": ours.history_length, **same,
        }  # fmt: skip
        return Commit(token=ours.token, **turn), Commit(token=theirs.token, **turn)


@pytest.mark.parametrize("partitions", [1, 4])
@pytest.mark.parametrize("seed", range(4))
def test_p2_calls_that_travel_together_do_what_they_do_one_by_one(
    plain_server: redis.Redis, partitions: int, seed: int
) -> None:
    """[P2, P3, P6] Starts, turns, ends and retries, with stale tokens and repeats: what memory does one by one."""
    plain_server.flushdb()
    life = Life(plain_server, partitions, seed)
    for _ in range(12):
        life.random.choice([life.start, life.finish, life.finish])()
        life.twins.scripted.pass_by(timedelta(seconds=20))
        for partition in life.twins.partitions:
            life.twins.both(FireDue(partition=partition))
        life.twins.relay_all()
        life.twins.compare()
    with checked(life.twins.scripted) as check:
        assert check.violations() == ()


def test_many_calls_are_few_scripts(store: Scripted) -> None:
    """Consecutive ones of a kind, so many at a time; others in between keep their place."""
    store.send_all([store.start_call("warm"), store.start_call("up")])
    before = evaluations(store)
    answers = store.send_all([store.start_call(f"i{number}") for number in range(2 * ITEMS + 1)])
    assert all(answer.created for answer in answers)
    assert evaluations(store) - before == 3
    first, again, second = store.start_call("a"), store.start_call("a"), store.start_call("b")
    answers = store.send_all([first, FireDue(partition=0), again, second])
    assert [type(answer) for answer in answers] == [type(answers[0]), int, InstanceExists, type(answers[0])]


def test_a_group_is_bounded_in_bytes_and_arguments(store: Scripted) -> None:
    """A big call travels alone, so that Redis is not held for long [P10]."""
    small, big = store.start_call("a"), replace(store.start_call("b"), started=b"x" * BYTES)
    assert sizes(store, [small, small, big, big, small, small]) == [2, 1, 1, 2]
    task = WorkflowTask(
        partition=0, instance="a", run="r", token="t", workflow="w", queue="q", history_length=0, history_bytes=0,
        history=(), history_from=0, inbox=(), deliveries=1, build="",
    )  # fmt: skip
    asked = [commands.ScheduleActivity(id=n, name="a", queue="q", options=ActivityOptions()) for n in range(250)]
    wide = store.commit_call(task, *asked)
    assert sizes(store, [wide, wide]) == [1, 1]
    command = translate(small, store.place)
    assert isinstance(command, Command)
    assert size_of(command) > ARGUMENT_BYTES * len(command.arguments)


def sizes(store: Scripted, calls: list[Call[Any]]) -> list[int]:
    """How many calls each group has."""
    groups: list[Group] = []
    for call in calls:
        command = translate(call, store.place)
        assert isinstance(command, Command)
        if not groups or not groups[-1].add(command, None):
            groups.append(Group([command]))
    return [len(group.commands) for group in groups]


def test_p7_a_call_that_breaks_harms_none_of_those_it_travels_with(store: Scripted) -> None:
    """[P7] Keys of another type: that one's answer is an error with Redis' words, before and behind it all is done."""
    store.redis.set(store.key("instance", "bad"), "spoiled")
    answers = store.send_all([store.start_call(name) for name in ("one", "bad", "two", "bad", "three")])
    for place in (1, 3):
        assert isinstance(answers[place], BackendError)
        assert "start.lua" in str(answers[place])
        assert "WRONGTYPE" in str(answers[place])
    assert [answers[place].created for place in (0, 2, 4)] == [True] * 3
    assert all(store.row(name)["status"] == "running" for name in ("one", "two", "three"))


def test_p7_a_call_that_breaks_as_code_does_shows_its_line(store: Scripted) -> None:
    """What Lua itself cannot do is told with the line that broke, as it is for a call that is alone."""
    store.register()
    for name in ("bad", "good"):
        store.start(name)
    tasks = {task.instance: task for task in store.take().tasks if isinstance(task, WorkflowTask)}
    store.redis.hdel(store.key("instance", "bad"), "retention_ms")
    done = events.WorkflowCompleted(payload=b"1")
    bad, good = store.send_all([store.commit_call(tasks[name], close=done) for name in ("bad", "good")])
    assert isinstance(bad, BackendError)
    assert "retention_ms" in str(bad)
    assert good.closed
    assert store.row("good")["status"] == "completed"


def test_p2_what_a_broken_call_would_have_sent_is_not_sent_by_the_next(store: Scripted) -> None:
    """[P2] Messages wait until a script is done with its own writes: those of one that broke go with it."""
    store.register()
    for name in ("bad", "good"):
        store.start(name)
    tasks = {task.instance: task for task in store.take().tasks if isinstance(task, WorkflowTask)}
    child = commands.StartChild(id=1, workflow="ship", instance="kid", run="kid-run", queue="q", options=ChildOptions())
    # Breaks after the message was put down: its own answers are no hash.
    store.redis.set(store.key("answers", tasks["bad"].run), "spoiled")
    answer = commands.AnswerUpdate(id=2, update="u", accepted=True, payload=b"")
    send = commands.SendSignal(id=1, instance="nobody", name="s", payload=b"")
    bad, good = store.send_all([store.commit_call(tasks["bad"], child, answer), store.commit_call(tasks["good"], send)])
    assert isinstance(bad, BackendError)
    assert good.more
    assert store.row("kid") == {}


def test_p2_a_full_server_refuses_each_call_of_a_group(store: Scripted) -> None:
    """[P2] Nothing of any of them is written, and each caller is told what to do."""
    calls = [store.start_call(f"i{number}") for number in range(3)]
    store.send_all([store.start_call("warm"), store.start_call("up")])
    before = store.names()
    store.redis.config_set("maxmemory", "1")
    try:
        answers = store.send_all(calls)
    finally:
        store.redis.config_set("maxmemory", "0")
    assert [type(answer) for answer in answers] == [BackendFull] * 3
    assert store.names() == before
    assert all(answer.created for answer in store.send_all(calls))


def test_p3_a_refusal_within_a_group_is_its_callers_alone(store: Scripted) -> None:
    """[P3] A stale token between two good ones changes nothing and says so; limits too are each one's own."""
    tight = Scripted(store.redis, limits=Limits(outstanding=1))
    tight.register()
    for name in ("a", "b", "c"):
        tight.start(name)
    tasks = {task.instance: task for task in tight.take().tasks if isinstance(task, WorkflowTask)}
    timer = commands.StartTimer(id=1, delay=DAY)
    both = (timer, commands.StartTimer(id=2, delay=DAY))
    stale = tight.commit_call(replace(tasks["b"], token="1-1@workflows:q"), timer)
    first, lost, wide, last = tight.send_all(
        [
            tight.commit_call(tasks["a"], timer),
            stale,
            tight.commit_call(tasks["b"], *both),
            tight.commit_call(tasks["c"], timer),
        ]
    )
    assert isinstance(lost, LeaseLost)
    assert "waits for" in str(wide)
    assert first == last
    assert tight.row("b")["task"] == tasks["b"].token


def test_a_full_group_of_the_biggest_script_fits_lua(store: Scripted) -> None:
    """Locals, upvalues and arguments stay within what Lua takes, with as many rows as there may be in one call."""
    store.register()
    store.start("wide")
    task = store.turn("wide")
    timers = [commands.StartTimer(id=n, delay=DAY) for n in range(1, 9_001)]
    [answer] = store.send_all([store.commit_call(task, *timers)])
    assert answer == Committed(closed=False, more=False, outbox=0)
    assert store.redis.hlen(store.key("outstanding", task.run)) == 9_000


def test_starts_in_many_partitions_go_to_a_script_each(store_of_four: Scripted) -> None:
    """A group has one key."""
    calls: list[Start] = [store_of_four.start_call(f"i{number}") for number in range(40)]
    assert all(answer.created for answer in store_of_four.send_all(calls))
    place = Place(store_of_four.place.hub, store_of_four.place.limits, cluster=True)
    assert place.cluster
    for call in calls:
        assert store_of_four.redis.exists(store_of_four.key("instance", call.instance, call.partition))
