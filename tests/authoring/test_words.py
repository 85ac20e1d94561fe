"""Words: what code inside a workflow may say beyond asyncio."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from rqflow.authoring.activity_face import activity
from rqflow.authoring.workflow_face import workflow
from rqflow.converters.json import load_json
from rqflow.core import events
from rqflow.core.commands import Continue, EmitEvent, RecordSideEffect, SetAttributes, SetStatus, StartTimer
from rqflow.core.executor import Executor
from rqflow.errors import BadInput, BadValue, NotInWorkflow
from tests.authoring.following import Following
from tests.authoring.shop import Order


def test_time_and_chance_are_the_same_at_each_replay() -> None:
    """now, random, uuid4 and info belong to the run [P4]."""

    @workflow
    async def draws() -> list[Any]:
        drawn = [workflow.now(), workflow.random().random(), workflow.uuid4(), workflow.info().run]
        await asyncio.sleep(1)
        return [*drawn, workflow.random().random(), workflow.uuid4()]

    first, second = Following(draws), Following(draws)
    for run in (first, second):
        run.tell(events.TimerFired(id=1), after_ms=1000)
    assert first.result == second.result
    moment = datetime.fromisoformat(first.result[0])
    assert moment.tzinfo == UTC
    assert moment.timestamp() == pytest.approx(1_700_000_000.001)
    assert UUID(first.result[2]).version == 4
    assert first.result[2] != first.result[5]


def test_a_side_effect_is_drawn_once() -> None:
    """It comes back as the type that is asked for, and replay does not call the function."""
    calls = []

    @workflow
    async def draws() -> bool:
        def produce() -> Order:
            calls.append(1)
            return Order("7")

        order = workflow.side_effect(produce, Order)
        plain = workflow.side_effect(lambda: (1, 2))
        await asyncio.sleep(1)
        return order == Order("7") and plain == (1, 2)

    run = Following(draws)
    assert [one.payload for one in run.all_of(RecordSideEffect)] == [b'{"id":"7","total":1.0}', b"[1,2]"]
    replay = Executor(draws)
    replay.advance(run.history, replayed=len(run.history))
    assert len(calls) == 1
    run.tell(events.TimerFired(id=3))
    assert run.result is False, "without a type a tuple comes back as a list, at once and at replay alike"


def test_a_run_shows_status_attributes_and_events() -> None:
    """Each is one command, in order; None removes an attribute."""

    @workflow
    async def shows() -> None:
        workflow.set_status({"step": Order("1")})
        workflow.set_attributes(customer="ann", total=9.5, urgent=True, count=3)
        workflow.set_attributes({"customer": None}, count=4)
        workflow.set_attributes({})
        workflow.emit("paid", {"by": "card"})
        workflow.emit("bare")

    run = Following(shows)
    assert [load_json(one.payload) for one in run.all_of(SetStatus)] == [{"step": {"id": "1", "total": 1.0}}]
    first, second = run.all_of(SetAttributes)
    assert first.changes == {"customer": "ann", "total": 9.5, "urgent": True, "count": 3}
    assert (second.changes, second.removed) == ({"count": 4}, ("customer",))
    assert [(one.name, one.payload) for one in run.all_of(EmitEvent)] == [("paid", b'{"by":"card"}'), ("bare", b"null")]


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"a": [1]}, "attribute a must be str, int, float or bool, got list"),
        ({"a": float("nan")}, "attribute a must be finite, got nan"),
        ({"a": 2**60}, "attribute a must be an int of at most 53 bits, got 61 bits"),
        ({"a": "é" * 129}, "attribute a is 258 bytes long, the limit is 256"),
        ({"a b": 1}, "attribute name must be an identifier of at most 64 characters, got 'a b'"),
        ({"a" * 65: 1}, "attribute name must be an identifier of at most 64 characters"),
        ({f"a{number}": 1 for number in range(33)}, "33 attributes at once, the limit is 32"),
        ([("a", 1)], "set_attributes takes a mapping or keywords, got list"),
        ({"a": "\ud800"}, "attribute a holds text that is no valid Unicode"),
    ],
)
def test_attributes_that_no_index_can_hold_are_refused(attributes: Any, message: str) -> None:
    """At the line that sets them."""

    @workflow
    async def shows() -> str:
        try:
            workflow.set_attributes(attributes)
        except BadInput as error:
            return str(error)
        return "taken"

    run = Following(shows)
    assert run.result.startswith(message)
    assert not run.commands


def test_a_named_sleep_shows_its_name() -> None:
    """Seconds or a timedelta; zero is no timer at all."""

    @workflow
    async def sleeps() -> list[str]:
        said = []
        await workflow.sleep(0)
        wrong: list[Any] = [-1, float("inf"), "5", timedelta(days=-1), True, timedelta(days=4_000)]
        for span in wrong:
            try:
                await workflow.sleep(span)
            except BadInput as error:
                said.append(str(error))
        await workflow.sleep(timedelta(hours=1), name="cool down")
        return said

    run = Following(sleeps)
    assert [(one.delay, one.name) for one in run.all_of(StartTimer)] == [(timedelta(hours=1), "cool down")]
    run.tell(events.TimerFired(id=1))
    assert run.result == [
        "sleep must be zero or more, got -1 day, 23:59:59",
        "sleep of inf seconds is more than ten years",
        "sleep must be a timedelta or a number of seconds, got str",
        "sleep must be zero or more, got -1 day, 0:00:00",
        "sleep must be a timedelta or a number of seconds, got bool",
        "sleep of 4000 days, 0:00:00 is more than ten years",
    ]


@workflow
async def counts(number: int, step: int = 1) -> int:
    if number < 3:
        workflow.continue_as_new(number + step, step=step)
    return number


@workflow
async def hands_over(order: Order) -> None:
    counts.continue_as_new(5)


@workflow
async def hands_over_by_name(order: Order) -> None:
    workflow.continue_as_new(order, workflow_fn="elsewhere")


@pytest.mark.parametrize(
    ("definition", "args", "name", "payload"),
    [
        (counts, (1,), "counts", {"number": 2, "step": 1}),
        (hands_over, (Order("1"),), "counts", {"number": 5}),
        (hands_over_by_name, (Order("1"),), "elsewhere", [{"id": "1", "total": 1.0}]),
    ],
)
def test_a_run_goes_on_as_a_new_one(definition: Any, args: tuple[Any, ...], name: str, payload: Any) -> None:
    """Of the same workflow, of another, or of one known by name; the arguments are typed where they can be."""
    close = Following(definition, *args).decision.close
    assert isinstance(close, Continue)
    assert close.started.workflow == name
    assert load_json(close.started.payload) == payload


def test_going_on_with_wrong_arguments_fails_where_it_is_asked() -> None:
    """Not in the next run, where nobody would look for it."""

    @workflow
    async def again(number: int) -> None:
        workflow.continue_as_new("x")

    assert "workflow again, parameter number: expected int, got str 'x'" in Following(again, 1).failure


def test_a_handler_may_go_on_as_a_new_run() -> None:
    """A handler's task has the workflow at hand too."""

    @workflow
    async def again(number: int) -> None:
        @workflow.on_signal
        async def restart(by: int) -> None:
            workflow.continue_as_new(number=number + by)

        await workflow.receive("never")

    run = Following(again, 1)
    run.signal("restart", 4)
    close = run.decision.close
    assert isinstance(close, Continue), run.failure
    assert load_json(close.started.payload) == {"number": 5}


