"""Messages: signals, queries and updates reach workflow code as typed values."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rqflow.authoring.workflow_face import workflow
from rqflow.converters.json import dump_json, load_json
from rqflow.core import events
from rqflow.core.commands import AnswerUpdate, Decision
from rqflow.core.wire import decode_failure
from rqflow.errors import BadInput, BadValue, UnknownName
from tests.authoring.following import Following
from tests.authoring.shop import Approval


def ask(run: Following, name: str, value: Any = None) -> Any:
    """A query's answer."""
    return load_json(run.executor.query(name, b"" if value is None else dump_json(value)))


def update(run: Following, name: str, value: Any = None) -> Decision:
    """A turn with an update."""
    payload = b"" if value is None else dump_json(value)
    return run.tell(events.UpdateRequested(update=f"u{len(run.history)}", name=name, payload=payload))


def answer(run: Following) -> Any:
    """What the last update was answered."""
    last = run.all_of(AnswerUpdate)[-1]
    return load_json(last.payload) if last.accepted else decode_failure(last.payload).message


def test_a_signal_is_received_as_the_type_that_is_asked_for() -> None:
    """In order, from before it was asked for too [P8]."""

    @workflow
    async def waits() -> list[str]:
        await asyncio.sleep(5)
        first = await workflow.receive("approve", Approval)
        plain = await workflow.receive("approve")
        return [first.by, plain["by"]]

    run = Following(waits)
    run.signal("approve", {"by": "ann"})
    run.tell(events.TimerFired(id=1))
    run.signal("approve", {"by": "bob"})
    assert run.result == ["ann", "bob"]


def test_a_signal_given_up_in_time_is_there_for_the_next() -> None:
    """A wait that times out takes nothing with it [P8]."""

    @workflow
    async def waits() -> str:
        try:
            async with asyncio.timeout(5):
                await workflow.receive("approve", Approval)
        except TimeoutError:
            pass
        return (await workflow.receive("approve", Approval)).by

    run = Following(waits)
    run.tell(events.TimerFired(id=1), events.SignalReceived(name="approve", payload=b'{"by":"ann"}'))
    assert run.result == "ann"


def test_a_signal_that_does_not_fit_raises_where_it_is_awaited() -> None:
    """Code that wants to go on catches it; the next one is taken as usual."""

    @workflow
    async def waits() -> str:
        try:
            await workflow.receive("approve", Approval)
        except BadValue as error:
            return f"{error} / {(await workflow.receive('approve', Approval)).by}"
        return "fits"

    run = Following(waits)
    run.signal("approve", {"buy": "ann"})
    run.signal("approve", {"by": "ann"})
    assert run.result == "signal approve.by: missing; Approval needs it and it has no default / ann"


def test_signals_are_iterated_as_they_come() -> None:
    """`async for` over one name."""

    @workflow
    async def adds() -> int:
        total = 0
        async for amount in workflow.signals("add", int):
            total += amount
            if amount == 0:
                break
        return total

    run = Following(adds)
    run.signal("add", 2)
    run.signal("add", 3)
    run.signal("add", 0)
    assert run.result == 5


def test_a_handler_takes_signals_typed_by_its_annotation() -> None:
    """Decorated by its own name, by another, or given to a function; plain or async."""

    @workflow
    async def handles() -> list[Any]:
        seen: list[Any] = []

        @workflow.on_signal
        def approve(approval: Approval) -> None:
            seen.append(approval)

        @workflow.on_signal("two")
        async def second(a: int, b: str = "-") -> None:
            await asyncio.sleep(1)
            seen.append((a, b))

        workflow.on_signal("bare", lambda: seen.append("bare"))
        await workflow.wait_until(lambda: len(seen) == 5)
        return seen

    run = Following(handles)
    run.signal("approve", {"by": "ann"})
    run.signal("bare")
    run.signal("bare", {"unread": 1})
    run.signal("two", {"a": 1, "b": "x"})
    run.tell(events.TimerFired(id=run.decision.commands[0].id))
    run.signal("two", [2])
    run.tell(events.TimerFired(id=run.decision.commands[0].id))
    assert run.result == [{"by": "ann"}, "bare", "bare", [1, "x"], [2, "-"]]


