"""On Redis: programs on a real server, whose clock nobody can set: many at once, and anything may overtake anything."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from itertools import count

from rqflow.backend.calls.hubs import ReadStats
from rqflow.backend.protocol import Backend, SyncBackend
from rqflow.core.states import CLOSED
from rqflow.errors import InstanceNotFound
from rqflow.testing.doom import run_until_death
from rqflow.testing.fates import Death, FatedBackend, FatedSyncBackend
from rqflow.worker.options import WorkerOptions
from rqflow.worker.worker import Worker
from tests.programs.checks import allowed, check_outcome, check_replays
from tests.programs.errands import Errands
from tests.programs.language import Program
from tests.programs.reference import PATIENCE
from tests.programs.world import REGISTRY

UNIT = 0.01
"""Seconds of a unit."""
LOOK = 0.1
"""Seconds between two looks at a program that may hang."""
_numbers = count(1)


async def check_all(backend: Backend, leases: SyncBackend, programs: Sequence[Program], *, death_at: int) -> None:
    """Run programs beside each other, by one worker that caches, one that does not, and one that dies; check all."""
    death = Death(death_at, carried_out=bool(death_at % 2))
    fated = FatedBackend(backend, death)
    doomed = _worker(fated, FatedSyncBackend(leases, death), 10)
    async with _worker(backend, leases, 1_000), _worker(backend, leases, 0), asyncio.TaskGroup() as group:
        dying = group.create_task(run_until_death(doomed, death, fated))
        async with asyncio.TaskGroup() as playing:
            for program in programs:
                playing.create_task(_check(backend, program, f"program-{next(_numbers)}"))
        doomed.stop(now=True)
        await dying


def _worker(backend: Backend, leases: SyncBackend, cache_size: int) -> Worker:
    sweep = timedelta(milliseconds=100)
    options = WorkerOptions(cache_size=cache_size, build="test", seed=cache_size, sweep=sweep)
    return Worker(REGISTRY, backend=backend, leases=leases, options=options)


async def _check(backend: Backend, program: Program, instance: str) -> None:
    errands = Errands(backend, instance)
    may, _ = allowed(program, timeless=True)
    try:
        await _play(errands, backend, program)
        await check_outcome(errands, may)
        await check_replays(backend, instance, seed=len(program.sends))
    except BaseException as error:
        error.add_note(f"in {program!r}")
        raise


async def _play(errands: Errands, backend: Backend, program: Program) -> None:
    """Run a program to its end, by whatever workers there are."""
    await errands.begin(program, UNIT)
    waited = 0
    for send in program.sends:
        await asyncio.sleep((send.at - waited) * UNIT)
        waited = send.at
        await errands.send(send)
    for _ in range(PATIENCE):
        if await _hangs(errands, backend):
            await errands.cancel()
    if await _hangs(errands, backend):
        await errands.terminate()


async def _hangs(errands: Errands, backend: Backend) -> bool:
    """Whether it waits for what never comes. False: it has ended."""
    before: tuple[int, ...] | None = None
    while (await errands.describe()).status not in CLOSED:
        now = await _lengths(errands, errands.instance)
        if now is not None and now == before and not await _letters(backend):
            return True
        before = now
        await asyncio.sleep(LOOK)
    return False


async def _lengths(errands: Errands, instance: str) -> tuple[int, ...] | None:
    """Of the histories of an instance and of all below it; None while there is anything to do or to come."""
    try:
        row = await errands.describe(instance)
    except InstanceNotFound:
        return None  # a child whose start is still on its way to another partition
    assert row.status != "stalled", row.reason
    if row.task or row.inbox_length or row.pending or row.timers:
        return None
    found = [row.runs, row.history_length]
    for child in row.children:
        lengths = await _lengths(errands, child)
        if lengths is None:
            return None
        found += lengths
    return tuple(found)


async def _letters(backend: Backend) -> bool:
    """Whether a message is on its way between partitions."""
    stats = [await backend.call(ReadStats(partition=each)) for each in range(backend.hub.partitions)]
    return any(each.outbox for each in stats)
