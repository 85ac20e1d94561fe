"""P7: no instance, entry or payload can stop others from being served."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from rqflow.errors import WorkflowFailed
from tests.promises.ghost import Ghost
from tests.promises.verbs import DEADLY, ORDER, deadly_step, deadly_turn, effects, order, single, waiting
from tests.promises.yard import Yard

ENTRIES: list[dict[bytes, bytes]] = [
    {b"a": b"b"},
    {b"kind": b"task"},
    {b"kind": b"task", b"instance": b"nobody"},
    {b"kind": b"task", b"instance": b"\xff\x00" * 5_000},
    {b"kind": b"query"},
    {b"kind": b"query", b"instance": b"nobody", b"expires_ms": b"soon"},
    {b"kind": b"activity"},
    {b"kind": b"activity", b"run": b"x", b"id": b"one", b"instance": b"nobody"},
    {b"kind": b"\xff\xfe"},
    {b"kind": b"wake"},
]
MEMBERS = [b"garbage", b"", b"timer 1 run nobody", b"nosuch 1 run one", b"timer x y", b"retention 0 r \xff", b"\x00"]


async def others_are_served(yard: Yard) -> None:
    """Orders, with their timers, activities and children, come to their end."""
    handles = [await yard.client.start(order, yard.folder) for _ in range(4)]
    assert await yard.results(handles) == [ORDER] * 4


async def test_p7_entries_that_are_nothing_are_removed(ground: Yard) -> None:
    """[P7] Garbage in each stream of tasks, among it what looks like tasks: gone, and nobody has noticed."""
    ghost = await Ghost(ground, "ghost").register()
    streams = ("workflows:default", "activities:default", "worker:ghost")
    for at in ghost.partitions:
        for stream in streams:
            for entry in ENTRIES:
                ground.store.redis.xadd(ground.store.key(at, "meta").removesuffix("meta") + stream, entry)  # type: ignore[arg-type]
    heir = await Ghost(ground, "heir").register()
    await heir.succeed(ghost)
    async with ground.worker():
        await others_are_served(ground)
        await ground.until(lambda: not any(ground.store.entries(at) for at in ghost.partitions))
    ground.store.check(but="broken")  # what was set aside is kept for a human, and named


async def test_p7_due_members_that_are_nothing_are_set_aside(ground: Yard) -> None:
    """[P7] They are counted for a human; timers behind them fire."""
    for at in range(ground.backend.hub.partitions):
        ground.store.redis.zadd(ground.store.key(at, "due"), dict.fromkeys(MEMBERS, 1))
    async with ground.worker(sweep=timedelta(milliseconds=50)):
        await others_are_served(ground)

        async def set_aside() -> bool:
            stats = await ground.client.stats()
            return stats.overdue == 0 and stats.broken >= ground.backend.hub.partitions

        await ground.until(set_aside)


async def test_p7_messages_that_are_nothing_are_set_aside(ground: Yard) -> None:
    """[P7, P8] What another partition sent and nobody can read does not stop what stands behind it."""
    partitions = range(ground.backend.hub.partitions)
    for at in partitions:
        ground.store.redis.hincrby(ground.store.key(at, "counters"), "self", 2 * (at == 0))
        for body in (b"\xc1", b"", b"\x81\xa4kind\xa6nosuch"):
            ground.store.redis.xadd(ground.store.key(at, "outbox"), {"to": (at + 1) % len(partitions), "body": body})
    async with ground.worker(sweep=timedelta(milliseconds=50)):
        await others_are_served(ground)

        async def carried() -> bool:
            return (await ground.client.stats()).outbox == 0

        await ground.until(carried)


def _row(field: str, value: str) -> Callable[[Yard, str], object]:
    return lambda yard, instance: yard.store.redis.hset(
        yard.store.key(yard.store.at(instance), "instance", instance), field, value
    )


def _wrong_type(name: str, *, of_run: bool = False) -> Callable[[Yard, str], object]:
    def spoil(yard: Yard, instance: str) -> None:
        at = yard.store.at(instance)
        run = yard.store.redis.hget(yard.store.key(at, "instance", instance), "run")
        key = yard.store.key(at, name, run.decode() if of_run else instance)  # type: ignore[union-attr]
        yard.store.redis.delete(key)
        yard.store.redis.set(key, "spoiled")

    return spoil


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(_row("length", "many"), id="length"),
        pytest.param(_row("queue", ""), id="queue"),
        pytest.param(_row("workflow", "\x00"), id="workflow"),
        pytest.param(_row("status", "nonsense"), id="status"),
        pytest.param(_row("run", "another"), id="run"),
        pytest.param(_wrong_type("history", of_run=True), id="history"),
        pytest.param(_wrong_type("outstanding", of_run=True), id="outstanding"),
    ],
)
async def test_p7_an_instance_whose_keys_are_spoiled_harms_no_other(
    ground: Yard, spoil: Callable[[Yard, str], object]
) -> None:
    """[P7] Somebody wrote into Redis what no worker can follow: that instance may be lost, the others are served, and
    as quickly as before."""
    async with ground.worker(sweep=timedelta(milliseconds=50)):
        victims = [await ground.client.start(waiting, ground.folder) for _ in range(4)]
        await ground.until(lambda: len(effects(ground.folder, "before")) == 4)
        await asyncio.sleep(0.05)
        for victim in victims[:2]:
            spoil(ground, victim.id)
        for victim in victims:
            # The store may refuse the signal: it is the victim's.
            await asyncio.gather(victim.signal("go", "on"), return_exceptions=True)
        async with asyncio.timeout(5):
            assert await ground.results(victims[2:]) == ["on"] * 2
            await others_are_served(ground)


async def test_p7_a_turn_that_kills_its_workers_is_set_aside(yard: Yard) -> None:
    """[P7] Its instance stalls, with a reason that says so, and goes on when somebody has mended it; meanwhile
    others are served."""
    yard.hold(DEADLY)
    yard.process(processes=2, lease=0.5, max_losses=2)
    victim = await yard.client.start(deadly_turn, yard.folder)
    await yard.until(_has_status(yard, victim.id, "stalled"))
    assert "lost with 3 workers" in (await victim.describe()).reason
    assert len(effects(yard.folder, "deadly turn")) == 3
    assert await yard.results([await yard.client.start(single, 1)]) == [1]
    yard.release(DEADLY)
    await victim.resume()
    assert await yard.results([victim]) == ["survived"]


async def test_p7_an_activity_that_kills_its_workers_fails(yard: Yard) -> None:
    """[P7] Its workflow is told, and could do something about it; others are served."""
    yard.hold(DEADLY)
    yard.process(processes=2, lease=0.5, max_losses=2)
    victim = await yard.client.start(deadly_step, yard.folder)
    with pytest.raises(WorkflowFailed, match="deadly was lost with 3 workers"):
        await victim.result(20)
    assert len(effects(yard.folder, "deadly")) == 3
    assert len({effect.key for effect in effects(yard.folder, "deadly")}) == 1
    assert await yard.results([await yard.client.start(single, 1)]) == [1]


def _has_status(yard: Yard, instance: str, status: str) -> Callable[[], Any]:
    async def look() -> bool:
        return (await yard.client.describe(instance)).status == status

    return look
