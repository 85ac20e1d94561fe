"""Mischief: what a villain does to one redis-server: killed, frozen, paused, full, without room, without writes."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from random import Random

import redis

from rqflow.backend.redis.embedded import EmbeddedServer
from tests.chaos.ground import Deed


class Mischief:
    """To a server that keeps an append-only file."""

    def __init__(self, server: EmbeddedServer) -> None:
        self._server = server

    @property
    def deeds(self) -> Sequence[Deed]:
        return [
            Deed("redis killed and restarted", self._restart),
            Deed("redis killed while it rewrites its file", self._rewrite, 5),
            Deed("redis frozen", self._freeze, 5),
            Deed("connections killed", self._kill_connections),
            Deed("no room for connections", self._crowd_out, 5),
            Deed("scripts flushed", self._flush_scripts),
            Deed("redis paused", self._pause),
            Deed("memory full", self._fill),
            Deed("writes refused", self._refuse, 5),
            Deed("redis a replica for a while", self._demote, 5),
        ]

    async def _ask(self, *command: str | int) -> None:
        def ask() -> None:
            with redis.Redis.from_url(self._server.url) as client:
                client.execute_command(*command)

        await asyncio.to_thread(ask)

    async def _restart(self, chance: Random) -> None:
        await asyncio.to_thread(self._server.kill)
        try:
            await asyncio.sleep(chance.choice([0.0, 0.5, 3.0]))
        finally:
            await asyncio.to_thread(self._server.start)

    async def _rewrite(self, chance: Random) -> None:
        await self._ask("BGREWRITEAOF")
        await asyncio.sleep(chance.uniform(0, 0.2))
        await self._restart(chance)

    async def _freeze(self, chance: Random) -> None:
        os.kill(self._server.pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(chance.uniform(0.5, 8))
        finally:
            os.kill(self._server.pid, signal.SIGCONT)

    async def _kill_connections(self, chance: Random) -> None:
        for _ in range(chance.randrange(1, 5)):
            await self._ask("CLIENT", "KILL", "TYPE", chance.choice(["normal", "normal", "pubsub"]))
            await asyncio.sleep(chance.uniform(0, 0.3))

    async def _flush_scripts(self, chance: Random) -> None:
        for _ in range(chance.randrange(1, 20)):
            await self._ask("SCRIPT", "FLUSH")
            await asyncio.sleep(0.02)

    async def _pause(self, chance: Random) -> None:
        milliseconds = chance.randrange(200, 4_000)
        await self._ask("CLIENT", "PAUSE", milliseconds, chance.choice(["ALL", "WRITE"]))
        await asyncio.sleep(milliseconds / 1_000)

    async def _fill(self, chance: Random) -> None:
        await self._ask("CONFIG", "SET", "maxmemory", await asyncio.to_thread(self._limit, chance))
        try:
            await asyncio.sleep(chance.uniform(0.3, 3))
        finally:
            await self._ask("CONFIG", "SET", "maxmemory", 0)

    def _limit(self, chance: Random) -> int:
        """Nothing goes any more, or some goes and then nothing."""
        with redis.Redis.from_url(self._server.url) as client:
            used = int(client.info("memory")["used_memory"])
        return chance.choice([1, used + 50_000, used + 500_000])

    async def _crowd_out(self, chance: Random) -> None:
        """Who has lost a connection gets no other."""
        with redis.Redis.from_url(self._server.url) as client:
            client.config_set("maxclients", 1)
            try:
                client.execute_command("CLIENT", "KILL", "TYPE", "normal")
                await asyncio.sleep(chance.uniform(0.3, 3))
            finally:
                client.config_set("maxclients", 10_000)

    async def _refuse(self, chance: Random) -> None:
        """It has fewer replicas than it wants."""
        await self._ask("CONFIG", "SET", "min-replicas-to-write", 1)
        try:
            await asyncio.sleep(chance.uniform(0.3, 3))
        finally:
            await self._ask("CONFIG", "SET", "min-replicas-to-write", 0)

    async def _demote(self, chance: Random) -> None:
        """Of a master that is not there."""
        await self._ask("REPLICAOF", "127.0.0.1", 1)
        try:
            await asyncio.sleep(chance.uniform(0.3, 3))
        finally:
            await self._ask("REPLICAOF", "NO", "ONE")
