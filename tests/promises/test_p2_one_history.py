"""P2: a run's history has no gap, no duplicate and one writer at a time; a commit is all or nothing."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from rqflow.core.commands import Decision, SetAttributes
from rqflow.errors import LeaseLost, LimitReached
from rqflow.testing.fates import FatedSyncBackend
from tests.promises.fates import Lateness
from tests.promises.ghost import Ghost, of_kind
from tests.promises.verbs import ORDER, collecting, order, single
from tests.promises.yard import Yard


async def test_p2_workers_that_keep_losing_their_leases_write_one_history(ground: Yard) -> None:
    """[P2, P3, P8] [A4] Three workers renew too late again and again, so that two believe to hold the same instance:
    each history is what one worker would have written."""
    orders = [await ground.client.start(order, ground.folder) for _ in range(8)]
    gatherers = [await ground.client.start(collecting, 30, 7, []) for _ in range(4)]
    workers = [
        ground.worker(
            lease=timedelta(milliseconds=200), sweep=timedelta(milliseconds=50), max_losses=1_000,
            leases=FatedSyncBackend(ground.leases, Lateness(0.4, 0.4, seed)),
        )
        for seed in range(3)
    ]  # fmt: skip
    async with workers[0], workers[1], workers[2]:
        for number in range(30):
            for handle in gatherers:
                await handle.signal("number", number)
            await asyncio.sleep(0.02)
        assert await ground.results(orders) == [ORDER] * 8
        assert await ground.results(gatherers) == [list(range(30))] * 4
    assert sum(worker.standing.epoch for worker in workers) > 6, "no lease was lost: the test shows nothing"
    await ground.check([*orders, *gatherers])


@pytest.mark.parametrize(
    "spoiled",
    [
        {"expected_length": 1},
        {"token": "1-1@workflows:default"},
        {"run": "another"},
        {"consumed": 2},
        {"commands": (SetAttributes(id=1, changes={f"name{number}": number for number in range(33)}),)},
    ],
    ids=lambda spoiled: next(iter(spoiled)),
)
async def test_p2_a_refused_commit_changes_not_a_byte(ground: Yard, spoiled: dict[str, Any]) -> None:
    """[P2, P3] [A3] All or nothing: after a refusal every key is as it was, and the right commit still counts."""
    ghost = await Ghost(ground, "ghost").register()
    handle = await ground.client.start(single, 7)
    [turn] = of_kind(await ghost.take(), handle.id)[0]
    decision, before = ghost.decide(turn), ground.store.dump()
    [answer] = await ghost.send(ghost.commit_call(turn, decision, **spoiled))
    assert isinstance(answer, LeaseLost | LimitReached)
    assert ground.store.dump() == before
    [answer] = await ghost.send(ghost.commit_call(turn, decision))
    assert not isinstance(answer, Exception)
    ground.store.check()


async def test_p2_of_many_commits_at_once_one_counts(ground: Yard) -> None:
    """[P2] The same turn, sent by eight at the same moment."""
    ghost = await Ghost(ground, "ghost").register()
    handle = await ground.client.start(single, 7)
    [turn] = of_kind(await ghost.take(), handle.id)[0]
    call = ghost.commit_call(turn, ghost.decide(turn))
    answers = [answer for [answer] in await asyncio.gather(*(ghost.send(call) for _ in range(8)))]
    assert sum(isinstance(answer, LeaseLost) for answer in answers) == 7
    assert (await handle.describe()).history_length == 2
    [attempt] = of_kind(await ghost.take(), handle.id)[1]
    assert attempt.attempt == 1
    ground.store.check()


async def test_p2_an_empty_decision_is_a_turn_too(ground: Yard) -> None:
    """[P2] The news move to the history though the code asks for nothing."""
    ghost = await Ghost(ground, "ghost").register()
    handle = await ground.client.start(collecting, 2, 2, [])
    [turn] = of_kind(await ghost.take(), handle.id)[0]
    assert ghost.decide(turn) == Decision()
    await ghost.turn(turn)
    [entry] = (await ground.histories([handle.id])).values()
    assert len(entry) == 1
