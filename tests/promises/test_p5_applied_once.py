"""P5: each activity result is applied once; an effect is at least once, under one idempotency key."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from rqflow.backend.calls.tasks import CompleteActivity
from rqflow.core.events import ActivityCompleted, ActivityFailed
from rqflow.core.wire import encode
from rqflow.errors import BackendUnavailable, LeaseLost
from rqflow.testing.fates import FatedBackend
from tests.promises.fates import Losses
from tests.promises.ghost import Ghost, of_kind
from tests.promises.verbs import ORDER, effects, flaky, order, single
from tests.promises.yard import Yard


@pytest.mark.parametrize("seed", [1, 2])
async def test_p5_lost_requests_and_lost_answers_change_no_result(ground: Yard, seed: int) -> None:
    """[P5, P1, P2] Every fifth thing that is said to the store is lost, and every fifth answer: repeats count once."""
    handles = [await ground.client.start(order, ground.folder) for _ in range(10)]
    options = {"lease": timedelta(seconds=1), "sweep": timedelta(milliseconds=100)}
    workers = [ground.worker(backend=FatedBackend(ground.backend, Losses(0.2, seed + n)), **options) for n in range(2)]
    running = [asyncio.create_task(_patiently(worker.run)) for worker in workers]
    assert await ground.results(handles) == [ORDER] * 10
    for worker in workers:
        worker.stop()
    await asyncio.gather(*running)
    await ground.check(handles)


async def _patiently(run: Callable[[], Awaitable[None]]) -> None:
    """A worker that cannot even begin is started again, as a supervisor does."""
    while True:
        try:
            await run()
        except BackendUnavailable:
            continue
        return


async def test_p5_each_try_has_the_same_key(ground: Yard) -> None:
    """[P5] [B16] Two failures and a success: three effects, three attempt numbers, one key; one result in history."""
    async with ground.worker():
        handles = [await ground.client.start(flaky, ground.folder, 2) for _ in range(5)]
        assert await ground.results(handles) == [3] * 5
    by_key = defaultdict[str, list[int]](list)
    for effect in effects(ground.folder, "try"):
        by_key[effect.key].append(effect.attempt)
    assert list(by_key.values()) == [[1, 2, 3]] * 5
    await ground.check(handles)


async def test_p5_of_many_results_one_is_applied(ground: Yard) -> None:
    """[P5] [B21] A result and a failure of one attempt, each sent by eight at once: one of them is the end."""
    ghost = await Ghost(ground, "ghost").register()
    handle = await ground.client.start(single, 7)
    await ghost.turn(of_kind(await ghost.take(), handle.id)[0][0])
    [attempt] = of_kind(await ghost.take(), handle.id)[1]
    ends: list[ActivityCompleted | ActivityFailed] = [
        ActivityCompleted(id=attempt.id, payload=b"7"),
        ActivityFailed(id=attempt.id, payload=b'{"type":"x"}'),
    ]
    calls = [
        CompleteActivity(
            partition=attempt.partition, instance=attempt.instance, run=attempt.run, id=attempt.id,
            token=attempt.token, event=encode(end),
        )
        for end in ends * 8
    ]  # fmt: skip
    answers = [answer for [answer] in await asyncio.gather(*map(ghost.send, calls))]
    assert sum(isinstance(answer, LeaseLost) for answer in answers) == 15
    [turn] = of_kind(await ghost.take(), handle.id)[0]
    assert len(turn.inbox) == 1


async def test_p5_two_workers_with_the_same_attempt_apply_one_result(ground: Yard) -> None:
    """[P5, P3] The first was declared dead and ends late, the second ends in time: only the second's counts."""
    first, second = await Ghost(ground, "first").register(), await Ghost(ground, "second").register()
    handle = await ground.client.start(single, 7)
    await first.turn(of_kind(await first.take(), handle.id)[0][0])
    [old] = of_kind(await first.take(), handle.id)[1]
    await second.succeed(first)
    [new] = of_kind(await second.take(), handle.id)[1]
    assert (new.attempt, new.losses, new.idempotency_key) == (2, 1, old.idempotency_key)
    answers = []
    for attempt, payload in ((old, b"1"), (new, b"7"), (old, b"1"), (new, b"7")):
        event = encode(ActivityCompleted(id=attempt.id, payload=payload))
        answers += await second.send(
            CompleteActivity(
                partition=attempt.partition, instance=attempt.instance, run=attempt.run, id=attempt.id,
                token=attempt.token, event=event,
            )
        )  # fmt: skip
    assert [isinstance(answer, LeaseLost) for answer in answers] == [True, False, True, True]
    [turn] = of_kind(await second.take(), handle.id)[0]
    await second.turn(turn)
    assert await ground.results([handle]) == [7]
    await ground.check([handle])