def test_a_single_parameter_may_be_given_by_name_too() -> None:
    """`rqflow signal order-42 approve by=ann` sends an object; a handler of `by: str` is given "ann"."""

    @workflow
    async def handles() -> list[str]:
        seen: list[str] = []
        workflow.on_signal("approve", seen.append)

        @workflow.on_signal("typed")
        def typed(by: str) -> None:
            seen.append(by)

        await workflow.wait_until(lambda: len(seen) == 4)
        return seen

    run = Following(handles)
    run.signal("approve", "dan")
    run.signal("typed", {"by": "ann"})
    run.signal("typed", ["bob"])
    run.signal("typed", "cyd")
    assert run.result == ["dan", "ann", "bob", "cyd"]


def test_a_signal_that_no_handler_can_read_harms_nothing_else() -> None:
    """It is reported; the run goes on and takes the next one [P7]."""

    @workflow
    async def handles() -> str:
        seen: list[Approval] = []

        @workflow.on_signal
        def approve(approval: Approval) -> None:
            seen.append(approval)

        await workflow.wait_until(lambda: bool(seen))
        return seen[0].by

    run = Following(handles)
    run.signal("approve", 5)
    assert run.decision.close is None
    assert "signal approve, parameter approval: expected Approval, got int 5" in "".join(run.warnings)
    run.signal("approve", {"by": "ann"})
    assert run.result == "ann"


def test_a_query_is_answered_by_a_function_that_looks() -> None:
    """Its arguments and its answer are typed as it is annotated."""

    @workflow
    async def shows() -> None:
        basket = {"a": 1}

        @workflow.on_query
        def contents() -> dict[str, int]:
            return basket

        @workflow.on_query("has")
        def has(name: str, least: int = 1) -> bool:
            return basket.get(name, 0) >= least

        await workflow.receive("never")

    run = Following(shows)
    assert ask(run, "contents") == {"a": 1}
    assert ask(run, "has", ["a"]) is True
    assert ask(run, "has", {"name": "a", "least": 2}) is False
    with pytest.raises(BadValue, match="query has, parameter name: expected str, got int 5"):
        ask(run, "has", [5])
    with pytest.raises(UnknownName, match="no query named 'total'; known: contents, has"):
        ask(run, "total")


def test_an_update_is_validated_carried_out_and_answered() -> None:
    """A refusal by the validator, or a value that does not fit, changes nothing."""

    @workflow
    async def counts() -> int:
        total = 0

        def positive(amount: int) -> None:
            if amount < 0:
                raise ValueError("must be positive")

        @workflow.on_update("add", validator=positive)
        async def add(amount: int) -> str:
            nonlocal total
            total += amount
            return f"now {total}"

        @workflow.on_update
        def reset() -> None:
            nonlocal total
            total = 0

        await workflow.receive("end")
        return total

    run = Following(counts)
    update(run, "add", 5)
    assert answer(run) == "now 5"
    update(run, "add", -1)
    assert "must be positive" in answer(run)
    update(run, "add", "x")
    assert answer(run) == "update add, parameter amount: expected int, got str 'x'"
    update(run, "reset")
    assert answer(run) is None
    update(run, "add", 2)
    run.signal("end")
    assert run.result == 2


def test_wait_until_has_a_durable_deadline() -> None:
    """As asyncio.timeout around it."""

    @workflow
    async def waits() -> str:
        try:
            await workflow.wait_until(lambda: False, timeout=60)
        except TimeoutError:
            return "late"
        return "true"

    run = Following(waits)
    run.tell(events.TimerFired(id=1))
    assert run.result == "late"


def test_handlers_that_cannot_work_are_refused() -> None:
    """An async query would wait; a generator returns nothing."""

    @workflow
    async def registers() -> list[str]:
        said = []

        async def slow() -> int:
            return 1

        def yields() -> Any:
            yield 1

        wrong: list[Any] = [
            lambda: workflow.on_query("slow", slow),
            lambda: workflow.on_update("x", slow, validator=slow),  # type: ignore[arg-type]
            lambda: workflow.on_signal("x", yields),
            lambda: workflow.on_signal("a b", slow),
            lambda: workflow.wait_until(lambda: True, timeout=-1),
        ]
        for register in wrong:
            try:
                register()
            except BadInput as error:
                said.append(str(error))
        return said

    said = Following(registers).result
    assert len(said) == 5
    assert said[0] == "query slow: the handler is async, but a query may only look; make it a plain function"
