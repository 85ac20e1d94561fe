"""Waiting: results, queries, updates, watches, against a worker that serves the hub."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise
from typing import Any

import pytest

from rqflow.client.starting import Request
from rqflow.errors import (
    BadInput,
    InstanceClosed,
    InstanceNotClosed,
    PayloadTooLarge,
    QueryFailed,
    ResultTimeout,
    RunNotFound,
    UnknownName,
    UpdateFailed,
    WorkflowCanceled,
    WorkflowFailed,
    WorkflowTerminated,
    WorkflowTimedOut,
)
from rqflow.worker.worker import Worker
from tests.client import flows
from tests.client.conftest import Place
from tests.client.face import Face
from tests.client.flows import Cart, Order


async def test_a_result_has_the_type_that_the_workflow_says(face: Face, worker: Worker) -> None:
    """[A10] From a typed handle; by id, as plain values or as the type that is asked for."""
    handle = await face.start(flows.approval, Order("42", 2.5), id="order-42")
    await face.on(handle, "signal", "approve", 1.0)
    assert await face.on(handle, "result", timeout=20) == Order("42", 3.5)
    assert await face.do("result", "order-42", timeout=20) == {"id": "42", "total": 3.5}
    assert await face.do("result", "order-42", result_type=Order) == Order("42", 3.5)
    assert await face.on(face.client.handle("order-42", result_type=Order), "result") == Order("42", 3.5)


async def test_arguments_go_by_position_or_by_name(face: Face, worker: Worker) -> None:
    """[F2] Also those that are named like options of the start, and by the workflow's name alone."""
    order = Order("1", 2.0)
    assert await face.on(await face.start(flows.price, order, 1.5), "result", timeout=20) == 3.0
    named = face.client.with_options(id="instance-1")
    handle = await face.on(named, "start", flows.named, id="inner", queue=7)
    assert (handle.id, await face.on(handle, "result", timeout=20)) == ("instance-1", "inner:7")
    by_name = await face.start("price", order, 2, result_type=float)
    assert await face.on(by_name, "result", timeout=20) == 4.0
    starter = face.client.with_options()
    by_keyword = await face.on(starter, "start", "price", order=order, factor=3)
    assert await face.on(by_keyword, "result", timeout=20) == 6.0


async def test_wrong_arguments_of_a_typed_workflow_are_refused_before_anything_is_sent(face: Face) -> None:
    """[F2] The message names the workflow and the parameter."""
    for args in [(), ("no order",), (Order("1", 1.0), "much"), (Order("1", 1.0), 1.0, 1.0)]:
        with pytest.raises(BadInput, match="workflow price"):
            await face.start(flows.price, *args)
    with pytest.raises(PayloadTooLarge, match="'failing'"):
        await face.start(flows.failing, "x" * 1_100_000)
    assert await face.do("list") == []


async def test_a_failure_comes_back_with_its_cause(face: Face, worker: Worker) -> None:
    """[A10] Type, message, traceback and chain."""
    handle = await face.start(flows.failing, "no luck", id="order-1")
    with pytest.raises(WorkflowFailed, match=r"'order-1' failed.*ValueError: no luck") as caught:
        await face.on(handle, "result", timeout=20)
    assert caught.value.failure.type == "builtins.ValueError"
    assert caught.value.failure.cause.type == "builtins.KeyError"
    assert "in failing" in caught.value.failure.traceback


async def test_each_end_has_its_error(face: Face, worker: Worker) -> None:
    """[A2][A10] Canceled, terminated with its reason, timed out."""
    canceled = await face.start(flows.sleeper)
    await face.on(canceled, "cancel", "changed my mind")
    with pytest.raises(WorkflowCanceled):
        await face.on(canceled, "result", timeout=20)
    terminated = await face.start(flows.sleeper)
    await face.on(terminated, "terminate", "fire drill")
    with pytest.raises(WorkflowTerminated, match="fire drill"):
        await face.on(terminated, "result", timeout=20)
    late = await face.start(flows.sleeper, timeout=0.05)
    with pytest.raises(WorkflowTimedOut):
        await face.on(late, "result", timeout=20)


