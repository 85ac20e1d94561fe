"""Calls: workflow code calls activities and child workflows as functions, and gets typed values back."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from rqflow.authoring.workflow_face import workflow
from rqflow.converters.json import load_json
from rqflow.core import events
from rqflow.core.commands import CancelActivity, ScheduleActivity, SendCancel, SendSignal, StartChild
from rqflow.core.failure import Failure
from rqflow.core.wire import encode_failure
from rqflow.errors import ActivityFailed, BadInput, BadValue, ChildFailed, NotInWorkflow
from tests.authoring.following import Following
from tests.authoring.shop import Order, charge, refund, send_mail


def test_calling_an_activity_schedules_it_and_gives_its_typed_result() -> None:
    """Arguments travel by name, the decorator's options with the call."""

    @workflow
    async def pay(order: Order) -> int:
        payment = await charge(order)
        return await refund(payment)

    run = Following(pay, Order("1", 2.5))
    asked = run.all_of(ScheduleActivity)[0]
    assert load_json(asked.payload) == {"order": {"id": "1", "total": 2.5}}
    assert (asked.name, asked.queue, asked.options.timeout) == ("charge", "payments", timedelta(seconds=30))
    assert asked.options.retry is not None
    assert asked.options.retry.max_attempts == 5
    run.complete("charge", "p-1")
    run.complete("refund", 7)
    assert run.result == 7


def test_one_call_may_have_other_options() -> None:
    """`options` gives the same activity with other options and leaves the first as it was."""

    @workflow
    async def pay() -> None:
        await charge.options(queue="eu", timeout=5, retry=None)(Order("1"))

    asked = Following(pay).all_of(ScheduleActivity)[0]
    assert (asked.queue, asked.options.timeout, asked.options.retry) == ("eu", timedelta(seconds=5), None)
    assert charge.defaults.queue == "payments"


def test_calls_are_scheduled_at_once_and_awaited_together() -> None:
    """gather, TaskGroup, create_task, wait and shield take a call as it is."""

    @workflow
    async def many() -> list[Any]:
        first = await asyncio.gather(charge(Order("1")), charge(Order("2")))
        async with asyncio.TaskGroup() as group:
            third = group.create_task(charge(Order("3")))
            fourth = asyncio.create_task(charge(Order("4")))
        done, waiting = await asyncio.wait([charge(Order("5"))])
        assert not waiting
        return [*first, third.result(), await fourth, done.pop().result(), await asyncio.shield(charge(Order("6")))]

    run = Following(many)
    assert len(run.asked()) == 2
    for number in range(1, 7):
        run.complete("charge", f"p{number}")
    assert run.result == ["p1", "p2", "p3", "p4", "p5", "p6"]


def test_giving_up_a_call_takes_the_activity_back() -> None:
    """A timeout around a call cancels the activity; its late result harms nobody."""

    @workflow
    async def hurried() -> str:
        try:
            async with asyncio.timeout(10):
                return await charge(Order("1"))
        except TimeoutError:
            return "too late"

    run = Following(hurried)
    timer = run.decision.commands[0]
    run.tell(events.TimerFired(id=timer.id))
    assert run.result == "too late"
    assert [one.target for one in run.all_of(CancelActivity)] == [run.all_of(ScheduleActivity)[0].id]


def test_a_shielded_call_outlives_its_wait() -> None:
    """workflow.shield is asyncio's."""

    @workflow
    async def patient() -> str:
        call = charge(Order("1"))
        try:
            async with asyncio.timeout(10):
                return await workflow.shield(call)
        except TimeoutError:
            return "late: " + await call

    run = Following(patient)
    run.tell(events.TimerFired(id=run.decision.commands[1].id))
    run.complete("charge", "p")
    assert run.result == "late: p"
    assert not run.all_of(CancelActivity)


def test_a_failed_activity_raises_where_it_is_awaited() -> None:
    """With the recorded failure."""

    @workflow
    async def careful() -> str:
        try:
            return await charge(Order("1"))
        except ActivityFailed as error:
            return str(error.failure.message)

    run = Following(careful)
    payload = encode_failure(Failure(type="shop.NoMoney", message="empty"))
    run.tell(events.ActivityFailed(id=run.all_of(ScheduleActivity)[0].id, payload=payload))
    assert run.result == "empty"


