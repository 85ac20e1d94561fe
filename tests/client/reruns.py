"""Workflows whose steps are counted and fail on demand: for reruns."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

from rqflow.authoring.activity_face import activity
from rqflow.authoring.registry import Registry
from rqflow.authoring.workflow_face import workflow

done: Counter[str] = Counter()
"""How often each step was done, by order and step."""
broken: set[str] = set()
"""Steps that fail, by order and step."""
keys: dict[str, list[str]] = {}
"""Idempotency keys of the attempts of a step."""


def do(order: str, step: str) -> str:
    """Count a step; fail if it is broken."""
    name = f"{order} {step}"
    done[name] += 1
    keys.setdefault(name, []).append(activity.info().idempotency_key)
    if name in broken:
        raise ValueError(f"{step} is broken")
    return step


@activity
async def pick(order: str) -> str:
    return do(order, "pick")


@activity
async def charge(order: str, amount: int) -> int:
    do(order, "charge")
    return amount


@activity
async def pack(order: str) -> str:
    await asyncio.sleep(0.02)
    return do(order, "pack")


@activity
async def deliver(order: str) -> str:
    return do(order, "deliver")


@workflow
async def nearby(order: str) -> list[Any]:
    """Steps of its own turn, and one of a queue between them."""
    picked = await pick.options(local=True)(order)
    paid = await charge(order, 10)
    packed = await pack.options(local="durable")(order)
    return [picked, paid, packed, await deliver.options(local=True)(order)]


@workflow
async def delivery(order: str) -> str:
    """A child."""
    return await deliver(order)


@workflow
async def shipping(order: str, amount: int = 10) -> dict[str, Any]:
    """A step, two beside each other, a timer, a child, and then a line that may be wrong."""
    lot = workflow.random().random()
    picked = await pick(order)
    paid, packed = await asyncio.gather(charge(order, amount), pack(order), return_exceptions=True)
    await asyncio.sleep(0.01)
    if isinstance(paid, BaseException):
        raise paid
    delivered = await delivery(order)
    if f"{order} code" in broken:
        raise RuntimeError("a line is wrong")
    other = workflow.random().random()
    run = workflow.info().run
    return {
        "steps": [picked, packed, delivered], "paid": paid, "lots": [lot, other], "run": run,
        "id": workflow.info().instance,
    }  # fmt: skip


@workflow
async def answering(order: str) -> list[str]:
    """A step that fails, with signals before and after it."""
    first = await workflow.receive("word", str)
    await pick(order)
    return [first, await workflow.receive("word", str)]


@workflow
async def giving_up(order: str) -> str:
    """Asks for a step and gives it up in the same turn, or in the next."""
    step = asyncio.ensure_future(pack(order))
    late = asyncio.ensure_future(deliver(order))
    await pick(order)
    for each in (step, late):
        each.cancel()
    await charge.options(timeout=timedelta(seconds=5))(order, 1)
    return "gave up"


@workflow
async def growing(order: str, times: int) -> str:
    """Goes on as new runs, with a child in each."""
    await delivery(order)
    if times:
        growing.continue_as_new(order, times - 1)
    return await pick(order)


def registry() -> Registry:
    """All of them."""
    return Registry([pick, charge, pack, deliver, delivery, shipping, answering, giving_up, growing, nearby])
