"""Fixtures: real servers, a hub of its own for each test, and backends on it.

`redis_url` is one server for the whole run of a test process: tests never flush it, they take a fresh `hub`.
`redis_server` is a test's own durable server, to be killed and restarted. `backend` runs a test with one partition
and with four; `any_backend` on the memory store too. `cluster` is a Redis Cluster of three nodes.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator, Iterator

import pytest

from rqflow.backend.calls.hubs import HubInfo
from rqflow.backend.memory.opening import forget_memory, memory_store, open_memory
from rqflow.backend.opening import create_hub, delete_hub, open_backend, open_sync_backend
from rqflow.backend.protocol import Backend, SyncBackend
from rqflow.backend.redis.embedded import EmbeddedServer
from tests.servers.cluster import Cluster
from tests.servers.users import grant

_numbers = itertools.count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--every-crash", action="store_true", help="try the death at every call, not at a share of them")


@pytest.fixture
def every_crash(request: pytest.FixtureRequest) -> bool:
    """Whether all deaths are to be tried, also where they take long."""
    return bool(request.config.getoption("--every-crash"))


def fresh_name(prefix: str = "test") -> str:
    """A name that no other test of this or another process has."""
    return f"{prefix}-{os.getpid()}-{next(_numbers)}"


@pytest.fixture(scope="session")
def shared_server() -> Iterator[EmbeddedServer]:
    """One server for all tests of this process, that keeps nothing on disk."""
    with EmbeddedServer(options={"appendonly": "no"}) as server:
        yield server


@pytest.fixture
def redis_url(shared_server: EmbeddedServer) -> str:
    """Of the shared server."""
    return shared_server.url


@pytest.fixture(scope="session")
def worker_url(shared_server: EmbeddedServer) -> str:
    """Of the shared server, as the user of config/users.acl that workers have: the least rights that will do."""
    return grant(shared_server, "worker")


@pytest.fixture
def redis_server() -> Iterator[EmbeddedServer]:
    """A server of this test's own, with an append-only file: `kill`, `start`, `restart` it at will."""
    with EmbeddedServer(options={"appendfsync": "always"}) as server:
        yield server


@pytest.fixture(params=[1, 4], ids=["P1", "P4"])
def partitions(request: pytest.FixtureRequest) -> int:
    """How many partitions the hub has; a test that asks for it, even by way of `hub`, runs with each."""
    number: int = request.param
    return number


@pytest.fixture
def hub(redis_url: str, partitions: int) -> Iterator[HubInfo]:
    """A fresh hub on the shared server, removed with all its keys after the test."""
    made = create_hub(redis_url, fresh_name(), partitions=partitions)
    yield made
    delete_hub(redis_url, made.name, force=True)


@pytest.fixture
async def backend(redis_url: str, hub: HubInfo) -> AsyncIterator[Backend]:
    """A backend on the fresh hub."""
    opened = await open_backend(redis_url, hub.name)
    yield opened
    await opened.close()


@pytest.fixture
def sync_backend(redis_url: str, hub: HubInfo) -> Iterator[SyncBackend]:
    """A blocking backend on the fresh hub."""
    opened = open_sync_backend(redis_url, hub.name)
    yield opened
    opened.close()


@pytest.fixture
async def memory_backend(partitions: int) -> AsyncIterator[Backend]:
    """A backend on a memory store of this test's own."""
    name = fresh_name("memory")
    memory_store(name, "default", partitions=partitions)
    opened = open_memory(name, "default")
    yield opened
    await opened.close()
    forget_memory(name, "default")


@pytest.fixture(params=["memory", "redis"])
def any_backend(request: pytest.FixtureRequest, partitions: int) -> Backend:
    """A backend of each kind, with one partition and with four."""
    name = "memory_backend" if request.param == "memory" else "backend"
    opened: Backend = request.getfixturevalue(name)
    return opened


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Three masters, for all tests of this process."""
    with Cluster() as formed:
        yield formed


@pytest.fixture
def cluster_hub(cluster: Cluster) -> Iterator[HubInfo]:
    """A fresh hub of four partitions, spread over the nodes."""
    made = create_hub(cluster.url, fresh_name("cluster"), partitions=4)
    yield made
    delete_hub(cluster.url, made.name, force=True)


@pytest.fixture
async def cluster_backend(cluster: Cluster, cluster_hub: HubInfo) -> AsyncIterator[Backend]:
    """A backend on the fresh hub of the cluster."""
    opened = await open_backend(cluster.url, cluster_hub.name)
    yield opened
    await opened.close()
