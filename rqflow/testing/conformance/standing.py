"""Standing: the base of the suite's classes, which turns a backend and a clock into a bench."""

from __future__ import annotations

import pytest

from rqflow.backend.protocol import Backend
from rqflow.testing.conformance.bench import Bench
from rqflow.testing.conformance.clocks import Clock


class Standing:
    """Tests that stand at a bench. `backend` and `clock` are the importer's fixtures."""

    @pytest.fixture
    def bench(self, backend: Backend, clock: Clock) -> Bench:
        return Bench(backend, clock)
