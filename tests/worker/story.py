"""Story: workflows and activities for worker processes; each effect leaves a line in a file."""

from __future__ import annotations

import asyncio
import os
import time
from datetime import timedelta
from pathlib import Path

from rqflow.authoring.activity_face import activity
from rqflow.authoring.workflow_face import workflow
from rqflow.core.options import Retry

PATIENT = Retry(max_attempts=10, initial=timedelta(milliseconds=20), max_interval=timedelta(milliseconds=100))


def leave_line(path: str, line: str) -> None:
    """One write, so that lines of several processes do not mix."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        os.write(descriptor, f"{line}\n".encode())
    finally:
        os.close(descriptor)


@activity(retry=PATIENT)
async def step(path: str, value: int) -> int:
    leave_line(path, f"step {value} {os.getpid()}")
    await asyncio.sleep(0.02)
    return value


@activity(retry=PATIENT)
def gated(path: str, gate: str) -> int:
    """Says that it runs, and ends when the gate is open."""
    leave_line(path, f"gated {os.getpid()}")
    while not Path(gate).exists():
        time.sleep(0.01)
    return os.getpid()


@activity(retry=PATIENT)
def poison() -> None:
    """Takes its worker with it, every time."""
    os.kill(os.getpid(), 9)


@workflow
async def chain(path: str, count: int) -> int:
    """One after the other, with timers between."""
    total = 0
    for n in range(count):
        total += await step(path, n)
        await asyncio.sleep(0.01)
    return total


@workflow
async def through_gate(path: str, gate: str) -> int:
    return await gated(path, gate)


@workflow
async def poisoned() -> None:
    await poison()


@workflow
async def kills_its_worker() -> int:
    """Each turn takes its worker with it."""
    os.kill(os.getpid(), 9)
    return 1
