"""A workflow that passes whatever limit it is told to."""

from __future__ import annotations

import asyncio

from rqflow.authoring.activity_face import activity
from rqflow.authoring.registry import Registry
from rqflow.authoring.workflow_face import workflow
from rqflow.errors import ActivityFailed, RqflowError

BIG = "x" * 3_000


@activity
async def echo(text: str, times: int = 1) -> str:
    """Gives back what it got, so often."""
    return text * times


@activity
async def beat() -> str:
    """Says how it lives, at length."""
    try:
        activity.heartbeat(BIG)
    except RqflowError as error:
        return f"{type(error).__name__}: {error}"
    return "told"


@workflow
async def kid() -> str:
    """A child that waits."""
    return await workflow.receive("go", str)


async def _many_events() -> None:
    for n in range(50):
        workflow.set_status(n)
    await echo("now")


async def _many_bytes() -> None:
    for _ in range(8):
        await echo("y" * 1_000)


async def _wait_for_many() -> None:
    await asyncio.gather(*(asyncio.sleep(1_000) for _ in range(9)))


async def _have_children() -> None:
    for _ in range(4):
        workflow.start_child(kid)
    await echo("later")


async def _say_much() -> None:
    workflow.set_status(BIG)


async def _result() -> str:
    return BIG


async def _arguments() -> None:
    await echo(BIG)


async def _answer() -> str:
    try:
        return await echo("z" * 1_000, 3)
    except ActivityFailed as error:
        return f"caught {error}"


async def _attributes() -> None:
    workflow.set_attributes(**{f"a{n}": n for n in range(4)})


async def _attribute() -> None:
    workflow.set_attributes(a="v" * 300)


async def _child_id() -> None:
    await kid.options(id="k" * 600)()


async def _name() -> None:
    await workflow.execute_activity("n" * 300)


WAYS = {
    "events": _many_events, "bytes": _many_bytes, "outstanding": _wait_for_many, "children": _have_children,
    "status": _say_much, "result": _result, "arguments": _arguments, "answer": _answer, "attributes": _attributes,
    "attribute": _attribute, "child id": _child_id, "name": _name,
}  # fmt: skip


@workflow
async def greedy(what: str) -> str:
    """Passes that limit."""
    done = await WAYS[what]()
    return done or "nobody minded"


@workflow
async def talkative() -> str:
    """Answers at length."""
    workflow.on_query("much", lambda: BIG)
    return await workflow.receive("go", str)


@workflow
async def beating() -> str:
    """Has an activity that says too much of itself."""
    return await beat()


def registry() -> Registry:
    """All of them."""
    return Registry([echo, beat, kid, greedy, talkative, beating])
