"""P4 on Redis: what real workers wrote is followed alike from any prefix, in one piece or in many, cached or not."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import pytest

from rqflow.authoring.registry import load_modules
from rqflow.client.handle import AsyncHandle
from tests.programs.replays import check_cold, check_pieces, check_prefixes, stamped
from tests.promises.evidence import history_of
from tests.promises.processes import VERBS
from tests.promises.verbs import ORDER, collecting, order
from tests.promises.yard import Yard


async def test_p4_what_workers_wrote_is_decided_again_from_every_prefix(ground: Yard) -> None:
    """[P4] Each turn of each history, by an executor that knows only what stood before it: the same commands."""
    async with ground.worker(), ground.worker():
        handles: list[AsyncHandle[Any]] = [await ground.client.start(order, ground.folder) for _ in range(3)]
        gatherer = await ground.client.start(collecting, 9, 20, [])
        for number in range(9):
            await gatherer.signal("number", number)
        assert await ground.results(handles) == [ORDER] * 3
        assert await ground.results([gatherer]) == [list(range(9))]
    workflows = load_modules([VERBS]).workflows
    for handle, name in [*((handle, "order") for handle in handles), (gatherer, "collecting")]:
        check_prefixes(workflows[name], await stamped(ground.backend, handle.id))


@pytest.mark.parametrize("seed", range(3))
async def test_p4_what_workers_wrote_is_followed_in_any_pieces(ground: Yard, seed: int) -> None:
    """[P4] Split anywhere between turns, nothing more is asked for."""
    async with ground.worker():
        handle = await ground.client.start(order, ground.folder)
        assert await ground.results([handle]) == [ORDER]
    check_pieces(load_modules([VERBS]).workflows["order"], await stamped(ground.backend, handle.id), Random(seed))


async def test_p4_cached_and_cold_workers_take_turns_on_one_instance(ground: Yard) -> None:
    """[P4, P2] One keeps executors, one keeps a single one, one keeps none: together they write what one would."""
    handles = [await ground.client.start(collecting, 40, 15, []) for _ in range(4)]
    orders = [await ground.client.start(order, ground.folder) for _ in range(4)]
    async with ground.worker(cache_size=1_000), ground.worker(cache_size=1), ground.worker(cache_size=0):
        for number in range(40):
            for handle in handles:
                await handle.signal("number", number)
            await asyncio.sleep(0.005)
        assert await ground.results(handles) == [list(range(40))] * 4
        assert await ground.results(orders) == [ORDER] * 4
    await ground.check([*handles, *orders])
    workflows = load_modules([VERBS]).workflows
    for handle in handles:
        events = await stamped(ground.backend, handle.id)
        check_cold(workflows["collecting"], events)
        assert [each.event for each in events] == await history_of(ground.backend, handle.id)
