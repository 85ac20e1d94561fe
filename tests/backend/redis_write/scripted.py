"""Scripted: calls carried out by their scripts on a plain connection, one at a time, and a clock that can be moved."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, TypeVar, cast

import redis

from rqflow.backend.calls.call import Call
from rqflow.backend.calls.hubs import HubInfo, Limits
from rqflow.backend.calls.instances import Deliver, Start, Started
from rqflow.backend.calls.tasks import (
    ActivityTask,
    Commit,
    Committed,
    CompleteActivity,
    FireDue,
    Register,
    Subscription,
    Take,
    Taken,
    WorkerRecord,
    WorkflowTask,
)
from rqflow.backend.protocol import partition_of, unwrap
from rqflow.backend.redis.address import parse_address
from rqflow.backend.redis.commands import Command, Place
from rqflow.backend.redis.delivery import deliver
from rqflow.backend.redis.grouping import Group
from rqflow.backend.redis.keys import key
from rqflow.backend.redis.resp import RedisCommand, error_reply
from rqflow.backend.redis.routing import Routes
from rqflow.backend.redis.translate import translate
from rqflow.core import events
from rqflow.core.commands import Close, Continue, record_of
from rqflow.core.commands import Command as Asked
from rqflow.core.wire import decode_stored, encode
from rqflow.errors import RqflowError

R = TypeVar("R")

SUBSCRIPTION = Subscription(workflow_queues=("q",), activity_queues=("q",))
DAY = timedelta(days=1)
PERMANENT = {"counters", "queues", "events", "received", "outbox", "activities:q", "workflows:q"}
"""Keys of a partition that stay for ever."""
_numbers = count(1)


class Scripted:
    """A hub of its own on a server."""

    def __init__(self, server: redis.Redis, partitions: int = 1, limits: Limits | None = None) -> None:
        self.redis = server
        info = HubInfo(
            name=f"hub.{next(_numbers)}", partitions=partitions, version=1, created_at=datetime.now(UTC), retention=DAY
        )
        self.place = Place(info, limits or Limits())
        self._routes = Routes(parse_address("redis://here"))

    def key(self, name: str, argument: str = "", partition: int = 0) -> str:
        return key(self.place.hub.name, partition, name, argument)

    def names(self) -> list[str]:
        """All keys of the hub, without what they have in common."""
        found = cast("list[bytes]", self.redis.keys(f"rqflow:{{{self.place.hub.name}.*"))
        return sorted(one.decode().split("}:", 1)[1] for one in found)

    def send(self, call: Call[R]) -> R | RqflowError:
        """The answer, or the error as a value."""
        command = translate(call, self.place)
        if not isinstance(command, Command):
            return command
        alone = Group([command])
        _, sha, *arguments = alone.evaluation()
        try:
            reply: Any = self.redis.evalsha(sha, *arguments)  # type: ignore[arg-type]
        except redis.exceptions.NoScriptError:
            reply = self.redis.eval(command.script.source, *arguments)  # type: ignore[arg-type]
        return command.read(*alone.replies(reply))

    def send_all(self, calls: Sequence[Call[Any]]) -> list[Any]:
        """The answers of calls that travel together, errors as values."""
        work = deliver(calls, self.place, self._routes)
        try:
            pipelines = next(work)
            while True:
                pipelines = work.send({server: list(map(self._reply, sent)) for server, sent in pipelines.items()})
        except StopIteration as stop:
            return cast("list[Any]", stop.value)

    def _reply(self, command: RedisCommand) -> Any:
        try:
            return self.redis.execute_command(*command)  # type: ignore[no-untyped-call]
        except redis.RedisError as error:
            return error_reply(error)

    def do(self, call: Call[R]) -> R:
        """The answer; raises its error."""
        return unwrap(self.send(call))

    def at(self, instance: str) -> int:
        return partition_of(instance, self.place.hub.partitions)

    def pass_by(self, span: timedelta) -> None:
        """Let time pass: all that has a time is that much nearer."""
        ms = span // timedelta(milliseconds=1)
        for partition in range(self.place.hub.partitions):
            for name in ("due", "workers"):
                sorted_set = self.key(name, partition=partition)
                for member, score in cast(
                    "list[tuple[bytes, float]]", self.redis.zrange(sorted_set, 0, -1, withscores=True)
                ):
                    if score > 0:
                        self.redis.zadd(sorted_set, {member: score - ms})

    # ---- short words ------------------------------------------------------------------------------------------

    def register(self, worker: str = "w1", build: str = "b1", lease: timedelta = DAY) -> None:
        for partition in range(self.place.hub.partitions):
            record = WorkerRecord(
                id=worker,
                name=worker,
                host="here",
                pid=1,
                build=build,
                subscription=SUBSCRIPTION,
                workflows=("checkout",),
                activities=("charge",),
                workflow_slots=10,
                activity_slots=10,
            )
            self.do(Register(partition=partition, worker=record, lease=lease))

    def start_call(self, instance: str = "i", **options: Any) -> Start:
        run = options.pop("run", None) or f"run-{next(_numbers)}"
        started = events.WorkflowStarted(workflow="checkout", instance=instance, run=run, queue="q", payload=b"[]")
        options = {"retention": DAY, "attributes": {}, "workflow": "checkout", "queue": "q", **options}
        return Start(partition=self.at(instance), instance=instance, run=run, started=encode(started), **options)

    def start(self, instance: str = "i", **options: Any) -> Started:
        return self.do(self.start_call(instance, **options))

    def signal(self, instance: str = "i", payload: bytes = b"") -> None:
        event = encode(events.SignalReceived(name="go", payload=payload))
        self.do(Deliver(partition=self.at(instance), instance=instance, event=event, request=f"{next(_numbers)}"))

    def take(self, worker: str = "w1", partition: int = 0, **options: Any) -> Taken:
        options = {"workflow_room": 100, "activity_room": 100, **options}
        return self.do(Take(partition=partition, worker=worker, subscription=SUBSCRIPTION, **options))

    def turn(self, instance: str = "i", worker: str = "w1") -> WorkflowTask:
        """The turn that there is for an instance."""
        tasks = self.take(worker, self.at(instance), activity_room=0).tasks
        [task] = [task for task in tasks if isinstance(task, WorkflowTask) and task.instance == instance]
        return task

    def activity(self, worker: str = "w1", partition: int = 0) -> ActivityTask:
        [task] = self.take(worker, partition, workflow_room=0).tasks
        assert isinstance(task, ActivityTask)
        return task

    def commit_call(self, task: WorkflowTask, *commands: Asked, close: Close | None = None, **options: Any) -> Commit:
        records: list[events.Event] = [record_of(command) for command in commands]
        if isinstance(close, Continue):
            started = close.started
            records.append(events.WorkflowContinued(run=started.run, workflow=started.workflow))
        elif close is not None:
            records.append(close)
        options = {"consumed": len(task.inbox), "expected_length": task.history_length, "worker": "w1", **options}
        return Commit(
            partition=task.partition,
            instance=task.instance,
            run=task.run,
            token=task.token,
            records=tuple(map(encode, records)),
            commands=commands,
            close=close,
            **options,
        )

    def commit(self, task: WorkflowTask, *commands: Asked, close: Close | None = None, **options: Any) -> Committed:
        return self.do(self.commit_call(task, *commands, close=close, **options))

    def finish(self, instance: str = "i", worker: str = "w1") -> None:
        self.commit(self.turn(instance, worker), close=events.WorkflowCompleted(payload=b"1"), worker=worker)

    def complete(self, task: ActivityTask, payload: bytes = b"ok") -> None:
        event = encode(events.ActivityCompleted(id=task.id, payload=payload))
        self.do(
            CompleteActivity(
                partition=task.partition,
                instance=task.instance,
                run=task.run,
                id=task.id,
                token=task.token,
                event=event,
            )
        )

    def fire(self) -> int:
        return sum(self.do(FireDue(partition=partition)) for partition in range(self.place.hub.partitions))

    def row(self, instance: str = "i") -> dict[str, str]:
        found = cast("dict[bytes, bytes]", self.redis.hgetall(self.key("instance", instance, self.at(instance))))
        return {name.decode(): value.decode(errors="replace") for name, value in found.items()}

    def history(self, run: str, partition: int = 0) -> list[events.Event]:
        found = cast("list[bytes]", self.redis.lrange(self.key("history", run, partition), 0, -1))
        return [decode_stored(event).event for event in found]
