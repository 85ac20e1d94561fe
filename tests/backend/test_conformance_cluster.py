"""Conformance of the Redis backend on a cluster of three nodes, its four partitions spread over them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from rqflow.backend.calls.hubs import HubInfo
from rqflow.backend.opening import open_backend
from rqflow.backend.protocol import Backend
from rqflow.testing.conformance.clocks import StoreClock
from rqflow.testing.conformance.limits import TIGHT
from rqflow.testing.conformance.suite import SUITE
from tests.servers.cluster import Cluster

globals().update({test.__name__: test for test in SUITE})


@pytest.fixture
async def backend(cluster_backend: Backend) -> Backend:
    return cluster_backend


@pytest.fixture
async def tight_backend(cluster: Cluster, cluster_hub: HubInfo) -> AsyncIterator[Backend]:
    opened = await open_backend(cluster.url, cluster_hub.name, limits=TIGHT)
    yield opened
    await opened.close()


@pytest.fixture
def clock(backend: Backend) -> StoreClock:
    return StoreClock(backend)
