"""Blue: the one build of the code, that green replaces and is replaced by."""

from __future__ import annotations

import asyncio

from rqflow.authoring.workflow_face import workflow
from tests.chaos.flows import act


@workflow
async def drifting(folder: str) -> list[str]:
    """Another text in both builds; each follows the histories of the other."""
    first = await act(folder, "begin")
    await asyncio.sleep(0.2)
    return [first, await act(folder, "end")]


@workflow
async def changing(folder: str) -> list[str]:
    """What follows the first step is another in each build: neither can follow the other beyond it."""
    first = await act(folder, "begin")
    await asyncio.sleep(0.3)
    return [first, await act(folder, "end")]
