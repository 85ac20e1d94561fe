"""Authoring as type checkers see it: mypy reads this file, nobody runs it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, assert_type
from uuid import UUID

from rqflow.authoring.activity_face import activity
from rqflow.authoring.children import ChildHandle
from rqflow.authoring.workflow_face import workflow
from rqflow.core.options import Retry


@dataclass
class Order:
    id: str


@dataclass
class Receipt:
    id: str


@activity
async def charge(order: Order, *, note: str = "") -> Receipt:
    return Receipt(order.id)


@activity(retry=Retry(max_attempts=5), timeout=timedelta(seconds=5), queue="eu")
async def reserve(order: Order) -> int:
    return 1


@activity(isolate="process")
def crunch(data: bytes) -> list[int]:
    return list(data)


@activity
def send_mail(to: str) -> None: ...


@workflow
async def ship(order: Order, days: int = 3) -> UUID:
    return workflow.uuid4()


@workflow(name="shop.checkout", queue="eu", timeout=60)
async def checkout(order: Order) -> Receipt:
    assert_type(await charge(order), Receipt)
    assert_type(await reserve.options(queue="us", timeout=5)(order), int)
    assert_type(await crunch(b"x"), list[int])
    assert_type(await asyncio.gather(charge(order), reserve(order)), tuple[Receipt, int])
    async with asyncio.TaskGroup() as group:
        task = group.create_task(charge(order))
        assert_type(await asyncio.create_task(crunch(b"y")), list[int])
    assert_type(task.result(), Receipt)
    assert_type(await asyncio.wait_for(charge(order), 5), Receipt)
    assert_type(await asyncio.shield(charge(order)), Receipt)
    assert_type(await workflow.shield(charge(order)), Receipt)

    charge("x")  # type: ignore[arg-type]
    charge(order, nte="x")  # type: ignore[call-arg]
    reserve.options(quue="x")  # type: ignore[call-arg]
    return await charge(order)


@workflow
async def words() -> None:
    assert_type(workflow.now(), datetime)
    assert_type(await workflow.receive("approve", Order), Order)
    assert_type(await workflow.receive("approve"), Any)
    assert_type(workflow.signals("orders", Order), AsyncIterator[Order])
    assert_type(workflow.side_effect(lambda: 5), int)
    assert_type(workflow.side_effect(dict, Order), Order)
    assert_type(await workflow.execute_activity("resize", 1, result_type=Receipt), Receipt)
    assert_type(await workflow.execute_activity("resize", 1, queue="gpu"), Any)
    assert_type(await workflow.wait_until(lambda: True, timeout=timedelta(days=1)), None)

    @workflow.on_query
    def contents() -> list[int]:
        return []

    @workflow.on_update("add", validator=lambda amount: None)
    async def add(amount: int) -> str:
        return str(amount)

    assert_type(contents(), list[int])
    assert_type(await add(5), str)

    async with workflow.saga() as saga:
        saga.add(charge, Order("1"), note="back")
        saga.add(charge, 5)  # type: ignore[arg-type]


@workflow
async def parents() -> None:
    assert_type(await ship(Order("1"), days=2), UUID)
    handle = workflow.start_child(ship.options(id="s-1", parent_close="abandon"), Order("1"))
    assert_type(handle, ChildHandle[UUID])
    assert_type(await handle.started(), str)
    assert_type(await handle.result(), UUID)
    assert_type(await workflow.execute_child(ship, Order("1")), UUID)
    assert_type(workflow.start_child("other", 5, result_type=Order, id="x"), ChildHandle[Order])
    assert_type(await workflow.execute_child("other", 5), Any)

    ship(5)  # type: ignore[arg-type]
    workflow.start_child(ship, "x")  # type: ignore[call-overload]
    ship.continue_as_new(Order("1"), days="3")  # type: ignore[arg-type]


async def unit_tests() -> None:
    """The plain functions keep their own types."""
    assert_type(await ship.fn(Order("1")), UUID)


def details() -> None:
    """What an attempt left is typed by what is asked for."""
    assert_type(activity.info().details(Order), Order | None)
    assert_type(activity.info().details(), Any)
