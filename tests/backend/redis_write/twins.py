"""Twins: the memory store and the scripts, given the same calls; what one does the other must do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, cast

from rqflow.backend.calls.call import Call
from rqflow.backend.calls.tasks import ActivityTask, DropOutbox, FireDue, Message, ReadOutbox, Receive, WorkflowTask
from rqflow.backend.memory.rows import WaitingActivity, WaitingTimer
from rqflow.backend.memory.store import MemoryStore
from rqflow.core import events
from rqflow.core.wire import decode_failure, decode_stored
from rqflow.errors import BadInput, LimitReached, RqflowError
from tests.backend.redis_write.scripted import DAY, Scripted

_UNPACK: Final = "return cjson.encode(cmsgpack.unpack(ARGV[1]))"


class Twins:
    """Two stores of the same hub."""

    def __init__(self, scripted: Scripted) -> None:
        self.scripted = scripted
        self.now_ms = 1_000_000_000_000
        info = scripted.place.hub
        self.memory = MemoryStore(
            hub=info.name, partitions=info.partitions, retention=DAY, limits=scripted.place.limits, now_ms=self._now
        )

    def _now(self) -> int:
        return self.now_ms

    def pass_by(self, span: timedelta) -> None:
        self.now_ms += span // timedelta(milliseconds=1)
        self.scripted.pass_by(span)

    def both(self, call: Call[Any], other: Call[Any] | None = None) -> tuple[Any, Any]:
        """The answers of both, which are alike as far as times and tokens allow. `other`: what the scripts get."""
        [ours] = self.memory.apply_all([call])
        theirs = self.scripted.send(other or call)
        assert shape(ours) == shape(theirs), f"{call}: memory answers {ours!r}, the scripts {theirs!r}"
        return ours, theirs

    def take(self, call: Callable[[], Call[Any]]) -> list[tuple[Any, Any]]:
        """Pairs of the same task."""
        [ours] = self.memory.apply_all([call()])
        theirs = self.scripted.send(call())
        if isinstance(ours, RqflowError):
            assert type(ours) is type(theirs), f"memory answers {ours!r}, the scripts {theirs!r}"
            return []
        one, other = sorted(ours.tasks, key=_name), sorted(theirs.tasks, key=_name)  # type: ignore[union-attr]
        seen = [list(map(_seen, one)), list(map(_seen, other))]
        assert seen[0] == seen[1], f"memory gives {seen[0]}, the scripts {seen[1]}"
        told = len(ours.notices), len(theirs.notices)  # type: ignore[union-attr]
        assert told[0] == told[1], f"memory tells of {told[0]} canceled activities, the scripts of {told[1]}"
        return list(zip(one, other, strict=True))

    def fire(self) -> None:
        """Handle all that is due. Numbers may differ: a member may be out of date in one and gone in the other."""
        for partition in range(self.scripted.place.hub.partitions):
            call = FireDue(partition=partition)
            for do in (self.memory.apply, self.scripted.do):
                for _ in range(100):
                    if not do(call):
                        break

    def relay(self) -> None:
        """Carry letters until none is left, in both."""
        for _ in range(100):
            moved = 0
            for source in range(self.scripted.place.hub.partitions):
                ours = self.memory.apply(ReadOutbox(partition=source))
                theirs = self.scripted.do(ReadOutbox(partition=source))
                assert sorted(one.to for one in ours) == sorted(one.to for one in theirs)
                moved += len(ours)
                _carry(self.memory.apply, source, ours)
                _carry(self.scripted.do, source, theirs)
            if not moved:
                return

    def compare(self) -> None:
        """Both know the same."""
        for number, partition in enumerate(self.memory._partitions):
            known = {row.instance for row in partition.rows.by_id.values()}
            listed = cast(
                "list[bytes]", self.scripted.redis.zrange(self.scripted.key("created", partition=number), 0, -1)
            )
            assert {one.decode() for one in listed} == known
            self._check_tasks(number)
            for row in partition.rows.by_id.values():
                ours, theirs = self._memory_view(row), self._redis_view(row.instance, number)
                differs = {name: (ours[name], theirs[name]) for name in ours if ours[name] != theirs[name]}
                assert not differs, f"{row.instance}: memory and Redis: {differs}"

    def _check_tasks(self, partition: int) -> None:
        """[P6] A task in a stream is the one that its instance has; one that has news and runs has a task."""
        store, redis = self.scripted, self.scripted.redis
        entries, in_front = set(), len(store.key("meta", partition=partition)) - len("meta")
        for kind in ("workflows", "worker"):
            for stream in cast("list[bytes]", redis.keys(store.key(kind, "*", partition))):
                for id, fields in cast("list[tuple[bytes, dict[bytes, bytes]]]", redis.xrange(stream)):
                    if fields[b"kind"] == b"task":
                        entries.add((fields[b"instance"].decode(), f"{id.decode()}@{stream.decode()[in_front:]}"))
        tasks = set()
        for instance in cast("list[bytes]", redis.zrange(store.key("created", partition=partition), 0, -1)):
            name = instance.decode()
            row = redis.hgetall(store.key("instance", name, partition))
            token = cast("dict[bytes, bytes]", row).get(b"task", b"").decode()
            if token and token != "waiting":
                tasks.add((name, token))
            if cast("dict[bytes, bytes]", row)[b"status"] == b"running":
                assert bool(redis.exists(store.key("inbox", name, partition))) <= bool(token), f"{name} is stuck"
        assert entries == tasks

    def _memory_view(self, row: Any) -> dict[str, Any]:
        return {
            "status": row.status,
            "run": row.run,
            "runs": row.runs,
            "workflow": row.workflow,
            "attributes": {name: json.dumps(value) for name, value in row.attributes.items()},
            "custom": row.custom_status,
            "cancel": row.cancel_requested,
            "task": row.task.replace("leased", "queued"),
            "sticky": row.sticky if row.status == "running" else "",
            "losses": row.losses,
            "history": list(map(_told, row.history.events)),
            "inbox": list(map(_told, row.inbox)),
            "deadline": row.deadline_ms is not None,
            "activities": {
                str(id): (one.state.replace("leased", "queued"), one.attempt, one.losses)
                for id, one in row.waiting.items()
                if isinstance(one, WaitingActivity)
            },
            "timers": {str(id) for id, one in row.waiting.items() if isinstance(one, WaitingTimer)},
            "waiting": len(row.waiting),
        }

    def _redis_view(self, instance: str, partition: int) -> dict[str, Any]:
        store, redis = self.scripted, self.scripted.redis
        raw = cast("dict[bytes, bytes]", redis.hgetall(store.key("instance", instance, partition)))
        row = {name.decode(): value for name, value in raw.items()}
        run, status = row["run"].decode(), row["status"].decode()
        waiting = cast("dict[bytes, bytes]", redis.hgetall(store.key("outstanding", run, partition)))
        activities = {
            name.decode()[2:]: json.loads(cast("bytes", redis.eval(_UNPACK, 0, value)))
            for name, value in waiting.items()
            if name.startswith(b"a:")
        }
        packed = row.get("attributes", b"")
        task = row.get("task", b"").decode()
        order = int(row["order"])
        for index in (
            "created",
            f"status:{status}",
            f"workflow:{row['workflow'].decode()}",
            f"queue:{row['queue'].decode()}",
        ):
            name, _, argument = index.partition(":")
            assert redis.zscore(store.key(name, argument, partition), instance) == order, index
        history = cast("list[bytes]", redis.lrange(store.key("history", run, partition), 0, -1))
        inbox = cast("list[bytes]", redis.lrange(store.key("inbox", instance, partition), 0, -1))
        assert int(row["length"]) == len(history)
        assert int(row["bytes"]) == sum(map(len, history))
        return {
            "status": status,
            "run": run,
            "runs": int(row["runs"]),
            "workflow": row["workflow"].decode(),
            "attributes": json.loads(cast("bytes", redis.eval(_UNPACK, 0, packed))) if packed else {},
            "custom": row.get("custom", b""),
            "cancel": row.get("cancel_requested") == b"1",
            "task": task if task in ("", "waiting") else "queued",
            "sticky": row.get("sticky", b"").decode() if status == "running" else "",
            "losses": int(row.get("losses", b"0")),
            "history": list(map(_told, history)),
            "inbox": list(map(_told, inbox)),
            "deadline": bool(row.get("deadline_ms")),
            "activities": {id: (one[0], one[2], one[3]) for id, one in activities.items()},
            "timers": {name.decode()[2:] for name in waiting if name.startswith(b"t:")},
            "waiting": len(waiting),
        }


def carry_all(do: Callable[[Call[Any]], Any], partitions: int) -> None:
    """Relay until no outbox has anything."""
    for _ in range(100):
        moved = False
        for source in range(partitions):
            messages = do(ReadOutbox(partition=source))
            moved = moved or bool(messages)
            _carry(do, source, messages)
        if not moved:
            return


def _carry(do: Callable[[Call[Any]], Any], source: int, messages: Iterable[Message]) -> None:
    for message in messages:
        for _ in range(2):
            do(Receive(partition=message.to, source=source, messages=(message,)))
    do(DropOutbox(partition=source, ids=tuple(message.id for message in messages)))


def _name(task: Any) -> tuple[str, str, int]:
    return type(task).__name__, task.instance, getattr(task, "id", 0)


def _seen(task: Any) -> Any:
    """A task without what differs by nature."""
    match task:
        case WorkflowTask():
            told = tuple(map(_told, task.history)), tuple(map(_told, task.inbox))
            return replace(task, token="", history=told[0], inbox=told[1], history_bytes=0)
        case ActivityTask():
            return replace(task, token="", scheduled_at_ms=0, started_at_ms=0)
        case _:
            return replace(task, token="", inbox=tuple(map(_told, task.inbox)))


def _told(stored: bytes) -> Any:
    """An event without its time, and a failure without its words."""
    event = decode_stored(stored).event
    match event:
        case events.ActivityFailed() | events.ChildFailed() | events.SignalFailed():
            failure = decode_failure(event.payload)
            return type(event), event.id, failure.type, failure.kind
        case events.CancelRequested() | events.WorkflowTerminated():
            return type(event)
        case _:
            return event


def shape(answer: Any) -> Any:
    """An answer, or the kind of an error."""
    if isinstance(answer, (LimitReached, BadInput)):
        return "refused", type(answer)
    return type(answer) if isinstance(answer, RqflowError) else answer
