"""Work: steps that say when they begin, and go on when they are let."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path

from rqflow import activity, workflow

GATE = "hold"
"""A file in the scene's folder: as long as it is there, what has begun does not end."""


@dataclass(frozen=True)
class Note:
    """Something began: what, in which process, when (seconds of the monotonic clock, which all processes share)."""

    what: str
    pid: int
    at: float


def leave(folder: str, what: str) -> None:
    """One write at the end of one file: whole, whoever writes beside it."""
    line = f"{what} {os.getpid()} {time.monotonic()}\n".encode()
    file = os.open(Path(folder) / "notes", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        os.write(file, line)
    finally:
        os.close(file)


def notes(folder: Path, what: str) -> list[Note]:
    """What has begun under this name, in its order."""
    path = folder / "notes"
    lines = path.read_text().splitlines() if path.exists() else []
    found = [line.split(" ") for line in lines]
    return [Note(name, int(pid), float(at)) for name, pid, at in found if name == what]


@activity
async def step(folder: str, what: str) -> None:
    """Begins, and ends when the gate is open."""
    leave(folder, what)
    while (Path(folder) / GATE).exists():  # noqa: ASYNC110 (what is waited for is a file)
        await asyncio.sleep(0.002)


@workflow
async def one_step(folder: str) -> None:
    """An activity."""
    await step(folder, "step")


@workflow
async def steps(folder: str, count: int) -> None:
    """Many, one after the other: work that is always under way."""
    for _ in range(count):
        await step(folder, "step")


@workflow
async def one_turn(folder: str) -> None:
    """Holds its worker in the middle of a turn, as bad code does."""
    leave(folder, "turn")
    while (Path(folder) / GATE).exists():
        time.sleep(0.002)  # noqa: ASYNC251 (it is meant to be wrong)


@workflow
async def after_signal(folder: str) -> None:
    """Waits for a signal, in the cache of the worker that had its first turn; then takes a step."""
    await step(folder, "before")
    await workflow.receive("go", str)
    await step(folder, "step")
