"""Definitions: what the two decorators make of functions, how arguments become payloads, and what they refuse."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from rqflow.authoring.activity_face import activity
from rqflow.authoring.workflow_face import workflow
from rqflow.converters.convert import Converter, Custom
from rqflow.converters.json import dump_json, load_json
from rqflow.core.options import Retry
from rqflow.errors import BadInput, BadValue
from tests.authoring.shop import Order


@workflow(name="shop.checkout", queue="eu", timeout=60, retention=timedelta(days=7))
async def checkout(order: Order, qty: int = 1, *, note: str | None = None, price: Decimal = Decimal(0)) -> str:
    """Sells things."""
    return f"{order.id} {qty} {note} {price}"


@activity
def everything(first: int, /, second: str = "s", *rest: int, flag: bool = False, **more: float) -> tuple[int, ...]:
    return (first, *rest)


def test_a_definition_keeps_the_functions_name_and_words() -> None:
    """For people, and for tools that look at signatures."""
    assert (checkout.name, checkout.__name__, checkout.__doc__) == ("shop.checkout", "checkout", "Sells things.")  # type: ignore[attr-defined]
    assert (checkout.queue, checkout.timeout, checkout.retention) == ("eu", timedelta(minutes=1), timedelta(days=7))
    assert (repr(checkout), repr(everything)) == ("<workflow shop.checkout>", "<activity everything (thread)>")


def test_a_function_says_where_it_runs() -> None:
    """Async on the loop, plain in a thread, or in a process of its own."""

    @activity
    async def on_loop() -> None: ...

    @activity(isolate="process", name="crunch", retry=Retry(max_attempts=2))
    def in_process() -> None: ...

    assert (on_loop.mode, everything.mode, in_process.mode) == ("async", "thread", "process")
    assert (in_process.name, in_process.defaults.retry) == ("crunch", Retry(max_attempts=2))


@pytest.mark.parametrize(
    ("args", "kwargs", "payload"),
    [
        ((1,), {}, {"first": 1}),
        ((1, "b", 3), {"x": 1.5}, {"first": 1, "second": "b", "rest": [3], "more": {"x": 1.5}}),
        ((1,), {"flag": True}, {"first": 1, "flag": True}),
        ((1,), {"second": "b"}, {"first": 1, "second": "b"}),
        ((1,), {"first": 2.0}, {"first": 1, "more": {"first": 2.0}}),
    ],
)
def test_arguments_travel_by_name_and_arrive_as_they_were_given(
    args: tuple[Any, ...], kwargs: dict[str, Any], payload: dict[str, Any]
) -> None:
    """Every kind of parameter; what was left out is left to the default of the code that runs."""
    encoded = everything.encode_call(args, kwargs)
    assert load_json(encoded) == payload
    back_args, back_kwargs = everything.decode_call(encoded)
    assert everything.fn(*back_args, **back_kwargs) == everything.fn(*args, **kwargs)


def test_arguments_by_position_are_read_too() -> None:
    """Callers that know only a name send an array."""
    assert everything.decode_call(b'[1,"b",3]') == ((1, "b", 3), {})
    assert everything.decode_call(b'{"first":1,"rest":[7]}') == ((1, "s", 7), {})
    with pytest.raises(BadValue, match="activity everything, parameter more: second given twice"):
        everything.decode_call(b'{"first":1,"second":"s","more":{"second":2.0}}')
    assert checkout._parameters.decode_call(b'[{"id":"1"}]') == ((), {"order": Order("1")})
    assert activity(lambda: None, name="none").decode_call(b"") == ((), {})  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"5", "workflow shop.checkout: arguments must be an object by name or an array, got 5"),
        (b"{", "workflow shop.checkout: not JSON"),
        (b"{}", "workflow shop.checkout, parameter order: missing; it takes order: Order, qty: int = 1"),
        (b'{"order":{"id":"1"},"x":1}', "workflow shop.checkout has no parameter 'x'; it takes order: Order"),
        (b'[{"id":"1"},1,2]', "workflow shop.checkout takes 2 positional arguments, 3 were given"),
        (b'[{"id":5}]', "workflow shop.checkout, parameter order.id: expected str, got int 5"),
    ],
)
def test_a_payload_of_arguments_that_does_not_fit_is_refused(payload: bytes, message: str) -> None:
    """Payloads also come from the command line and from other languages."""
    with pytest.raises(BadValue) as caught:
        checkout.begin(payload).close()
    assert str(caught.value).startswith(message)


def test_named_text_is_read_as_the_annotation_wants_it() -> None:
    """`rqflow start checkout qty=3` means a number, `note=3` a text, `price=9.50` an exact Decimal."""
    values = {"order": {"id": "1"}, "qty": "3", "note": "3", "price": "9.50"}
    assert load_json(checkout.encode_named(values)) == {"order": {"id": "1"}, "qty": 3, "note": "3", "price": "9.50"}
    assert load_json(checkout.encode_named({"order": '{"id":"1","total":2}'})) == {"order": {"id": "1", "total": 2}}
    assert everything._parameters.encode_named({"first": "1", "flag": "true"}) == b'{"first":1,"flag":true}'


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"order": {"id": "1"}, "qty": "three"}, "parameter qty: expected int, got str 'three'"),
        ({"order": {"id": "1"}, "qty": "3.5"}, "parameter qty: expected int, got str '3.5'"),
        ({"order": "42"}, "parameter order: expected Order, got str '42'"),
        ({"qty": 1}, "parameter order: missing"),
        ({"order": {"id": "1"}, "amount": 1}, "has no parameter 'amount'"),
    ],
)
def test_named_values_that_do_not_fit_are_refused(values: dict[str, Any], message: str) -> None:
    """Before anything is sent."""
    with pytest.raises(BadValue, match=r"workflow shop\.checkout") as caught:
        checkout.encode_named(values)
    assert message in str(caught.value)


def _generator() -> Any:
    yield 1


async def _async_generator() -> Any:
    yield 1


def _plain() -> None: ...


class _Callable:
    def __call__(self) -> None: ...


WRONG: Any = workflow
WRONG_ACTIVITY: Any = activity


@pytest.mark.parametrize(
    ("define", "message"),
    [
        (lambda: WRONG(_plain), "workflow _plain must be an async function: async def _plain(…)"),
        (lambda: workflow(_async_generator), "workflow _async_generator yields; it must return one value"),
        (lambda: activity(_generator), "activity _generator yields; it must return one value"),
        (lambda: activity(_Callable()), "@activity is for functions, got _Callable"),
        (lambda: activity(_Callable), "@activity is for functions, got type"),
        (lambda: WRONG(5), "@workflow is for functions, got int"),
        (lambda: activity(name="")(_plain), "activity name must be a str that is not empty, got ''"),
        (lambda: activity(name="a\nb")(_plain), "activity name must not hold spaces or control characters"),
        (lambda: WRONG_ACTIVITY(isolate="thread")(_plain), "isolate must be \"process\" or left out, got 'thread'"),
        (lambda: activity(isolate="process")(checkout.fn), "is async and runs on the worker's event loop"),
        (lambda: activity(timeout=0)(_plain), "activity _plain: timeout must be more than zero, got 0:00:00"),
        (lambda: WRONG_ACTIVITY(retries=3)(_plain), "activity _plain has no option 'retries'; it has queue, retry"),
        (lambda: workflow(timeout=-5)(checkout.fn), "workflow checkout: timeout must be more than zero"),
        (lambda: activity(retry=Retry(max_attempts=0))(_plain), "retry max_attempts must be an int from 1, or None"),
        (lambda: activity(retry=Retry(jitter=2))(_plain), "retry jitter must be a number from 0 to 1, got 2"),
        (lambda: activity(retry=Retry(coefficient=0.5))(_plain), "retry coefficient must be a number from 1 to 1000"),
        (lambda: activity(retry=Retry(initial=timedelta(-1)))(_plain), "retry initial must be zero or more"),
        (lambda: activity(retry=Retry(non_retryable=(ValueError,)))(_plain), "a tuple of exception names, such as"),  # type: ignore[arg-type]
        (lambda: activity(retry=Retry(non_retryable="ValueError"))(_plain), "a tuple of exception names, such as"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_work_is_refused_at_the_decorator(define: Callable[[], Any], message: str) -> None:
    """When the module is imported, not when the first order comes in."""
    with pytest.raises(BadInput) as caught:
        define()
    assert message in str(caught.value)


def test_annotations_inside_functions_find_the_names_around_them() -> None:
    """As tests are written: classes and workflows side by side in a function."""

    @dataclass
    class Local:
        x: int

    @workflow
    async def bare(value: Local) -> Local:
        return value

    @activity(timeout=5)
    def with_options(value: list[Local]) -> None: ...

    assert bare.encode_call((Local(1),), {}) == b'{"value":{"x":1}}'
    assert with_options.decode_call(b'[[{"x":2}]]') == ((), {"value": [Local(2)]})


def test_annotations_may_name_what_is_defined_later() -> None:
    """They are resolved at the first use."""
    assert later.encode_call((Late(1),), {}) == b'{"value":{"x":1}}'


@activity
def later(value: Late) -> None: ...


@dataclass
class Late:
    x: int


def test_an_annotation_that_nothing_resolves_is_told_at_the_first_use() -> None:
    """With the function's name and what to do."""

    @activity
    def lost(value: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(BadInput, match=r"activity lost: an annotation cannot be resolved: name 'Nowhere'") as caught:
        lost.encode_call((1,), {})
    assert "at the top of module tests.authoring.test_definitions" in str(caught.value)


def test_a_definition_may_have_a_converter_of_its_own() -> None:
    """For classes that rqflow does not know."""

    class Money:
        def __init__(self, cents: int) -> None:
            self.cents = cents

    converter = Converter([Custom(cls=Money, write=lambda money: money.cents, read=Money)])

    @activity(converter=converter)
    def pay(amount: Money) -> Money:
        return amount

    assert pay.encode_call((Money(5),), {}) == b'{"amount":5}'
    assert pay.decode_result(b"7").cents == 7
    with pytest.raises(BadInput, match="Money cannot be converted to JSON"):
        activity(pay.fn).encode_call((Money(5),), {})


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the syntax is of Python 3.12")
def test_type_statements_and_type_parameters_are_understood() -> None:
    """`type Pair = …` and `def f[T](…)`."""
    names: dict[str, Any] = {"activity": activity}
    exec(  # the syntax is newer than the oldest Python that this file must load on
        "type Numbers = list[int]\n"
        "type Maybe[T] = T | None\n"
        "type Json = dict[str, Json] | list[Json] | int\n"
        "@activity\n"
        "def first[T: int](values: Numbers, other: Maybe[T], tree: Json) -> T: ...\n",
        names,
    )
    first = names["first"]
    values = {"values": [1], "other": None, "tree": {"a": [1, {"b": 2}]}}
    assert load_json(first.encode_call((), values)) == values
    with pytest.raises(BadValue, match="parameter values"):
        first.encode_call((), {**values, "values": ["x"]})
    with pytest.raises(BadValue, match="parameter tree"):
        first.encode_call((), {**values, "tree": {"a": [1, {"b": "x"}]}})


def test_encoding_a_call_twice_gives_the_same_bytes() -> None:
    """Payloads do not depend on the process or on the order of keywords."""
    one = checkout.encode_call((Order("1"),), {"qty": 2, "note": "n"})
    other = checkout.encode_call((), {"note": "n", "order": Order("1"), "qty": 2})
    assert load_json(one) == load_json(other)
    assert dump_json(load_json(one)) == one


def test_local_activities_say_so_and_what_contradicts_it_is_refused_when_written() -> None:
    """[B26] True or "durable", at the definition or for one call; no queue and no process of its own with it."""

    @activity(local="durable")
    async def near() -> None: ...

    @activity(queue="eu")
    async def far() -> None: ...

    @activity(isolate="process")
    def apart() -> None: ...

    assert near.defaults.local == "durable"
    assert far.options(local=True, queue=None).defaults.local is True
    assert near.options(local=False, queue="eu").defaults.queue == "eu"
    with pytest.raises(BadInput, match="activity far: local runs it in the workflow's worker, so it has no queue"):
        far.options(local=True)
    with pytest.raises(BadInput, match='and isolate="process" in a process of its own'):
        apart.options(local=True)
    with pytest.raises(BadInput, match="leave out one of them"):

        @activity(isolate="process", local=True)
        def both() -> None: ...

    with pytest.raises(BadInput, match='local must be True, False or "durable", got 1'):
        near.options(local=1)  # type: ignore[arg-type]