async def test_a_result_follows_continue_as_new(face: Face, worker: Worker) -> None:
    """[A10] The handle of the first run gives the result of the last."""
    handle = await face.start(flows.hops, 3, id="traveller")
    waiting = asyncio.create_task(face.on(handle, "result", timeout=30))
    for _ in range(3):
        await face.on(handle, "signal", "hop")
    assert await waiting == "arrived"
    found = await face.on(handle, "describe")
    assert found.runs == 4
    assert found.run != handle.run
    assert await face.on(handle, "result", timeout=20) == "arrived", "also for one who asks late"


async def test_a_handle_does_not_give_another_starts_result(face: Face, worker: Worker) -> None:
    """The id was given again: the old handle says so, a handle by id takes what is there."""
    old = await face.start(flows.sleeper, id="order-1")
    new = await face.start(flows.price, Order("1", 1.0), id="order-1", on_conflict="terminate_existing")
    assert await face.on(new, "result", timeout=20) == 1.0
    with pytest.raises(RunNotFound):
        await face.on(old, "result", timeout=20)
    assert await face.do("result", "order-1", timeout=20) == 1.0


async def test_a_wait_that_ends_says_that_the_instance_goes_on(face: Face, worker: Worker) -> None:
    """ResultTimeout is a TimeoutError; nothing happened to the instance."""
    handle = await face.start(flows.sleeper)
    with pytest.raises(TimeoutError, match=r"running after a wait of 0\.05 s; it goes on"):
        await face.on(handle, "result", timeout=0.05)
    with pytest.raises(BadInput, match="timeout"):
        await face.on(handle, "result", timeout=-1)
    assert (await face.on(handle, "describe")).status == "running"


async def test_results_are_pushed(face: Face, worker: Worker) -> None:
    """The slow poll is 5 seconds; ten round trips of signal and result take far less."""
    begun = time.monotonic()
    for _ in range(5):
        handle = await face.start(flows.approval, Order("1", 1.0))
        waiting = asyncio.create_task(face.on(handle, "result", timeout=30))
        await face.do("wait_for", handle.id, _waits_for_approval, timeout=20)
        await face.on(handle, "signal", "approve", 1.0)
        await waiting
    assert time.monotonic() - begun < 5


def _waits_for_approval(description: object) -> bool:
    return bool(getattr(description, "custom_status", b""))


async def test_a_query_that_follows_its_start_and_signals_sees_them(face: Face, worker: Worker) -> None:
    """[F11] Who sends and then asks finds what was sent, however quick they are."""
    for number in range(5):
        handle = await face.start(flows.cart, number)
        await face.on(handle, "signal", "add", "apple")
        assert await face.on(handle, "query", "contents", timeout=20, result_type=Cart) == Cart(["apple"], number)


async def test_a_query_tells_only_what_is_committed(face: Face, worker: Worker) -> None:
    """[F11] However soon it comes after the start: what was drawn for the answer is what the run keeps."""
    for _ in range(10):
        handle = await face.start(flows.drawing)
        told = await face.on(handle, "query", "number", timeout=20)
        await face.on(handle, "signal", "go")
        assert told == await face.on(handle, "result", timeout=20)


async def test_a_query_is_answered_typed_or_plainly(face: Face, worker: Worker) -> None:
    """[F11] With arguments, and as the type that is asked for; of an ended instance too."""
    handle = await face.start(flows.cart)
    await face.on(handle, "signal", "add", "apple")
    await face.on(handle, "signal", "add", "pear")
    await face.on(handle, "update", "set_limit", 10, timeout=20)
    assert await face.on(handle, "query", "contents", timeout=20) == {"items": ["apple", "pear"], "limit": 10}
    assert await face.on(handle, "query", "contents", 1, timeout=20, result_type=Cart) == Cart(["pear"])
    kwargs = {"first": 2}
    assert await face.on(handle, "query", "contents", kwargs=kwargs, timeout=20, result_type=Cart) == Cart([])
    await face.on(handle, "signal", "close")
    await face.on(handle, "result", timeout=20)
    assert await face.on(handle, "query", "contents", timeout=20, result_type=Cart) == Cart(["apple", "pear"])


