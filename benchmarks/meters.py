"""Meters: what a step cost: CPU of Redis, workers and client, commands, round trips, bytes and memory.

CPU and memory of processes are read from /proc, with all their children; elsewhere than on Linux they are 0.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
PROC = Path("/proc")


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a step cost; CPU in seconds."""

    redis: float
    workers: float
    client: float
    commands: int
    """That Redis carried out, those inside scripts included."""
    round_trips: int
    """Times that Redis read from a socket: what is sent together counts once, unless it passes 16 KB."""
    bytes: int
    """By which Redis' data have grown, its buffers left aside."""
    rss: int
    """Bytes of all workers together, at the end."""
    rss_before: int
    scripts: Mapping[str, tuple[int, int]]
    """Calls and microseconds of each command; those of a script include its commands'."""


@dataclass(frozen=True, kw_only=True)
class Lap:
    """A step that was done."""

    act: str
    count: int
    seconds: float
    numbers: Mapping[str, float]
    """What the player told."""
    ms: tuple[float, ...]
    cost: Cost


@dataclass(frozen=True, kw_only=True)
class Reading:
    """All meters at one moment."""

    redis: float
    workers: float
    client: float
    info: Mapping[str, Any]
    rss: int

    def until(self, after: Reading) -> Cost:
        """What happened between the two. The first reading itself is left out."""
        scripts: dict[str, tuple[int, int]] = {}
        for name, then in after.info.items():
            if name.startswith("cmdstat_"):
                before = self.info.get(name, {"calls": 0, "usec": 0})
                calls = int(then["calls"] - before["calls"])
                if calls:
                    scripts[name.removeprefix("cmdstat_")] = (calls, int(then["usec"] - before["usec"]))
        trips = "total_reads_processed"
        return Cost(
            redis=after.redis - self.redis,
            workers=after.workers - self.workers,
            client=after.client - self.client,
            commands=max(0, sum(calls for calls, _ in scripts.values()) - 1),
            round_trips=max(0, int(after.info.get(trips, 0)) - int(self.info.get(trips, 0)) - 1),
            bytes=_data(after.info) - _data(self.info),
            rss=after.rss,
            rss_before=self.rss,
            scripts=scripts,
        )


def _data(info: Mapping[str, Any]) -> int:
    beside = ("mem_clients_normal", "mem_clients_slaves", "mem_aof_buffer", "mem_replication_backlog")
    return int(info["used_memory"]) - sum(int(info.get(name, 0)) for name in beside)


class Meters:
    """The meters of one run."""

    def __init__(self, url: str, *, workers: Iterable[int], client: int) -> None:
        self._redis = redis.Redis.from_url(url)
        self._workers = tuple(workers)
        self._client = client

    def read(self) -> Reading:
        """Now."""
        info = self._redis.info("everything")
        children = _children()
        return Reading(
            redis=float(info["used_cpu_user"]) + float(info["used_cpu_sys"]),
            workers=sum(_cpu(pid, children) for pid in self._workers),
            client=_cpu(self._client, children),
            info=info,
            rss=sum(_rss(pid, children) for pid in self._workers),
        )

    def close(self) -> None:
        """Hang up."""
        self._redis.close()


def children_of(pid: int) -> list[int]:
    """Processes that a process has started, and theirs."""
    children = _children()
    found = [pid]
    for each in found:
        found += children.get(each, ())
    return found[1:]


def _children() -> Mapping[int, list[int]]:
    found: dict[int, list[int]] = {}
    for folder in PROC.glob("[0-9]*"):
        fields = _stat(int(folder.name))
        if fields:
            found.setdefault(int(fields[1]), []).append(int(folder.name))
    return found


def _stat(pid: int) -> list[str]:
    """From the state on: what is before may hold spaces."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _cpu(pid: int, children: Mapping[int, list[int]]) -> float:
    """Seconds of a process, its children that have ended, and those that live."""
    fields = _stat(pid)
    own = sum(map(int, fields[11:15])) / TICKS if fields else 0.0
    return own + sum(_cpu(child, children) for child in children.get(pid, ()))


def _rss(pid: int, children: Mapping[int, list[int]]) -> int:
    try:
        own = int((PROC / str(pid) / "statm").read_text().split()[1]) * PAGE
    except OSError:
        own = 0
    return own + sum(_rss(child, children) for child in children.get(pid, ()))
