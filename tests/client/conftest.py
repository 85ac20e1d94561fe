"""Fixtures: a hub on each store and a client of each kind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest

from rqflow.backend.calls.hubs import HubInfo
from rqflow.backend.memory.opening import forget_memory, memory_store
from rqflow.backend.opening import open_backend, open_sync_backend
from rqflow.client.asynchronous import AsyncClient
from rqflow.client.sync import Client
from rqflow.worker.worker import Worker
from tests.client.face import Face
from tests.client.flows import registry
from tests.conftest import fresh_name


@dataclass(frozen=True)
class Place:
    """Where a hub is."""

    url: str
    hub: str


@pytest.fixture
def memory_place(partitions: int) -> Iterator[Place]:
    """A new hub in memory."""
    name = fresh_name("memory")
    memory_store(name, "default", partitions=partitions)
    yield Place(f"memory://{name}", "default")
    forget_memory(name, "default")


@pytest.fixture
def redis_place(redis_url: str, hub: HubInfo) -> Place:
    """A new hub on a real Redis."""
    return Place(redis_url, hub.name)


@pytest.fixture(params=["memory", "redis"])
def place(request: pytest.FixtureRequest, partitions: int) -> Place:
    """A new hub on each store, with one partition and with four."""
    found: Place = request.getfixturevalue(f"{request.param}_place")
    return found


@pytest.fixture(params=["sync", "async"])
async def face(request: pytest.FixtureRequest, place: Place) -> AsyncIterator[Face]:
    """A client of either kind."""
    cls = Client if request.param == "sync" else AsyncClient
    face = Face(cls(place.url, hub=place.hub))
    yield face
    await face.close()


@pytest.fixture(params=["sync", "async"])
async def caller(request: pytest.FixtureRequest) -> AsyncIterator[Face]:
    """A client of either kind on a small hub in memory: for what is refused before any store is asked."""
    cls = Client if request.param == "sync" else AsyncClient
    name = fresh_name("memory")
    face = Face(cls(f"memory://{name}"))
    yield face
    await face.close()
    forget_memory(name, "default")


@pytest.fixture
async def worker(place: Place) -> AsyncIterator[Worker]:
    """A worker that serves the hub meanwhile."""
    backend, leases = await open_backend(place.url, place.hub), open_sync_backend(place.url, place.hub)
    async with Worker(registry(), backend=backend, leases=leases) as serving:
        yield serving
    await backend.close()
    leases.close()
