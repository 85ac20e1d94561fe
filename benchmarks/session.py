"""Session: one run of a work by one player: a Redis, worker processes and a client of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

from benchmarks.meters import Lap, Meters
from benchmarks.players import OURS, Contestant
from benchmarks.stage import Order, Place, command
from benchmarks.works import Step, Work
from rqflow.backend.opening import create_hub
from rqflow.backend.redis.embedded import EmbeddedServer

Persistence = Literal["none", "everysec", "always"]
SETTINGS: Mapping[Persistence, Mapping[str, str]] = {
    "none": {"appendonly": "no"},
    "everysec": {"appendonly": "yes", "appendfsync": "everysec"},
    "always": {"appendonly": "yes", "appendfsync": "always"},
}
READY = 60.0
"""Seconds that a player may take to be there."""
LIMITS = {False: 600.0, True: 60.0}
"""Seconds that a step may take; in a smoke run."""
LINE = 64 * 1_048_576
PARTING = 10.0
"""Seconds between being asked to go and being killed."""
ROOT = Path(__file__).parent.parent


class CannotPlay(Exception):
    """A player that is not installed, does not start, or breaks down: the message goes into the table."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How all of them are run."""

    python: Mapping[str, str]
    """The Python of a player, by its key or its module's name; without one it is ours."""
    persistence: Persistence = "everysec"
    workers: int = 1
    quick: bool = False
    postgres: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    """By work: its largest step, instead of what stands there; its other steps in proportion."""

    def count(self, work: Work, step: Step, player: Contestant) -> int:
        """How much of a step is done."""
        if self.quick:
            return step.quick
        wanted = self.counts.get(work.key)
        most = max(each.count for each in work.steps)
        return player.share(work.key, step.count if wanted is None else max(1, round(step.count * wanted / most)))


async def play(player: Contestant, work: Work, setting: Setting) -> tuple[list[Lap], str]:
    """All steps of a work, measured, and the player's version. Raises CannotPlay."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rqflow-bench-")))
        server = EmbeddedServer(folder / "redis", port=0, options=SETTINGS[setting.persistence])
        await asyncio.to_thread(stack.enter_context, server)
        if player.key == OURS:
            await asyncio.to_thread(create_hub, server.url, "default")
        elif player.variant == "postgres" and not setting.postgres:
            raise CannotPlay("no PostgreSQL: name one with --postgres URL")
        workers = work.workers or setting.workers
        url = setting.postgres if player.variant == "postgres" else server.url
        place = Place(url=url, folder=str(folder), variant=player.variant, workers=workers, cache=work.cache)
        log = stack.enter_context((folder / "log").open("a+"))
        driver = await stack.enter_async_context(process("drive", player, place, setting, log))
        stage = Stage(driver, log, LIMITS[setting.quick])
        version = str((await stage.hear(READY))["version"])
        for _ in range(0 if player.in_process else workers):
            stage.workers.append(await stack.enter_async_context(process("work", player, place, setting, log)))
        await stage.hear(READY)
        meters = Meters(server.url, workers=[worker.pid for worker in stage.workers], client=driver.pid)
        stack.callback(meters.close)
        return [await lap(stage, meters, step, setting.count(work, step, player)) for step in work.steps], version


async def lap(stage: Stage, meters: Meters, step: Step, count: int) -> Lap:
    """A step, warmed up and measured."""
    if step.warm:
        await stage.do(Order(act=step.act, count=min(step.warm, count), at_once=step.at_once))
    before = meters.read()
    answer = await stage.do(Order(act=step.act, count=count, at_once=step.at_once))
    after = meters.read()
    told: dict[str, Any] = answer["told"]
    return Lap(
        act=step.act,
        count=count,
        seconds=answer["seconds"],
        ms=tuple(told.pop("ms", ())),
        numbers=told,
        cost=before.until(after),
    )


@asynccontextmanager
async def process(
    role: str, player: Contestant, place: Place, setting: Setting, log: IO[str]
) -> AsyncIterator[Process]:
    """A process of a player, leading a group that is gone at the end."""
    python = setting.python.get(player.key, setting.python.get(player.module.rpartition(".")[2], setting.python[""]))
    started = await asyncio.create_subprocess_exec(
        *command(role, player.module, place, python=python),
        stdin=PIPE,
        stdout=PIPE if role == "drive" else DEVNULL,
        stderr=log,
        limit=LINE,
        cwd=ROOT,
        start_new_session=True,
    )
    try:
        yield started
    finally:
        if role == "drive":
            assert started.stdin is not None
            started.stdin.write(b"\n")
            await _ended(started)
        for number in (signal.SIGTERM, signal.SIGKILL):
            if started.returncode is None or number == signal.SIGKILL:
                _signal_group(started.pid, number)
            await _ended(started)


async def _ended(process: Process) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), PARTING)


def _signal_group(leader: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(leader, number)


class Stage:
    """A driver that takes orders while its workers live."""

    def __init__(self, driver: Process, log: IO[str], limit: float) -> None:
        self._driver = driver
        self.workers: list[Process] = []
        """If one ends, nothing more is waited for."""
        self._log = log
        self._limit = limit

    async def do(self, order: Order) -> dict[str, Any]:
        """What came of an order."""
        assert self._driver.stdin is not None
        self._driver.stdin.write((json.dumps(asdict(order)) + "\n").encode())
        return await self.hear(self._limit)

    async def hear(self, patience: float) -> dict[str, Any]:
        """The driver's next line. Raises CannotPlay."""
        assert self._driver.stdout is not None
        line = asyncio.ensure_future(self._driver.stdout.readline())
        ends = [asyncio.ensure_future(worker.wait()) for worker in self.workers]
        await asyncio.wait([line, *ends], timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        for each in ends:
            each.cancel()
        if not line.done():
            line.cancel()
            ended = any(worker.returncode is not None for worker in self.workers)
            why = "a worker ended" if ended else f"no answer within {patience:.0f} s"
            raise CannotPlay(f"{why}{self._last_words()}")
        if not line.result():
            raise CannotPlay(f"the client ended{self._last_words()}")
        answer: dict[str, Any] = json.loads(line.result())
        if "missing" in answer:
            raise CannotPlay(f"not installed: {answer['missing']}")
        if "failed" in answer:
            raise CannotPlay(f"failed: {answer['failed'][:300]}")
        return answer

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = [line.strip() for line in self._log if line.strip()]
        return f": {lines[-1][:300]}" if lines else ""
