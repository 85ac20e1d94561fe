"""Poisons: workflows and activities that end their process in all the ways there are, and others that are innocent."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import time
from datetime import timedelta

from rqflow.authoring.activity_face import activity
from rqflow.authoring.workflow_face import workflow
from rqflow.core.options import Retry
from tests.promises.verbs import DEADLY, Effect, leave, leave_attempt, shut

WAYS = ("segfault", "exit", "memory")
COMPANY = "company"
"""A gate: shut, what is deadly waits for the others of its kind, so that its worker dies of all of them at once."""


def end_process(way: str) -> None:
    """Return to nobody."""
    if way == "segfault":
        ctypes.string_at(0)
    if way == "memory":
        # It grows, and the kernel does what it does then.
        grown = [b"x" * 1_048_576 for _ in range(64)]
        os.kill(os.getpid(), signal.SIGKILL)
        del grown
    os._exit(3)


@activity
async def die_in_loop(folder: str, way: str) -> str:
    """On the worker's loop."""
    leave_attempt(folder, f"loop {way}")
    while shut(folder, COMPANY):  # noqa: ASYNC110 (what is waited for is a file)
        await asyncio.sleep(0.01)
    if shut(folder, DEADLY):
        end_process(way)
    return "survived"


@activity
def die_in_thread(folder: str, way: str) -> str:
    """In a thread."""
    leave_attempt(folder, f"thread {way}")
    while shut(folder, COMPANY):
        time.sleep(0.01)
    if shut(folder, DEADLY):
        end_process(way)
    return "survived"


@activity(isolate="process", retry=Retry(max_attempts=2, initial=timedelta(milliseconds=10)))
def die_in_process(folder: str, way: str) -> str:
    """In a process of its own: the worker does not notice."""
    leave_attempt(folder, f"process {way}")
    end_process(way)
    return "survived"


@activity
async def work_in_loop(folder: str) -> str:
    """Takes a moment, on the loop."""
    leave_attempt(folder, "work")
    await asyncio.sleep(0.3)
    return "done"


@activity
def work_in_thread(folder: str) -> str:
    """Takes a moment, in a thread."""
    leave_attempt(folder, "work")
    time.sleep(0.3)
    return "done"


@workflow
async def good(folder: str) -> list[str]:
    """Works in both places."""
    return [*await asyncio.gather(work_in_loop(folder), work_in_thread(folder))]


@workflow
async def quick(number: int) -> int:
    """A turn, a timer, and another turn."""
    await asyncio.sleep(0.01)
    return number


@workflow
async def bad_step(folder: str, place: str, way: str) -> str:
    """Has a step that ends its process."""
    steps = {"loop": die_in_loop, "thread": die_in_thread, "process": die_in_process}
    return await steps[place](folder, way)


@workflow
async def bad_turn(folder: str, way: str) -> str:
    """Has a turn that ends its process."""
    leave(folder, Effect(f"turn {way}", os.getpid()))
    if shut(folder, DEADLY):
        end_process(way)
    return "survived"


@workflow
async def bad_question(folder: str) -> str:
    """Answers a question by ending its process."""

    def answer() -> str:
        leave(folder, Effect("question", os.getpid()))
        if shut(folder, DEADLY):
            end_process("exit")
        return "answered"

    workflow.on_query("deadly", answer)
    return await workflow.receive("go", str)
