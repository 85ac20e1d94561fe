"""Evidence: what must be true of every run and every hub, read from the store itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta
from functools import cached_property
from typing import Any, cast, get_args

import redis

from rqflow.backend.calls.instances import Describe
from rqflow.backend.opening import verify_hub
from rqflow.backend.protocol import Backend, partition_of
from rqflow.backend.redis.keys import key, prefix
from rqflow.core.events import (
    ActivityCompleted,
    ActivityScheduled,
    End,
    Event,
    Record,
    Stamped,
    WorkflowStarted,
)
from rqflow.testing.histories import faults_of_events, faults_of_history, read_history
from tests.promises.verbs import Effect

PERMANENT = frozenset({"meta", "counters", "queues", "received", "events", "outbox"})
"""What a hub keeps for ever, in each partition: the outbox empty, so that its ids never come again."""
SILENT = "echo"
"""The activity without an effect."""
_WRITTEN = (*get_args(Record), *get_args(End))


async def history_of(backend: Backend, instance: str, run: str = "") -> list[Event]:
    """The events of a run, checked by themselves."""
    history = await read_history(backend, instance, run)
    faults = faults_of_history(history)
    assert not faults, faults
    return [stamped.event for stamped in history]


def check_history(events: Sequence[Event]) -> None:
    """[P2, P5] One beginning, at most one end, no gap, no duplicate, each command answered at most once."""
    faults = faults_of_events(events)
    assert not faults, faults


def turns_of(events: list[Stamped]) -> list[tuple[list[Stamped], list[Stamped]]]:
    """News, and what the code wrote after them, turn by turn as far as the history tells."""
    turns: list[tuple[list[Stamped], list[Stamped]]] = []
    for event in events:
        news = not isinstance(event.event, _WRITTEN)
        if news and (not turns or turns[-1][1]):
            turns.append(([], []))
        turns[-1][0 if news else 1].append(event)
    return turns


async def check_ended(backend: Backend, instance: str, status: str = "completed") -> list[Event]:
    """[P1, P2, P5] An instance that has come to its end: nothing of what it waited for is missing. Its last run."""
    at = partition_of(instance, backend.hub.partitions)
    row = await backend.call(Describe(partition=at, instance=instance))
    assert row.status == status, (instance, row.status, row.reason)
    events = await history_of(backend, instance)
    assert isinstance(events[-1], get_args(End))
    assert row.history_length == len(events), "the row and the history differ"
    if status == "completed":
        asked = Counter(event.id for event in events if isinstance(event, ActivityScheduled))
        done = Counter(event.id for event in events if isinstance(event, ActivityCompleted))
        assert asked == done, "each activity of these workflows has one result"
    return events


def check_effects(effects: Iterable[Effect], events: Sequence[Event]) -> None:
    """[P5] Each activity of a run had its effect at least once, and always under one key that is its own."""
    started = cast(WorkflowStarted, events[0])
    keys = {effect.key for effect in effects if effect.key.startswith(started.run + ":")}
    asked = [event for event in events if isinstance(event, ActivityScheduled) and event.name != SILENT]
    assert keys == {f"{started.run}:{event.id}" for event in asked}


# ---- a hub as it lies in Redis ------------------------------------------------------------------------------------


class Store:
    """A hub's keys, read raw."""

    def __init__(self, url: str, hub: str, partitions: int) -> None:
        self.url = url
        self._hub = hub
        self._partitions = range(partitions)

    @cached_property
    def redis(self) -> redis.Redis:
        """A client that is not ours, for hubs on one server."""
        return redis.Redis.from_url(self.url)

    def close(self) -> None:
        if "redis" in vars(self):
            self.redis.close()

    def key(self, partition: int, name: str, argument: str = "") -> str:
        return key(self._hub, partition, name, argument)

    def at(self, instance: str) -> int:
        return partition_of(instance, len(self._partitions))

    def names(self) -> list[tuple[int, str]]:
        """Partition, and key without its prefix."""
        found = list[tuple[int, str]]()
        for partition in self._partitions:
            start = prefix(self._hub, partition)
            names = self.redis.scan_iter(match=start + "*", count=1_000)
            found += [(partition, name.decode().removeprefix(start)) for name in names]
        return sorted(found)

    def dump(self) -> dict[tuple[int, str], bytes]:
        """Every key with its content: two that are equal mean that nothing has changed."""
        found = {}
        for partition, name in self.names():
            found[partition, name] = cast(bytes, self.redis.dump(prefix(self._hub, partition) + name))
        return found

    def lose(self, instance: str) -> None:
        """Every key that is an instance's alone, as a failover may lose them."""
        at = self.at(instance)
        keys = [self.key(at, name, instance) for name in ("instance", "inbox", "requests", "children", "runs")]
        assert self.redis.delete(*keys), f"{instance} was not there"

    def entries(self, partition: int) -> list[tuple[str, str, dict[bytes, bytes]]]:
        """Stream (without prefix), entry id and fields of every entry of every task stream."""
        found = []
        for at, name in self.names():
            if at == partition and name.startswith(("workflows:", "activities:", "worker:")):
                for entry, fields in cast(Any, self.redis.xrange(prefix(self._hub, partition) + name)):
                    found.append((name, entry.decode(), fields))
        return found

    def check(self, *, but: str = "") -> None:
        """[P2, P3, P5, P6, P8, P10] The checker finds nothing wrong (but for one word), and can tell all."""
        report = verify_hub(self.url, self._hub, patience=timedelta(milliseconds=200))
        assert [each for each in report.violations if each.word != but] == []
        assert report.undecided == 0

    def check_idle(self) -> None:
        """[P10] Nobody is left, and nothing is left to do."""
        for partition in self._partitions:
            assert self.entries(partition) == []
            assert self.redis.zcard(self.key(partition, "workers")) == 0
            assert self.redis.zcard(self.key(partition, "due")) == 0
            assert self.redis.xlen(self.key(partition, "outbox")) == 0
            for at, name in self.names():
                if at == partition and name.startswith(("workflows:", "activities:")):
                    stream = prefix(self._hub, partition) + name
                    for group in cast(Any, self.redis.xinfo_groups(stream)):
                        assert (group["consumers"], group["pending"]) == (0, 0), (name, group)
