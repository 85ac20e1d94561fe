"""Twins: the memory store and the scripts, given the same calls at the same times; what one does the other must do."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, cast

import redis

from rqflow.backend.calls.call import Call
from rqflow.backend.calls.schedules import Written
from rqflow.backend.calls.tasks import (
    ActivityTask,
    Committed,
    DropOutbox,
    Entry,
    Message,
    ReadOutbox,
    Receive,
    WorkflowTask,
)
from rqflow.backend.memory.rows import WaitingActivity, WaitingTimer
from rqflow.backend.memory.store import MemoryStore
from rqflow.core import events
from rqflow.core.wire import decode_failure, decode_stored
from rqflow.errors import BadInput, LimitReached, RqflowError
from tests.backend.redis_write.clocked import Clocked, Fault
from tests.backend.redis_write.scripted import DAY, SUBSCRIPTION

_UNPACK: Final = """
local found = {}
for place, packed in ipairs(ARGV) do found[place] = cjson.encode(cmsgpack.unpack(packed)) end
return found
"""


class Twins:
    """Two stores of the same hub."""

    def __init__(self, server: redis.Redis, partitions: int, fault: Fault | None = None) -> None:
        self.scripted = Clocked(server, partitions, fault=fault)
        info = self.scripted.place.hub
        self.memory = MemoryStore(
            hub=info.name,
            partitions=partitions,
            retention=DAY,
            limits=self.scripted.place.limits,
            now_ms=lambda: self.scripted.now_ms,
        )
        self.partitions = range(partitions)
        self.sent = Counter[type[Call[Any]]]()
        """How many calls of each kind were sent."""

    def at(self, instance: str) -> int:
        """The partition of an instance."""
        return self.scripted.at(instance)

    def apply(self, call: Call[Any], other: Call[Any] | None = None) -> tuple[Any, Any]:
        """The answers of both, errors as values. `other`: what the scripts get."""
        self.sent[type(call)] += 1
        [ours] = self.memory.apply_all([call])
        return ours, self.scripted.send(other or call)

    def both(self, call: Call[Any], other: Call[Any] | None = None, see: Callable[[Any], Any] = lambda one: one) -> Any:
        """The answer of both, which is the same as far as `see` sees it."""
        ours, theirs = self.apply(call, other)
        seen = [shape(one) if isinstance(one, RqflowError) else see(_counted(one)) for one in (ours, theirs)]
        assert seen[0] == seen[1], f"{call}: memory answers {seen[0]!r}, the scripts {seen[1]!r}"
        return ours

    def take(self, call: Call[Any], other: Call[Any] | None = None) -> list[tuple[Any, Any]]:
        """Pairs of the same task."""
        ours, theirs = self.apply(call, other)
        if isinstance(ours, RqflowError) or isinstance(theirs, RqflowError):
            assert shape(ours) == shape(theirs), f"{call}: memory answers {ours!r}, the scripts {theirs!r}"
            return []
        one, other_ = sorted(ours.tasks, key=_name), sorted(theirs.tasks, key=_name)
        seen = [list(map(_seen, one)), list(map(_seen, other_))]
        assert seen[0] == seen[1], f"{call}: memory gives {seen[0]}, the scripts {seen[1]}"
        told = [(len(each.notices), each.now_ms, each.next_lapse_ms, each.outbox) for each in (ours, theirs)]
        assert told[0] == told[1], f"{call}: memory tells {told[0]}, the scripts {told[1]}"
        return list(zip(one, other_, strict=True))

    def block(self, partition: int, worker: str) -> list[tuple[Entry, Entry]] | None:
        """What a blocked read leases: at most one entry of each stream. None: nothing that can be compared."""
        streams_of = self.memory._partitions[partition].streams
        if any(len(streams_of.waiting(name)) > 1 for name in (f"worker:{worker}", "workflows:q", "activities:q")):
            return None  # which of them is first, of those that one call has queued, is nobody's promise
        ours = self.memory.lease_entries(partition, worker, SUBSCRIPTION)
        if ours is None:
            return None
        names = [f"worker:{worker}", "workflows:q", "activities:q"]
        streams = {self.scripted.key("meta", partition=partition).removesuffix("meta") + name: ">" for name in names}
        found = cast("list[Any]", self.scripted.redis.xreadgroup("rqflow", worker, streams, count=1))  # type: ignore[arg-type]
        theirs = [
            Entry(
                partition=partition,
                stream=stream.decode(),
                id=id.decode(),
                fields=tuple(fields.items()),
            )
            for stream, entries in found
            for id, fields in entries
        ]
        assert [one.stream for one in ours] == [one.stream.split("}:", 1)[1] for one in theirs], (ours, theirs)
        return list(zip(ours, theirs, strict=True))

    def relay(self, source: int, to: int, *, drop: bool) -> int:
        """Carry the messages of one partition to another. Without `drop` they stay, and will come again."""
        call = ReadOutbox(partition=source, limit=1_000)
        ours, theirs = (tuple(one for one in found if one.to == to) for found in self.apply(call))
        assert len(ours) == len(theirs), f"memory sends {ours}, the scripts {theirs}"
        if ours:
            self.both(
                Receive(partition=to, source=source, messages=ours),
                Receive(partition=to, source=source, messages=theirs),
            )
            if drop:
                ids = [tuple(one.id for one in messages) for messages in (ours, theirs)]
                self.both(DropOutbox(partition=source, ids=ids[0]), DropOutbox(partition=source, ids=ids[1]))
        return len(ours)

    def relay_all(self) -> None:
        """Until no message is left."""
        for _ in range(100):
            if not sum(self.relay(source, to, drop=True) for source in self.partitions for to in self.partitions):
                return
        raise AssertionError("messages breed messages")

    # ---- what both know ---------------------------------------------------------------------------------------

    def compare(self) -> None:
        """Both know the same."""
        for number, partition in enumerate(self.memory._partitions):
            ours = {row.instance: _memory_view(row) for row in partition.rows.by_id.values()}
            theirs = self._redis_views(number)
            assert ours.keys() == theirs.keys()
            for instance, view in ours.items():
                other = theirs[instance]
                differs = {name: (view[name], other[name]) for name in view if view[name] != other[name]}
                assert not differs, f"{instance}: memory and Redis: {differs}"

    def _redis_views(self, partition: int) -> dict[str, dict[str, Any]]:
        store = self.scripted
        names = [
            one.decode() for one in cast("list[bytes]", store.redis.zrange(store.key("created", "", partition), 0, -1))
        ]
        rows = self._each([("hgetall", "instance", name) for name in names], partition)
        found = {}
        asked = [
            (verb, kind, argument)
            for name, row in zip(names, rows, strict=True)
            for verb, kind, argument in (
                ("hgetall", "outstanding", row[b"run"].decode()),
                ("history", "history", row[b"run"].decode()),
                ("history", "inbox", name),
                ("hkeys", "children", name),
            )
        ]
        answers = self._each(asked, partition)
        packed = [row.get(b"attributes") or b"\x80" for row in rows]
        packed += [value for waiting in answers[::4] for name, value in waiting.items() if name[:1] == b"a"]
        unpacked = (
            [json.loads(one) for one in cast("list[bytes]", store.redis.eval(_UNPACK, 0, *packed))] if packed else []
        )
        records = iter(unpacked[len(rows) :])
        for place, (name, row) in enumerate(zip(names, rows, strict=True)):
            waiting, history, inbox, children = answers[4 * place : 4 * place + 4]
            found[name] = _redis_view(row, waiting, unpacked[place], records) | {
                "history": list(map(_told, history)),
                "inbox": list(map(_told, inbox)),
                "children": {child.decode() for child in children},
            }
        return found

    def _each(self, asked: Sequence[tuple[str, str, str]], partition: int) -> list[Any]:
        pipeline = self.scripted.redis.pipeline(transaction=False)
        for verb, kind, argument in asked:
            name = self.scripted.key(kind, argument, partition)
            if verb == "history":
                pipeline.lrange(name, 0, -1)
            else:
                getattr(pipeline, verb)(name)
        return pipeline.execute()


def carry_all(do: Callable[[Call[Any]], Any], partitions: int) -> None:
    """Relay until no outbox has anything."""
    for _ in range(100):
        moved = False
        for source in range(partitions):
            messages: Iterable[Message] = do(ReadOutbox(partition=source))
            for message in messages:
                moved = True
                do(Receive(partition=message.to, source=source, messages=(message,)))
            do(DropOutbox(partition=source, ids=tuple(message.id for message in messages)))
        if not moved:
            return


def _memory_view(row: Any) -> dict[str, Any]:
    return {
        "status": row.status,
        "run": row.run,
        "first": row.first_run,
        "runs": row.runs,
        "workflow": row.workflow,
        "attributes": {name: json.dumps(value) for name, value in row.attributes.items()},
        "custom": row.custom_status,
        "cancel": row.cancel_requested,
        "task": row.task.replace("leased", "queued"),
        "sticky": row.sticky if row.status == "running" else "",
        "losses": row.losses,
        "deadline": row.deadline_ms,
        "start": row.start_at_ms,
        "closed": row.closed_at_ms,
        "result": failure_or(row.result),
        "activities": {
            str(id): (one.state.replace("leased", "queued"), one.attempt, one.losses)
            for id, one in row.waiting.items()
            if isinstance(one, WaitingActivity)
        },
        "timers": {str(id): one.fires_at_ms for id, one in row.waiting.items() if isinstance(one, WaitingTimer)},
        "waiting": len(row.waiting),
        "history": list(map(_told, row.history.events)),
        "inbox": list(map(_told, row.inbox)),
        "children": set(row.children),
    }


def _redis_view(raw: dict[bytes, bytes], waiting: dict[bytes, bytes], attributes: Any, records: Any) -> dict[str, Any]:
    row = {name.decode(): value for name, value in raw.items()}
    activities = {name.decode()[2:]: next(records) for name in waiting if name[:1] == b"a"}
    task = row.get("task", b"").decode()
    status = row["status"].decode()
    return {
        "status": status,
        "run": row["run"].decode(),
        "first": row["first"].decode(),
        "runs": int(row["runs"]),
        "workflow": row["workflow"].decode(),
        "attributes": attributes or {},
        "custom": row.get("custom", b""),
        "cancel": row.get("cancel_requested") == b"1",
        "task": task if task in ("", "waiting") else "queued",
        "sticky": row.get("sticky", b"").decode() if status == "running" else "",
        "losses": int(row.get("losses", b"0")),
        "deadline": _number(row.get("deadline_ms")),
        "start": _number(row.get("start_ms")),
        "closed": _number(row.get("closed_ms")),
        "result": failure_or(row.get("result", b"")),
        "activities": {id: (one[0], one[2], one[3]) for id, one in activities.items()},
        "timers": {name.decode()[2:]: int(at) for name, at in waiting.items() if name[:1] == b"t"},
        "waiting": len(waiting),
    }


def _counted(answer: Any) -> Any:
    """Memory tells of all messages that wait, the scripts of those that this call left: a hint to relay them."""
    if isinstance(answer, Committed):
        return replace(answer, outbox=0, inbox=tuple(map(_told, answer.inbox)))
    return replace(answer, outbox=0) if isinstance(answer, Written) else answer


def _number(value: bytes | None) -> int | None:
    return int(value) if value else None


def _name(task: Any) -> tuple[str, str, str, int]:
    return type(task).__name__, task.instance, getattr(task, "query", ""), getattr(task, "id", 0)


def _seen(task: Any) -> Any:
    """A task without what differs by nature."""
    match task:
        case WorkflowTask():
            told = tuple(map(_told, task.history)), tuple(map(_told, task.inbox))
            return replace(task, token="", history=told[0], inbox=told[1], history_bytes=0)
        case ActivityTask():
            return replace(task, token="")
        case _:
            return replace(task, token="", inbox=tuple(map(_told, task.inbox)))


def told(events_: Iterable[bytes]) -> list[Any]:
    """Stored events as they can be compared."""
    return list(map(_told, events_))


def _told(stored: bytes) -> Any:
    """An event with its time, and a failure without its words."""
    stamped = decode_stored(stored)
    event = stamped.event
    match event:
        case events.ActivityFailed() | events.ChildFailed() | events.SignalFailed():
            return stamped.at_ms, type(event), event.id, failure_or(event.payload)
        case events.CancelRequested() | events.WorkflowTerminated():
            return stamped.at_ms, type(event)
        case _:
            return stamped.at_ms, event


def failure_or(payload: bytes) -> Any:
    """A payload; a failure without its words."""
    if not payload.startswith(b'{"type":'):
        return payload
    failure = decode_failure(payload)
    return failure.type, failure.kind


def shape(answer: Any) -> Any:
    """An answer, or the kind of an error."""
    if isinstance(answer, (LimitReached, BadInput)):
        return "refused", type(answer)
    return type(answer) if isinstance(answer, RqflowError) else answer


def span(minutes: float) -> timedelta:
    """A length of time."""
    return timedelta(minutes=minutes)
