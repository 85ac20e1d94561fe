"""Fleets: grounds of several servers, whose masters die and are replaced, and whose slots move."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from random import Random
from typing import Final

import redis

from rqflow.backend.redis.embedded import EmbeddedServer
from rqflow.backend.redis.keys import key
from rqflow.backend.redis.routing import slot_of
from tests.chaos.ground import HUB, Deed
from tests.servers.cluster import Cluster
from tests.servers.watched import Watched

KEPT: Final = {"appendonly": "yes", "min-replicas-to-write": "1", "min-replicas-max-lag": "2"}
"""A master without its replica takes no writes: what it has alone, a failover would lose."""


class Fleet:
    """What can be done to any server of several."""

    durability = "replica:1"
    fails_over = True

    def __init__(self, fleet: Watched | Cluster) -> None:
        self.fleet = fleet
        self._failing = asyncio.Lock()
        """One master is away at a time: with the last copy nothing could go on."""

    def start(self) -> None:
        self.fleet.start()

    def stop(self) -> None:
        self.fleet.stop()

    @property
    def url(self) -> str:
        return self.fleet.url

    @property
    def roads(self) -> Sequence[str]:
        return [self.url]

    @property
    def deeds(self) -> Sequence[Deed]:
        return [
            Deed("connections killed", self._kill_connections),
            Deed("scripts flushed", self._flush_scripts),
            Deed("a server paused", self._pause),
            Deed("a replica killed and restarted", self._lose_replica, 5),
        ]

    def _masters(self) -> list[EmbeddedServer]:
        raise NotImplementedError

    async def _ask(self, node: EmbeddedServer, *command: str | int) -> None:
        def ask() -> None:
            with redis.Redis.from_url(node.url) as client:
                client.execute_command(*command)

        await asyncio.to_thread(ask)

    async def _on_all(self, *command: str | int) -> None:
        for node in self.fleet.nodes:
            try:
                await self._ask(node, *command)
            except redis.RedisError:
                continue  # it is away

    async def _kill_connections(self, chance: Random) -> None:
        for _ in range(chance.randrange(1, 5)):
            await self._on_all("CLIENT", "KILL", "TYPE", chance.choice(["normal", "normal", "pubsub"]))
            await asyncio.sleep(chance.uniform(0, 0.3))

    async def _flush_scripts(self, chance: Random) -> None:
        for _ in range(chance.randrange(1, 10)):
            await self._on_all("SCRIPT", "FLUSH")
            await asyncio.sleep(0.02)

    async def _pause(self, chance: Random) -> None:
        milliseconds = chance.randrange(100, 700)  # shorter than what makes others take its place
        await self._ask(chance.choice(self.fleet.nodes), "CLIENT", "PAUSE", milliseconds, "ALL")
        await asyncio.sleep(milliseconds / 1_000)

    async def _lose_replica(self, chance: Random) -> None:
        async with self._failing:
            masters = await asyncio.to_thread(self._masters)
            replica = chance.choice([node for node in self.fleet.nodes if node not in masters])
            await self._lose(replica, chance)

    async def _lose(self, node: EmbeddedServer, chance: Random) -> None:
        await asyncio.to_thread(node.kill)
        try:
            await asyncio.sleep(chance.uniform(0, 3))
        finally:
            await asyncio.to_thread(node.start)
            await asyncio.to_thread(self.fleet.await_whole)


class WatchedFleet(Fleet):
    """A master, two replicas, three sentinels."""

    def __init__(self, _: Random, fsync: str) -> None:
        self._watched = Watched(options={**KEPT, "appendfsync": fsync})
        super().__init__(self._watched)

    @property
    def masters(self) -> Sequence[str]:
        return [self._watched.master().url]

    def _masters(self) -> list[EmbeddedServer]:
        return [self._watched.master()]

    @property
    def deeds(self) -> Sequence[Deed]:
        return [
            *super().deeds,
            Deed("the master killed, a replica in its place", self._replace),
            Deed("the master frozen, a replica in its place, and thawed", self._freeze),
        ]

    async def _replace(self, chance: Random) -> None:
        async with self._failing:
            dead = await asyncio.to_thread(self._watched.kill_master)
            await asyncio.sleep(chance.uniform(0, 2))
            await asyncio.to_thread(dead.start)
            await asyncio.to_thread(self._watched.await_whole)

    async def _freeze(self, chance: Random) -> None:
        async with self._failing:
            master = await asyncio.to_thread(self._watched.master)
            os.kill(master.pid, signal.SIGSTOP)
            try:
                await asyncio.to_thread(self._watched.await_other, master)
                await asyncio.sleep(chance.uniform(0, 2))
            finally:
                os.kill(master.pid, signal.SIGCONT)
            await asyncio.to_thread(self._watched.await_whole)


class ClusterFleet(Fleet):
    """Three masters with a replica each."""

    def __init__(self, _: Random, fsync: str) -> None:
        self._cluster = Cluster(replicas=1, options={**KEPT, "appendfsync": fsync})
        super().__init__(self._cluster)

    @property
    def masters(self) -> Sequence[str]:
        return [node.url for node in self._cluster.masters()]

    def _masters(self) -> list[EmbeddedServer]:
        return self._cluster.masters()

    @property
    def deeds(self) -> Sequence[Deed]:
        return [
            *super().deeds,
            Deed("a slot moved to another master", self._move, 20),
            Deed("a master killed, its replica in its place", self._replace),
        ]

    def _slot(self, chance: Random) -> int:
        return slot_of(key(HUB, chance.randrange(4), "meta"))

    async def _move(self, chance: Random) -> None:
        async with self._failing:
            count, pause = chance.choice([(1, 0.001), (10, 0.005), (100, 0.0)])
            moving = asyncio.to_thread(self._cluster.move, self._slot(chance), keys_at_a_time=count, pause=pause)
            await asyncio.shield(moving)

    async def _replace(self, chance: Random) -> None:
        async with self._failing:
            dead = await asyncio.to_thread(self._cluster.kill_owner, self._slot(chance))
            try:
                await asyncio.sleep(chance.uniform(3, 6))
            finally:
                await asyncio.to_thread(dead.start)
                await asyncio.to_thread(self._cluster.await_whole)
