"""Worker rules: workers come, take, finish, die and are taken over; turns and results of the dead come too."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize

from rqflow.backend.calls.instances import Answer
from rqflow.backend.calls.outlook import Outlook
from rqflow.backend.calls.suspects import BeginTurn
from rqflow.backend.calls.tasks import (
    ActivityTask,
    AnswerQuery,
    Commit,
    Committed,
    CompleteActivity,
    FireDue,
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
from rqflow.core.options import ActivityOptions, ChildOptions
from rqflow.core.wire import encode
from tests.backend.redis_write.machine import (
    BROKEN,
    BUILDS,
    CHILDREN,
    LEASE,
    NAMES,
    Ground,
    deed,
    delays,
    pick,
    places,
    seldom,
    yes,
)  # fmt: skip
from tests.backend.redis_write.scripted import SUBSCRIPTION

SOME = timedelta(minutes=10)
KINDS = (
    "timed activity", "activity", "cancel activity", "timer", "cancel timer", "child", "child", "signal", "cancel",
    "status", "attributes", "event", "answer", "side effect",
)  # fmt: skip
wanted = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 59)), max_size=4)
"""What a turn asks for: kinds of commands, and a number from which their details follow."""
closes = st.sampled_from([""] * 8 + ["keep"] * 3 + ["completed", "failed", "canceled", "continue", "continue"])


def _outlook(outlook: Outlook | None) -> Any:
    """All but what is due: a member may be out of date in one store and gone in the other."""
    return outlook and (outlook.now_ms, outlook.next_lapse_ms, outlook.outbox)


def command_of(kind: str, draw: int, id: int, run: str) -> commands.Command:
    """The command, its details drawn by `draw`."""
    target, other = max(1, id - 1 - draw % 12), pick([*NAMES, *CHILDREN], draw)
    long: timedelta | None = pick([None, SOME, 3 * SOME], draw)
    policy: Any = pick(["abandon", "cancel", "terminate"], draw)
    match kind:
        case "timed activity":
            options = ActivityOptions(schedule_to_start=long, schedule_to_close=pick([None, 2 * SOME], draw // 3))
            return commands.ScheduleActivity(id=id, name="charge", queue="q", payload=b"in", options=options)
        case "activity":
            return commands.ScheduleActivity(id=id, name="plain", queue="q", options=ActivityOptions())
        case "cancel activity":
            return commands.CancelActivity(id=id, target=target)
        case "timer":
            return commands.StartTimer(id=id, delay=SOME * (draw % 5))
        case "cancel timer":
            return commands.CancelTimer(id=id, target=target)
        case "child":
            return commands.StartChild(
                id=id, workflow="ship", instance=other, run=f"{run}.{id}", queue="q",
                options=ChildOptions(parent_close=policy, timeout=long), tell_start=draw % 2 == 0,
            )  # fmt: skip
        case "signal":
            return commands.SendSignal(id=id, instance=other, name="s", payload=b"from a friend")
        case "cancel":
            return commands.SendCancel(id=id, instance=other, reason="from a friend")
        case "status":
            return commands.SetStatus(id=id, payload=b"%d" % id)
        case "attributes":
            return commands.SetAttributes(id=id, changes={"a": draw % 3, "c": "z"}, removed=("b",))
        case "event":
            return commands.EmitEvent(id=id, name="e", payload=b"p")
        case "answer":
            return commands.AnswerUpdate(id=id, update=f"u{target}", accepted=draw % 2 == 0, payload=b"yes")
        case _:
            return commands.RecordSideEffect(id=id, payload=b"42")


class WorkerRules(Ground):
    """Workers: the living, the dead, and those who do not know that they are."""

    def holds(self, kind: type[Any]) -> list[int]:
        """The places of such tasks."""
        return [place for place, (_, ours, _) in enumerate(self.held) if isinstance(ours, kind)]

    def pop(self, kind: type[Any], place: int, keep: bool) -> tuple[str, Any, Any] | None:
        """One of them, taken now if none was; kept, it is tried again later and refused."""
        if not self.holds(kind):
            self.take(place=place, again=False)
        found = self.holds(kind)
        if not found:
            return None
        at = pick(found, -place)
        return self.held[at] if keep else self.held.pop(at)

    def worker(self, place: int) -> str:
        """One of those that may be called."""
        if not self.workers:
            self.come("b1")
        return pick(list(self.workers), place)

    def tell(self, kind: type[Any], ours: Any, theirs: Any, **options: Any) -> Any:
        """The same call to both, with the token of each."""
        same = {"partition": ours.partition, "instance": ours.instance, **options}
        return self.twins.both(kind(token=ours.token, **same), kind(token=theirs.token, **same))

    # ---- leases -----------------------------------------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        """One is there."""
        self.come("b1")

    @deed(2, build=st.sampled_from(BUILDS))
    def come(self, build: str) -> None:
        """A new worker."""
        if len(self.workers) < 6:
            worker = f"w{self.number()}"
            self.workers[worker] = build
            self.register(worker)

    def register(self, worker: str) -> None:
        """In all partitions."""
        knows = int(worker[1:]) % 2 == 0
        record = WorkerRecord(
            id=worker, name="n", host="h", pid=1, build=self.workers[worker], subscription=SUBSCRIPTION,
            workflows=("checkout", "other", "ship") if knows else (), activities=("charge", "plain") if knows else (),
            workflow_slots=1, activity_slots=1,
        )  # fmt: skip
        for partition in self.everywhere():
            self.twins.both(Register(partition=partition, worker=record, lease=LEASE))

    @deed(place=places)
    def come_again(self, place: int) -> None:
        """It was not sure."""
        self.register(self.worker(place))

    @deed(place=places, alive=yes)
    def go(self, place: int, alive: bool) -> None:
        """In good order, or by death: then it is never heard of again."""
        worker = self.worker(place)
        del self.workers[worker]
        for partition in self.everywhere() if alive else ():
            self.twins.both(Unregister(partition=partition, worker=worker))

    @deed(2, place=places, beats=st.lists(places, max_size=2))
    def renew(self, place: int, beats: list[int]) -> None:
        """With heartbeats of activities, some of them others' by now."""
        worker, running = self.worker(place), self.holds(ActivityTask)
        chosen = [self.held[pick(running, beat)] for beat in beats if running]
        for partition in self.everywhere():
            here = [(ours.token, theirs.token) for _, ours, theirs in chosen if ours.partition == partition]
            one, other = [
                Renew(
                    partition=partition, worker=worker, lease=LEASE, stats=b"{}",
                    heartbeats=tuple((tokens[side], b"beat") for tokens in here),
                )
                for side in (0, 1)
            ]  # fmt: skip
            self.twins.both(one, other, see=_outlook)

    @deed(2, place=places, losses=st.sampled_from([0, 2, 2]))
    def sweep(self, place: int, losses: int) -> None:
        """Take over from the dead."""
        worker = self.worker(place)
        for partition in self.everywhere():
            for _ in range(50):
                if not self.twins.both(
                    Sweep(partition=partition, worker=worker, build=self.workers[worker], max_losses=losses)
                ):
                    break

    @deed(5, minutes=st.sampled_from([1, 11, 11, 31]), seconds=st.integers(1, 50), fire=yes)
    def wait(self, minutes: int, seconds: int, fire: bool) -> None:
        """Time passes, and what is due happens, or not yet."""
        self.twins.scripted.pass_by(timedelta(minutes=minutes, seconds=seconds))
        if fire:
            self.fire()

    @deed()
    def fire(self) -> None:
        """All that is due. Numbers may differ: a member may be out of date in one store and gone in the other."""
        for call in (FireDue(partition=partition) for partition in self.everywhere()):
            self.twins.sent[FireDue] += 1
            for do in (self.twins.memory.apply, self.twins.scripted.do):
                for _ in range(100):
                    if not do(call):
                        break

    # ---- tasks ------------------------------------------------------------------------------------------------

    @deed(6, place=places, again=seldom)
    def take(self, place: int, again: bool) -> None:
        """All that there is."""
        worker = self.worker(place)
        for partition in self.everywhere():
            call = Take(
                partition=partition, worker=worker, subscription=SUBSCRIPTION, workflow_room=50, activity_room=50,
                again=again,
            )  # fmt: skip
            self.held += [(worker, *pair) for pair in self.twins.take(call)]

    @deed(3, place=places)
    def block(self, place: int) -> None:
        """Wait for a task, and load what comes."""
        worker = self.worker(place)
        for partition in self.everywhere():
            entries = self.twins.block(partition, worker)
            if entries:
                calls = [
                    Take(
                        partition=partition, worker=worker, subscription=SUBSCRIPTION, workflow_room=0,
                        activity_room=0, entries=tuple(pair[side] for pair in entries),
                    )
                    for side in (0, 1)
                ]  # fmt: skip
                self.held += [(worker, *pair) for pair in self.twins.take(*calls)]

    @deed(14, place=places, keep=seldom, asked=wanted, close=closes, sticky=yes, some=places)
    def turn(
        self, *, place: int, keep: bool, asked: list[tuple[str, int]], close: str, sticky: bool, some: int
    ) -> None:
        """A commit, at times one that keeps the task."""
        found = self.pop(WorkflowTask, place, keep)
        if found is None:
            return
        worker, ours, theirs = found
        chosen = tuple(command_of(kind, draw, self.number(), ours.run) for kind, draw in asked)
        records: list[events.Event] = [record_of(command) for command in chosen]
        end = self._end(ours, close, some)
        if isinstance(end, commands.Continue):
            records.append(events.WorkflowContinued(run=end.started.run, workflow=end.started.workflow))
        elif end is not None:
            records.append(end)
        consumed = min(len(ours.inbox), 1 + some % max(1, len(ours.inbox)))
        told = self.tell(
            Commit, ours, theirs, run=ours.run, worker=worker, expected_length=ours.history_length, consumed=consumed,
            records=tuple(map(encode, records)), commands=chosen, close=end, keep=close == "keep", sticky=sticky,
            build=self.workers.get(worker, "b1"),
        )  # fmt: skip
        if isinstance(told, Committed) and told.kept:
            length = ours.history_length + consumed + len(records)
            one, other = (replace(each, history_length=length, inbox=told.inbox) for each in (ours, theirs))
            self.held.append((worker, one, other))

    def _end(self, task: WorkflowTask, close: str, some: int) -> commands.Close | None:
        match close:
            case "completed":
                return events.WorkflowCompleted(payload=b"r")
            case "failed":
                return events.WorkflowFailed(payload=BROKEN)
            case "canceled":
                return events.WorkflowCanceled()
            case "continue":
                started = events.WorkflowStarted(
                    workflow=pick([task.workflow, "other"], some), instance=task.instance,
                    run=f"run{self.number()}", queue="q", timeout_ms=pick([None, 3_600_000], some),
                )  # fmt: skip
                carried = (events.SignalReceived(name="s", payload=b"carried"),)
                return commands.Continue(started=started, carried=carried)
            case _:
                return None

    @deed(4, place=places, keep=seldom, what=st.sampled_from(["stall", "begin", "back", "unknown"]), delay=delays)
    def no_turn(self, place: int, keep: bool, what: str, delay: timedelta) -> None:
        """It is given back, begun on trial, or its code cannot follow."""
        found = self.pop(WorkflowTask, place, keep or what == "begin")
        if found is None:
            return
        worker, ours, theirs = found
        match what:
            case "stall":
                build = self.workers.get(worker, "b1")
                self.tell(Stall, ours, theirs, run=ours.run, reason="differs", build=build)
            case "begin":
                self.tell(BeginTurn, ours, theirs, run=ours.run)
            case _:
                unknown = ours.workflow if what == "unknown" else ""
                self.tell(GiveBack, ours, theirs, run=ours.run, delay=delay, unknown=unknown)

    @deed(2, place=places, keep=seldom)
    def answer(self, place: int, keep: bool) -> None:
        """A question."""
        found = self.pop(QueryTask, place, keep)
        if found is None:
            return
        worker, ours, theirs = found
        self.tell(
            AnswerQuery, ours, theirs, worker=worker, query=ours.query, answer=Answer(accepted=True, payload=b"!")
        )

    @deed(9,
        place=places, keep=seldom, delay=delays,
        what=st.sampled_from(["complete", "complete", "fail", "retry", "lost", "back", "unknown"]),
    )  # fmt: skip
    def activity(self, place: int, keep: bool, what: str, delay: timedelta) -> None:
        """Its end, or another attempt."""
        found = self.pop(ActivityTask, place, keep)
        if found is None:
            return
        _, ours, theirs = found
        id, run = ours.id, ours.run
        match what:
            case "complete":
                event = encode(events.ActivityCompleted(id=id, payload=b"out\n"))
                self.tell(CompleteActivity, ours, theirs, run=run, id=id, event=event)
            case "fail":
                event = encode(events.ActivityFailed(id=id, payload=BROKEN))
                self.tell(CompleteActivity, ours, theirs, run=run, id=id, event=event)
            case "retry" | "lost":
                lost = what == "lost"
                self.tell(RetryActivity, ours, theirs, run=run, id=id, delay=delay, failure=BROKEN, lost=lost)
            case _:
                unknown = ours.name if what == "unknown" else ""
                self.tell(GiveBack, ours, theirs, run=run, activity=id, delay=delay, unknown=unknown)

    # ---- messages ---------------------------------------------------------------------------------------------

    @deed(3, source=places, to=places, drop=yes)
    def relay(self, source: int, to: int, drop: bool) -> None:
        """From one partition to one other; not dropped, they come again."""
        partitions = list(self.everywhere())
        self.twins.relay(pick(partitions, source), pick(partitions, to), drop=drop)

    @deed(3)
    def relay_all(self) -> None:
        """Until none is left."""
        self.twins.relay_all()
