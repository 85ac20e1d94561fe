"""Processes: real worker processes: their signals and exit codes, the supervisor, and code that kills its worker."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rqflow.backend.calls.hubs import ReadStats
from rqflow.errors import BackendUnavailable, BadInput, HubNotFound
from rqflow.worker.options import WorkerOptions
from rqflow.worker.run import run_worker
from tests.worker.ground import Ground, settled
from tests.worker.story import chain, kills_its_worker, poisoned, through_gate

ROOT = Path(__file__).parents[2]
SLOW = 40.0
"""Seconds that a new process may take on a loaded machine."""

pytestmark = pytest.mark.parametrize("partitions", [1])
Begin = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def begin(redis_ground: Ground, redis_url: str) -> Iterator[Begin]:
    """Starts a worker process; all are ended with the test."""
    begun: list[subprocess.Popen[bytes]] = []

    def start(*, lease_ms: int = 10_000, processes: int = 1) -> subprocess.Popen[bytes]:
        words = [redis_url, redis_ground.backend.hub.name, str(lease_ms), str(processes)]
        begun.append(subprocess.Popen([sys.executable, "-m", "tests.worker.serve", *words], cwd=ROOT))
        return begun[-1]

    yield start
    for process in begun:
        if process.poll() is None:
            process.kill()
        process.wait()


def pids(ground: Ground) -> set[int]:
    """Of the workers whose leases live."""
    workers = ground.leases.call(ReadStats(partition=0)).workers
    return {each.record.pid for each in workers if each.lease_ms > 0}


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


async def ended(process: subprocess.Popen[bytes]) -> int:
    return await asyncio.to_thread(process.wait, SLOW)


async def test_the_first_signal_drains_and_the_exit_code_is_zero(
    redis_ground: Ground, begin: Begin, tmp_path: Path
) -> None:
    """What runs is finished; what is not ours any more is done by others, nothing twice."""
    first, path = begin(), tmp_path / "lines"
    instance = await redis_ground.start(chain, str(path), 10)
    await settled(lambda: len(lines(path)) > 2, within=SLOW)
    begin()
    await settled(lambda: len(pids(redis_ground)) == 2, within=SLOW)
    first.send_signal(signal.SIGTERM)
    assert await ended(first) == 0
    assert await redis_ground.result(instance) == 45
    assert len(lines(path)) == 10


async def test_the_second_signal_stops_at_once_and_the_exit_code_is_one(
    redis_ground: Ground, begin: Begin, tmp_path: Path
) -> None:
    """A thread that does not end holds nothing up; its activity goes back, and another worker runs it."""
    first, path, gate = begin(), tmp_path / "lines", tmp_path / "gate"
    instance = await redis_ground.start(through_gate, str(path), str(gate))
    await settled(lambda: len(lines(path)) == 1, within=SLOW)
    first.send_signal(signal.SIGINT)
    await asyncio.sleep(0.2)
    assert first.poll() is None, "the first one waits"
    first.send_signal(signal.SIGINT)
    assert await ended(first) == 1
    gate.touch()
    second = begin()
    assert await redis_ground.result(instance) == second.pid


async def test_a_supervisor_restarts_what_crashed_and_passes_signals_on(redis_ground: Ground, begin: Begin) -> None:
    """Two processes under one; one is killed and another comes; SIGTERM ends all with code 0."""
    supervisor = begin(processes=2, lease_ms=2_000)
    await settled(lambda: len(pids(redis_ground)) == 2, within=SLOW)
    before = pids(redis_ground)
    assert supervisor.pid not in before
    os.kill(min(before), signal.SIGKILL)
    await settled(lambda: len(pids(redis_ground) - {min(before)}) == 2, within=SLOW)
    supervisor.send_signal(signal.SIGTERM)
    assert await ended(supervisor) == 0
    assert pids(redis_ground) <= {min(before)}, "only the killed one's lease may last a moment longer"


async def test_processes_drain_when_their_supervisor_is_killed(redis_ground: Ground, begin: Begin) -> None:
    """Nobody is left behind."""
    supervisor = begin(processes=2)
    await settled(lambda: len(pids(redis_ground)) == 2, within=SLOW)
    supervisor.kill()
    await settled(lambda: pids(redis_ground) == set(), within=SLOW)


async def test_p7_an_activity_that_kills_its_worker_fails_after_a_few_and_harms_no_other(
    redis_ground: Ground, begin: Begin, tmp_path: Path
) -> None:
    """[P7] Two workers die of it; then it is tried in a process of its own, and fails with an error that says so."""
    instance = await redis_ground.start(poisoned)
    for _ in range(2):
        await ended(begin(lease_ms=500))
    begin(lease_ms=500)
    failure = await redis_ground.failure(instance)
    assert failure.cause is not None
    assert failure.cause.kind == "worker_lost"
    assert await redis_ground.result(await redis_ground.start(chain, str(tmp_path / "lines"), 2)) == 1


async def test_p7_a_turn_that_kills_its_worker_stalls_its_instance_and_harms_no_other(
    redis_ground: Ground, begin: Begin, tmp_path: Path
) -> None:
    """[P7] It is set aside with a reason; others are served."""
    instance = await redis_ground.start(kills_its_worker)
    for _ in range(3):
        await ended(begin(lease_ms=500))
    begin(lease_ms=500)
    await redis_ground.until(instance, "stalled")
    assert "lost" in (await redis_ground.describe(instance)).reason
    assert await redis_ground.result(await redis_ground.start(chain, str(tmp_path / "lines"), 2)) == 1


def test_what_keeps_a_worker_from_beginning_is_raised_at_once(partitions: int, redis_url: str) -> None:
    """Redis down, no such hub, no such module: one clear error each, with one process and with several."""
    for processes in (1, 2):
        options = WorkerOptions()
        with pytest.raises(BackendUnavailable):
            run_worker(
                url="redis://127.0.0.1:1",
                hub="default",
                modules=["tests.worker.story"],
                options=options,
                processes=processes,
            )
        with pytest.raises(HubNotFound):
            run_worker(
                url=redis_url, hub="nowhere", modules=["tests.worker.story"], options=options, processes=processes
            )
        with pytest.raises(BadInput, match="no_such_module"):
            run_worker(url=redis_url, hub="default", modules=["no_such_module"], options=options, processes=processes)
