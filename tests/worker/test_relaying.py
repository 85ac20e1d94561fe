"""Relaying: messages between partitions wait for as long as one of them takes none, and nobody is told twice."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from rqflow.authoring.workflow_face import workflow
from rqflow.backend.calls.call import Call
from rqflow.backend.calls.tasks import Receive
from rqflow.backend.memory.backend import MemoryBackend, SyncMemoryBackend
from rqflow.backend.memory.store import MemoryStore
from rqflow.errors import BackendFull, InstanceNotFound
from rqflow.testing.fates import Fate, FatedBackend
from tests.worker.ground import Ground

PARTITIONS = 4


class Stubborn(FatedBackend):
    """Every partition refuses what others send, for a while."""

    refuses = True
    refused = 0

    async def send(self, calls: Sequence[Call[Any]]) -> list[Any]:
        taken = [call for call in calls if not (self.refuses and isinstance(call, Receive))]
        answers = iter(await super().send(taken) if taken else [])
        self.refused += len(calls) - len(taken)
        return [next(answers) if call in taken else BackendFull("full") for call in calls]


@workflow
async def far(number: int) -> int:
    return number


@workflow
async def family(count: int) -> int:
    """Children in all partitions."""
    return sum(await asyncio.gather(*(far(number) for number in range(count))))


async def test_p1_messages_that_are_refused_wait_and_it_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """[P1] A Redis that is full for minutes fills no log: each partition that takes nothing is named once, until it has
    taken something and refuses again."""
    store = MemoryStore(partitions=PARTITIONS)
    backend = Stubborn(MemoryBackend(store), Fate())
    ground = Ground(backend, SyncMemoryBackend(store))
    async with asyncio.timeout(30), ground.worker(family, far, sweep=timedelta(milliseconds=20)):
        for _ in range(2):
            backend.refuses, enough = True, backend.refused + 10 * PARTITIONS
            instance = await ground.start(family, 12)
            while backend.refused < enough:  # noqa: ASYNC110 (the worker is waited for, not an event of ours)
                await asyncio.sleep(0.01)
            backend.refuses = False
            assert await ground.result(instance) == sum(range(12))
    said = [record for record in caplog.records if "refused messages" in record.message]
    assert 1 <= len(said) <= 2 * PARTITIONS


@workflow
async def patient() -> str:
    """Waits for what nobody sends."""
    return await workflow.receive("never", str)


@workflow
async def elder(id: str, generations: int) -> str:
    """Has a child that has a child …"""
    if generations == 0:
        return await patient.options(id=f"{id}-0")()
    return await elder.options(id=f"{id}-{generations}")(id, generations - 1)


@workflow
async def founder(id: str, generations: int) -> str:
    """Ends before its family when it is told; what becomes of it is the policy's: terminate."""
    await workflow.start_child(elder.options(id=f"{id}-first"), id, generations).started()
    return await workflow.receive("leave", str)


async def there(ground: Ground, instance: str) -> bool:
    """Whether an instance exists."""
    try:
        await ground.describe(instance)
    except InstanceNotFound:
        return False
    return True


async def test_p6_an_end_is_told_from_generation_to_generation_without_a_sweep() -> None:
    """[P6] Each generation lives in another partition than the one before, and its end makes no task anywhere."""
    store = MemoryStore(partitions=PARTITIONS)
    ground = Ground(MemoryBackend(store), SyncMemoryBackend(store))
    places = {
        f"f{number}": [ground.at(f"f{number}{each}") for each in ("-first", "-3", "-2", "-1", "-0")]
        for number in range(10_000)
    }
    id = next(id for id, found in places.items() if all(a != b for a, b in pairwise(found)))
    options = {"lease": timedelta(minutes=30), "sweep": timedelta(minutes=5)}
    async with asyncio.timeout(30), ground.worker(founder, elder, patient, **options):
        await ground.start(founder, id, 3, id=f"{id}-founder")
        while not await there(ground, f"{id}-0"):  # noqa: ASYNC110 (nobody is told when an instance comes to be)
            await asyncio.sleep(0.005)
        await ground.signal(f"{id}-founder", "leave", "bye")
        for each in ("-founder", "-first", "-3", "-2", "-1", "-0"):
            assert (await ground.end(f"{id}{each}")).status == ("completed" if each == "-founder" else "terminated")
