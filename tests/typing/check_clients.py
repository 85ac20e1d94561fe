"""Clients as type checkers see them: mypy reads this file, nobody runs it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, assert_type

from rqflow.authoring.pending import Pending
from rqflow.authoring.scheduled import schedule
from rqflow.authoring.workflow_face import workflow
from rqflow.backend.calls.instances import Description
from rqflow.client.asynchronous import AsyncClient
from rqflow.client.handle import AsyncHandle, Handle
from rqflow.client.listing import Page
from rqflow.client.schedule_applying import Change
from rqflow.client.schedule_reading import Schedule
from rqflow.client.starting import Request
from rqflow.client.statistics import HubStats
from rqflow.client.sync import Client
from rqflow.core.events import Stamped
from rqflow.errors import RqflowError
from rqflow.schedules.timetable import Slot


@dataclass
class Order:
    id: str


@workflow
async def checkout(order: Order, *, express: bool = False) -> int:
    return 1


def blocking(client: Client, order: Order) -> None:
    handle = client.start(checkout, order, id="order-1", delay=timedelta(seconds=5), attributes={"city": "Köln"})
    assert_type(handle, Handle[int])
    assert_type(handle.result(timeout=5), int)
    assert_type(client.start("checkout", order), Handle[Any])
    assert_type(client.start("checkout", order, result_type=int), Handle[int])
    assert_type(client.with_options(id="order-2").start(checkout, order, express=True), Handle[int])
    client.with_options(id="order-2").start(checkout, order.id)  # type: ignore[call-overload]
    client.with_options(id="order-2").start(checkout, order, expres=True)  # type: ignore[call-arg]
    client.with_options(idd="order-2")  # type: ignore[call-arg]
    client.start(checkout, order, priority="high")  # type: ignore[call-overload]
    assert_type(client.start_many([Request.of(checkout, order)]), list[Handle[Any] | RqflowError])
    assert_type(client.signal_with_start(checkout, order, id="1", signal="add", value=1), Handle[int])
    assert_type(client.handle("order-1", result_type=int).result(), int)
    assert_type(client.signal("order-1", "approve", 5), None)
    client.signal(1, "approve")  # type: ignore[arg-type]
    assert_type(client.terminate("order-1", "enough", recursive=True), bool)
    assert_type(client.describe("order-1"), Description)
    assert_type(client.history("order-1"), Generator[Stamped, None, None])
    assert_type(client.list(status="running", limit=5), Generator[Description, None, None])
    assert_type(client.list_page(workflow="checkout"), Page)
    client.list(colour="red")  # type: ignore[call-arg]
    assert_type(client.stats(), HubStats)
    assert_type(client.purge("order-1"), int)
    assert_type(handle.suspend("holiday"), bool)
    assert_type(handle.watch(), Generator[Description, None, None])
    handle.suspend(reasons="holiday")  # type: ignore[call-arg]


def recurring(client: Client, order: Order) -> None:
    client.schedules.create("nightly", checkout, order, cron="@daily", zone="UTC", kwargs={"express": True})
    client.schedules.create("nightly", checkout, order, corn="@daily")  # type: ignore[call-arg]
    client.schedules.create("nightly", checkout, order, overlap="perhaps")  # type: ignore[arg-type]
    client.schedules.update("nightly", every=timedelta(hours=1), args=(order,))
    client.schedules.update("nightly", paused=True)  # type: ignore[call-arg]
    assert_type(client.schedules.get("nightly"), Schedule)
    assert_type(client.schedules.list(), Generator[Schedule, None, None])
    assert_type(client.schedules.preview("nightly", count=3, on_gap="skip"), list[Slot])
    assert_type(client.schedules.trigger("nightly"), str)
    assert_type(client.schedules.apply([checkout], dry_run=True), list[Change])
    assert_type(schedule(cron="@daily", args=(order,))(checkout)(order), Pending[int])


async def asynchronous(client: AsyncClient, order: Order) -> None:
    handle = await client.start(checkout, order, id="order-1")
    assert_type(handle, AsyncHandle[int])
    assert_type(await handle.result(timeout=5), int)
    assert_type(await client.start("checkout", order, result_type=int), AsyncHandle[int])
    assert_type(await client.with_options(id="order-2").start(checkout, order, express=True), AsyncHandle[int])
    assert_type(await client.start_many([Request.of(checkout, order)]), list[AsyncHandle[Any] | RqflowError])
    assert_type(await client.signal_with_start(checkout, order, signal="add"), AsyncHandle[int])
    assert_type(await client.signal("order-1", "approve", 5), None)
    assert_type(await client.describe("order-1"), Description)
    assert_type(client.history("order-1"), AsyncGenerator[Stamped, None])
    assert_type(await client.stats(), HubStats)
    assert_type(await handle.terminate(), bool)
    async for description in handle.watch():
        assert_type(description, Description)
