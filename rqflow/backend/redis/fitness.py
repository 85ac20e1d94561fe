"""Fitness: whether a server can be trusted with workflows: its version, its role, and that it throws nothing away."""

from __future__ import annotations

from typing import Final

from rqflow.backend.redis.address import Endpoint
from rqflow.backend.redis.hubs import Errand
from rqflow.backend.redis.refusals import explain
from rqflow.backend.redis.resp import ServerError, text_of
from rqflow.backend.redis.routing import Routes
from rqflow.errors import BackendRefused

OLDEST: Final = (6, 2)


def check_servers(routes: Routes, *, allow_eviction: bool) -> Errand[None]:
    """Look at every server, and find out if it is a cluster. Raises BackendRefused, BackendUnavailable."""
    first = routes.nodes[0]
    facts = yield from _facts(first)
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
        for endpoint in routes.nodes:
            check_facts((yield from _facts(endpoint)), endpoint, allow_eviction=allow_eviction)


def _facts(endpoint: Endpoint) -> Errand[dict[str, str]]:
    reply = (yield {endpoint: [("INFO",)]})[endpoint][0]
    if isinstance(reply, ServerError):
        raise explain(reply, endpoint, doing="INFO")
    lines = text_of(reply).splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line and not line.startswith("#"))


def check_facts(facts: dict[str, str], endpoint: Endpoint, *, allow_eviction: bool) -> None:
    """Raises BackendRefused for a server that would lose or refuse our data."""
    version = facts.get("redis_version", "")
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < OLDEST:
        raise BackendRefused(f"Redis at {endpoint} has version {version or 'unknown'}; rqflow needs 6.2 or newer")
    policy = facts.get("maxmemory_policy", "noeviction")
    if policy != "noeviction" and not allow_eviction:
        raise BackendRefused(
            f"Redis at {endpoint} has maxmemory-policy {policy}: when memory is short it would throw workflows away; "
            "set maxmemory-policy noeviction, or allow it with allow_eviction"
        )
