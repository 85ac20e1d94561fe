"""Relaying: messages between partitions wait for as long as one of them takes none, and nobody is told twice."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from rqflow.authoring.workflow_face import workflow
from rqflow.backend.calls.call import Call
from rqflow.backend.calls.tasks import Receive
from rqflow.backend.memory.backend import MemoryBackend, SyncMemoryBackend
from rqflow.backend.memory.store import MemoryStore
from rqflow.errors import BackendFull
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
