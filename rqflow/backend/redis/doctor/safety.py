"""Safety: findings about what a server may lose: persistence, memory, replicas, and what hubs were promised."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from rqflow.backend.calls.durability import read_durability
from rqflow.backend.calls.hubs import HubInfo
from rqflow.backend.redis.doctor.examining import Examined
from rqflow.backend.redis.doctor.findings import Finding
from rqflow.backend.redis.fitness import OLDEST, WAITS_FOR_DISKS, version_of

NEARLY_FULL: Final = 0.9
REPLICA_LAG: Final = 10
"""Seconds without a word from a replica."""
_REPLICA: Final = re.compile(r"slave\d+\Z")


def unfit(server: Examined) -> Iterator[Finding]:
    """What rqflow refuses to work on."""
    seen = partial(Finding, server=str(server.endpoint), severity="risk")
    if not server.facts:
        return
    if version_of(server.facts) < OLDEST:
        yield seen(
            subject="version",
            what=f"version {server.facts.get('redis_version', 'unknown')}",
            risk="rqflow refuses it: its scripts need commands of 6.2",
            line="install Redis 6.2 or newer, or Valkey",
        )
    if server.facts.get("role") == "slave":
        yield seen(
            subject="role",
            what="a read-only replica",
            risk="rqflow refuses it: nothing can be written here",
            line="give the address of its master, or a redis+sentinel:// URL",
        )


def persistence(server: Examined, hubs: Sequence[HubInfo]) -> Iterator[Finding]:
    """What a restart or a power cut loses."""
    facts, settings = server.facts, server.settings
    risk = partial(Finding, server=str(server.endpoint), subject="persistence", severity="risk")
    if facts.get("aof_enabled") == "0":
        what, lost = "no append-only file", "a restart loses what was accepted since the last snapshot"
        if settings.get("save") == "":
            what, lost = "neither an append-only file nor snapshots", "a restart loses every instance"
        yield risk(what=what, risk=lost + ", and clients were told that it was accepted", line="appendonly yes")
    elif facts and settings.get("appendfsync") == "no":
        yield risk(
            what="appendfsync no",
            risk="a power cut loses what the system had not written yet, often half a minute",
            line="appendfsync everysec",
        )
    elif facts and settings.get("appendfsync") == "everysec" and _with(hubs, "fsync"):
        yield Finding(
            server=str(server.endpoint),
            subject="persistence",
            severity="advice",
            what=f"appendfsync everysec, and durability fsync of {_with(hubs, 'fsync')}",
            risk="a power cut loses about the last second; a crash of Redis alone loses nothing",
            line="appendfsync always",
        )
    if settings.get("no-appendfsync-on-rewrite") == "yes":
        yield risk(
            what="no-appendfsync-on-rewrite yes",
            risk="a power cut while the log is rewritten loses all of that time",
            line="no-appendfsync-on-rewrite no",
        )
    for name in ("aof_last_write_status", "aof_last_bgrewrite_status", "rdb_last_bgsave_status"):
        if facts.get(name, "ok") != "ok":
            yield risk(
                what=f"{name} is {facts[name]}",
                risk="what is accepted now may not be on disk, and writes may be refused",
                line="look at its log; is the disk full, or the folder not its own?",
            )


def cluster(server: Examined) -> Iterator[Finding]:
    """Whether the cluster serves."""
    if server.cluster and server.cluster.get("cluster_state") != "ok":
        yield Finding(
            server=str(server.endpoint),
            subject="cluster",
            severity="risk",
            what=f"cluster_state is {server.cluster.get('cluster_state')}, "
            f"{server.cluster.get('cluster_slots_ok')} of 16384 slots are served",
            risk="workflows in the slots that are missing stand still",
            line="redis-cli --cluster check; start the node that is gone, or fail over to its replica",
        )


def memory(server: Examined) -> Iterator[Finding]:
    """What happens when memory is short."""
    seen = partial(Finding, server=str(server.endpoint), subject="memory")
    policy = server.facts.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        yield seen(
            severity="risk",
            what=f"maxmemory-policy {policy}",
            risk="when memory is short Redis throws away parts of instances",
            line="maxmemory-policy noeviction",
        )
    limit, used = server.number("maxmemory"), server.number("used_memory")
    if server.facts and not limit:
        yield seen(
            severity="advice",
            what="no maxmemory",
            risk="when the machine's memory is full its kernel kills Redis; with a limit, clients get a clear error",
            line="maxmemory 2gb (what the machine can spare)",
        )
    elif limit and used > limit * NEARLY_FULL:
        yield seen(
            severity="risk",
            what=f"{used / limit:.0%} of maxmemory is in use",
            risk="soon every start, signal and step is refused",
            line="raise maxmemory, shorten the retention, or: rqflow purge",
        )


def replicas(server: Examined, hubs: Sequence[HubInfo]) -> Iterator[Finding]:
    """What is left when this machine is not."""
    if not server.facts:
        return
    seen = partial(Finding, server=str(server.endpoint), subject="replicas")
    count, needed = server.number("connected_slaves"), max((_replicas_of(hub) for hub in hubs), default=0)
    late = [name for name, text in server.facts.items() if _REPLICA.match(name) and _is_late(text)]
    good = count - len(late)
    if good < needed:
        yield seen(
            severity="risk",
            what=f"{good} replicas that keep up, and durability {_with(hubs, 'replica')} asks for {needed}",
            risk="every start and signal there waits, and then raises NotDurable",
            line="connect replicas (replicaof), or: rqflow hub set HUB --durability fsync",
        )
    elif late:
        yield seen(
            severity="advice",
            what=f"{len(late)} of {count} replicas lag or are not in step",
            risk="a failover to one of them loses what it has not got",
            line="look at its log and its network",
        )
    if not count:
        yield seen(
            severity="advice",
            what="no replica",
            risk="when this machine is lost, so is everything since the last backup",
            line="replicaof HOST PORT (on another machine)",
        )
    elif server.settings.get("min-replicas-to-write") == "0":
        yield seen(
            severity="advice",
            what="min-replicas-to-write 0",
            risk="a master that is cut off goes on accepting what a failover then throws away",
            line="min-replicas-to-write 1",
        )


def promises(server: Examined, hubs: Sequence[HubInfo]) -> Iterator[Finding]:
    """What hubs ask of this server that it cannot keep: they cannot be opened."""
    if not server.facts:
        return
    for hub in hubs:
        asked = read_durability(hub.durability)
        if asked.on_disk and server.facts.get("aof_enabled") != "1":
            what, line = "no append-only file", "appendonly yes"
        elif asked.flushed and version_of(server.facts) < WAITS_FOR_DISKS:
            what, line = f"version {server.facts.get('redis_version')}", "install Redis 7.2 or newer, or Valkey"
        else:
            continue
        yield Finding(
            server=str(server.endpoint),
            subject="durability",
            severity="risk",
            what=f"hub {hub.name} has durability {hub.durability}, and this server has {what}",
            risk="clients and workers refuse to open the hub",
            line=f"{line}; or: rqflow hub set {hub.name} --durability memory",
        )


def _replicas_of(hub: HubInfo) -> int:
    return read_durability(hub.durability).replicas


def _with(hubs: Sequence[HubInfo], word: str) -> str:
    """The names of the hubs whose durability has this word in it."""
    return ", ".join(hub.name for hub in hubs if word in hub.durability)


def _is_late(text: str) -> bool:
    """Of a replica's line in INFO: `ip=…,port=…,state=online,offset=…,lag=0`."""
    told = dict(pair.split("=", 1) for pair in text.split(",") if "=" in pair)
    return told.get("state") != "online" or int(told.get("lag", "0")) > REPLICA_LAG
