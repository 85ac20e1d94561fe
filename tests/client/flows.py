"""Workflows that the tests of the clients start."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from typing import Any

from rqflow.authoring.registry import Registry
from rqflow.authoring.workflow_face import workflow
from rqflow.client.sync import Client
from rqflow.errors import NotDeterministic


@dataclass
class Order:
    """What is ordered."""

    id: str
    total: float


@dataclass
class Cart:
    """What a cart knows."""

    items: list[str] = field(default_factory=list)
    limit: int = 10


@workflow
async def price(order: Order, factor: float = 1.0) -> float:
    """Returns at once."""
    return order.total * factor


@workflow
async def named(id: str, queue: int) -> str:
    """Has parameters that are named like options of a start."""
    return f"{id}:{queue}"


@workflow
async def approval(order: Order) -> Order:
    """Returns when it is approved."""
    workflow.set_status("waits for approval")
    order.total += await workflow.receive("approve", float)
    return order


@workflow
async def cart(limit: int = 10) -> Cart:
    """Gathers items until it is told that this was all; answers a query and an update meanwhile."""
    cart = Cart(limit=limit)
    closed = False

    @workflow.on_signal("add")
    def add(item: str) -> None:
        cart.items.append(item)

    @workflow.on_signal("close")
    def close() -> None:
        nonlocal closed
        closed = True

    @workflow.on_query("contents")
    def contents(first: int = 0) -> Cart:
        return Cart(cart.items[first:], cart.limit)

    @workflow.on_query("broken")
    def broken() -> None:
        raise ZeroDivisionError("the handler's own fault")

    def positive(limit: int) -> None:
        if limit < 1:
            raise ValueError("a limit is 1 or more")

    async def set_limit(limit: int) -> int:
        before, cart.limit = cart.limit, limit
        return before

    workflow.on_update("set_limit", set_limit, validator=positive)
    await workflow.wait_until(lambda: closed)
    return cart


DRAWN = itertools.count()
"""What `drawing` draws from: every draw is another number."""


@workflow
async def drawing() -> int:
    """Draws a number once and tells it when asked, and at its end."""
    number = workflow.side_effect(lambda: next(DRAWN), int)
    workflow.on_query("number", lambda: number)
    await workflow.receive("go")
    return number


@workflow
async def failing(text: str) -> None:
    """Raises, from a cause."""
    try:
        raise KeyError("the cause")
    except KeyError as error:
        raise ValueError(text) from error


@workflow
async def hops(left: int) -> str:
    """Goes on as a new run so many times, each after a signal."""
    if left:
        await workflow.receive("hop")
        hops.continue_as_new(left - 1)
    return "arrived"


@workflow(queue="nobody")
async def unserved() -> None:
    """Its queue has no worker."""


@workflow
async def sleeper() -> Any:
    """Ends only by cancellation."""
    await asyncio.sleep(10_000)


@workflow
async def family(generations: int) -> None:
    """Has two children, and they have, until there are no generations left; then waits."""
    if generations:
        for _ in range(2):
            workflow.start_child(family, generations - 1)
    await workflow.receive("end")


@workflow
async def meddler(url: str, hub: str) -> str:
    """Tries what only code outside of a workflow may do."""
    try:
        Client(url, hub=hub).start("price")
    except NotDeterministic as error:
        return str(error)
    return "nobody minded"


def registry() -> Registry:
    """All of them."""
    return Registry([price, named, approval, cart, drawing, failing, hops, unserved, sleeper, family, meddler])
