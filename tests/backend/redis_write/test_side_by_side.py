"""Side by side: long random lives of many instances, in memory and in Redis, must be the same life."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Any

import pytest

from rqflow.backend.calls.instances import Answer, Ask, Deliver, Describe, Purge, Resume, Suspend, Terminate
from rqflow.backend.calls.reruns import Rerun
from rqflow.backend.calls.suspects import BeginTurn
from rqflow.backend.calls.tasks import (
    ActivityTask,
    AnswerQuery,
    Commit,
    CompleteActivity,
    GiveBack,
    QueryTask,
    Register,
    Renew,
    RetryActivity,
    Stall,
    Sweep,
    Take,
    Unregister,
    WorkerRecord,
    WorkflowTask,
)
from rqflow.core import commands, events
from rqflow.core.commands import record_of
from rqflow.core.failure import Failure
from rqflow.core.options import ActivityOptions, ChildOptions
from rqflow.core.wire import encode, encode_failure, stored
from tests.backend.redis_write.scripted import SUBSCRIPTION, Scripted
from tests.backend.redis_write.twins import Twins

BROKEN = encode_failure(Failure(type="builtins.ValueError"))
LEASE = timedelta(hours=1)


class Life:
    """What may happen next, drawn from a seeded generator."""

    def __init__(self, twins: Twins, random: Random) -> None:
        self.twins = twins
        self.random = random
        self.names = [f"i{n}" for n in range(5)]
        self.workers: dict[str, str] = {}
        self.held: list[tuple[str, Any, Any]] = []
        self.numbers = 0
        self.counts: dict[str, int] = {}
        self.deeds = {
            self.start: 8, self.deliver: 6, self.take: 14, self.turn: 20, self.activity: 10, self.steer: 3,
            self.wait: 6, self.come: 1, self.go: 1, self.sweep: 2, self.ask: 2, self.purge: 1,
            self.rerun: 3,
        }  # fmt: skip

    def number(self) -> int:
        self.numbers += 1
        return self.numbers

    def step(self) -> None:
        [deed] = self.random.choices(list(self.deeds), list(self.deeds.values()))
        deed()
        self.twins.relay()

    # ---- clients ----------------------------------------------------------------------------------------------

    def _name(self) -> tuple[int, str]:
        name = self.random.choice(self.names)
        return self.twins.scripted.at(name), name

    def start(self) -> None:
        options: dict[str, Any] = {
            "on_conflict": self.random.choice(["fail", "fail", "use_existing", "terminate_existing"]),
            "on_reuse": self.random.choice(["allow", "allow", "allow_failed", "reject"]),
            "delay": timedelta(minutes=self.random.choice([0, 0, 0, 10])),
            "timeout": self.random.choice([None, None, timedelta(hours=2)]),
            "attributes": self.random.choice([{}, {"a": 1, "b": "x/y"}]),
        }
        if self.random.random() < 0.3 and options["on_conflict"] == "use_existing":
            options["signal"] = encode(events.SignalReceived(name="s", payload=b"with start"))
            options["signal_request"] = f"request-{self.number()}"
        call = self.twins.scripted.start_call(self._name()[1], run=f"run{self.number()}", **options)
        self.twins.both(call)
        if self.random.random() < 0.2:
            self.twins.both(call)

    def deliver(self) -> None:
        partition, name = self._name()
        choices: list[tuple[events.News, bool]] = [
            (events.SignalReceived(name="s", payload=b"\x00\n 1"), False),
            (events.UpdateRequested(update=f"u{self.number()}", name="up"), False),
            (events.CancelRequested(reason="so"), True),
        ]
        event, cancel = self.random.choice(choices)
        request = f"request-{self.number()}"
        call = Deliver(partition=partition, instance=name, event=encode(event), request=request, cancel=cancel)
        self.twins.both(call)
        if self.random.random() < 0.2:
            self.twins.both(call)

    def steer(self) -> None:
        partition, name = self._name()
        match self.random.randrange(5):
            case 0:
                recursive = self.random.random() < 0.5
                self.twins.both(Terminate(partition=partition, instance=name, reason="enough", recursive=recursive))
            case 1 | 2:
                self.twins.both(Suspend(partition=partition, instance=name, reason="wait"))
            case _:
                self.twins.both(Resume(partition=partition, instance=name))

    def ask(self) -> None:
        partition, name = self._name()
        query = f"query{self.number()}"
        self.twins.both(
            Ask(partition=partition, instance=name, query=query, name="n", payload=b"?", timeout=timedelta(days=1))
        )

    def rerun(self) -> None:
        partition, name = self._name()
        [ours] = self.twins.memory.apply_all([Describe(partition=partition, instance=name)])
        run, old = f"run{self.number()}", getattr(ours, "run", "")
        signal = events.SignalReceived(name="s")
        call = Rerun(
            partition=partition, instance=name, run=run, replaces=self.random.choice([old, old, old, "", "run1"]),
            workflow="checkout", queue="q", history=(stored(1, "r", encode(events.SignalReceived(name="kept"))),),
            news=(("r", encode(events.WorkflowRerun(run=run, source=old))), ("i", encode(signal))),
            timeout_ms=self.random.choice([None, 3_600_000]), retention_ms=3_600_000, attributes={"a": 1},
        )  # fmt: skip
        self.twins.both(call)
        if self.random.random() < 0.2:
            self.twins.both(call)

    def purge(self) -> None:
        partition, name = self._name()
        self.twins.both(Purge(partition=partition, instance=name, force=self.random.random() < 0.3))

    def wait(self) -> None:
        self.twins.pass_by(timedelta(minutes=self.random.choice([1, 11, 11, 31]), seconds=self.random.randint(1, 50)))
        self.twins.fire()

    # ---- workers ----------------------------------------------------------------------------------------------

    def come(self) -> None:
        worker, build = f"w{self.number()}", self.random.choice(["b1", "b2"])
        self.workers[worker] = build
        record = WorkerRecord(
            id=worker, name="n", host="h", pid=1, build=build, subscription=SUBSCRIPTION, workflows=(), activities=(),
            workflow_slots=1, activity_slots=1,
        )  # fmt: skip
        for partition in range(self.twins.scripted.place.hub.partitions):
            self.twins.both(Register(partition=partition, worker=record, lease=LEASE))

    def _worker(self) -> str:
        if not self.workers:
            self.come()
        return self.random.choice(list(self.workers))

    def go(self) -> None:
        worker = self._worker()
        del self.workers[worker]
        if self.random.random() < 0.5:
            for partition in range(self.twins.scripted.place.hub.partitions):
                self.twins.both(Unregister(partition=partition, worker=worker))

    def sweep(self) -> None:
        worker = self._worker()
        for partition in range(self.twins.scripted.place.hub.partitions):
            self.twins.both(Renew(partition=partition, worker=worker, lease=LEASE))
            for _ in range(50):
                call = Sweep(partition=partition, worker=worker, build=self.workers[worker], max_losses=2)
                if not self.twins.both(call)[0]:
                    break

    def take(self) -> None:
        worker = self._worker()
        for partition in range(self.twins.scripted.place.hub.partitions):
            self.twins.both(Renew(partition=partition, worker=worker, lease=LEASE))
            call = Take(
                partition=partition, worker=worker, subscription=SUBSCRIPTION, workflow_room=50, activity_room=50
            )
            for ours, theirs in self.twins.take(lambda call=call: call):  # type: ignore[misc]
                self.held.append((worker, ours, theirs))

    def _held(self, kind: type[Any]) -> tuple[str, Any, Any] | None:
        found = [one for one in self.held if isinstance(one[1], kind)]
        if not found:
            return None
        chosen = self.random.choice(found)
        if self.random.random() < 0.9:  # else it is tried again later, and refused
            self.held.remove(chosen)
        return chosen

    def turn(self) -> None:
        held = self._held(WorkflowTask)
        if held is None:
            return self.questions()
        worker, ours, theirs = held
        match self.random.randrange(12):
            case 0:
                self._both(Stall, ours, theirs, reason="differs", build=self.workers.get(worker, "b1"))
            case 1:
                delay = timedelta(minutes=self.random.choice([0, 10]))
                self._both(GiveBack, ours, theirs, delay=delay)
            case 2 | 3:
                self._both(BeginTurn, ours, theirs)
                self.held.append(held)
            case _:
                self._commit(worker, ours, theirs)
        return None

    def questions(self) -> None:
        held = self._held(QueryTask)
        if held is None:
            return
        worker, ours, theirs = held
        pair = [
            AnswerQuery(
                partition=one.partition,
                worker=worker,
                instance=one.instance,
                query=one.query,
                token=one.token,
                answer=Answer(accepted=True, payload=b"!"),
            )
            for one in (ours, theirs)
        ]
        self.twins.both(*pair)

    def _both(self, kind: type[Any], ours: Any, theirs: Any, **options: Any) -> None:
        names = {"partition": ours.partition, "instance": ours.instance, "run": ours.run, **options}
        self.twins.both(kind(token=ours.token, **names), kind(token=theirs.token, **names))

    def _commit(self, worker: str, ours: WorkflowTask, theirs: WorkflowTask) -> None:
        asked, close = self._commands(ours), self._close(ours)
        records: list[events.Event] = [record_of(command) for command in asked]
        if isinstance(close, commands.Continue):
            records.append(events.WorkflowContinued(run=close.started.run, workflow=close.started.workflow))
        elif close is not None:
            records.append(close)
        options: dict[str, Any] = {
            "worker": worker,
            "expected_length": ours.history_length,
            "consumed": self.random.randint(1, len(ours.inbox)),
            "records": tuple(map(encode, records)),
            "commands": tuple(asked),
            "close": close,
            "sticky": self.random.random() < 0.7,
            "build": self.workers.get(worker, "b1"),
        }
        self._both(Commit, ours, theirs, **options)

    def _commands(self, task: WorkflowTask) -> list[commands.Command]:
        return [self._command(self.number(), task) for _ in range(self.random.choice([0, 1, 1, 2, 4]))]

    def _command(self, id: int, task: WorkflowTask) -> commands.Command:
        random = self.random
        some = timedelta(minutes=10)
        target = max(1, id - random.randrange(1, 30))
        other = random.choice(self.names)
        policy: Any = random.choice(["abandon", "cancel", "terminate"])
        kinds: list[commands.Command] = [
            commands.ScheduleActivity(
                id=id,
                name="charge",
                queue="q",
                payload=b"in",
                options=ActivityOptions(
                    schedule_to_start=random.choice([None, None, some]),
                    schedule_to_close=random.choice([None, None, 3 * some]),
                ),
            ),
            commands.ScheduleActivity(id=id, name="plain", queue="q", options=ActivityOptions()),
            commands.CancelActivity(id=id, target=target),
            commands.StartTimer(id=id, delay=random.choice([some, 4 * some])),
            commands.CancelTimer(id=id, target=target),
            commands.StartChild(
                id=id,
                workflow="ship",
                instance=random.choice([*self.names, f"child{id % 7}"]),
                run=f"{task.run}.{id}",
                queue="q",
                options=ChildOptions(parent_close=policy, timeout=random.choice([None, timedelta(minutes=47)])),
                tell_start=random.random() < 0.5,
            ),
            commands.SendSignal(id=id, instance=other, name="s", payload=b"from a friend"),
            commands.SendCancel(id=id, instance=other, reason="from a friend"),
            commands.SetStatus(id=id, payload=b"%d" % id),
            commands.SetAttributes(id=id, changes={"a": id, "c": "z"}, removed=("b",)),
            commands.EmitEvent(id=id, name="e", payload=b"p"),
            commands.AnswerUpdate(id=id, update="u1", accepted=True, payload=b"yes"),
            commands.RecordSideEffect(id=id, payload=b"42"),
        ]
        return random.choice(kinds)

    def _close(self, task: WorkflowTask) -> commands.Close | None:
        draw = self.random.random()
        if draw < 0.75:
            return None
        if draw < 0.85:
            return events.WorkflowCompleted(payload=b"r")
        if draw < 0.88:
            return events.WorkflowFailed(payload=BROKEN)
        if draw < 0.9:
            return events.WorkflowCanceled()
        started = events.WorkflowStarted(
            workflow=self.random.choice([task.workflow, "other"]), instance=task.instance,
            run=f"run{self.number()}", queue="q", timeout_ms=self.random.choice([None, 3_600_000]),
        )  # fmt: skip
        return commands.Continue(started=started, carried=(events.SignalReceived(name="s", payload=b"carried"),))

    def activity(self) -> None:
        held = self._held(ActivityTask)
        if held is None:
            return
        _, ours, theirs = held
        id = ours.id
        match self.random.randrange(8):
            case 0 | 1:
                delay = timedelta(minutes=self.random.choice([0, 10]))
                self._both(RetryActivity, ours, theirs, id=id, delay=delay, failure=BROKEN, lost=delay == timedelta(0))
            case 2:
                delay = timedelta(minutes=self.random.choice([0, 10]))
                self._both(GiveBack, ours, theirs, activity=id, delay=delay)
            case 3:
                event = encode(events.ActivityFailed(id=id, payload=BROKEN))
                self._both(CompleteActivity, ours, theirs, id=id, event=event)
            case _:
                event = encode(events.ActivityCompleted(id=id, payload=b"out\n"))
                self._both(CompleteActivity, ours, theirs, id=id, event=event)


@pytest.mark.parametrize("partitions", [1, 4])
@pytest.mark.parametrize("seed", range(3))
def test_p6_random_lives_are_the_same_in_memory_and_in_redis(plain_server: Any, seed: int, partitions: int) -> None:
    """[P6] Clients, workers, crashes and time, at random: both stores answer alike and know the same."""
    twins = Twins(Scripted(plain_server, partitions=partitions))
    life = Life(twins, Random(seed))
    for _ in range(250):
        life.step()