async def test_a_query_that_goes_wrong_says_why(face: Face, worker: Worker) -> None:
    """[F11] An unknown name with the known ones, a wrong argument, a handler that raises."""
    handle = await face.start(flows.cart)
    await face.on(handle, "update", "set_limit", 10, timeout=20)
    with pytest.raises(UnknownName, match="no query named 'contens'; known: broken, contents") as caught:
        await face.on(handle, "query", "contens", timeout=20)
    assert caught.value.known == ("broken", "contents")
    with pytest.raises(QueryFailed, match="first"):
        await face.on(handle, "query", "contents", "one", timeout=20)
    with pytest.raises(QueryFailed, match="ZeroDivisionError: the handler's own fault"):
        await face.on(handle, "query", "broken", timeout=20)


async def test_a_query_that_nobody_answers_names_the_queue(face: Face, worker: Worker) -> None:
    """[F11] Or says that the instance is suspended or stalled."""
    handle = await face.start(flows.unserved)
    with pytest.raises(ResultTimeout, match=r"no worker answered within 0\.1 s; does a worker serve queue 'nobody'"):
        await face.on(handle, "query", "contents", timeout=0.1)
    await face.on(handle, "suspend", "holiday")
    with pytest.raises(ResultTimeout, match=r"the instance is suspended \(holiday\)"):
        await face.on(handle, "update", "set_limit", 3, timeout=0.1)


async def test_an_update_changes_and_answers(face: Face, worker: Worker) -> None:
    """[F11] Validated before it becomes history; the same request gives the same answer."""
    handle = await face.start(flows.cart)
    assert await face.on(handle, "update", "set_limit", 3, timeout=20) == 10
    assert await face.on(handle, "update", "set_limit", 4, timeout=20, request_id="click-7") == 3
    assert await face.on(handle, "update", "set_limit", 4, timeout=20, request_id="click-7") == 3
    with pytest.raises(UpdateFailed, match="a limit is 1 or more"):
        await face.on(handle, "update", "set_limit", 0, timeout=20)
    with pytest.raises(UnknownName, match="no update named 'set_limits'; known: set_limit"):
        await face.on(handle, "update", "set_limits", 0, timeout=20)
    assert (await face.on(handle, "query", "contents", timeout=20, result_type=Cart)).limit == 4


async def test_an_update_that_the_instances_end_overtakes_is_told(face: Face, worker: Worker) -> None:
    """[F11] Nobody waits for an answer that cannot come."""
    handle = await face.start(flows.unserved)
    waiting = asyncio.create_task(face.on(handle, "update", "set_limit", 1, timeout=20))
    for _ in range(1_000):
        if (await face.on(handle, "describe")).inbox_length == 2:
            break
    await face.on(handle, "terminate", "enough")
    with pytest.raises(UpdateFailed):
        await waiting
    with pytest.raises(InstanceClosed):
        await face.on(handle, "update", "set_limit", 1)


async def test_an_update_with_start_begins_or_joins(face: Face, worker: Worker) -> None:
    """[F11] One round trip for both."""
    request = Request.of(flows.cart, 5, id="cart-1")
    assert await face.do("update_with_start", request, "set_limit", (6,), timeout=20) == 5
    assert await face.do("update_with_start", request, "set_limit", (7,), timeout=20) == 6


async def test_signals_with_start_arrive_in_order(face: Face, worker: Worker) -> None:
    """[F11][P8] The first is there before the code begins."""
    for item in ["apple", "pear", "plum"]:
        handle = await face.do("signal_with_start", flows.cart, id="cart-1", signal="add", value=item)
    await face.on(handle, "signal", "close")
    assert (await face.on(handle, "result", timeout=20)).items == ["apple", "pear", "plum"]


