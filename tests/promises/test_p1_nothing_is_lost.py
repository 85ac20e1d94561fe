"""P1: what a client was told is accepted survives the death of any worker, and of Redis within its persistence."""

from __future__ import annotations

import asyncio

from rqflow.backend.redis.embedded import EmbeddedServer
from rqflow.client.handle import AsyncHandle
from tests.promises.verbs import ACTIVITIES, ORDER, TURNS, effects, order, single, stubborn, waiting
from tests.promises.yard import Yard


async def test_p1_a_worker_killed_in_mid_activity_loses_nothing(yard: Yard) -> None:
    """[P1, P5] [G2] SIGKILL while activities run: another worker runs them again, under the same keys."""
    yard.hold(ACTIVITIES)
    first = yard.process()
    handles = [await yard.client.start(order, yard.folder) for _ in range(6)]
    await yard.until(lambda: len(effects(yard.folder, "first")) == 6)
    first.kill()
    second = yard.process()
    await yard.begun("first", second)
    yard.release(ACTIVITIES)
    assert await yard.results(handles) == [ORDER] * 6
    await yard.check(handles)
    again = [effect for effect in effects(yard.folder, "first") if effect.attempt > 1]
    assert {effect.key for effect in again} == {effect.key for effect in effects(yard.folder, "first")}


async def test_p1_a_worker_killed_in_mid_turn_loses_nothing(yard: Yard) -> None:
    """[P1, P2] SIGKILL while workflow code runs: another worker takes the turn from its beginning."""
    yard.hold(TURNS)
    first = yard.process()
    handles = [await yard.client.start(stubborn, yard.folder) for _ in range(4)]
    await yard.begun("turn", first)
    first.kill()
    yard.release(TURNS)
    yard.process()
    assert await yard.results(handles) == ["after done"] * 4
    await yard.check(handles)


async def test_p1_a_redis_that_is_killed_and_restarted_loses_nothing(yard: Yard, redis_server: EmbeddedServer) -> None:
    """[P1] With an append-only file, what was accepted is there again, and workers and clients go on by themselves."""
    handles: list[AsyncHandle[list[str]]] = []
    enough = asyncio.Event()

    async def customers() -> None:
        while not enough.is_set():
            handles.append(await yard.client.start(order, yard.folder))
            await asyncio.sleep(0.01)

    for process in (yard.process(), yard.process()):
        await yard.serving(process)
    async with asyncio.TaskGroup() as group:
        group.create_task(customers())
        for _ in range(2):
            await yard.more("fifth", 3)
            await asyncio.to_thread(redis_server.restart)
        enough.set()
    assert len({handle.id for handle in handles}) == len(handles)
    assert await yard.results(handles) == [ORDER] * len(handles)
    await yard.check(handles)
    statuses = (await yard.client.stats()).statuses
    assert statuses == {"completed": 2 * len(handles)}, "a start that was sent twice is one start"


async def test_p1_a_worker_asked_to_leave_hands_everything_over_at_once(yard: Yard) -> None:
    """[P1, P6] [F18] SIGTERM: it ends what runs, gives back the rest, and others go on without waiting for a lease."""
    first = yard.process(lease=60.0, sweep=1.0)
    handles = [await yard.client.start(waiting, yard.folder) for _ in range(5)]
    await yard.until(lambda: len(effects(yard.folder, "before")) == 5)
    yard.hold(ACTIVITIES)
    busy = await yard.client.start(order, yard.folder)
    await yard.begun("first", first)
    first.ask_to_leave()
    second = yard.process(lease=60.0, sweep=1.0)
    await yard.serving(second)
    yard.release(ACTIVITIES)
    assert await asyncio.to_thread(first.end) == 0, first.said
    for handle in handles:
        await handle.signal("go", "on")
    assert await yard.results(handles) == ["on"] * 5
    assert await yard.results([busy]) == [ORDER]
    await yard.check([*handles, busy])
    assert len(effects(yard.folder, "first")) == 1, "what ran was not cut short"


async def test_p1_a_start_that_was_accepted_waits_for_the_first_worker(
    yard: Yard, redis_server: EmbeddedServer
) -> None:
    """[P1] Accepted before any worker was there, and kept over the death of Redis."""
    handles = [await yard.client.start(single, number) for number in range(20)]
    await asyncio.to_thread(redis_server.restart)
    yard.process()
    assert await yard.results(handles) == list(range(20))
    await yard.check([])
