"""Core advance: what a turn costs in the core alone: microseconds of CPU, and bytes of an idle executor.

Run it with `python benchmarks/core_advance.py`.
"""

from __future__ import annotations

import asyncio
import gc
import time
import tracemalloc
from collections.abc import Callable, Coroutine
from typing import Any

from rqflow.core.events import (
    ActivityCompleted,
    ActivityScheduled,
    Event,
    Payload,
    Stamped,
    TimerFired,
    WorkflowCompleted,
    WorkflowStarted,
)
from rqflow.core.executor import Executor
from rqflow.core.options import ActivityOptions
from rqflow.core.run import current

START_MS = 1_700_000_000_000
OPTIONS = ActivityOptions()


class Definition:
    """A workflow from a bare coroutine function."""

    def __init__(self, main: Callable[[Payload], Coroutine[Any, Any, Payload]]) -> None:
        self.name = main.__name__
        self.begin = main


async def one_activity(payload: Payload) -> Payload:
    return await current().call_activity("work", payload, OPTIONS)


async def in_parallel(payload: Payload) -> Payload:
    await asyncio.gather(*(current().call_activity("work", payload, OPTIONS) for _ in range(1_000)))
    return payload


async def with_deadline(payload: Payload) -> Payload:
    async with asyncio.timeout(60):
        return await current().call_activity("work", payload, OPTIONS)


async def in_sequence(payload: Payload) -> Payload:
    for _ in range(1_000):
        await asyncio.sleep(1)
    return payload


def stamp(event: Event) -> Stamped:
    return Stamped(at_ms=START_MS, event=event)


def started(number: int) -> Stamped:
    run = f"{number:032x}"
    return stamp(WorkflowStarted(workflow="bench", instance=f"i-{number}", run=run, queue="default", payload=b"1"))


def live(definition: Definition, answers: list[Stamped], runs: int) -> float:
    """Seconds for so many runs, each answer a turn of its own."""
    begins = [started(number) for number in range(runs)]
    before = time.process_time()
    for begin in begins:
        executor = Executor(definition)
        executor.advance([begin])
        for answer in answers:
            executor.advance([answer])
        executor.close()
    return time.process_time() - before


def bytes_of_an_idle_executor() -> float:
    definition = Definition(one_activity)
    begins = [started(number) for number in range(2_000)]
    gc.collect()
    tracemalloc.start()
    executors = [Executor(definition) for _ in begins]
    for executor, begin in zip(executors, begins, strict=True):
        executor.advance([begin])
    gc.collect()
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return taken / len(executors)


def main() -> None:
    done = [stamp(ActivityCompleted(id=1, payload=b"2"))]
    seconds = live(Definition(one_activity), done, 20_000)
    print(f"one activity, begin to end:         {seconds / 20_000 * 1e6:8.1f} µs a run")
    seconds = live(Definition(with_deadline), [stamp(ActivityCompleted(id=2, payload=b"2"))], 10_000)
    print(f"one activity under a timeout:       {seconds / 10_000 * 1e6:8.1f} µs a run")
    answers = [stamp(ActivityCompleted(id=id, payload=b"2")) for id in range(1, 1_001)]
    seconds = live(Definition(in_parallel), answers, 20)
    print(f"1,000 activities in parallel:       {seconds / 20_000 * 1e6:8.1f} µs an activity")
    timers = [stamp(TimerFired(id=id)) for id in range(1, 1_001)]
    seconds = live(Definition(in_sequence), timers, 20)
    print(f"1,000 timers one after another:     {seconds / 20_000 * 1e6:8.1f} µs a timer")
    history = [
        started(0),
        stamp(ActivityScheduled(id=1, name="work", queue="default", payload=b"1")),
        *done,
        stamp(WorkflowCompleted(payload=b"2")),
    ]
    before = time.process_time()
    for _ in range(20_000):
        Executor(Definition(one_activity)).advance(history, replayed=len(history))
    print(f"one activity, replayed from cold:   {(time.process_time() - before) / 20_000 * 1e6:8.1f} µs a run")
    print(f"idle executor:                      {bytes_of_an_idle_executor():8,.0f} bytes")


if __name__ == "__main__":
    main()
