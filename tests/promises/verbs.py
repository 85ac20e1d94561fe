"""Verbs: workflows and activities whose effects are written outside of the hub, so that they can be counted."""

from __future__ import annotations

import asyncio
import json
import os
import time
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

from rqflow.authoring.activity_face import activity
from rqflow.authoring.workflow_face import workflow
from rqflow.core.options import Retry

TURNS, ACTIVITIES, DEADLY = "hold-turns", "hold-activities", "deadly"
"""Files in a test's folder: as long as one exists, turns block, activities wait, or deadly code kills its worker."""


@dataclass(frozen=True)
class Effect:
    """Something that an attempt or a turn did in the world."""

    what: str
    pid: int
    key: str = ""
    """The idempotency key."""
    attempt: int = 0


def effects(folder: str | Path, what: str = "") -> list[Effect]:
    """All effects, or those of one name, in their order."""
    path = Path(folder) / "effects"
    lines = path.read_text().splitlines() if path.exists() else []
    found = [Effect(**json.loads(line)) for line in lines]
    return [effect for effect in found if not what or effect.what == what]


def leave(folder: str, effect: Effect) -> None:
    """One write at the end of one file: whole, whoever writes beside it and whenever the writer dies."""
    file = os.open(Path(folder) / "effects", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        os.write(file, json.dumps(asdict(effect)).encode() + b"\n")
    finally:
        os.close(file)


def leave_attempt(folder: str, what: str) -> None:
    """The effect of the attempt that runs."""
    info = activity.info()
    leave(folder, Effect(what, os.getpid(), info.idempotency_key, info.attempt))


def shut(folder: str, gate: str) -> bool:
    """Whether a gate is shut."""
    return (Path(folder) / gate).exists()


@activity
async def mark(folder: str, what: str) -> str:
    """Has its effect at once, and ends when the gate is open."""
    leave_attempt(folder, what)
    while shut(folder, ACTIVITIES):  # noqa: ASYNC110 (what is waited for is a file)
        await asyncio.sleep(0.02)
    return f"{what} done"


@activity
def mark_in_thread(folder: str, what: str) -> str:
    """As `mark`, in a thread."""
    leave_attempt(folder, what)
    while shut(folder, ACTIVITIES):
        time.sleep(0.02)
    return f"{what} done"


@activity
async def deadly(folder: str) -> str:
    """Kills its worker's process."""
    leave_attempt(folder, "deadly")
    if shut(folder, DEADLY):
        os.kill(os.getpid(), 9)
    return "survived"


@activity
async def echo(value: int) -> int:
    """Gives back what it was given."""
    return value


@activity(retry=Retry(max_attempts=10, initial=timedelta(milliseconds=10)))
async def try_again(folder: str, failures: int) -> int:
    """Fails so often; gives the number of the attempt."""
    leave_attempt(folder, "try")
    if activity.info().attempt <= failures:
        raise ConnectionError("not yet")
    return activity.info().attempt


@workflow
async def flaky(folder: str, failures: int) -> int:
    """A step that fails so often before it succeeds."""
    return await try_again(folder, failures)


@workflow
async def leaf(folder: str, what: str) -> str:
    """One step, for a parent."""
    return await mark(folder, what)


@workflow
async def order(folder: str) -> list[str]:
    """A step, two beside each other, a timer, a child and a last step: what most workflows are made of."""
    first = await mark(folder, "first")
    second, third = await asyncio.gather(mark(folder, "second"), mark_in_thread(folder, "third"))
    await asyncio.sleep(0.05)
    fourth = await leaf(folder, "fourth")
    return [first, second, third, fourth, await mark(folder, "fifth")]


ORDER = [f"{what} done" for what in ("first", "second", "third", "fourth", "fifth")]
"""What an order comes to."""


@workflow
async def stubborn(folder: str) -> str:
    """Blocks its worker's thread in the middle of a turn, as bad code does."""
    await mark(folder, "before")
    leave(folder, Effect("turn", os.getpid()))
    while shut(folder, TURNS):
        time.sleep(0.01)  # noqa: ASYNC251 (it is meant to be wrong)
    return await mark(folder, "after")


@workflow
async def single(value: int) -> int:
    """One activity."""
    return await echo(value)


@workflow
async def wide(width: int) -> int:
    """So many activities beside each other."""
    return sum(await asyncio.gather(*(echo(number) for number in range(width))))


@workflow
async def waiting(folder: str) -> str:
    """One step before a signal, one after it."""
    await mark(folder, "before")
    word = await workflow.receive("go", str)
    await mark(folder, "after")
    return word


@workflow
async def guardian(folder: str) -> str:
    """Waits for a child that outlives it."""
    return await waiting.options(parent_close="abandon")(folder)


@workflow
async def collecting(left: int, each: int, seen: list[int]) -> list[int]:
    """Gathers numbers that are signaled, so many a run and then as a new run, until there are none left."""
    for _ in range(min(each, left)):
        seen.append(await workflow.receive("number", int))
        left -= 1
    if left:
        collecting.continue_as_new(left, each, seen)
    return seen


@workflow
async def slowly_collecting(folder: str, left: int, each: int, seen: list[int]) -> list[int]:
    """As `collecting`, with a step in each run."""
    await mark(folder, "run")
    for _ in range(min(each, left)):
        seen.append(await workflow.receive("number", int))
        left -= 1
    if left:
        slowly_collecting.continue_as_new(folder, left, each, seen)
    return seen


@workflow
async def deadly_turn(folder: str) -> str:
    """Kills its worker's process in a turn."""
    leave(folder, Effect("deadly turn", os.getpid()))
    if shut(folder, DEADLY):
        os.kill(os.getpid(), 9)
    return "survived"


@workflow
async def deadly_step(folder: str) -> str:
    """Has a step that kills its worker's process."""
    return await deadly(folder)


@workflow
async def napping(seconds: float) -> str:
    """A timer."""
    await asyncio.sleep(timedelta(seconds=seconds).total_seconds())
    return "awake"
