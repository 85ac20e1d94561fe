"""Kinds: every kind of Redis that rqflow supports, by name, as something that starts and has a URL."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from rqflow.backend.redis.embedded import EmbeddedServer
from tests.servers.cluster import Cluster
from tests.servers.programs import redis_6, redis_7, valkey
from tests.servers.watched import Watched


class Served(Protocol):
    """One server or several, as one address; a context manager."""

    @property
    def url(self) -> str: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def _single(program: Callable[[], str]) -> Callable[[], Served]:
    return lambda: EmbeddedServer(options={"appendonly": "no"}, program=program())


KINDS: dict[str, Callable[[], Served]] = {
    "redis-6": _single(redis_6),
    "redis-7": _single(redis_7),
    "valkey": _single(valkey),
    "sentinel": Watched,
    "cluster-6": lambda: Cluster(replicas=1),
}
