"""Fixtures: a tower on Redis, with one partition and with four."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from rqflow.backend.protocol import Backend, SyncBackend
from tests.scheduler.tower import Tower


@pytest.fixture
async def tower(backend: Backend, sync_backend: SyncBackend) -> AsyncIterator[Tower]:
    """On a hub of its own."""
    made = Tower(backend, sync_backend)
    yield made
    await made.client.close()
