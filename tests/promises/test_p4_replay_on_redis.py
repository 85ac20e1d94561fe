"""P4 on Redis: what real workers wrote is followed alike from any prefix, in one piece or in many, cached or not."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import pytest

from rqflow.authoring.registry import load_modules
from rqflow.backend.calls.instances import ReadHistory
from rqflow.client.handle import AsyncHandle
from rqflow.core.commands import Decision, record_of
from rqflow.core.events import Stamped
from rqflow.core.executor import Executor
from rqflow.core.wire import decode_stored
from rqflow.worker.decisions import end_of
from tests.promises.evidence import history_of, turns_of
from tests.promises.processes import VERBS
from tests.promises.verbs import ORDER, collecting, order
from tests.promises.yard import Yard


async def stamped(yard: Yard, instance: str) -> list[Stamped]:
    """The last run's events, with their times."""
    page = await yard.backend.call(ReadHistory(partition=yard.store.at(instance), instance=instance))
    assert len(page.events) == page.length
    return [decode_stored(stored) for stored in page.events]


def written(decision: Decision) -> list[object]:
    """What a decision adds to a history."""
    ends = [] if decision.close is None else [end_of(decision.close)]
    return [*map(record_of, decision.commands), *ends]


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
        before: list[Stamped] = []
        for news, records in turns_of(await stamped(ground, handle.id)):
            fresh = Executor(workflows[name])
            decision = fresh.advance([*before, *news], replayed=len(before))
            assert written(decision) == [each.event for each in records]
            fresh.close()
            before += news + records


@pytest.mark.parametrize("seed", range(3))
async def test_p4_what_workers_wrote_is_followed_in_any_pieces(ground: Yard, seed: int) -> None:
    """[P4] Split anywhere between turns, nothing more is asked for."""
    async with ground.worker():
        handle = await ground.client.start(order, ground.folder)
        assert await ground.results([handle]) == [ORDER]
    chance, executor, piece = Random(seed), Executor(load_modules([VERBS]).workflows["order"]), list[Stamped]()
    for news, records in turns_of(await stamped(ground, handle.id)):
        piece += news + records
        if chance.random() < 0.5:
            assert executor.advance(piece, replayed=len(piece)) == Decision()
            piece = []
    if piece:
        assert executor.advance(piece, replayed=len(piece)) == Decision()
    assert executor.ended
    executor.close()


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
        events = await stamped(ground, handle.id)
        cold = Executor(workflows["collecting"])
        assert cold.advance(events, replayed=len(events)) == Decision()
        assert [each.event for each in events] == await history_of(ground.backend, handle.id)
        cold.close()
