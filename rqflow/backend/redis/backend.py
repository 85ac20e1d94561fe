"""Backend: Redis as workers and asynchronous clients see it, and its twin for threads."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from datetime import timedelta
from typing import Any, TypeVar

from rqflow.backend.calls.call import Call
from rqflow.backend.calls.durability import read_durability
from rqflow.backend.calls.hubs import HubInfo, Limits
from rqflow.backend.calls.tasks import Entry, Subscription
from rqflow.backend.protocol import SyncWatch, Watch, partition_of, unwrap
from rqflow.backend.redis.commands import Place
from rqflow.backend.redis.confirming import Confirmation
from rqflow.backend.redis.delivery import deliver
from rqflow.backend.redis.keys import channel
from rqflow.backend.redis.servers import BlockingServers, Servers
from rqflow.backend.redis.waiting import Waiting
from rqflow.backend.redis.watching import Watching
from rqflow.backend.redis.watching_threads import BlockingWatching
from rqflow.errors import RqflowError

R = TypeVar("R")


def _channel(place: Place, instance: str) -> str:
    partition = partition_of(instance, place.hub.partitions)
    return channel(place.hub.name, partition, place.database, "changed", instance)


def _confirmation(hub: HubInfo, seconds: float) -> Confirmation | None:
    """What promises of this hub wait for; None: for the master's word alone."""
    durability = read_durability(hub.durability)
    return Confirmation(durability, seconds) if durability.replicas else None


def _promise(calls: Sequence[Call[Any]]) -> bool:
    return any(call.promises for call in calls)


class RedisBackend:
    """A hub on Redis, bound to the running event loop (see `rqflow.backend.protocol.Backend`)."""

    def __init__(self, servers: Servers, hub: HubInfo, limits: Limits) -> None:
        self._servers = servers
        self._place = Place(hub, limits, servers.routes.cluster, servers.address.db)
        self._confirmation = _confirmation(hub, servers.timeouts.durable)
        self._waiting = Waiting(servers, hub.name)
        self._watching = Watching(servers)

    def __repr__(self) -> str:
        return f"<RedisBackend {self._servers.address}, hub {self.hub.name!r}>"

    @property
    def hub(self) -> HubInfo:
        return self._place.hub

    @property
    def limits(self) -> Limits:
        return self._place.limits

    async def send(self, calls: Sequence[Call[Any]]) -> list[Any]:
        """As Backend.send: one pipeline for each server, in which each partition's calls keep their order.

        After Redis has lost its scripts (a restart, SCRIPT FLUSH) those that it lacks are loaded, and only their
        calls sent again: then these come after their neighbours. Calls that promise something come back when the
        hub's durability holds, or as NotDurable; they travel on connections of their own, and hold up nobody else.
        """
        confirmation = self._confirmation if _promise(calls) else None
        work = deliver(calls, self._place, self._servers.routes, confirmation)
        return await self._servers.drive(work, apart=confirmation is not None)

    async def call(self, call: Call[R]) -> R:
        (answer,) = await self.send((call,))
        found: R | RqflowError = answer
        return unwrap(found)

    async def wait_for_tasks(
        self, partition: int, worker: str, subscription: Subscription, timeout: timedelta
    ) -> Sequence[Entry]:
        """As Backend.wait_for_tasks."""
        return await self._waiting.wait(partition, worker, subscription, timeout)

    def watch(self, instance: str) -> AbstractAsyncContextManager[Watch]:
        """As Backend.watch. After a lost connection everyone is told: something may have happened meanwhile."""
        return self._watching.watch(_channel(self._place, instance))

    def watch_schedules(self, partition: int) -> AbstractAsyncContextManager[Watch]:
        """As Backend.watch_schedules."""
        return self._watching.watch(channel(self.hub.name, partition, self._place.database, "schedules_changed"))

    async def close(self) -> None:
        """Hang up. Whoever waits gets BackendUnavailable."""
        await self._watching.close()
        self._waiting.close()
        await self._servers.close()


class SyncRedisBackend:
    """A hub on Redis, for threads and forked children (see `rqflow.backend.protocol.SyncBackend`)."""

    def __init__(self, servers: BlockingServers, hub: HubInfo, limits: Limits) -> None:
        self._servers = servers
        self._place = Place(hub, limits, servers.routes.cluster, servers.address.db)
        self._confirmation = _confirmation(hub, servers.timeouts.durable)
        self._watching = BlockingWatching(servers)

    def __repr__(self) -> str:
        return f"<SyncRedisBackend {self._servers.address}, hub {self.hub.name!r}>"

    @property
    def hub(self) -> HubInfo:
        return self._place.hub

    @property
    def limits(self) -> Limits:
        return self._place.limits

    def send(self, calls: Sequence[Call[Any]]) -> list[Any]:
        """As RedisBackend.send."""
        confirmation = self._confirmation if _promise(calls) else None
        work = deliver(calls, self._place, self._servers.routes, confirmation)
        return self._servers.drive(work, apart=confirmation is not None)

    def call(self, call: Call[R]) -> R:
        (answer,) = self.send((call,))
        found: R | RqflowError = answer
        return unwrap(found)

    def watch(self, instance: str) -> AbstractContextManager[SyncWatch]:
        """As RedisBackend.watch."""
        return self._watching.watch(_channel(self._place, instance))

    def close(self) -> None:
        """Hang up and end the background thread."""
        self._watching.close()
        self._servers.close()
