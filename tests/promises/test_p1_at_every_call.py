"""P1 at every call: a worker dies at the first, the second, the third … thing that it says to its store."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

from rqflow.backend.opening import create_hub, delete_hub, open_backend, open_sync_backend
from rqflow.testing.doom import run_until_death
from rqflow.testing.fates import Counting, Death, FatedBackend, FatedSyncBackend
from tests.conftest import fresh_name
from tests.promises.evidence import PERMANENT
from tests.promises.verbs import ORDER, order
from tests.promises.yard import Yard

LEASE = timedelta(milliseconds=600)
AT_ONCE = 12
"""Cases that run beside each other."""


async def survive(yard: Yard, fate: Counting) -> None:
    """An order is begun by a worker with this fate, and ended by another if need be."""
    options = {"lease": LEASE, "sweep": timedelta(milliseconds=100)}
    backend = FatedBackend(yard.backend, fate)
    doomed = yard.worker(backend=backend, leases=FatedSyncBackend(yard.leases, fate), **options)
    handle = await yard.client.start(order, yard.folder)
    if isinstance(fate, Death):
        await asyncio.wait_for(run_until_death(doomed, fate, backend), 20)
        async with yard.worker(**options):
            assert await asyncio.wait_for(handle.result(), 20) == ORDER
    else:
        async with doomed:
            assert await asyncio.wait_for(handle.result(), 20) == ORDER
    await yard.check([handle])
    await leaves_nothing(yard)


async def leaves_nothing(yard: Yard) -> None:
    """[P10] Wherever the worker died: what it began is forgotten with its instance."""
    for row in [row async for row in yard.client.list()]:
        await yard.client.purge(row.instance)
    workers = ("worker", "workers", "workflows:", "activities:")  # of the one that did not say that it left
    left = {name for _, name in yard.store.names() if not name.startswith(workers)}
    assert left <= PERMANENT, left


async def test_p1_a_worker_may_die_at_any_call(
    redis_url: str, partitions: int, cache_size: int, tmp_path: Path
) -> None:
    """[P1, P2, P5, P6, P10] [A4] Whether its last words arrived or not: the order completes, with each result once."""
    room = asyncio.Semaphore(AT_ONCE)

    async def case(number: int, fate: Counting) -> int:
        async with room:
            hub, folder = fresh_name("every-call"), tmp_path / str(number)
            folder.mkdir()
            create_hub(redis_url, hub, partitions=partitions)
            backend, leases = await open_backend(redis_url, hub), open_sync_backend(redis_url, hub)
            yard = Yard(redis_url, hub, folder, backend=backend, leases=leases, cache_size=cache_size)
            try:
                await survive(yard, fate)
            except BaseException as error:
                error.add_note(f"case {number}: {vars(fate)}, {await yard.client.stats()}")
                raise
            finally:
                await yard.close()
                delete_hub(redis_url, hub, force=True)
            return len(fate.said["call"])

    counting = Counting()
    calls = await case(0, counting)
    assert calls > 10, "the fate is not asked"
    # Four partitions mean four times as many calls, most of them alike: every third one, cached and cold others.
    start, step = (1, 1) if partitions == 1 else (1 + (cache_size > 0), 3)
    async with asyncio.TaskGroup() as group:
        for at in range(start, calls + 1, step):
            group.create_task(case(2 * at, Death(at, carried_out=False)))
            group.create_task(case(2 * at + 1, Death(at, carried_out=True)))
