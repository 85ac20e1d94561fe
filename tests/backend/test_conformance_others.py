"""Conformance on the other Redises: 6.2, Valkey, a master watched by sentinels, a cluster with replicas.

Redis 7 has test_conformance_redis.py, a cluster of masters test_conformance_cluster.py.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import pytest

from rqflow.backend.calls.hubs import HubInfo
from rqflow.backend.opening import create_hub, delete_hub, open_backend
from rqflow.backend.protocol import Backend
from rqflow.testing.conformance.clocks import StoreClock
from rqflow.testing.conformance.limits import TIGHT
from rqflow.testing.conformance.suite import SUITE
from tests.conftest import fresh_name
from tests.servers.kinds import KINDS

globals().update({test.__name__: test for test in SUITE})


@pytest.fixture(scope="session")
def servers() -> Iterator[dict[str, str]]:
    """URL of each kind that was needed; they end with the session."""
    with ExitStack() as stack:
        yield Started(stack)


class Started(dict[str, str]):
    """Starts a kind when it is first asked for."""

    def __init__(self, stack: ExitStack) -> None:
        super().__init__()
        self._stack = stack

    def __missing__(self, kind: str) -> str:
        self[kind] = self._stack.enter_context(KINDS[kind]()).url
        return self[kind]


@pytest.fixture(params=["redis-6", "valkey", "sentinel", "cluster-6"])
def redis_url(request: pytest.FixtureRequest, servers: dict[str, str]) -> str:
    """[F16] Of one of the other kinds."""
    return servers[request.param]


@pytest.fixture
def hub(redis_url: str) -> Iterator[HubInfo]:
    """Of four partitions: what instances send to each other goes both ways, within one and between them."""
    made = create_hub(redis_url, fresh_name(), partitions=4)
    yield made
    delete_hub(redis_url, made.name, force=True)


@pytest.fixture
async def tight_backend(redis_url: str, hub: HubInfo) -> AsyncIterator[Backend]:
    opened = await open_backend(redis_url, hub.name, limits=TIGHT)
    yield opened
    await opened.close()


@pytest.fixture
def clock(backend: Backend) -> StoreClock:
    return StoreClock(backend)
