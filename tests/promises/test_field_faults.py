"""Field faults: what other engines get wrong, tried on whole workers (docs/guarantees.md has the list)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, cast

import pytest

from rqflow.backend.redis.embedded import EmbeddedServer
from rqflow.core.events import WorkflowCompleted, WorkflowTerminated
from rqflow.errors import InstanceNotFound
from tests.promises.evidence import PERMANENT
from tests.promises.ghost import NOTHING, Ghost
from tests.promises.verbs import (
    ACTIVITIES,
    ORDER,
    TURNS,
    effects,
    guardian,
    leaf,
    order,
    single,
    stubborn,
    waiting,
    wide,
)
from tests.promises.yard import Yard

QUICK = {"sweep": timedelta(milliseconds=50), "lease": timedelta(seconds=1)}


async def test_p7_an_instance_removed_while_its_activity_runs_comes_to_an_end(ground: Yard) -> None:
    """[P7, P10] [B8] Purged by force in mid-activity: the attempt is not delivered again, by no worker, and nothing
    stays."""
    ground.hold(ACTIVITIES)
    async with ground.worker(**QUICK), ground.worker(**QUICK):
        handle = await ground.client.start(leaf, ground.folder, "step")
        await ground.until(lambda: effects(ground.folder, "step"))
        await handle.purge(force=True)
        ground.release(ACTIVITIES)
        assert await ground.results([await ground.client.start(order, ground.folder)]) == [ORDER]
        with pytest.raises(InstanceNotFound):
            await handle.describe()
        await ground.until(lambda: not any(ground.store.entries(at) for at in range(ground.backend.hub.partitions)))
    assert len(effects(ground.folder, "step")) == 1
    for row in [row async for row in ground.client.list()]:
        await ground.client.purge(row.instance)
    assert {name for _, name in ground.store.names()} - PERMANENT == {"workflows:default", "activities:default"}


async def test_p10_consumers_and_streams_of_dead_workers_do_not_pile_up(ground: Yard) -> None:
    """[P10] Twenty workers die with something in their hands: only the living one is left, in every stream."""
    heir = await Ghost(ground, "heir").register()
    for number in range(20):
        victim = await Ghost(ground, f"victim-{number}").register()
        await ground.client.start(waiting, ground.folder)
        await victim.take()
        await victim.register(NOTHING)

    async def over() -> bool:
        await heir.sweep()
        return not any("victim" in name for _, name in ground.store.names())

    await ground.until(over)
    for at, name in ground.store.names():
        if name.startswith(("workflows:", "activities:")):
            stream = ground.store.key(at, "meta").removesuffix("meta") + name
            consumers = cast(Any, ground.store.redis.xinfo_consumers(stream, "rqflow"))
            assert {consumer["name"] for consumer in consumers} <= {b"heir"}
    assert len(await heir.take()) == 20


async def test_p1_forgotten_scripts_and_broken_connections_lose_nothing(yard: Yard) -> None:
    """[P1] In the middle of work all scripts are flushed and all connections closed, again and again: nobody is
    deaf, nobody dies of NOSCRIPT."""
    handles = [await yard.client.start(order, yard.folder) for _ in range(20)]
    async with yard.worker(**QUICK), yard.worker(**QUICK):
        for _ in range(4):
            await yard.more("", 8)
            yard.store.redis.script_flush()
            yard.store.redis.client_kill_filter(_type="normal", skipme=True)
        assert await yard.results(handles) == [ORDER] * 20
        assert await yard.results([await yard.client.start(order, yard.folder)]) == [ORDER]
    await yard.check(handles)


async def test_p6_a_fan_in_whose_last_branches_end_together_goes_on(ground: Yard) -> None:
    """[P6, P5] Hundreds of branches on two workers, ending in the same moments: the join sees each, once."""
    async with ground.worker(), ground.worker():
        handles = [await ground.client.start(wide, 150) for _ in range(3)]
        assert await ground.results(handles) == [sum(range(150))] * 3
    await ground.check(handles)


async def test_p1_a_blocked_read_is_not_deaf_after_a_restart(yard: Yard, redis_server: EmbeddedServer) -> None:
    """[P1] Idle workers wait in blocked reads when Redis dies: what is started after its return is done at once."""
    async with yard.worker(**QUICK):
        assert await yard.results([await yard.client.start(single, 1)]) == [1]
        for number in range(3):
            await asyncio.to_thread(redis_server.restart)
            assert await yard.results([await yard.client.start(single, number)]) == [number]


async def test_p3_live_work_is_not_taken_away_however_long_it_lasts_or_blocks(yard: Yard) -> None:
    """[P3, P7] An activity, and a turn that blocks its worker's thread, last for several leases, with another worker
    waiting for work: each is begun once."""
    lease = 1.5
    yard.hold(ACTIVITIES)
    first, second = yard.process(lease=lease), yard.process(lease=lease)
    for process in (first, second):
        await yard.serving(process)
    long = await yard.client.start(leaf, yard.folder, "long")
    await yard.until(lambda: effects(yard.folder, "long"))
    await asyncio.sleep(2 * lease)  # time has to pass: that is the point
    yard.release(ACTIVITIES)
    assert await yard.results([long]) == ["long done"]
    yard.hold(TURNS)
    blocking = await yard.client.start(stubborn, yard.folder)
    await yard.until(lambda: effects(yard.folder, "turn"))
    await asyncio.sleep(2 * lease)
    assert len(effects(yard.folder, "turn")) == 1, yard.said()
    yard.release(TURNS)
    assert await yard.results([blocking]) == ["after done"]
    assert len(effects(yard.folder, "long")) == 1, yard.said()
    await yard.check([long, blocking])


async def test_p8_an_id_used_again_while_old_children_run_hears_nothing_of_them(ground: Yard) -> None:
    """[P8] [B4, B17] The parent was terminated, its child goes on; a new instance of the same id waits for its own."""
    async with ground.worker(**QUICK):
        old = await ground.client.start(guardian, ground.folder, id="guardian")
        await ground.until(lambda: len(effects(ground.folder, "before")) == 1)
        [orphan] = [row.instance async for row in ground.client.list() if row.parent]
        await old.terminate("enough")
        new = await ground.client.start(guardian, ground.folder, id="guardian")
        await ground.until(lambda: len(effects(ground.folder, "before")) == 2)
        [child] = [row.instance async for row in ground.client.list() if row.parent and row.instance != orphan]
        await ground.client.signal(orphan, "go", "of the old")
        assert await ground.results([ground.client.handle(orphan)]) == ["of the old"]
        assert await ground.results([await ground.client.start(order, ground.folder)]) == [ORDER]
        assert (await new.describe()).status == "running"
        await ground.client.signal(child, "go", "of the new")
        assert await ground.results([new]) == ["of the new"]
    ground.store.check()


async def test_p2_termination_is_not_undone_by_a_turn_that_races_with_it(ground: Yard) -> None:
    """[P2, P3] [B7] Terminated while workers commit their turns: whatever came first, it stays ended, with one end."""
    async with ground.worker(), ground.worker():
        for number in range(30):
            handle = await ground.client.start(single, number)
            for _ in range(number % 4):
                await asyncio.sleep(0)
            await handle.terminate("enough")
            status = (await handle.describe()).status
            assert status in ("terminated", "completed")
            events = await ground.histories([handle.id])
            assert isinstance(
                events[handle.id][-1], WorkflowTerminated if status == "terminated" else WorkflowCompleted
            )
    ground.store.check()
    stats = await ground.client.stats()
    assert stats.statuses.get("running", 0) == 0
