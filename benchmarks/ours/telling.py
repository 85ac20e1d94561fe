"""Telling: what histories and workers say of a work afterwards."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence

from benchmarks.ours.flows import DELAY_MS
from benchmarks.stage import Told
from rqflow import AsyncClient
from rqflow.cli.stats import worker_numbers
from rqflow.core.events import ActivityCompleted, Stamped, TimerFired, TimerStarted, WorkflowCompleted

PROBES = (100, 1_900)
"""Steps whose cost is told, each the mean of those around it: Redis' clock has milliseconds."""
AROUND = 50
RENEWALS = 20.0
"""Seconds until every worker has told its numbers for sure."""


def steps_told(history: Sequence[Stamped]) -> Told:
    """What a step takes here and there in a sequence; nothing if it is too short for that."""
    ends = [each.at_ms for each in history if isinstance(each.event, ActivityCompleted)]
    if len(ends) <= max(PROBES) + AROUND:
        return {}
    early, late = ((ends[at + AROUND] - ends[at - AROUND]) / (2 * AROUND) for at in PROBES)
    return {"step 100 ms": early, "step 1,900 ms": late, "1,900 / 100": late / early if early else 0.0}


def lateness(history: Sequence[Stamped]) -> list[float]:
    """How much after its time each timer fired, and at last, how much after that of the last the workflow ended."""
    begun = max(each.at_ms for each in history if isinstance(each.event, TimerStarted))
    told = (TimerFired, WorkflowCompleted)
    return [float(each.at_ms - begun - DELAY_MS) for each in history if isinstance(each.event, told)]


async def cache_told(client: AsyncClient, *, workflows: int, turns: int) -> Told:
    """How often a turn that was not the first of its run found its executor, of all workers together."""
    numbers: Counter[str] = Counter()
    end = time.monotonic() + RENEWALS
    while numbers["cache_hits"] + numbers["cache_misses"] < turns and time.monotonic() < end:
        await asyncio.sleep(0.2)
        numbers.clear()
        for worker in (await client.stats()).workers:
            numbers.update(worker_numbers(worker))
    hits, misses = numbers["cache_hits"], numbers["cache_misses"] - workflows
    return {"hits %": 100 * hits / max(1, hits + misses)}
