"""Verify: a key of each kind is spoiled by hand, and the checker names it, and nothing in a sound hub."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, cast

import pytest

from rqflow.backend.calls.instances import Ask, Suspend
from rqflow.backend.calls.schedules import CreateSchedule, ReadDueSchedules, ScheduledStart, WriteSchedule
from rqflow.backend.calls.tasks import GiveBack, RetryActivity, WorkflowTask
from rqflow.backend.redis.verify.violations import WORDS
from rqflow.core import commands, events
from rqflow.core.failure import Failure
from rqflow.core.options import ActivityOptions, ChildOptions
from rqflow.core.wire import encode, encode_failure, stored
from tests.backend.redis_write.checked import Checked, checked
from tests.backend.redis_write.scripted import DAY, Scripted
from tests.backend.redis_write.twins import carry_all

MINUTE = timedelta(minutes=1)
TIMED = ActivityOptions(schedule_to_start=MINUTE, schedule_to_close=10 * MINUTE)


def busy(store: Scripted) -> None:
    """Instances in every state, and something of every kind that a run may wait for."""
    store.register()
    for name in ("busy", "other", "ended", "idle", "leased", "given"):
        store.start(name, attributes={"color": "red", "size": 2}, timeout=DAY)
    store.start("later", delay=DAY)
    store.start("asleep")
    store.do(Suspend(partition=store.at("asleep"), instance="asleep"))
    steps = [commands.ScheduleActivity(id=id, name="charge", queue="q", options=TIMED) for id in (1, 2, 3)]
    for at in range(store.place.hub.partitions):
        for task in store.take(partition=at).tasks:
            assert isinstance(task, WorkflowTask)
            match task.instance:
                case "busy":
                    store.commit(
                        task,
                        *steps,
                        commands.StartTimer(id=4, delay=MINUTE),
                        commands.StartChild(
                            id=5, workflow="ship", instance="child", run="child-run", queue="q",
                            options=ChildOptions(), tell_start=True,
                        ),
                        commands.SetAttributes(id=6, changes={"color": "blue"}),
                        sticky=False,
                    )  # fmt: skip
                case "ended":
                    store.commit(task, close=events.WorkflowCompleted(payload=b"1"))
                case "given":
                    store.do(
                        GiveBack(
                            partition=task.partition, instance="given", run=task.run, token=task.token, delay=MINUTE
                        )
                    )
                case "idle" | "other":
                    store.commit(task)
    store.signal("other")
    at = store.at("busy")
    store.do(
        CreateSchedule(partition=at, schedule="nightly", generation="g", spec=b"", args=b"", state=b"", due_ms=None)
    )
    start = ScheduledStart(
        instance="busy", run="slot-run", workflow="checkout", queue="q", started=b"", slot_ms=1, retention=DAY,
        attributes={},
    )  # fmt: skip
    store.do(
        WriteSchedule(
            partition=at, schedule="nightly", generation="g", revision=1, state=b"", due_ms=None, starts=(start,)
        )
    )
    store.do(ReadDueSchedules(partition=at, scheduler="s", lease=DAY))
    failure = encode_failure(Failure(type="builtins.ValueError"))
    tried, *_ = store.take(partition=store.at("busy"), workflow_room=0, activity_room=1).tasks
    store.do(
        RetryActivity(
            partition=tried.partition, instance="busy", run=tried.run, id=tried.id, token=tried.token,  # type: ignore[union-attr]
            delay=MINUTE, failure=failure,
        )
    )  # fmt: skip
    store.take(partition=store.at("busy"), workflow_room=0, activity_room=1)
    store.do(Ask(partition=store.at("idle"), instance="idle", query="why", name="n", payload=b"", timeout=MINUTE))


@pytest.fixture
def hub(store_of_four: Scripted) -> Iterator[Checked]:
    """A sound hub."""
    with checked(store_of_four) as check:
        busy(store_of_four)
        carry_all(store_of_four.do, 4)
        yield check


class Vandal:
    """Spoils keys by hand."""

    def __init__(self, store: Scripted) -> None:
        self.store = store
        self.redis = store.redis
        self.busy = store.row("busy")["run"]

    def key(self, name: str, argument: str = "", instance: str = "busy") -> str:
        """A key of the partition of an instance."""
        return self.store.key(name, argument, self.store.at(instance))

    def of(self, name: str, instance: str) -> str:
        """A key of an instance."""
        return self.key(name, instance, instance)

    def row(self, instance: str, **fields: str | int) -> None:
        """Write into a row."""
        for name, value in fields.items():
            self.redis.hset(self.of("instance", instance), name, str(value))

    def history(self, event: events.Event) -> None:
        """One event more."""
        self.redis.rpush(self.key("history", self.busy), stored(self.now, "r", encode(event)))

    def news(self, instance: str, event: events.Event, at_ms: int | None = None) -> None:
        """News more."""
        self.redis.rpush(self.of("inbox", instance), stored(at_ms or self.now, "i", encode(event)))

    @property
    def now(self) -> int:
        seconds, micros = self.redis.time()
        return seconds * 1_000 + micros // 1_000

    def task(self, instance: str) -> tuple[str, str]:
        """Entry and stream."""
        entry, _, stream = self.store.row(instance)["task"].partition("@")
        return entry, self.key("meta", instance=instance).removesuffix("meta") + stream

    def pack(self, code: str, *arguments: str) -> bytes:
        """What Lua would pack."""
        return cast("bytes", self.redis.eval(f"return cmsgpack.pack({code})", 0, *arguments))

    def record(self, state: str) -> tuple[str, str]:
        """Number and entry of an activity in that state."""
        found = cast("dict[bytes, bytes]", self.redis.hgetall(self.key("outstanding", self.busy)))
        for name, packed in found.items():
            if name.startswith(b"a:"):
                unpack = "local r = cmsgpack.unpack(ARGV[1]) return {r[1], r[2]}"
                kind, entry = cast("list[bytes]", self.redis.eval(unpack, 0, packed))
                if kind == state.encode():
                    return name.decode()[2:], entry.decode()
        raise AssertionError(state)

    def wait(self, name: str, value: bytes | str) -> None:
        """What the run waits for."""
        self.redis.hset(self.key("outstanding", self.busy), name, value)


def spoil_entry(v: Vandal) -> None:
    """The entry of an activity that its record names is another one's."""
    entries = cast("list[tuple[bytes, Any]]", v.redis.xrange(v.key("activities", "q")))
    number, own = v.record("queued")
    other = next(entry.decode() for entry, _ in entries if entry.decode() != own)
    v.wait(f"a:{number}", v.pack("{'queued', ARGV[1], 1, 0, -1, 0, 'q', 'charge'}", other))