async def test_a_watch_gives_each_stage_and_ends_with_the_instance(face: Face, worker: Worker) -> None:
    """[B10] From now to the end, without polling; the last one is the end."""
    handle = await face.start(flows.approval, Order("1", 1.0))
    watching = asyncio.create_task(face.on(handle, "watch", timeout=30))
    await face.do("wait_for", handle.id, _waits_for_approval, timeout=20)
    assert await face.on(handle, "custom_status") == "waits for approval"
    await face.on(handle, "signal", "approve", 1.0)
    seen = await watching
    assert seen[0].status in ("pending", "running")
    assert seen[-1].status == "completed"
    assert all(before != after for before, after in pairwise(seen))


async def test_a_watch_that_ends_early_says_how_the_instance_stands(face: Face, worker: Worker) -> None:
    """[B10] As any wait."""
    handle = await face.start(flows.sleeper)
    with pytest.raises(ResultTimeout, match="it goes on"):
        await face.on(handle, "watch", timeout=0.1)


async def test_a_history_is_read_page_by_page(face: Face, worker: Worker) -> None:
    """[B12] The same events, whatever the size of the pages."""
    handle = await face.start(flows.cart)
    for number in range(20):
        await face.on(handle, "signal", "add", f"item-{number}")
    await face.on(handle, "signal", "close")
    await face.on(handle, "result", timeout=20)
    whole = await face.on(handle, "history")
    assert [type(stamped.event).__name__ for stamped in (whole[0], whole[-1])] == [
        "WorkflowStarted",
        "WorkflowCompleted",
    ]
    assert await face.on(handle, "history", page=3) == whole
    assert await face.do("history", handle.id, handle.run, after=5) == whole[5:]
    with pytest.raises(RunNotFound):
        await face.do("history", handle.id, "another run")


async def test_the_lifecycle_of_all_instances_can_be_followed(face: Face, worker: Worker) -> None:
    """[B10] Read once, in pages, or from now on; an instance's own events in their order."""
    from_now = (await face.do("events_page", cursor="now")).cursor
    for number in range(10):
        await face.on(await face.start(flows.price, Order("1", 1.0), id=f"order-{number}"), "result", timeout=20)
    events = await face.do("events", follow=False)
    for number in range(10):
        types = [event.type for event in events if event.instance == f"order-{number}"]
        assert (types[0] in ("started", "running"), types[-1]) == (True, "completed")
    page: Any = None
    cursor, paged = from_now, list[Any]()
    while page is None or page.events:
        page = await face.do("events_page", cursor=cursor, limit=3)
        cursor, paged = page.cursor, [*paged, *page.events]
    assert len(paged) == len(events)
    with pytest.raises(BadInput, match="cursor"):
        await face.do("events_page", cursor="nonsense")


async def test_a_tree_is_purged_from_its_leaves(face: Face, worker: Worker) -> None:
    """[B8] Descendants too, and none of them while one is open; how many is told."""
    handle = await face.start(flows.family, 2, id="root")
    await face.start(flows.sleeper, id="stranger")
    for _ in range(10_000):
        rows = await face.do("list", workflow="family")
        if len(rows) == 7:
            break
    with pytest.raises(InstanceNotClosed):
        await face.on(handle, "purge", recursive=True)
    assert len(await face.do("list")) == 8
    await face.on(handle, "terminate", "enough", recursive=True)
    for row in rows:
        with pytest.raises(WorkflowTerminated):
            await face.do("result", row.instance, timeout=20)
    assert await face.on(handle, "purge", recursive=True) == 7
    assert [row.instance for row in await face.do("list")] == ["stranger"]


async def test_a_client_is_refused_inside_a_workflow(face: Face, worker: Worker, place: Place) -> None:
    """A replay would start it again; the error says what to use instead."""
    handle = await face.start(flows.meddler, place.url, place.hub)
    assert "use workflow.start_child" in await face.on(handle, "result", timeout=20)


async def test_a_recursive_end_reaches_other_partitions_at_once(face: Face, worker: Worker) -> None:
    """[B7] The client carries its own order through the generations; no sweep is waited for."""
    handle = await face.start(flows.family, 2, id="root")
    for _ in range(10_000):
        rows = await face.do("list", workflow="family")
        if len(rows) == 7:
            break
    await face.on(handle, "terminate", "enough", recursive=True)
    assert {row.status for row in await face.do("list", workflow="family")} == {"terminated"}
