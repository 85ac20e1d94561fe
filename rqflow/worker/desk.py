"""Desk: where tasks arrive, and where it is known which of them are still here."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from rqflow.authoring.registry import Registry
from rqflow.backend.calls.hubs import Limits
from rqflow.backend.calls.tasks import ActivityTask, CancelNotice, Task
from rqflow.converters.json import dump_json
from rqflow.worker.activities import Activities
from rqflow.worker.cache import ExecutorCache
from rqflow.worker.histories import Histories
from rqflow.worker.item import Outlet
from rqflow.worker.local_activities import LocalActivities
from rqflow.worker.open_turns import OpenTurns
from rqflow.worker.options import WorkerOptions
from rqflow.worker.pulse import Pulse
from rqflow.worker.questions import Questions
from rqflow.worker.standing import Standing
from rqflow.worker.turner import Turner
from rqflow.worker.turns import Turns
from rqflow.worker.unknown import UnknownNames


class TaskDesk:
    """Hands each task to whoever does it, and keeps its token until the store has heard its end."""

    def __init__(
        self,
        *,
        registry: Registry,
        options: WorkerOptions,
        standing: Standing,
        limits: Limits,
        histories: Histories,
        pulse: Pulse,
        random: Random,
        changed: Callable[[], None],
    ) -> None:
        self._standing = standing
        self._changed = changed
        self._held: set[tuple[int, str]] = set()
        """Partition and token: a token is unique in its partition only."""
        unknown = UnknownNames()
        self.open_turns = OpenTurns(
            registry=registry,
            local=LocalActivities(options=options, payload_limit=limits.payload_bytes, random=random),
            standing=standing,
            options=options,
            unknown=unknown,
            release=self.release,
            changed=changed,
        )
        self.cache = ExecutorCache(size=options.cache_size, max_bytes=options.cache_bytes)
        self.turns = Turns(
            registry=registry,
            cache=self.cache,
            limits=limits,
            standing=standing,
            options=options,
            pulse=pulse,
            unknown=unknown,
            open_turns=self.open_turns,
        )
        questions = Questions(registry=registry, cache=self.cache, limits=limits, standing=standing, pulse=pulse)
        self.turner = Turner(self.turns, questions, histories, standing)
        self.activities = Activities(
            registry=registry,
            options=options,
            standing=standing,
            payload_limit=limits.payload_bytes,
            unknown=unknown,
            release=self.release,
            changed=changed,
            random=random,
        )

    @property
    def idle(self) -> bool:
        """Nothing is here but what waits to be told."""
        return self.turner.idle and not self.open_turns and not self.activities.attempts()

    def accept(self, task: Task, outlet: Outlet) -> None:
        self._held.add((task.partition, task.token))
        if isinstance(task, ActivityTask):
            self.activities.accept(task, outlet)
        else:
            self.turner.accept(task, outlet)

    def work(self) -> None:
        self.turner.work()

    def cancel(self, notice: CancelNotice) -> None:
        self.activities.cancel(notice)

    def holds(self, task: Task) -> bool:
        return (task.partition, task.token) in self._held

    def release(self, partition: int, token: str) -> None:
        self._held.discard((partition, token))

    def turns_waiting(self, partition: int) -> int:
        return self.turner.waiting(partition)

    def turns_open(self, partition: int) -> int:
        return self.open_turns.of(partition)

    def activity_room(self) -> int:
        return 0 if self._standing.draining else self.activities.slots.room

    def promise(self, room: int) -> None:
        self.activities.slots.promise(room)

    def keep(self, room: int) -> None:
        if self.activities.slots.keep(room):
            self._changed()

    def activities_fresh(self) -> bool:
        return self.activities.fresh or self.open_turns.local.fresh

    def stats(self) -> bytes:
        """What this worker does and has done, as JSON. Called from the thread that keeps the leases."""
        return dump_json(
            {
                "turns": self.turns.turned,
                "activities": self.activities.finished,
                "running": self.activities.slots.used,
                "cached": len(self.cache),
                "cached_bytes": self.cache.bytes,
                "cache_hits": self.cache.hits,
                "cache_misses": self.cache.misses,
                "draining": self._standing.draining,
            }
        )

    async def close(self) -> None:
        """The worker has left: what still runs is stopped."""
        await self.open_turns.close()
        await self.activities.close()
        self.cache.clear()

    def reset(self) -> None:
        """The lease is lost: stop what runs, forget what is known."""
        for running in self.activities.attempts():
            self.activities.drop(running, hard=True)
        self.open_turns.reset()
        self.turner.reset()
        self.cache.clear()
        self._held.clear()
