"""Isolated: activities in processes of their own crash, hang and are canceled without harm to the worker."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from rqflow.authoring.workflow_face import workflow
from rqflow.errors import ActivityFailed, ActivityTimedOut
from tests.worker.ground import Ground, settled
from tests.worker.isolated_samples import beats, crash, polite, stuck, where


@workflow
async def elsewhere(pid: int) -> bool:
    return await where(pid)


@workflow
async def crashes(how: str) -> str:
    try:
        await crash(how)
    except ActivityFailed as error:
        return f"{error.failure.type}: {error.failure.message}"
    return "fine"


@workflow
async def beating() -> str:
    return await beats()


@workflow
async def sticking(path: str, seconds: float) -> str:
    try:
        await stuck.options(timeout=timedelta(seconds=seconds))(path)
    except ActivityTimedOut:
        return "timed out"
    return "fine"


@workflow
async def politely(path: str) -> str:
    call = polite(path)
    await workflow.receive("enough")
    call.cancel()
    return "canceled"


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_an_isolated_activity_says_nothing_of_its_own(
    memory_ground: Ground, capfd: pytest.CaptureFixture[str]
) -> None:
    """No warning of Python's comes with each start: what stands in the worker's output is the activity's."""
    async with memory_ground.worker(elsewhere, where):
        assert await memory_ground.result(await memory_ground.start(elsewhere, os.getpid()))
    assert capfd.readouterr() == ("", "")


async def test_an_isolated_activity_runs_in_another_process(memory_ground: Ground) -> None:
    """It is imported by name there."""
    async with memory_ground.worker(elsewhere, where):
        assert await memory_ground.result(await memory_ground.start(elsewhere, os.getpid())) is True


@pytest.mark.parametrize("partitions", [1])
@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("exit", "ProcessDied: the process of activity 'crash' ended without an answer, with exit code 7"),
        ("segfault", "ended without an answer, by signal 11 (SIGSEGV)"),
        ("raise", "builtins.ValueError: raised in the child"),
    ],
)
async def test_p7_a_crash_fails_only_the_attempt_and_says_how(memory_ground: Ground, how: str, says: str) -> None:
    """[P7] A segfault, os._exit or an exception: the worker reads on."""
    async with memory_ground.worker(crashes, crash):
        assert says in await memory_ground.result(await memory_ground.start(crashes, how))


@pytest.mark.parametrize("partitions", [1])
async def test_heartbeats_of_the_process_reach_the_next_attempt(memory_ground: Ground) -> None:
    """Details go through the pipe, to the store, and to another process."""
    async with memory_ground.worker(beating, beats):
        assert await memory_ground.result(await memory_ground.start(beating)) == "from the child, attempt 2"


@pytest.mark.parametrize("partitions", [1])
async def test_a_process_past_its_timeout_is_killed_with_all_that_it_started(
    memory_ground: Ground, tmp_path: Path
) -> None:
    """It ignores SIGTERM and has a child: nothing of it is left."""
    path = tmp_path / "pids"
    async with memory_ground.worker(sticking, stuck) as worker:
        assert await memory_ground.result(await memory_ground.start(sticking, str(path), 5.0)) == "timed out"
        await settled(lambda: worker.desk.activities.slots.used == 0)
    pids = [int(pid) for pid in path.read_text(encoding="utf-8").split()]
    await settled(lambda: not any(map(alive, pids)))


@pytest.mark.parametrize("partitions", [1])
async def test_a_canceled_process_is_told_before_it_is_killed(memory_ground: Ground, tmp_path: Path) -> None:
    """It has a moment to end by itself."""
    path = tmp_path / "said"
    async with memory_ground.worker(politely, polite):
        instance = await memory_ground.start(politely, str(path))
        await settled(lambda: path.exists() and path.read_text(encoding="utf-8") == "begun", within=30)
        await memory_ground.signal(instance, "enough")
        assert await memory_ground.result(instance) == "canceled"
        await settled(lambda: path.read_text(encoding="utf-8") == "told", within=30)


@pytest.mark.parametrize("partitions", [1])
async def test_a_worker_that_stops_at_once_leaves_no_process_behind(memory_ground: Ground, tmp_path: Path) -> None:
    """Two signals: what runs is killed."""
    path = tmp_path / "pids"
    async with memory_ground.worker(sticking, stuck) as worker:
        await memory_ground.start(sticking, str(path), 60.0)
        await settled(lambda: path.exists() and path.read_text(encoding="utf-8").count(" ") == 1, within=30)
        worker.stop(now=True)
    pids = [int(pid) for pid in path.read_text(encoding="utf-8").split()]
    await settled(lambda: not any(map(alive, pids)))
