"""Green: the other build of the code."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from rqflow.authoring.workflow_face import workflow
from rqflow.core.options import Retry
from tests.chaos.flows import act, act_in_thread


@workflow
async def drifting(folder: str) -> list[str]:
    """As in blue, with other options, spans and helpers."""
    steps = [await act.options(retry=Retry(max_attempts=7), timeout=timedelta(minutes=3))(folder, "begin")]
    await _pause()
    steps.append(await act.options(heartbeat=timedelta(minutes=1))(folder, "end"))
    return steps


async def _pause() -> None:
    await asyncio.sleep(0.1)


@workflow
async def changing(folder: str) -> list[str]:
    """As in blue until the first step has ended; then a thread's step where blue has a timer."""
    first = await act(folder, "begin")
    await act_in_thread(folder, "middle")
    await asyncio.sleep(0.3)
    return [first, await act(folder, "end")]
