"""Fixtures: a ground for each kind of backend and number of partitions."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from rqflow.backend.calls.hubs import HubInfo
from rqflow.backend.memory.backend import MemoryBackend, SyncMemoryBackend
from rqflow.backend.memory.store import MemoryStore
from rqflow.backend.opening import open_backend, open_sync_backend
from tests.worker.ground import Ground


@pytest.fixture
def memory_ground(partitions: int) -> Ground:
    """A hub in memory."""
    store = MemoryStore(partitions=partitions)
    return Ground(MemoryBackend(store), SyncMemoryBackend(store))


@pytest.fixture
async def redis_ground(redis_url: str, hub: HubInfo) -> AsyncIterator[Ground]:
    """A hub on Redis."""
    backend = await open_backend(redis_url, hub.name)
    leases = open_sync_backend(redis_url, hub.name)
    yield Ground(backend, leases)
    leases.close()
    await backend.close()


@pytest.fixture(params=["memory", "redis"])
def ground(request: pytest.FixtureRequest, partitions: int) -> Ground:
    """A hub of each kind, with one partition and with four."""
    made: Ground = request.getfixturevalue(f"{request.param}_ground")
    return made