def test_a_result_that_does_not_fit_is_an_error_that_names_the_activity() -> None:
    """An activity of another deploy may answer in another shape."""

    @workflow
    async def pay() -> str:
        return await charge(Order("1"))

    run = Following(pay)
    run.complete("charge", 5)
    assert run.failure == "rqflow.errors.BadValue: activity charge, result: expected str, got int 5"


def test_wrong_arguments_are_refused_at_the_caller() -> None:
    """Nothing is scheduled; the message names the function and the parameter."""

    @workflow
    async def wrong() -> list[str]:
        said = []
        calls: list[Any] = [
            lambda: charge(Order("1", "x")),  # type: ignore[arg-type]
            charge,
            lambda: charge(Order("1"), 2),  # type: ignore[call-arg]
            lambda: send_mail("a", urgnt=True),  # type: ignore[call-arg]
            lambda: send_mail("a", to="b"),  # type: ignore[misc]
        ]
        for call in calls:
            try:
                call()
            except BadValue as error:
                said.append(str(error))
        return said

    run = Following(wrong)
    assert run.result == [
        "activity charge, parameter order.total: expected float, got str 'x'",
        "activity charge, parameter order: missing; it takes order: Order",
        "activity charge takes 1 positional argument, 2 were given; it takes order: Order",
        "activity send_mail has no parameter 'urgnt'; it takes to: str, urgent: bool = False",
        "activity send_mail, parameter to: given twice, by position and by name",
    ]
    assert not run.commands


def test_outside_a_workflow_a_call_says_what_to_do() -> None:
    """`.fn` is the plain function."""
    with pytest.raises(NotInWorkflow, match=r"call charge\.fn\(…\) to run the plain function"):
        charge(Order("1"))
    assert asyncio.run(charge.fn(Order("1"))) == "charged 1"


def test_an_activity_is_called_by_name() -> None:
    """Its arguments by position, for workers of other code bases."""

    @workflow
    async def by_name() -> int:
        return await workflow.execute_activity("resize", "a.png", 5, result_type=int, queue="gpu", timeout=60)

    run = Following(by_name)
    asked = run.all_of(ScheduleActivity)[0]
    assert (asked.name, load_json(asked.payload), asked.queue) == ("resize", ["a.png", 5], "gpu")
    run.complete("resize", 9)
    assert run.result == 9


@workflow(queue="ships", timeout=60)
async def ship(order: Order) -> str:
    return order.id


def test_calling_a_workflow_starts_a_child() -> None:
    """With the options of its decorator and of the call."""

    @workflow
    async def parent() -> str:
        return await ship.options(id="ship-1", parent_close="abandon", attributes={"kind": "sea"})(Order("7"))

    run = Following(parent)
    child = run.all_of(StartChild)[0]
    assert (child.workflow, child.instance, child.queue, child.tell_start) == ("ship", "ship-1", "ships", False)
    assert (child.options.timeout, child.options.parent_close) == (timedelta(seconds=60), "abandon")
    assert child.options.attributes == {"kind": "sea"}
    run.tell(events.ChildCompleted(id=child.id, payload=b'"sent"'))
    assert run.result == "sent"


def test_a_child_handle_waits_signals_and_cancels() -> None:
    """start_child goes on at once; giving up the wait for its result leaves the child alone."""

    @workflow
    async def parent() -> str:
        handle = workflow.start_child(ship, Order("7"))
        run_id = await handle.started()
        await handle.signal("hurry", 5)
        try:
            async with asyncio.timeout(10):
                await handle.result()
        except TimeoutError:
            await handle.cancel("too slow")
        try:
            return await handle.result()
        except ChildFailed:
            return f"{run_id} is over"

    run = Following(parent)
    child = run.all_of(StartChild)[0]
    assert child.tell_start
    run.tell(events.ChildStarted(id=child.id, run="r-7"))
    sent = run.all_of(SendSignal)[0]
    assert (sent.instance, sent.name, sent.payload) == (child.instance, "hurry", b"5")
    run.tell(events.SignalDelivered(id=sent.id))
    run.tell(events.TimerFired(id=run.decision.commands[0].id))
    canceled = run.all_of(SendCancel)
    assert [(one.instance, one.reason) for one in canceled] == [(child.instance, "too slow")]
    run.tell(events.SignalDelivered(id=canceled[0].id))
    run.tell(events.ChildFailed(id=child.id, payload=encode_failure(Failure(type="x", kind="canceled"))))
    assert run.result == "r-7 is over"


