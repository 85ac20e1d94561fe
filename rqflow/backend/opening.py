"""Opening: from a URL to a backend, and what operators do with hubs. `memory://name` stays in this process."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from rqflow.backend.calls.durability import MEMORY, read_durability
from rqflow.backend.calls.hubs import HubInfo, Limits
from rqflow.backend.memory.opening import memory_store, open_memory, open_memory_sync
from rqflow.backend.protocol import Backend, SyncBackend
from rqflow.backend.redis import hubs
from rqflow.backend.redis.address import Endpoint, parse_address
from rqflow.backend.redis.backend import RedisBackend, SyncRedisBackend
from rqflow.backend.redis.delivery import Pipelines, Replies
from rqflow.backend.redis.doctor import diagnosing
from rqflow.backend.redis.doctor.examining import Clocks
from rqflow.backend.redis.doctor.findings import Diagnosis
from rqflow.backend.redis.fitness import Facts, check_durability, check_servers
from rqflow.backend.redis.routing import Routes
from rqflow.backend.redis.servers import BlockingServers, Servers
from rqflow.backend.redis.sockets import Timeouts
from rqflow.backend.redis.verify.check import Report, check_hub, quiet
from rqflow.errors import BadInput, HubNotFound

DEFAULT_HUB: Final = "default"
"""The one hub that is made when it is missing."""


async def open_backend(
    url: str,
    hub: str = DEFAULT_HUB,
    *,
    limits: Limits | None = None,
    allow_eviction: bool = False,
    timeouts: Timeouts | None = None,
) -> Backend:
    """A hub for the running event loop. Raises BadInput, HubNotFound, HubMismatch, BackendUnavailable, BackendRefused.

    `allow_eviction` puts up with a Redis that may throw keys away when its memory is short.
    """
    hubs.check_name(hub)
    memory = _memory_name(url)
    if memory is not None:
        return open_memory(memory, hub)
    servers = Servers(parse_address(url), timeouts or Timeouts())
    try:
        info = await servers.drive(_enter(servers.routes, hub, allow_eviction=allow_eviction))
    except BaseException:
        await servers.close()
        raise
    return RedisBackend(servers, info, limits or Limits())


def open_sync_backend(
    url: str,
    hub: str = DEFAULT_HUB,
    *,
    limits: Limits | None = None,
    allow_eviction: bool = False,
    timeouts: Timeouts | None = None,
) -> SyncBackend:
    """As open_backend, for threads."""
    hubs.check_name(hub)
    memory = _memory_name(url)
    if memory is not None:
        return open_memory_sync(memory, hub)
    servers = BlockingServers(parse_address(url), timeouts or Timeouts())
    try:
        info = servers.drive(_enter(servers.routes, hub, allow_eviction=allow_eviction))
    except BaseException:
        servers.close()
        raise
    return SyncRedisBackend(servers, info, limits or Limits())


def _enter(routes: Routes, hub: str, *, allow_eviction: bool) -> Generator[Pipelines, Replies, HubInfo]:
    servers = yield from check_servers(routes, allow_eviction=allow_eviction)
    try:
        found = yield from hubs.read_hub(routes, hub)
        check_durability(hub, found.durability, servers)
        return found
    except HubNotFound:
        if hub != DEFAULT_HUB:
            raise
    return (yield from hubs.create_hub(routes, hub, 1, hubs.DEFAULT_RETENTION))


def _memory_name(url: str) -> str | None:
    split = urlsplit(url) if url.startswith("memory:") else None
    return None if split is None else split.netloc + split.path


# ---- what operators do ------------------------------------------------------------------------------------------


def create_hub(
    url: str,
    name: str,
    *,
    partitions: int = 1,
    retention: timedelta = hubs.DEFAULT_RETENTION,
    durability: str = MEMORY,
) -> HubInfo:
    """Create a hub, or find it there with the same settings.

    `durability` is how safe what its clients are told must be: `memory` (the master has it), `fsync` (and keeps an
    append-only file), `replica:N` (and N replicas have it), `fsync-replica` (and its disk and a replica's have it).
    Raises HubExists, BadInput; BackendRefused if a server cannot keep that.
    """
    memory = _memory_name(url)
    if memory is not None:
        if read_durability(durability).text != MEMORY:
            raise BadInput(f"a memory:// store keeps nothing, so it cannot promise durability {durability}")
        return memory_store(memory, hubs.check_name(name), partitions=partitions, retention=retention).hub
    with _admin(url) as (servers, facts):
        check_durability(hubs.check_name(name), durability, facts)
        return servers.drive(hubs.create_hub(servers.routes, name, partitions, retention, durability))


def change_hub(url: str, name: str, *, durability: str) -> HubInfo:
    """Give a hub another durability; who has it open learns that when it opens it again.

    Raises HubNotFound, BadInput, BackendRefused.
    """
    with _admin(url) as (servers, facts):
        check_durability(hubs.check_name(name), durability, facts)
        return servers.drive(hubs.change_hub(servers.routes, name, durability))


def list_hubs(url: str) -> tuple[HubInfo, ...]:
    """All hubs of a server, by name."""
    with _admin(url) as (servers, _):
        return servers.drive(hubs.list_hubs(servers.routes))


def describe_hub(url: str, name: str) -> HubInfo:
    """What is written down about a hub. Raises HubNotFound, HubMismatch."""
    with _admin(url) as (servers, _):
        return servers.drive(hubs.read_hub(servers.routes, name))


def delete_hub(url: str, name: str, *, force: bool = False) -> int:
    """Remove a hub and every key of it; how many keys. Raises HubNotFound, Conflict (it is in use, unless `force`)."""
    with _admin(url) as (servers, _):
        return servers.drive(hubs.delete_hub(servers.routes, name, force=force))


def verify_hub(
    url: str,
    name: str,
    *,
    progress: Callable[[int, int], None] = quiet,
    patience: timedelta = timedelta(seconds=2),
) -> Report:
    """Read all keys of a hub and name what is not as it should be (see check_hub). Raises HubNotFound, HubMismatch."""
    with _admin(url) as (servers, _):
        hub = servers.drive(hubs.read_hub(servers.routes, name))
        return check_hub(servers, hub, progress=progress, patience=patience)


def diagnose(
    url: str, *, now: Callable[[], float] = time.time, steady: Callable[[], float] = time.perf_counter
) -> Diagnosis:
    """What every server of the URL puts at risk, and the line to change. Changes nothing, shows no secret.

    `now` and `steady` are the clocks that the servers' are held against, in seconds.
    Raises BackendUnavailable, BackendRefused (it lets us not in), BadInput.
    """
    if _memory_name(url) is not None:
        raise BadInput("a memory:// store has no server to look at; give the URL of a Redis")
    servers = BlockingServers(parse_address(url), Timeouts())
    try:
        return servers.drive(diagnosing.diagnose(servers.routes, Clocks(now=now, steady=steady)))
    finally:
        servers.close()


@contextmanager
def _admin(url: str) -> Iterator[tuple[BlockingServers, Mapping[Endpoint, Facts]]]:
    if _memory_name(url) is not None:
        raise BadInput("a memory:// store has no hubs to look after; give the URL of a Redis")
    servers = BlockingServers(parse_address(url), Timeouts())
    try:
        yield servers, servers.drive(check_servers(servers.routes, allow_eviction=True))
    finally:
        servers.close()
