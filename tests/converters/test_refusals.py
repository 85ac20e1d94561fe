"""Refusals: what does not fit is one clear error that says where, what was expected and what was got."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from dataclasses import InitVar, dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, Never
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rqflow.converters.convert import DEFAULT, MAX_PLANS, Converter
from rqflow.converters.json import dump_json, load_json
from rqflow.errors import BadInput, BadValue
from tests.converters.shapes import Color, Item, Model, Movie, Order, Point, Positive, Stranger, Tree

WHERE = "workflow checkout, parameter order"


@pytest.mark.parametrize(
    ("value", "annotation", "message"),
    [
        ("5", int, "order: expected int, got str '5'"),
        (True, int, "order: expected int, got bool True"),
        (5.0, int, "order: expected int, got float 5.0"),
        (1, bool, "order: expected bool, got int 1"),
        (True, float, "order: expected float, got bool True"),
        (math.nan, float, "order: expected a finite float, got nan: JSON has no such number"),
        (math.inf, Any, "order: expected a finite float, got inf: JSON has no such number"),
        (10**400, float, "order: expected float, got int 1000"),
        (5, str, "order: expected str, got int 5"),
        ("\ud800x", str, "order: str with a lone surrogate at position 0"),
        (["ok", "\udfff"], Any, "order[1]: str with a lone surrogate at position 0"),
        (Path("/\udcff"), Path, "order: str with a lone surrogate at position 1"),
        ("x", bytes, "order: expected bytes, got str 'x'"),
        (None, int, "order: expected int, got None"),
        (0, None, "order: expected None, got int 0"),
        (datetime(2024, 1, 1, tzinfo=UTC), date, "order: expected date, got datetime"),
        (Decimal("NaN"), Decimal, "order: expected a finite Decimal, got NaN"),
        ((1, 2), list[int], "order: expected list[int], got tuple"),
        ([1, "a"], list[int], "order[1]: expected int, got str 'a'"),
        ((1,), tuple[int, str], "order: expected tuple[int, str] (2 items), got 1 items"),
        ((1, 2), tuple[int, str], "order[1]: expected str, got int 2"),
        ({"a": 1}, dict[str, str], "order['a']: expected str, got int 1"),
        ({1: 1}, dict[str, int], "order key: expected str, got int 1"),
        ({1: 1}, Any, "order: the keys of a JSON object are text, got int 1; annotate it, as in dict[int, …]"),
        ("red", Color, "order: expected Color member, got str 'red'"),
        ("it", Literal["de", "fr"], "order: expected Literal['de', 'fr'], got str 'it'"),
        (1.5, int | str, "order: expected int | str, got float 1.5"),
        ("x", int | None, "order: expected int | None, got str 'x'"),
        ({"id": "1"}, Order, "order: expected Order, got dict"),
        (Order("1", [Item("a", 1.5)]), Order, "order.items[0].price: expected Decimal, got float 1.5"),  # type: ignore[arg-type]
        (Order("1", [Item("a", 1.5)]), Order | int, "order.items[0].price: expected Decimal, got float 1.5"),  # type: ignore[arg-type]
        ({"title": "a", "yaer": 1}, Movie, "order: Movie has no key 'yaer'; it has title, year"),
        ({}, Movie, "order['title']: missing; Movie needs it"),
        ((1, 2), Point, "order: expected Point, got tuple"),
        (5, Model, "order: expected Model, got int 5"),
        (object(), Any, "order: object cannot be converted to JSON and back; make it a dataclass"),
        ([Stranger()], Any, "order[0]: Stranger cannot be converted to JSON and back; make it a dataclass"),
        (1, Never, "order: expected nothing (Never), got int 1"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_its_place(value: Any, annotation: Any, message: str) -> None:
    """The message names where the value was given, the path inside it, the expected type and what was got."""
    with pytest.raises(BadValue) as caught:
        DEFAULT.encode(value, annotation, where=WHERE)
    assert str(caught.value).startswith(f"workflow checkout, parameter {message}")
    assert caught.value.where == WHERE


@pytest.mark.parametrize(
    ("payload", "annotation", "message"),
    [
        (b'"5"', int, "expected int, got str '5'"),
        (b"1.0", int, "expected int, got float 1.0"),
        (b"true", int, "expected int, got bool True"),
        (b"1", bool, "expected bool, got int 1"),
        (b"null", str, "expected str, got null"),
        (b"[]", Order, "expected Order, got an array"),
        (b"{}", list[int], "expected list[int], got an object"),
        (b'{"items":[]}', Order, "order.id: missing; Order needs it and it has no default"),
        (
            b'{"id":"1","items":[{"sku":"a","price":"1"},{"sku":"b","price":"x"}]}',
            Order,
            "order.items[1].price: expected Decimal, got str 'x'",
        ),
        (b'"2024-13-01"', date, "expected date, got str '2024-13-01'"),
        (b'"2024-01-01"', datetime, "expected datetime, got str '2024-01-01'"),
        (b'"25:00"', time, "expected time, got str '25:00'"),
        (b'"P"', timedelta, "expected timedelta (ISO 8601, such as PT90S), got str 'P'"),
        (b"1e300", timedelta, "expected timedelta, got float 1e+300"),
        (b'"x"', UUID, "expected UUID, got str 'x'"),
        (b'"a$"', bytes, "expected bytes (base64), got str 'a$'"),
        (b"1.5", Decimal, "expected Decimal, got float 1.5"),
        (b'"Infinity"', Decimal, "expected Decimal, got str 'Infinity'"),
        (b'"green"', Color, "expected Color (one of 'red', 'blue'), got str 'green'"),
        (b'{"a":1}', dict[int, int], "order key: expected int, got str 'a'"),
        (b'{"01":1}', dict[int, int], "order key: expected int, got str '01'"),
        (b'{"number":-1}', Positive, "Positive refuses it: ValueError: -1 is not positive"),
        (b'{"size":"x"}', Model, "order: Model refuses it: 1 validation error for Model"),
        (b"[[1]]", set[Any], "order: expected set[Any], but unhashable type: 'list'"),
        (b'{"$type":"Bird","$value":1}', Item | Point, "expected Item | Point ($type one of Item, Point), got str"),
        (b"{", Any, "order: not JSON: "),
        (b"NaN", float, "order: not JSON: "),
        (b"\xff", str, "order: not JSON: "),
        (b'"\\ud800"', str, "order: not JSON: "),
        (b"1e999", float, "order: not JSON: "),
        (b'{"a":12345678901234567890} x', Any, "order: not JSON: "),
        (b"9" * 5000, int, "order: not JSON"),
        (b"", int, "expected int, got null"),
    ],
)
def test_a_payload_that_does_not_fit_is_refused_with_its_place(payload: bytes, annotation: Any, message: str) -> None:
    """Payloads come from other processes and older code: the reader is told the same way."""
    with pytest.raises(BadValue, match=r"^workflow checkout, parameter order") as caught:
        DEFAULT.decode(payload, annotation, where=WHERE)
    assert message in str(caught.value)


@pytest.mark.parametrize("payload", [b"[" * 300 + b"]" * 300, b'{"a":' * 300 + b"1" + b"}" * 300, b"[" * 100_000])
def test_json_that_is_nested_without_end_is_refused(payload: bytes) -> None:
    """Hostile input must not run the process out of stack [P7]."""
    with pytest.raises(BadValue):
        DEFAULT.decode(payload, Any, where=WHERE)


def test_deep_nesting_is_refused_on_the_way_out_too() -> None:
    """A list in itself, and a tree that is too tall."""
    looped: list[Any] = []
    looped.append(looped)
    with pytest.raises(BadValue, match="nested deeper than 200 levels, or in itself"):
        DEFAULT.encode(looped, Any, where=WHERE)
    tall = Tree(0)
    for number in range(5_000):
        tall = Tree(number, tall)
    with pytest.raises(BadValue, match="nested deeper than 200 levels"):
        DEFAULT.encode(tall, Tree, where=WHERE)
    tall.left = tall
    with pytest.raises(BadValue, match="nested deeper than 200 levels"):
        DEFAULT.encode(tall, Tree, where=WHERE)


def test_an_int_that_python_would_not_read_back_is_refused() -> None:
    """Python limits how many digits it reads: a longer number would be a payload that nobody can open."""
    with pytest.raises(BadValue, match="an int of 20001 bits is too large, the limit is 10000"):
        DEFAULT.encode(2**20000, int, where=WHERE)


def test_many_brackets_side_by_side_are_not_deep() -> None:
    """The bound is on depth, not on size."""
    assert DEFAULT.decode(dump_json([[[1]]] * 1000), Any, where="") == [[[1]]] * 1000


@dataclass
class Unfinished:
    when: NoSuchName  # type: ignore[name-defined]  # noqa: F821


@dataclass
class Consumed:
    seed: InitVar[int]


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (Stranger, "Stranger cannot be converted to JSON and back; make it a dataclass"),
        (list[Stranger], "Stranger cannot be converted"),
        (Callable[[int], int], "cannot be converted to JSON and back"),
        (dict[tuple[int, int], int], "dict keys must be written as text or int"),
        (dict[int | str, int], "dict keys must be written as text or int"),
        (Unfinished, "an annotation cannot be resolved: name 'NoSuchName' is not defined"),
        (Consumed, "Consumed.seed is an InitVar without default"),
        ("Order", "annotation 'Order' is text; give the type itself"),
        (complex, "complex cannot be converted"),
    ],
)
def test_an_annotation_without_json_form_is_refused_with_advice(annotation: Any, message: str) -> None:
    """The message says what to do; it names the parameter."""
    with pytest.raises(BadInput) as caught:
        DEFAULT.encode(None, annotation, where=WHERE)
    assert message in str(caught.value)
    assert str(caught.value).startswith(WHERE)


def test_a_subclass_that_would_come_back_as_its_parent_is_refused() -> None:
    """Its own fields would be lost without a word."""

    @dataclass
    class Special(Point_):
        z: int = 0

    with pytest.raises(BadValue, match="its subclass Special, which would come back as Point_"):
        DEFAULT.encode(Special(1, 2), Point_, where=WHERE)


@dataclass
class Point_:  # noqa: N801 - a second Point
    x: int


def test_plans_are_bounded() -> None:
    """A program that makes up annotations does not make the converter grow without end [P10]."""
    converter = Converter()
    for number in range(MAX_PLANS + 50):
        converter.encode(1, Literal[1, number + 2], where="")
    assert len(converter._plans) <= MAX_PLANS


def test_plain_json_text_is_refused_with_the_place_where_it_breaks() -> None:
    """For callers that have text from people."""
    with pytest.raises(BadValue, match="line 1 column 7"):
        load_json('{"a": }')
    with pytest.raises(BadValue, match="not JSON"):
        load_json("\ud800")
    with pytest.raises(BadValue, match="cannot be written as JSON"):
        dump_json({1: 2})
    with pytest.raises(BadValue, match="cannot be written as JSON"):
        dump_json([2**70, object()])


@given(st.binary(max_size=200), st.sampled_from([Any, int, Order, Tree, list[Item | Point], dict[int, date] | Model]))
def test_no_bytes_do_more_harm_than_a_bad_value(payload: bytes, annotation: Any) -> None:
    """Whatever stands in a store, reading it ends in a value or a BadValue [P7]."""
    with contextlib.suppress(BadValue):
        DEFAULT.decode(payload, annotation, where=WHERE)
