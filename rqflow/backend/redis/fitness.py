"""Fitness: whether a server can be trusted with workflows: version, role, eviction, what a hub's durability asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

from rqflow.backend.calls.durability import read_durability
from rqflow.backend.redis.address import Endpoint
from rqflow.backend.redis.hubs import Errand
from rqflow.backend.redis.refusals import explain
from rqflow.backend.redis.resp import ServerError, text_of
from rqflow.backend.redis.routing import Routes
from rqflow.errors import BackendRefused

OLDEST: Final = (6, 2)
WAITS_FOR_DISKS: Final = (7, 2)
"""The first version that has WAITAOF; all of Valkey have it."""

Facts: TypeAlias = Mapping[str, str]
"""What INFO says of a server."""


def check_servers(routes: Routes, *, allow_eviction: bool) -> Errand[dict[Endpoint, Facts]]:
    """Look at every server, and find out if it is a cluster. Raises BackendRefused, BackendUnavailable."""
    first = routes.nodes[0]
    facts = yield from read_facts(first)
    check_facts(facts, first, allow_eviction=allow_eviction)
    if facts.get("cluster_enabled") == "1" and not routes.cluster:
        routes.become_cluster()
    elif facts.get("role") in ("slave", "replica"):
        raise BackendRefused(
            f"Redis at {first} is a read-only replica: give the address of its master, or use a redis+sentinel:// URL"
        )
    if routes.cluster:
        # The driver has found the nodes by the time it comes back; the loop above all asks them.
        yield {}
        found: dict[Endpoint, Facts] = {}
        for endpoint in routes.nodes:
            found[endpoint] = yield from read_facts(endpoint)
            check_facts(found[endpoint], endpoint, allow_eviction=allow_eviction)
        return found
    return {first: facts}


def read_facts(endpoint: Endpoint) -> Errand[Facts]:
    """What a server says of itself. Raises BackendRefused, BackendUnavailable."""
    reply = (yield {endpoint: [("INFO",)]})[endpoint][0]
    if isinstance(reply, ServerError):
        raise explain(reply, endpoint, doing="INFO")
    return facts_of(reply)


def facts_of(reply: bytes) -> Facts:
    """A reply to INFO, by names."""
    lines = text_of(reply).splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line and not line.startswith("#"))


def version_of(facts: Facts) -> tuple[int, ...]:
    """Major and minor number, as far as they are told."""
    return tuple(int(part) for part in facts.get("redis_version", "").split(".")[:2] if part.isdigit())


def check_durability(hub: str, durability: str, servers: Mapping[Endpoint, Facts]) -> None:
    """Raises BackendRefused if a server cannot keep what a hub's durability promises."""
    asked = read_durability(durability)
    otherwise = f"or choose another durability: rqflow hub set {hub} --durability memory"
    for endpoint, facts in servers.items():
        if asked.on_disk and facts.get("aof_enabled") != "1":
            raise BackendRefused(
                f"hub {hub!r} has durability {durability}, and Redis at {endpoint} keeps no append-only file: set "
                f"appendonly yes, {otherwise}"
            )
        if asked.flushed and version_of(facts) < WAITS_FOR_DISKS:
            raise BackendRefused(
                f"hub {hub!r} has durability {durability}, and Redis at {endpoint} has version "
                f"{facts.get('redis_version')}: it needs 7.2 or newer, or Valkey (WAITAOF); upgrade it, {otherwise}"
            )


def check_facts(facts: Facts, endpoint: Endpoint, *, allow_eviction: bool) -> None:
    """Raises BackendRefused for a server that would lose or refuse our data."""
    version = facts.get("redis_version", "")
    if version_of(facts) < OLDEST:
        raise BackendRefused(f"Redis at {endpoint} has version {version or 'unknown'}; rqflow needs 6.2 or newer")
    policy = facts.get("maxmemory_policy", "noeviction")
    if policy != "noeviction" and not allow_eviction:
        raise BackendRefused(
            f"Redis at {endpoint} has maxmemory-policy {policy}: when memory is short it would throw workflows away; "
            "set maxmemory-policy noeviction, or allow it with allow_eviction"
        )
