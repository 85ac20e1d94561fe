"""Whole words: workflows whose words are seen by clients, by other instances, and by the store's time limits."""

from __future__ import annotations

import asyncio
import itertools
from datetime import timedelta
from typing import Any

from rqflow.authoring.activity_face import activity
from rqflow.authoring.workflow_face import workflow
from rqflow.core.options import Retry
from rqflow.errors import ActivityFailed

drawn = itertools.count()
SOON = timedelta(milliseconds=5)


@activity(timeout=0.1)
async def start_to_close() -> None:
    await asyncio.sleep(60)


@activity(schedule_to_start=0.1, queue="nobody-serves")
async def schedule_to_start() -> None: ...


@activity(schedule_to_close=0.15, retry=Retry(max_attempts=None, initial=timedelta(milliseconds=40), jitter=0))
async def schedule_to_close() -> None:
    raise OSError("again")


@activity(heartbeat=0.15)
async def heartbeat() -> None:
    activity.heartbeat(1)
    await asyncio.sleep(60)


@activity(retry=Retry(max_attempts=9, initial=SOON, non_retryable=("PermissionError",)))
async def refused() -> None:
    raise PermissionError(f"attempt {activity.info().attempt}")


@activity(retry=Retry(max_attempts=2, initial=SOON))
async def leaves_word() -> str:
    """Fails once, right after its word."""
    if activity.info().attempt == 1:
        activity.heartbeat({"line": 7})
        raise OSError("after its word")
    return f"from line {activity.info().details()['line']}"


@workflow
async def limits_of_activities() -> dict[str, str]:
    """Each limit as it is seen where the activity is awaited."""
    seen = {"details": await leaves_word()}
    for limited in (start_to_close, schedule_to_start, schedule_to_close, heartbeat, refused):
        try:
            await limited()
        except ActivityFailed as error:
            seen[limited.name] = f"{type(error).__name__}: {error}"
    return seen


@workflow
async def shows() -> dict[str, Any]:
    """Uses each word that shows or draws, over turns."""
    workflow.set_status({"phase": "begun"})
    workflow.set_attributes(city="Köln", size=3)
    workflow.emit("begun", {"size": 3})
    side = workflow.side_effect(lambda: next(drawn), int)
    first = [workflow.now().isoformat(), workflow.random().random(), str(workflow.uuid4())]
    told: list[int] = []

    @workflow.on_signal
    def tell(number: int) -> None:
        told.append(number)

    @workflow.on_query
    def state() -> dict[str, Any]:
        return {"side": side, "first": first, "told": told}

    await workflow.wait_until(lambda: len(told) >= 2)
    workflow.set_status({"phase": "told"})
    workflow.set_attributes(city=None, size=4)
    await asyncio.sleep(0.001)
    return state()


@workflow
async def child() -> str:
    """Waits to be told."""
    return await workflow.receive("go", str)


@workflow
async def parent(policies: list[str]) -> str:
    """Has a child for each policy; ends when told."""
    for policy in policies:
        options: Any = {"id": f"{workflow.info().instance}-{policy}", "parent_close": policy}
        await workflow.start_child(child.options(**options)).started()
    return await workflow.receive("end", str)


@activity
async def nothing(number: int) -> int:
    return number


@workflow
async def grows(runs: int) -> int:
    """Goes on as a new run when it is told that its history is long."""
    while not workflow.info().continue_suggested:
        await asyncio.gather(*(nothing(number) for number in range(1_000)))
    if runs:
        grows.continue_as_new(runs - 1)
    return workflow.info().history_length
