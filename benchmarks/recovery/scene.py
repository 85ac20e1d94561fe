"""Scene: a Redis, a hub, a client and worker processes (as `rqflow worker` starts them) for one trial."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.recovery.work import GATE, notes
from rqflow import AsyncClient
from rqflow.backend.opening import create_hub
from tests.servers.kinds import Served

PATIENCE = 60.0
"""Seconds after which a trial counts as stuck."""
HUB = "recovery"


class Scene:
    """An asynchronous context manager; all it started is gone at its end."""

    def __init__(self, folder: Path, seed: int, server: Served) -> None:
        self.folder = folder
        self.server = server
        self.road = ""
        """The way of the workers; the straight one unless a trial sets another."""
        self._random = Random(seed)
        self._processes: list[subprocess.Popen[bytes]] = []

    async def __aenter__(self) -> Scene:
        self.folder.mkdir(parents=True)
        await asyncio.to_thread(self.server.__enter__)
        create_hub(self.server.url, HUB)
        self.client = AsyncClient(self.server.url, hub=HUB)
        return self

    async def __aexit__(self, *_: object) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()
            if process.stdin is not None:
                process.stdin.close()
        await self.client.close()
        await asyncio.to_thread(self.server.__exit__, None, None, None)

    # ---- workers

    async def worker(self, *options: str) -> subprocess.Popen[bytes]:
        """A worker that serves."""
        command = [sys.executable, "-m", "rqflow.cli.main", "worker", "benchmarks.recovery.work", "--until-eof"]
        command += ["-u", self.road or self.server.url, "--hub", HUB, "--log-level", "warning", *options]
        with (self.folder / "workers.log").open("ab") as log:
            process = await asyncio.to_thread(subprocess.Popen, command, stdin=subprocess.PIPE, stdout=log, stderr=log)
        self._processes.append(process)

        async def serves() -> bool:
            return any(worker.record.pid == process.pid for worker in (await self.client.stats()).workers)

        await self.until(serves)
        return process

    async def start(self, workflow: Any, *arguments: Any) -> Any:
        """A handle on an instance of one of our workflows."""
        return await self.client.start(workflow, str(self.folder), *arguments)

    async def some_moment(self) -> None:
        """Faults keep no step with renewals: up to a third of a lease passes."""
        await asyncio.sleep(self._random.uniform(0, 3.4))

    # ---- gate and notes

    def hold(self) -> None:
        """What begins does not end."""
        (self.folder / GATE).touch()

    def release(self) -> None:
        """It ends."""
        (self.folder / GATE).unlink()

    async def begun(self, what: str, *, by: int = 0, not_by: int = 0, after: float = 0.0) -> float:
        """When something began: in this process, or not in that one, or after some moment."""

        def look() -> float:
            found = (each for each in notes(self.folder, what) if each.pid != not_by and each.at > after)
            return next((each.at for each in found if not by or each.pid == by), 0.0)

        moment: float = await self.until(look)
        return moment

    async def until(self, look: Callable[[], Any]) -> Any:
        """What `look` finds, asked again until it finds something."""
        end = time.monotonic() + PATIENCE
        while True:
            found = look()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found
            if time.monotonic() > end:
                raise TimeoutError((self.folder / "workers.log").read_text(errors="replace")[-2_000:])
            await asyncio.sleep(0.002)


def kill(process: subprocess.Popen[bytes]) -> float:
    """SIGKILL: the moment of it."""
    return send(process, signal.SIGKILL)


def send(process: subprocess.Popen[bytes], number: signal.Signals) -> float:
    """A signal to a process: the moment of it."""
    moment = time.monotonic()
    os.kill(process.pid, number)
    return moment
