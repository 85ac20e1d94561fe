"""Conformance of the memory backend, with one partition and with four."""

from __future__ import annotations

import pytest

from rqflow.backend.calls.hubs import Limits
from rqflow.backend.memory.backend import MemoryBackend
from rqflow.backend.memory.store import MemoryStore
from rqflow.testing.clock import VirtualClock
from rqflow.testing.conformance.clocks import SuiteVirtualClock
from rqflow.testing.conformance.limits import TIGHT
from rqflow.testing.conformance.suite import SUITE

globals().update({test.__name__: test for test in SUITE})


@pytest.fixture
def virtual_clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def clock(virtual_clock: VirtualClock) -> SuiteVirtualClock:
    return SuiteVirtualClock(virtual_clock)


@pytest.fixture(params=[1, 4], ids=["P1", "P4"])
def partitions(request: pytest.FixtureRequest) -> int:
    number: int = request.param
    return number


def opened(partitions: int, clock: VirtualClock, limits: Limits | None = None) -> MemoryBackend:
    store = MemoryStore(partitions=partitions, now_ms=clock.now_ms, limits=limits)
    clock.on_advance(store.wake)
    return MemoryBackend(store)


@pytest.fixture
def backend(partitions: int, virtual_clock: VirtualClock) -> MemoryBackend:
    return opened(partitions, virtual_clock)


@pytest.fixture
def tight_backend(partitions: int, virtual_clock: VirtualClock) -> MemoryBackend:
    return opened(partitions, virtual_clock, TIGHT)
