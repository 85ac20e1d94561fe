"""Diagnosing: every server of an address is looked at and judged. No I/O: servers drive it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final

from rqflow.backend.calls.hubs import HubInfo
from rqflow.backend.redis.doctor import pace, safety
from rqflow.backend.redis.doctor.examining import Clocks, Examined, examine
from rqflow.backend.redis.doctor.findings import Diagnosis, Finding, ServerSummary
from rqflow.backend.redis.hubs import Errand, list_hubs
from rqflow.backend.redis.routing import Routes
from rqflow.errors import BackendError, HubMismatch, RqflowError

_GRAVITY: Final = {"risk": 0, "advice": 1, "unknown": 2}


def diagnose(routes: Routes, clocks: Clocks) -> Errand[Diagnosis]:
    """Look at every server and every hub. Raises BackendUnavailable; changes nothing."""
    first = routes.nodes[0]
    servers = [(yield from examine(routes, first, clocks))]
    if servers[0].facts.get("cluster_enabled") == "1":
        if not routes.cluster:
            routes.become_cluster()
        # The driver has found the nodes by the time it comes back.
        yield {}
        servers = []
        for endpoint in routes.nodes:
            servers.append((yield from examine(routes, endpoint, clocks)))
    hubs: tuple[HubInfo, ...] = ()
    unknown: list[Finding] = []
    try:
        hubs = yield from list_hubs(routes)
    except (BackendError, HubMismatch) as error:
        unknown.append(_no_hubs(routes, error))
    findings = chain(unknown, *(judge(server, hubs) for server in servers))
    return Diagnosis(
        servers=tuple(_summary(server, routes) for server in servers),
        hubs=hubs,
        findings=tuple(sorted(findings, key=lambda finding: _GRAVITY[finding.severity])),
    )


def judge(server: Examined, hubs: Sequence[HubInfo]) -> Iterator[Finding]:
    """All that is to be said about a server."""
    yield from safety.unfit(server)
    yield from safety.persistence(server, hubs)
    yield from safety.promises(server, hubs)
    yield from safety.cluster(server)
    yield from safety.memory(server)
    yield from safety.replicas(server, hubs)
    yield from pace.rights(server)
    yield from pace.unread(server)
    yield from pace.speed(server)
    yield from pace.clock(server)
    yield from pace.limits(server)


def _no_hubs(routes: Routes, error: RqflowError) -> Finding:
    return Finding(
        severity="unknown",
        server=str(routes.address),
        subject="hubs",
        what=f"the hubs cannot be listed ({error})",
        risk="whether the servers keep what hubs promise is not known",
        line="run it as the operator of config/users.acl; rqflow hub list",
    )


def _summary(server: Examined, routes: Routes) -> ServerSummary:
    facts, settings = server.facts, server.settings
    kept = {"1": "append-only file", "0": "snapshots only"}.get(facts.get("aof_enabled", ""), "unknown")
    if facts.get("aof_enabled") == "1" and "appendfsync" in settings:
        kept += f", fsync {settings['appendfsync']}"
    elif settings.get("save") == "" and kept == "snapshots only":
        kept = "none"
    return ServerSummary(
        server=str(server.endpoint),
        kind="valkey" if "valkey_version" in facts else "redis",
        version=facts.get("valkey_version", facts.get("redis_version", "unknown")),
        role={"slave": "replica"}.get(facts.get("role", ""), facts.get("role", "unknown")),
        mode="sentinel" if routes.address.service else "cluster" if routes.cluster else "standalone",
        persistence=kept,
        replicas=server.number("connected_slaves"),
        latency_ms=round(server.pings[len(server.pings) // 2] * 1_000, 3),
    )
