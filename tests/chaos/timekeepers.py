"""Timekeepers: scheduler processes, the schedule of every second that they keep, and what must have come of it."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from rqflow.client.asynchronous import AsyncClient
from rqflow.scheduler.options import SchedulerOptions
from rqflow.scheduler.run import run_scheduler
from tests.chaos.findings import Finding
from tests.chaos.flows import tick
from tests.promises.processes import end_with_parent, log_all
from tests.promises.verbs import Effect

PROGRAM: Final = "tests.chaos.timekeepers"
SCHEDULE: Final = "tick"
EVERY: Final = timedelta(seconds=1)
PATIENCE: Final = 60.0
"""Seconds in which schedulers have caught up once there is peace."""


async def begin(client: AsyncClient, folder: str) -> None:
    """From now on, once a second; nothing is missed, however late it is."""
    await client.schedules.create(
        SCHEDULE, tick, folder, every=EVERY.total_seconds(), overlap="allow", catch_up=timedelta(hours=6)
    )


async def catch_up(client: AsyncClient) -> list[str]:
    """All slots until now have fired, and it is over. What is wrong."""
    until = time.monotonic() + PATIENCE
    found = await client.schedules.get(SCHEDULE)
    now = found.now
    while found.state.cursor_ms < now.timestamp() * 1_000:
        if time.monotonic() > until:
            return [f"the schedule stands still: {found}"]
        await asyncio.sleep(0.1)
        found = await client.schedules.get(SCHEDULE)
    await client.schedules.delete(SCHEDULE)
    return [f"the schedule is broken: {found.broken}"] if found.broken else []


def slots_of(findings: Mapping[str, Finding]) -> list[datetime]:
    """What has fired."""
    names = (name.removeprefix(f"{SCHEDULE}/") for name in findings if name.startswith(f"{SCHEDULE}/"))
    return sorted(datetime.fromisoformat(name) for name in names)


def wrong_with(slots: list[datetime], effects: Iterable[Effect]) -> list[str]:
    """Slots that were left out, and those that were begun twice."""
    said = [f"no slot between {one:%H:%M:%S} and {two:%H:%M:%S}" for one, two in pairwise(slots) if two - one != EVERY]
    runs: dict[str, set[str]] = {}
    for effect in effects:
        if effect.what.startswith(f"{SCHEDULE} "):
            runs.setdefault(effect.what, set()).add(effect.key.partition(":")[0])
    said += [f"{what} was begun as {sorted(each)}" for what, each in runs.items() if len(each) > 1]
    return said


def main() -> int:
    """Be a scheduler: `words` as a worker's, of which the place is of interest."""
    threading.Thread(target=end_with_parent, name="lifeline", daemon=True).start()
    words = json.loads(sys.argv[1])
    options = SchedulerOptions(poll=timedelta(seconds=1))
    return run_scheduler(url=words["url"], hub=words["hub"], options=options, prepare=log_all)


if __name__ == "__main__":
    sys.exit(main())
