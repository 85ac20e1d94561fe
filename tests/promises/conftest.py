"""Fixtures: a yard on a durable server of its own, one on the shared server, and the cache on and off."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from rqflow.backend.calls.hubs import HubInfo
from rqflow.backend.opening import create_hub, open_backend, open_sync_backend
from rqflow.backend.redis.embedded import EmbeddedServer
from tests.promises.yard import Yard


@pytest.fixture(params=[1_000, 0], ids=["cached", "cold"])
def cache_size(request: pytest.FixtureRequest) -> int:
    """Executors that a worker keeps; 0: each turn replays its history."""
    size: int = request.param
    return size


@pytest.fixture(params=[(1, 0), (4, 1_000)], ids=["P1-cold", "P4-cached"])
async def yard(redis_server: EmbeddedServer, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Yard]:
    """On a server of its own, that keeps each write on disk before it answers: for processes that live and die."""
    partitions, cache_size = request.param
    create_hub(redis_server.url, "yard", partitions=partitions)
    async with _yard(redis_server.url, "yard", tmp_path, cache_size) as made:
        yield made


@pytest.fixture
async def ground(redis_url: str, hub: HubInfo, cache_size: int, tmp_path: Path) -> AsyncIterator[Yard]:
    """On the shared server, in a hub of its own: with one partition and with four, cached and cold."""
    async with _yard(redis_url, hub.name, tmp_path, cache_size) as made:
        yield made


@asynccontextmanager
async def _yard(url: str, hub: str, folder: Path, cache_size: int) -> AsyncIterator[Yard]:
    backend, leases = await open_backend(url, hub), open_sync_backend(url, hub)
    made = Yard(url, hub, folder, backend=backend, leases=leases, cache_size=cache_size)
    try:
        yield made
    finally:
        await made.close()
