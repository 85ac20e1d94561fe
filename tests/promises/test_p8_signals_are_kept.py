"""P8: signals are kept: in order, from before they are asked for, through continue-as-new; none twice."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from rqflow.core.events import SignalReceived, WorkflowContinued
from rqflow.testing.fates import FatedBackend
from tests.promises.evidence import history_of
from tests.promises.fates import Losses
from tests.promises.verbs import collecting, effects, slowly_collecting
from tests.promises.yard import Yard


async def test_p8_signals_survive_the_death_of_workers_through_many_runs(yard: Yard) -> None:
    """[P8, P1, P2] [B5, B18] Sent while workers are killed and the instance continues as new: all there, in order."""
    handles = [await yard.client.start(slowly_collecting, yard.folder, 60, 7, []) for _ in range(3)]
    for handle in handles:
        await handle.signal("number", 0)
    worker = yard.process()
    await yard.begun("run", worker)
    for number in range(1, 60):
        for handle in handles:
            await handle.signal("number", number)
        if number % 25 == 0:
            worker.kill()
            worker = yard.process()
    assert await yard.results(handles) == [list(range(60))] * 3
    yard.store.check()
    for handle in handles:
        assert (await handle.describe()).runs == 9, "no run was run twice"
    runs = {effect.key for effect in effects(yard.folder, "run")}
    assert len(runs) == 27


async def test_p8_signals_that_race_with_continue_as_new_come_once(ground: Yard) -> None:
    """[P8] [B18] Senders that do not wait for each other, runs of three signals each: every number once, each sender's
    in its order."""
    handle = await ground.client.start(collecting, 90, 3, [])

    async def send(first: int) -> None:
        for number in range(first, first + 30):
            await handle.signal("number", number)

    async with ground.worker(), ground.worker():
        await asyncio.gather(*(send(first) for first in (0, 100, 200)))
        [seen] = await ground.results([handle])
    assert len(seen) == 90
    for first in (0, 100, 200):
        assert [number for number in seen if first <= number < first + 100] == list(range(first, first + 30))
    last = await history_of(ground.backend, handle.id)
    assert not isinstance(last[-1], WorkflowContinued)


async def test_p8_a_signal_that_is_sent_twice_counts_once(ground: Yard) -> None:
    """[P8] [B21] Every request of the sender is repeated: some were lost, some answers were; the id tells."""
    from rqflow.client.asynchronous import AsyncClient

    sender = AsyncClient(backend=FatedBackend(ground.backend, Losses(0.3, 5)))
    handle = await ground.client.start(collecting, 30, 30, [])
    for number in range(30):
        await sender.signal(handle.id, "number", number)
    async with ground.worker():
        assert await ground.results([handle]) == [list(range(30))]
    events = await history_of(ground.backend, handle.id)
    assert sum(isinstance(event, SignalReceived) for event in events) == 30


async def test_p8_signals_from_before_the_first_turn_and_while_suspended_are_there(ground: Yard) -> None:
    """[P8] [B6] Before any worker, while pending, while suspended: kept, in order."""
    early = await ground.client.start(collecting, 6, 2, [])
    later = await ground.client.start(collecting, 6, 2, [], delay=timedelta(milliseconds=300))
    for number in range(3):
        await early.signal("number", number)
        await later.signal("number", number)
    await early.suspend("wait")
    async with ground.worker():
        for number in range(3, 6):
            await early.signal("number", number)
            await later.signal("number", number)
        assert (await early.describe()).status == "suspended"
        assert await ground.results([later]) == [list(range(6))]
        await early.resume("go on")
        assert await ground.results([early]) == [list(range(6))]
    ground.store.check()
