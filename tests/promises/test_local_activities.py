"""Local activities on a real Redis, by real processes: killed, frozen, slow, and deadly themselves (PARITY B26)."""

from __future__ import annotations

import asyncio
from collections import Counter

from tests.promises.local_verbs import beside, deadly, innocent, steps
from tests.promises.verbs import ACTIVITIES, DEADLY, effects
from tests.promises.yard import Yard

MODULES = "tests.promises.local_verbs"
ALL = ["one", "two", "three", "four", "five"]


async def test_p1_a_worker_killed_in_a_local_activity_loses_nothing(yard: Yard) -> None:
    """[P1, P5] [B26] What was committed is not done again: durable results at once, others within a moment. The one
    that ran is done again, under the same key."""
    yard.hold(ACTIVITIES)
    first = yard.process(modules=MODULES)
    handles = [await yard.client.start(steps, yard.folder) for _ in range(4)]
    await yard.until(lambda: len(effects(yard.folder, "four")) == 4)

    async def committed() -> bool:
        return all([(await handle.describe()).history_length >= 8 for handle in handles])

    await yard.until(committed)
    first.kill()
    second = yard.process(modules=MODULES)
    await yard.begun("four", second)
    yard.release(ACTIVITIES)
    assert await yard.results(handles) == [ALL] * 4
    await yard.check(handles)
    ran = Counter(effect.what for effect in effects(yard.folder))
    assert (ran["one"], ran["two"], ran["three"], ran["five"]) == (4, 4, 4, 4)
    assert ran["four"] > 4
    assert len({effect.key for effect in effects(yard.folder, "four")}) == 4


async def test_p3_a_frozen_worker_that_wakes_in_a_local_activity_changes_nothing(yard: Yard) -> None:
    """[P3, P5] [B26] Another worker has gone on; what the frozen one comes to is refused, and each result applied
    once."""
    yard.hold(ACTIVITIES)
    first = yard.process(modules=MODULES, lease=0.5)
    handle = await yard.client.start(steps, yard.folder)
    await yard.begun("four", first)
    first.freeze()
    second = yard.process(modules=MODULES, lease=0.5)
    await yard.begun("four", second)
    first.thaw()
    yard.release(ACTIVITIES)
    assert await yard.results([handle]) == [ALL]
    await yard.check([handle])


async def test_a_local_activity_that_outlasts_the_lease_is_kept_by_its_worker(yard: Yard) -> None:
    """[P6, P8] [B26] The lease is renewed by the keeper, signals are taken meanwhile, and nothing runs twice."""
    yard.hold(ACTIVITIES)
    first = yard.process(modules=MODULES, lease=0.5)
    handle = await yard.client.start(beside, yard.folder)
    await yard.begun("thread", first)
    yard.process(modules=MODULES, lease=0.5)
    await handle.signal("go", "on")

    async def heard() -> bool:
        return (await handle.describe()).history_length == 4

    await yard.until(heard)
    await asyncio.sleep(1.0)  # twice the lease
    yard.release(ACTIVITIES)
    assert await yard.results([handle]) == [["loop", "thread", "on"]]
    await yard.check([handle])
    assert Counter(effect.what for effect in effects(yard.folder)) == {"loop": 1, "thread": 1}


async def test_p7_a_local_activity_that_kills_its_workers_stalls_its_instance_alone(yard: Yard) -> None:
    """[P7] [B26] Its turn is what is lost, tried apart from all others and set aside, as any turn that ends its
    workers; the others complete, and it goes on when it is mended."""
    yard.hold(DEADLY)
    innocents = [await yard.client.start(innocent, yard.folder, number) for number in range(20)]
    handle = await yard.client.start(deadly, yard.folder, "exit")
    innocents += [await yard.client.start(innocent, yard.folder, number) for number in range(20, 40)]
    yard.process(modules=MODULES, lease=0.5, max_losses=1, processes=2)
    assert await yard.results(innocents) == list(range(40))

    async def stalled() -> bool:
        return (await handle.describe()).status == "stalled"

    await yard.until(stalled)
    assert "lost with 2 workers" in (await handle.describe()).reason
    assert len(effects(yard.folder, "die exit")) <= 2
    yard.release(DEADLY)
    await handle.resume()
    assert await yard.results([handle]) == ["survived"]
