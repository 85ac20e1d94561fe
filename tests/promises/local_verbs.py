"""Local verbs: workflows whose activities run inside their turns, with effects that can be counted."""

from __future__ import annotations

import asyncio
import time

from rqflow.authoring.activity_face import activity
from rqflow.authoring.workflow_face import workflow
from tests.promises.poisons import end_process
from tests.promises.verbs import ACTIVITIES, DEADLY, leave_attempt, shut


@activity(local=True)
async def near(folder: str, what: str) -> str:
    """An effect."""
    leave_attempt(folder, what)
    return what


@activity(local="durable")
async def kept(folder: str, what: str) -> str:
    """An effect whose result is committed before anything follows."""
    leave_attempt(folder, what)
    return what


@activity(local=True)
async def held(folder: str, what: str) -> str:
    """An effect, and then a wait for the gate, on the loop."""
    leave_attempt(folder, what)
    while shut(folder, ACTIVITIES):  # noqa: ASYNC110 (the gate is a file)
        await asyncio.sleep(0.005)
    return what


@activity(local=True)
def held_in_thread(folder: str, what: str) -> str:
    """The same, in a thread."""
    leave_attempt(folder, what)
    while shut(folder, ACTIVITIES):
        time.sleep(0.005)
    return what


@activity(local=True)
async def die(folder: str, way: str) -> str:
    """Ends its worker while the gate is shut."""
    leave_attempt(folder, f"die {way}")
    if shut(folder, DEADLY):
        end_process(way)
    return "survived"


@workflow
async def steps(folder: str) -> list[str]:
    """Two durable ones, one that is not, and one that waits."""
    before = [await kept(folder, "one"), await kept(folder, "two"), await near(folder, "three")]
    return [*before, await held(folder, "four"), await near(folder, "five")]


@workflow
async def beside(folder: str) -> list[str]:
    """Two that wait, beside each other, and a signal."""
    both = await asyncio.gather(held(folder, "loop"), held_in_thread(folder, "thread"), workflow.receive("go", str))
    return list(both)


@workflow
async def deadly(folder: str, way: str) -> str:
    """Ends its workers."""
    return await die(folder, way)


@workflow
async def innocent(folder: str, number: int) -> int:
    """A local step, a timer, and another one."""
    await near(folder, "innocent")
    await asyncio.sleep(0.01)
    await near(folder, "innocent")
    return number