SPOILS: dict[str, Callable[[Vandal], Any]] = {
    "unreadable": lambda v: v.wait("a:1", b"\xc1 nonsense"),
    "history_length": lambda v: v.row("busy", length=2),
    "history_bytes": lambda v: v.row("busy", bytes=2),
    "history_ends": lambda v: v.redis.pexpire(v.key("history", v.busy), 1_000_000),
    "history_event": lambda v: v.redis.lset(v.key("history", v.busy), 1, "nonsense"),
    "history_order": lambda v: v.history(events.TimerFired(id=1)),
    "history_twice": lambda v: v.history(events.TimerStarted(id=4, delay_ms=1)),
    "inbox_event": lambda v: v.redis.rpush(v.of("inbox", "other"), "nonsense"),
    "inbox_order": lambda v: v.news("other", events.SignalReceived(name="s"), at_ms=1),
    "inbox_closed": lambda v: v.news("ended", events.SignalReceived(name="s")),
    "task_none": lambda v: v.row("other", task=""),
    "task_idle": lambda v: v.row("later", task="waiting"),
    "task_token": lambda v: v.row("other", task="nonsense"),
    "task_lost": lambda v: v.redis.xdel(v.task("other")[1], v.task("other")[0]),
    "task_other": lambda v: v.row("busy", task=f"{v.record('queued')[1]}@activities:q"),
    "task_extra": lambda v: v.redis.xadd(v.key("workflows", "q"), {"kind": "task", "instance": "nobody"}),
    "entry_unknown": lambda v: v.redis.xadd(v.key("workflows", "q"), {"kind": "strange"}),
    "lease_extra": lambda v: v.redis.xdel(v.task("leased")[1], v.task("leased")[0]),
    "consumer_extra": lambda v: v.redis.xgroup_createconsumer(v.key("activities", "q"), "rqflow", "ghost"),
    "group_unknown": lambda v: v.redis.xgroup_create(v.key("activities", "q"), "theirs"),
    "activity_lost": lambda v: v.redis.xdel(v.key("activities", "q"), v.record("queued")[1]),
    "activity_other": spoil_entry,
    "activity_extra": lambda v: v.redis.xadd(
        v.key("activities", "q"), {"kind": "activity", "instance": "nobody", "run": "none", "id": "1"}
    ),
    "attempt_lacks": lambda v: v.redis.hdel(v.key("attempts", v.busy), "f:" + v.record("backoff")[0]),
    "due_lacks": lambda v: v.redis.zrem(v.key("due"), f"timer 4 {v.busy} busy"),
    "due_time": lambda v: v.redis.zincrby(v.key("due"), 5, f"timer 4 {v.busy} busy"),
    "due_extra": lambda v: v.redis.zadd(v.key("due"), {f"timer 99 {v.busy} busy": v.now}),
    "due_unknown": lambda v: v.redis.zadd(v.key("due"), {"strange": v.now}),
    "child_none": lambda v: v.redis.delete(v.key("children", "busy")),
    "claim_child": lambda v: v.redis.hset(
        v.key("children", "busy"), "none",
        v.pack("{child = 'none', run = 'none', policy = 'cancel', to = ARGV[1]}", str(v.store.at("none"))),
    ),
    "claim_parent": lambda v: v.redis.hdel(v.key("children", "busy"), "child-run"),
    "claim_signal": lambda v: v.wait("s:9", "other"),
    "index_lacks": lambda v: v.redis.zrem(v.key("workflow", "checkout"), "busy"),
    "index_order": lambda v: v.redis.zadd(v.key("queue", "q"), {"busy": 1}),
    "index_extra": lambda v: v.redis.zadd(v.key("attribute", 'color="red"'), {"busy": 1}),
    "schedule_unlisted": lambda v: v.redis.zrem(v.key("schedules"), "nightly"),
    "schedule_idle": lambda v: v.redis.zrem(v.key("schedules_due"), "nightly"),
    "count": lambda v: v.redis.zadd(v.key("ids"), {"nobody": 0}),
    "counter": lambda v: v.redis.hset(v.key("counters"), "self", 3),
    "broken": lambda v: v.redis.lpush(v.key("broken"), "1 problem\nmember"),
    "received": lambda v: v.redis.hset(v.key("received"), "0", "9999999999999-0"),
    "key_unknown": lambda v: v.redis.set(v.key("meta").removesuffix("meta") + "strange", "1"),
    "key_type": lambda v: v.redis.set(v.key("requests", "nobody"), "1"),
    "key_extra": lambda v: v.redis.rpush(v.key("inbox", "nobody"), "1"),
    "meta": lambda v: v.redis.hset(v.key("meta"), "name", "another"),
}  # fmt: skip
"""Each word, and a way to deserve it."""


def test_a_sound_hub_has_no_violation(hub: Checked) -> None:
    """[P2, P3, P6, P8, P10] Instances in every state, with all that a run may wait for."""
    report = hub.report()
    assert report.violations == ()
    assert report.instances == 9
    assert report.keys > 40


@pytest.mark.parametrize("word", WORDS)
def test_each_violation_is_named_when_a_key_is_spoiled(hub: Checked, word: str) -> None:
    """[P2, P3, P5, P6, P7, P8, P10] With its promise, where it stands, what is wrong and what to do about it."""
    SPOILS[word](Vandal(hub.store))
    found = [one for one in hub.violations() if one.word == word]
    assert found, hub.words()
    for one in found:
        assert one.promise in {f"P{number}" for number in range(1, 11)}
        assert one.key
        assert one.wrong
        assert "{" not in one.wrong
        assert one.remedy