def test_a_child_is_started_by_name() -> None:
    """Its options are keywords of the call."""

    @workflow
    async def parent() -> int:
        handle = workflow.start_child("other", 1, "b", result_type=int, id="o-1")
        return await handle.result() + await workflow.execute_child("more", result_type=int)

    run = Following(parent)
    first = run.all_of(StartChild)[0]
    assert (first.workflow, first.instance, first.payload) == ("other", "o-1", b'[1,"b"]')
    run.tell(events.ChildCompleted(id=first.id, payload=b"3"))
    run.tell(events.ChildCompleted(id=run.all_of(StartChild)[1].id, payload=b"4"))
    assert run.result == 7


def test_any_instance_can_be_signalled_and_cancelled() -> None:
    """By id; awaiting tells that it arrived."""

    @workflow
    async def neighbour() -> str:
        await workflow.signal("i-9", "news", Order("1"))
        await workflow.cancel("i-9", "done with it")
        return "told"

    run = Following(neighbour)
    sent = run.all_of(SendSignal)[0]
    assert (sent.instance, sent.name, load_json(sent.payload)) == ("i-9", "news", {"id": "1", "total": 1.0})
    run.tell(events.SignalDelivered(id=sent.id))
    run.tell(events.SignalDelivered(id=run.all_of(SendCancel)[0].id))
    assert run.result == "told"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timeout": -1}, "activity charge: timeout must be more than zero, got -1 day, 23:59:59"),
        ({"timeout": timedelta(days=4000)}, "activity charge: timeout of 4000 days, 0:00:00 is more than ten years"),
        ({"heartbeat": float("nan")}, "activity charge: heartbeat of nan seconds is more than ten years"),
        ({"timeout": "5s"}, "activity charge: timeout must be a timedelta or a number of seconds, got str"),
        ({"queue": ""}, "activity charge: queue name must be a str that is not empty, got ''"),
        ({"queue": "a b"}, "activity charge: queue name must not hold spaces or control characters, got 'a b'"),
        ({"queue": "q" * 300}, "activity charge: queue name has 300 characters, the limit is 200"),
        ({"retry": 5}, "activity charge: retry must be a Retry(…), got int"),
        ({"priority": "high"}, "activity charge: priority must be an int from -1000 to 1000, got 'high'"),
        ({"tmeout": 5}, "activity charge has no option 'tmeout'; it has queue, retry, timeout"),
    ],
)
def test_absurd_options_are_refused_by_name(options: dict[str, Any], message: str) -> None:
    """At the line that gives them."""
    with pytest.raises(BadInput) as caught:
        charge.options(**options)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"id": ""}, "child id must be text of 1 to 512 bytes"),
        ({"id": "x" * 10_000}, "child id must be text of 1 to 512 bytes"),
        ({"parent_close": "kill"}, "parent_close must be one of abandon, cancel, terminate, got 'kill'"),
        ({"attributes": {"a": None}}, "attribute a of a child that has not begun cannot be None"),
        ({"attributes": 5}, "attributes must be a mapping, got int"),
        ({"retention": timedelta(0)}, "retention must be more than zero, got 0:00:00"),
    ],
)
def test_absurd_child_options_are_refused_by_name(options: dict[str, Any], message: str) -> None:
    """At the line that gives them."""
    with pytest.raises(BadInput, match=r"^workflow ship: ") as caught:
        ship.options(**options)
    assert message in str(caught.value)
