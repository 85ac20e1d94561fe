"""Grounds: the kinds of servers on which chaos can be played: what they are, how they are reached and harmed.

Another kind is another class with these few members, and a line in GROUNDS.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from rqflow.backend.redis.embedded import EmbeddedServer, free_port
from tests.chaos.fleets import ClusterFleet, WatchedFleet
from tests.chaos.ground import Deed, Ground
from tests.chaos.mischief import Mischief
from tests.chaos.power import PowerCut
from tests.chaos.proxy import Proxy
from tests.chaos.roads import SpoiltRoads
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
        self._mischief = Mischief(self._server)
        self._spoilt_roads = SpoiltRoads(self._proxies)
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
        return [*cut, *self._mischief.deeds, *self._spoilt_roads.deeds]


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
