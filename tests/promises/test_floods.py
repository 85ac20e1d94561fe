"""P7: a flood of signals harms the instance that gets it, and nobody else."""

from __future__ import annotations

import pytest

from tests.promises.flood import flood
from tests.promises.yard import Yard


@pytest.mark.parametrize("served", [False, True], ids=["unserved", "served"])
async def test_p7_a_flood_of_signals_harms_only_its_instance(yard: Yard, served: bool) -> None:
    """[P7, P10] What passes the inbox's limit is refused; an instance whose code takes none of it fails when its
    history is full. Others are served meanwhile, and Redis keeps no more than the limits allow."""
    yard.process(lease=5.0)
    found = await flood(yard.url, yard.hub, 12_000, served=served)
    assert found.accepted + found.refused == found.signals
    assert found.others >= 30
    assert found.inbox <= 10_000
    assert found.memory_bytes < 64 * 1_048_576, found
    assert found.worst_ms < 10_000, found
    if not served:
        assert (found.accepted, found.inbox, found.status) == (9_999, 10_000, "running")
