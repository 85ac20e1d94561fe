"""Local flows: workflows whose activities run inside their turns, and what those did."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from datetime import timedelta

from rqflow.authoring.activity_face import activity
from rqflow.authoring.workflow_face import workflow
from rqflow.core.options import Retry

RAN: Counter[str] = Counter()
"""How often activities ran, by what they were told."""
KEYS: dict[str, list[str]] = {}
"""The idempotency keys of their attempts."""
GATES: dict[str, asyncio.Event] = {}
"""What some of them wait for."""


@activity(local=True)
async def near(word: str) -> str:
    """At once."""
    RAN[word] += 1
    return word.upper()


@activity(local=True)
def threaded(word: str) -> str:
    """In a thread."""
    RAN[word] += 1
    assert threading.current_thread() is not threading.main_thread()
    time.sleep(0.001)
    return word.upper()


@activity(local="durable")
async def durable(word: str) -> str:
    """Committed before anything follows."""
    RAN[word] += 1
    return word.upper()


@activity
async def far(word: str) -> str:
    """From the queue."""
    RAN[word] += 1
    return word.upper()


@activity(local=True, retry=Retry(max_attempts=3, initial=timedelta(milliseconds=1), jitter=0))
async def flaky(word: str, good: int) -> int:
    """Fails until its n-th attempt."""
    info = activity.info()
    KEYS.setdefault(word, []).append(info.idempotency_key)
    RAN[word] += 1
    if info.attempt < good:
        activity.heartbeat(info.attempt)
        raise ValueError(f"{word} fails")
    assert info.details(int) == (good - 1 if good > 1 else None)
    return info.attempt


@activity(local=True)
async def gated(word: str) -> str:
    """Waits for its gate."""
    RAN[word] += 1
    try:
        await GATES[word].wait()
    except asyncio.CancelledError:
        RAN[f"{word} stopped"] += 1
        raise
    return word.upper()


@workflow
async def row(word: str, steps: int) -> list[str]:
    """One after the other."""
    return [await near(f"{word}{number}") for number in range(steps)]


@workflow
async def durable_row(word: str, steps: int) -> list[str]:
    """One after the other, each durable before the next."""
    return [await durable(f"{word}{number}") for number in range(steps)]


@workflow
async def mixed(word: str) -> list[str]:
    """Beside each other: local, in a thread, from the queue, and a timer."""
    asked = near(f"{word}1"), far(f"{word}2"), threaded(f"{word}3"), far.options(local=True)(f"{word}4")
    answers, _ = await asyncio.gather(asyncio.gather(*asked), asyncio.sleep(0.01))
    return list(answers)


@workflow
async def tries(word: str, good: int) -> int:
    """A flaky one."""
    return await flaky(word, good)


@workflow
async def gate(word: str) -> str:
    """One that waits."""
    workflow.on_query("word", lambda: word)
    return await gated(word)


@workflow
async def raced(word: str) -> str:
    """One that waits, against a signal."""
    step, signal = asyncio.ensure_future(gated(word)), asyncio.ensure_future(workflow.receive("go", str))
    done, _ = await asyncio.wait({step, signal}, return_when=asyncio.FIRST_COMPLETED)
    if signal in done:
        step.cancel()
        return f"signal {signal.result()}"
    return step.result()


@workflow
async def limited(word: str) -> str:
    """One that waits, and a time limit around it."""
    try:
        async with asyncio.timeout(0.05):
            return await gated(word)
    except TimeoutError:
        return "late"


@workflow
async def clock(steps: int) -> list[float]:
    """The time after each step."""
    times = [workflow.now().timestamp()]
    for _ in range(steps):
        await threaded("clock")
        times.append(workflow.now().timestamp())
    return times


FLOWS = (row, durable_row, mixed, tries, gate, raced, limited, clock, near, threaded, durable, far, flaky, gated)
"""All of these."""
