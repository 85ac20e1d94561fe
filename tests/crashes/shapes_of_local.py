"""Shapes of local steps: activities inside turns: in a row, beside each other, tried again, durable, slow, given up."""

from __future__ import annotations

import asyncio
from typing import Final

from rqflow.authoring.workflow_face import workflow
from rqflow.errors import ActivityFailed
from rqflow.testing.scene import Scene
from tests.crashes.steps import LONG, SOON, Shape, broken, flaky, hopeless, mark, slow

near: Final = mark.options(local=True)
durable: Final = mark.options(local="durable")


@workflow
async def local_sequence(steps: int) -> list[str]:
    """One after the other, and between them one from the queue."""
    before = [await near(f"before {number}") for number in range(steps)]
    return [*before, await mark("between"), *[await near(f"after {number}") for number in range(steps)]]


@workflow
async def local_fan_out(width: int) -> list[str]:
    """Beside each other and beside those of a queue, one failing."""
    steps = [broken.options(local=True)(f"{number}") if number == 1 else near(f"{number}") for number in range(width)]
    found = await asyncio.gather(*steps, mark("far"), return_exceptions=True)
    return [each if isinstance(each, str) else type(each).__name__ for each in found]


@workflow
async def local_retry() -> str:
    """One that succeeds at last, and one that never does."""
    said = await flaky.options(local=True)(2)
    try:
        await hopeless.options(local=True)()
    except ActivityFailed as error:
        return f"{said}, {error}"
    return "not hopeless"


@workflow
async def local_durable(steps: int) -> list[str]:
    """Each committed before the next, with a child's worth of other things between."""
    found = []
    for number in range(steps):
        found.append(await durable(f"{number}"))
        workflow.set_status(number)
    return [*found, *await asyncio.gather(durable("beside"), near("each"), mark("other"))]


@workflow
async def local_slow() -> list[str]:
    """They take longer than a turn holds back what it has; a timer and a step of a queue go beside them."""

    async def beside() -> str:
        await asyncio.sleep(SOON)
        return await mark("beside")

    slowly = slow.options(local=True)
    return list(await asyncio.gather(slowly(0.25), beside(), near("at once"), slowly(0.5)))


@workflow
async def local_given_up() -> str:
    """A signal comes first, and what runs is not wanted any more; then a deadline passes."""
    step = asyncio.ensure_future(slow.options(local=True)(LONG))
    workflow.set_status("slowly")
    said = await workflow.receive("enough", str)
    step.cancel()
    try:
        async with asyncio.timeout(SOON):
            await slow.options(local="durable")(LONG)
    except TimeoutError:
        return f"{said}, {await near('and done')}"
    return "never late"


async def say_enough(scene: Scene) -> None:
    await scene.start()
    await scene.shows("slowly")
    await scene.signal("enough", "that will do")


@workflow
async def local_rounds(left: int) -> int:
    """A new run after each step."""
    await near(f"round {left}")
    if left:
        local_rounds.continue_as_new(left - 1)
    return left


SHAPES: Final = (
    Shape(workflow=local_sequence, args=(2,)),
    Shape(workflow=local_fan_out, args=(3,)),
    Shape(workflow=local_retry),
    Shape(workflow=local_durable, args=(2,)),
    Shape(workflow=local_slow),
    Shape(workflow=local_given_up, script=say_enough),
    Shape(workflow=local_rounds, args=(2,)),
)