def test_the_logger_is_silent_while_replaying(caplog: pytest.LogCaptureFixture) -> None:
    """Each line is written once, and says whose it is."""
    caplog.set_level(logging.INFO, "rqflow.workflow")

    @workflow
    async def talks() -> None:
        workflow.logger.info("begun with %s", 5)
        await asyncio.sleep(1)
        workflow.logger.info("slept")

    run = Following(talks)
    assert [record.getMessage() for record in caplog.records] == [
        "begun with 5 [workflow=talks instance=i-1 run=run-1]"
    ]
    assert caplog.records[0].__dict__["instance"] == "i-1"
    assert caplog.records[0].funcName == "talks"
    replay = Executor(talks)
    replay.advance(run.history, replayed=len(run.history))
    assert len(caplog.records) == 1
    replay.advance([events.Stamped(at_ms=1_700_000_009_000, event=events.TimerFired(id=1))])
    assert caplog.records[-1].getMessage().startswith("slept [")
    workflow.logger.info("outside")
    assert caplog.records[-1].getMessage() == "outside"


def test_a_message_with_percent_signs_is_logged_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    """Instance ids may hold anything."""
    caplog.set_level(logging.INFO, "rqflow.workflow")

    @workflow(name="100%s")
    async def talks() -> None:
        workflow.logger.info("a %d%%", 5)
        workflow.logger.info("no arguments: 5%")

    Following(talks)
    assert [record.getMessage() for record in caplog.records] == [
        "a 5% [workflow=100%s instance=i-1 run=run-1]",
        "no arguments: 5% [workflow=100%s instance=i-1 run=run-1]",
    ]


def test_words_outside_a_workflow_say_so() -> None:
    """As an activity outside one does."""
    for word in (workflow.now, workflow.info, workflow.uuid4, lambda: workflow.set_status(1)):
        with pytest.raises(NotInWorkflow):
            word()


def test_a_result_that_does_not_fit_fails_the_run_with_its_name() -> None:
    """The annotation is the promise to whoever awaits the result."""

    @workflow
    async def lies() -> int:
        return "5"  # type: ignore[return-value]

    assert Following(lies).failure == "rqflow.errors.BadValue: workflow lies, result: expected int, got str '5'"


def test_arguments_that_do_not_fit_are_refused_before_the_code_runs() -> None:
    """`begin` raises; a client that knows the workflow has refused them before."""
    with pytest.raises(BadValue, match="workflow counts, parameter number: expected int, got str 'x'"):
        assert counts.begin(b'{"number":"x"}')


def test_activities_are_no_part_of_workflow_words() -> None:
    """Each of the two names has its own."""
    assert not hasattr(activity, "now")
    assert not hasattr(workflow, "heartbeat")
