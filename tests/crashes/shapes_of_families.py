"""Shapes of families: children, their children, what they are told and what becomes of them when a parent ends."""

from __future__ import annotations

import asyncio
from typing import Final

from rqflow.authoring.workflow_face import workflow
from rqflow.errors import ChildFailed, SignalFailed
from rqflow.testing.scene import Scene
from tests.crashes.steps import LONG, SOON, Shape, broken, mark


@workflow
async def leaf(what: str) -> str:
    """One step."""
    return await mark(what)


@workflow
async def branch(what: str) -> list[str]:
    """Two leaves."""
    return list(await asyncio.gather(leaf(f"{what} 1"), leaf(f"{what} 2")))


@workflow
async def tree() -> list[list[str]]:
    """Children that have children."""
    return list(await asyncio.gather(branch("left"), branch("right")))


@workflow
async def failing(what: str) -> None:
    """Fails."""
    await broken(what)


@workflow
async def forgiving() -> str:
    """A child fails, and is done without."""
    try:
        await failing("child")
    except ChildFailed as failed:
        return await mark(f"without {type(failed).__name__}, which is")
    return "unreachable"


@workflow
async def listener() -> str:
    """Waits for a word."""
    return await workflow.receive("word", str)


@workflow
async def speaker() -> list[str]:
    """Speaks to a child by its handle and by its id, and to nobody."""
    first, second = workflow.start_child(listener), workflow.start_child(listener)
    await asyncio.gather(first.started(), second.started())
    await first.signal("word", "by handle")
    await workflow.signal(second.id, "word", "by id")
    try:
        await workflow.signal("nobody", "word", "lost")
    except SignalFailed:
        return list(await asyncio.gather(first.result(), second.result()))
    return []


@workflow
async def tidy() -> str:
    """Cleans up when it is canceled."""
    workflow.set_status("working")
    try:
        await asyncio.sleep(LONG)
    finally:
        await asyncio.shield(mark("tidied"))
    return "unreachable"


@workflow
async def impatient() -> str:
    """Gives a child up that takes too long: it is asked to cancel."""
    try:
        async with asyncio.timeout(SOON):
            await tidy.options(parent_close="abandon")()
    except TimeoutError:
        return await mark("impatient")
    return "unreachable"


@workflow
async def revoking() -> str:
    """Cancels a child and hears how it ended."""
    child = workflow.start_child(tidy)
    await child.started()
    await child.cancel("not needed")
    try:
        await child.result()
    except ChildFailed as failed:
        return type(failed).__name__
    return "unreachable"


@workflow
async def napping() -> str:
    """Outlives its parent."""
    await asyncio.sleep(2 * SOON)
    return await mark("nap")


@workflow
async def leaving() -> str:
    """Ends before its children: one is canceled, one terminated, one let go."""
    workflow.start_child(tidy.options(parent_close="cancel"))
    workflow.start_child(listener.options(parent_close="terminate"))
    last = workflow.start_child(napping.options(parent_close="abandon"))
    await last.started()
    return await mark("leaving")


@workflow
async def dynasty(left: int) -> str:
    """Continues as new while a child of its first run goes on."""
    if left == 2:
        child = workflow.start_child(napping.options(id="heir", parent_close="abandon"))
        await child.started()
    await mark(f"run {left}")
    if left:
        dynasty.continue_as_new(left - 1)
    return "extinct"


@workflow
async def guarded() -> str:
    """Terminated with its whole family."""
    child = workflow.start_child(waiting_parent, workflow.info().instance)
    await workflow.receive("complete")
    workflow.set_status("guarded")
    return await child.result()


@workflow
async def waiting_parent(elder: str) -> str:
    """Waits for a child that waits for a word."""
    child = workflow.start_child(listener)
    await child.started()
    await workflow.signal(elder, "complete")
    return await child.result()


async def terminate_all(scene: Scene) -> None:
    await scene.start()
    await scene.shows("guarded")
    await scene.terminate("all of them", recursive=True)


SHAPES: Final = (
    Shape(workflow=tree),
    Shape(workflow=forgiving),
    Shape(workflow=speaker),
    Shape(workflow=impatient),
    Shape(workflow=revoking),
    Shape(workflow=leaving),
    Shape(workflow=dynasty, args=(2,)),
    Shape(workflow=guarded, script=terminate_all),
)
