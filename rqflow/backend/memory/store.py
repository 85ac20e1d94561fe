"""Store: a hub in memory, shared by all backends that are opened on it, in any thread and event loop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final, TypeVar

from rqflow.backend.calls import hubs, instances, reruns, schedules, suspects, tasks
from rqflow.backend.calls.call import Call
from rqflow.backend.calls.hubs import HubInfo, Limits
from rqflow.backend.calls.tasks import Entry, Subscription
from rqflow.backend.memory import (
    activities,
    due,
    listing,
    queries,
    reading,
    receiving,
    rerunning,
    scheduling,
    starting,
    stats,
    steering,
    taking,
    turns,
    workers,
)
from rqflow.backend.memory.partition import Partition, moment
from rqflow.backend.memory.streams import activities_of, own_of, workflows_of
from rqflow.backend.memory.waiting import Bell, Bells
from rqflow.errors import BadInput, RqflowError

R = TypeVar("R")

LAYOUT: Final = 1
"""Version of what a hub keeps."""

HANDLERS: Final[Mapping[type[Call[Any]], Callable[[Partition, Any], Any]]] = {
    instances.Start: starting.start,
    instances.Deliver: steering.deliver,
    instances.Terminate: steering.terminate_instance,
    instances.Suspend: steering.suspend,
    instances.Resume: steering.resume,
    instances.Purge: steering.purge,
    instances.Ask: queries.ask,
    instances.ReadQueryAnswer: queries.read_query_answer,
    instances.ReadUpdateAnswer: queries.read_update_answer,
    instances.ReadOutcome: reading.read_outcome,
    instances.ReadHistory: reading.read_history,
    instances.Describe: reading.describe,
    instances.ListInstances: listing.list_instances,
    instances.ReadEvents: stats.read_events,
    reruns.Rerun: rerunning.rerun,
    tasks.Register: workers.register,
    tasks.Renew: workers.renew,
    tasks.Unregister: workers.unregister,
    tasks.Sweep: workers.sweep,
    tasks.Take: due.take_due,
    tasks.Commit: turns.commit,
    suspects.BeginTurn: turns.begin_turn,
    tasks.Stall: turns.stall,
    tasks.GiveBack: turns.give_back,
    tasks.CompleteActivity: activities.complete_activity,
    tasks.RetryActivity: activities.retry_activity,
    tasks.AnswerQuery: queries.answer_query,
    tasks.FireDue: due.fire_due,
    tasks.ReadOutbox: receiving.read_outbox,
    tasks.Receive: receiving.receive,
    tasks.DropOutbox: receiving.drop_outbox,
    schedules.CreateSchedule: scheduling.create_schedule,
    schedules.WriteSchedule: scheduling.write_schedule,
    schedules.ChangeSchedule: scheduling.write_schedule,
    schedules.BreakSchedule: scheduling.break_schedule,
    schedules.DeleteSchedule: scheduling.delete_schedule,
    schedules.ReadSchedule: scheduling.read_schedule,
    schedules.ListSchedules: scheduling.list_schedules,
    schedules.ReadDueSchedules: scheduling.read_due_schedules,
    hubs.ReadStats: stats.read_stats,
}
"""What carries out each call."""


def wall_clock_ms() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


class MemoryStore:
    """All partitions of a hub, behind one lock: each call is carried out as if it were alone."""

    def __init__(
        self,
        *,
        hub: str = "default",
        partitions: int = 1,
        retention: timedelta = timedelta(days=7),
        limits: Limits | None = None,
        now_ms: Callable[[], int] = wall_clock_ms,
    ) -> None:
        if partitions < 1:
            raise BadInput(f"a hub has at least one partition, not {partitions}")
        self.hub = HubInfo(
            name=hub, partitions=partitions, version=LAYOUT, created_at=moment(now_ms()), retention=retention
        )
        self.limits = limits or Limits()
        self.now_ms = now_ms
        self._lock = threading.Lock()
        self._bells = Bells()
        self._partitions = tuple(Partition(number, self.hub, self.limits, now_ms) for number in range(partitions))

    def apply(self, call: Call[R]) -> R:
        """Carry out one call. Raises its RqflowError, and then nothing has changed."""
        with self._lock:
            partition = self._partition(call.partition)
            partition.begin_call()
            answer: R = HANDLERS[type(call)](partition, call)
            receiving.deliver_own_letters(partition)
            self._ring(partition)
            return answer

    def apply_all(self, calls: Sequence[Call[Any]]) -> list[Any]:
        """Carry out many calls, each by itself: its answer, or its error as a value."""
        answers: list[Any] = []
        for call in calls:
            try:
                answers.append(self.apply(call))
            except RqflowError as error:
                answers.append(error)
        return answers

    def lease_entries(self, partition_number: int, worker: str, subscription: Subscription) -> list[Entry] | None:
        """Lease the first task of each stream that a worker listens to. None: it is not registered (any more)."""
        with self._lock:
            partition = self._partition(partition_number)
            partition.begin_call()
            known = partition.workers.get(worker)
            if known is None or known.dead:
                return None
            return taking.lease_first(partition, worker, streams_of(worker, subscription))

    @contextmanager
    def listening(self, topics: Sequence[tuple[int | str, str]], bell: Bell) -> Iterator[None]:
        """Have `bell` ring whenever something happens to one of `topics` (see task_topics and instance_topic)."""
        with self._lock:
            self._bells.hang(topics, bell)
        try:
            yield
        finally:
            with self._lock:
                self._bells.take_down(topics, bell)

    def wake(self) -> None:
        """Wake all who wait: a virtual clock was moved."""
        with self._lock:
            self._bells.ring_all()

    def _partition(self, number: int) -> Partition:
        if not 0 <= number < len(self._partitions):
            raise BadInput(f"hub {self.hub.name!r} has no partition {number}, it has {len(self._partitions)}")
        return self._partitions[number]

    def _ring(self, partition: Partition) -> None:
        for stream in partition.streams.fed:
            self._bells.ring((partition.number, stream))
        for instance in partition.changed:
            self._bells.ring(instance_topic(instance), reading.ended(partition, instance))
        if partition.schedules.changed:
            self._bells.ring(schedules_topic(partition.number))
        partition.schedules.changed = False
        partition.streams.fed.clear()
        partition.changed.clear()


def streams_of(worker: str, subscription: Subscription) -> tuple[str, ...]:
    """What a worker listens to: its own stream, and those of its queues in order."""
    return (
        own_of(worker),
        *map(workflows_of, subscription.workflow_queues),
        *map(activities_of, subscription.activity_queues),
    )


def task_topics(partition: int, worker: str, subscription: Subscription) -> list[tuple[int | str, str]]:
    """What rings when a task comes that a worker may take."""
    return [(partition, stream) for stream in streams_of(worker, subscription)]


def instance_topic(instance: str) -> tuple[int | str, str]:
    """What rings when something happens to an instance."""
    return ("instance", instance)


def schedules_topic(partition: int) -> tuple[int | str, str]:
    """What rings when a schedule of a partition is due sooner than schedulers know."""
    return (partition, "schedules")
