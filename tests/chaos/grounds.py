"""Grounds: the kinds of servers on which chaos can be played: what they are, how they are reached and harmed.

Another kind is another class with these few members, and a line in GROUNDS.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

import redis

from rqflow.backend.redis.embedded import EmbeddedServer, free_port
from tests.chaos.fleets import ClusterFleet, WatchedFleet
from tests.chaos.ground import Deed, Ground
from tests.chaos.power import PowerCut
from tests.chaos.proxy import Proxy
from tests.servers.programs import redis_6, valkey

FSYNC: Final = ("always", "everysec")


class Standalone:
    """One redis-server with an append-only file, one road straight and two through proxies."""

    durability = "memory"
    fails_over = False

    def __init__(self, chance: Random, fsync: str = "always", program: str | None = None) -> None:
        self._server = EmbeddedServer(port=free_port(), options={"appendfsync": fsync}, program=program)
        host, _, port = self._server.url.removeprefix("redis://").partition(":")
        self._proxies = [Proxy(host, int(port), Random(chance.random())) for _ in range(2)]
        self._power = PowerCut(self._server) if fsync == "everysec" else None

    def start(self) -> None:
        self._server.start()
        for proxy in self._proxies:
            proxy.start()

    def stop(self) -> None:
        for proxy in self._proxies:
            proxy.stop()
        self._server.stop()

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def masters(self) -> Sequence[str]:
        return [self.url]

    @property
    def roads(self) -> Sequence[str]:
        return [self.url, *(f"redis://127.0.0.1:{proxy.port}" for proxy in self._proxies)]

    @property
    def deeds(self) -> Sequence[Deed]:
        cut = [Deed("power cut", self._power.cut)] if self._power is not None else []
        return [
            *cut,
            Deed("redis killed and restarted", self._restart),
            Deed("redis killed while it rewrites its file", self._rewrite, 5),
            Deed("redis frozen", self._freeze, 5),
            Deed("connections killed", self._kill_connections),
            Deed("scripts flushed", self._flush_scripts),
            Deed("redis paused", self._pause),
            Deed("memory full", self._fill),
            Deed("road slow", self._slow),
            Deed("road cut in mid-reply", self._cut_replies),
            Deed("road cut", self._cut),
            Deed("road holds everything", self._hold),
            Deed("road holds replies", self._hold_replies),
        ]

    # ---- the server

    async def _ask(self, *command: str | int) -> None:
        def ask() -> None:
            with redis.Redis.from_url(self.url) as client:
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
        with redis.Redis.from_url(self.url) as client:
            used = int(client.info("memory")["used_memory"])
        return chance.choice([1, used + 50_000, used + 500_000])

    # ---- the roads

    async def _spoil(self, chance: Random, spoil: Callable[[Proxy], object], seconds: float) -> None:
        proxies = chance.choice([self._proxies, self._proxies[:1], self._proxies[1:]])
        try:
            for proxy in proxies:
                spoil(proxy)
            await asyncio.sleep(seconds)
        finally:
            for proxy in proxies:
                proxy.heal()

    async def _slow(self, chance: Random) -> None:
        delay = chance.choice([0.01, 0.1, 0.5])
        await self._spoil(chance, lambda proxy: setattr(proxy, "delay", delay), chance.uniform(1, 5))

    async def _cut_replies(self, chance: Random) -> None:
        await self._spoil(chance, lambda proxy: setattr(proxy, "cut_in_reply", True), chance.uniform(0.1, 2))

    async def _cut(self, chance: Random) -> None:
        for _ in range(chance.randrange(1, 4)):
            await self._spoil(chance, Proxy.cut, chance.uniform(0, 0.5))

    async def _hold(self, chance: Random) -> None:
        def hold(proxy: Proxy) -> None:
            proxy.holds_requests = proxy.holds_replies = True

        await self._spoil(chance, hold, chance.uniform(1, 12))

    async def _hold_replies(self, chance: Random) -> None:
        await self._spoil(chance, lambda proxy: setattr(proxy, "holds_replies", True), chance.uniform(1, 6))


def _on(program: Callable[[], str]) -> Callable[[Random, str], Ground]:
    return lambda chance, fsync: Standalone(chance, fsync, program())


GROUNDS: Final[dict[str, Callable[[Random, str], Ground]]] = {
    "standalone": Standalone,
    "redis-6": _on(redis_6),
    "valkey": _on(valkey),
    "sentinel": WatchedFleet,
    "cluster": ClusterFleet,
}
"""By the name that `--server` takes: made from a source of chance and appendfsync."""
