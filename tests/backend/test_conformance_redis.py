"""Conformance of the Redis backend, with one partition and with four, as a user who may only what a worker must."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from rqflow.backend.calls.hubs import HubInfo
from rqflow.backend.opening import open_backend
from rqflow.backend.protocol import Backend
from rqflow.testing.conformance.clocks import StoreClock
from rqflow.testing.conformance.limits import TIGHT
from rqflow.testing.conformance.suite import SUITE

globals().update({test.__name__: test for test in SUITE})


@pytest.fixture
async def backend(worker_url: str, hub: HubInfo) -> AsyncIterator[Backend]:
    opened = await open_backend(worker_url, hub.name)
    yield opened
    await opened.close()


@pytest.fixture
async def tight_backend(worker_url: str, hub: HubInfo) -> AsyncIterator[Backend]:
    opened = await open_backend(worker_url, hub.name, limits=TIGHT)
    yield opened
    await opened.close()


@pytest.fixture
def clock(backend: Backend) -> StoreClock:
    return StoreClock(backend)
