"""Round trips: what is encoded by an annotation decodes to an equal value of the same class."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, Optional, Union
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rqflow.converters.convert import DEFAULT, Converter, Custom
from rqflow.converters.json import dump_json
from tests.converters.shapes import (
    Address,
    Area,
    Cat,
    Color,
    Dog,
    Item,
    Level,
    Loose,
    Model,
    Movie,
    Odd,
    Order,
    Page,
    Pair,
    Point,
    Positive,
    Puppy,
    Rights,
    Tree,
    UserId,
)

BERLIN = timezone(timedelta(hours=2))
SOME = UUID("cf4376e6-8bad-408f-b5d0-4b1716182c56")


def there_and_back(value: Any, annotation: Any) -> Any:
    payload = DEFAULT.encode(value, annotation, where="test")
    return DEFAULT.decode(payload, annotation, where="test")


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (None, None),
        (True, bool),
        (2**53 + 1, int),
        (2**64, int),
        (-(2**200), int),
        ([2**64, 1], list[int]),
        ({"deep": {"n": 10**30}}, Any),
        (0.1, float),
        (-0.0, float),
        ("", str),
        ("\x00 ünï 🦊", str),
        (b"", bytes),
        (bytes(range(256)), bytes),
        (datetime(2024, 2, 29, 1, 2, 3, 4), datetime),  # noqa: DTZ001 - naive stays naive
        (datetime(2024, 2, 29, 1, 2, 3, tzinfo=UTC), datetime),
        (datetime(2024, 2, 29, 1, 2, 3, 999999, tzinfo=BERLIN), datetime),
        (date(1, 1, 1), date),
        (time(23, 59, 59, 1), time),
        (time(1, tzinfo=BERLIN), time),
        (timedelta(days=-1, microseconds=1), timedelta),
        (timedelta.max, timedelta),
        (SOME, UUID),
        (Decimal("1.500"), Decimal),
        (Decimal("1E+50"), Decimal),
        (Path("/a/b c"), Path),
        (PurePosixPath("x"), PurePosixPath),
        ([], list),
        ([1, [2, {"a": None}]], list),
        ((), tuple[()]),
        ((1, "a", None), tuple[int, str, None]),
        ((1, 2, 3), tuple[int, ...]),
        ({3, 1, 2}, set[int]),
        (frozenset({Color.RED}), frozenset[Color]),
        (deque([1, 2]), deque[int]),
        ({"a": [1]}, dict[str, list[int]]),
        ({1: "a", -5: "b"}, dict[int, str]),
        ({2**70: 1}, dict[int, int]),
        ({Color.RED: 1}, dict[Color, int]),
        ({Level.HIGH: 1}, dict[Level, int]),
        ({SOME: date(2024, 1, 1)}, dict[UUID, date]),
        ({date(2024, 1, 1): 1}, dict[date, int]),
        (OrderedDict(b=1, a=2), OrderedDict[str, int]),
        ([1, 2], Sequence[int]),
        ({"a": 1}, Mapping[str, int]),
        ({1}, AbstractSet[int]),
        (Color.BLUE, Color),
        (Level.HIGH, Level),
        (Odd.TUPLE, Odd),
        (Odd.OBJECT, Odd),
        (Rights.READ | Rights.WRITE, Rights),
        ("de", Literal["de", "fr"]),
        (1, Literal[1, True, "1"]),
        (True, Literal[1, True, "1"]),
        (Color.RED, Literal[Color.RED, 5]),
        (5, Annotated[int, "unit"]),
        (UserId(5), UserId),
        (None, Optional[int]),  # noqa: UP045 - the old spelling is still written
        (5, Union[int, str]),  # noqa: UP007
        ("5", int | str),
        (3, int | float),
        (3.0, int | float),
        (True, int | bool),
        (Item("s", Decimal("9.99")), Item),
        (Order("1", [Item("s", Decimal(1), 2)], datetime(2024, 1, 1, tzinfo=UTC)), Order),
        (Address(street="a"), Address),
        (Tree(1, Tree(2, Tree(3)), [Tree(4)]), Tree),
        (Page([Item("s", Decimal(1))], 3), Page[Item]),
        (Pair([SOME], 3, Decimal("1.0")), Pair[UUID, Decimal]),
        (Area(2, 3), Area),
        (Point(1, 2), Point),
        ([Point(1)], list[Point]),
        ({"title": "a"}, Movie),
        ({"title": "a", "year": 1999, "rating": 1.5}, Loose),
        (Model(size=1, theAlias="q"), Model),
        ([Model(size=1, by=datetime(2024, 1, 1, tzinfo=UTC))], list[Model]),
        (None, Model | None),
    ],
)
def test_a_value_comes_back_equal_and_of_its_class(value: Any, annotation: Any) -> None:
    """Every kind of annotation that users write on parameters and results."""
    back = there_and_back(value, annotation)
    assert back == value
    assert type(back) is type(value)


def test_the_offset_of_a_time_is_kept_and_naive_stays_naive() -> None:
    """Equality of aware datetimes ignores the offset, so it is looked at here."""
    aware = there_and_back(datetime(2024, 7, 1, tzinfo=BERLIN), datetime)
    assert aware.utcoffset() == timedelta(hours=2)
    assert there_and_back(datetime(2024, 7, 1), datetime).tzinfo is None  # noqa: DTZ001


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        ("plain", UUID | str),
        (str(SOME), UUID | str),
        (SOME, UUID | str),
        ("2024-01-01", date | str),
        (Path("/x"), str | Path),
        ("/x", str | Path),
        ("abcd", bytes | str),
        (b"abcd", bytes | str),
        (Decimal(5), int | Decimal),
        (5, int | Decimal),
        (Cat("a"), Cat | Dog),
        (Dog("a"), Cat | Dog),
        (Cat("a"), Puppy | Cat),
        (Puppy("a", 3), Cat | Puppy),
        (Puppy("a"), Cat | Puppy),
        ([Dog("a"), Cat("b"), None], list[Cat | Dog | None]),
        ({"$type": "Cat", "$value": {}}, dict[str, Any] | Cat),
        ({1, 2}, list[int] | set[int]),
        ([1, 2], list[int] | set[int]),
        ([1], list[str] | list[int]),
        (Color.RED, str | Color),
        ("red", str | Color),
        (date(2024, 1, 1), date | datetime),
        (datetime(2024, 1, 1), date | datetime),  # noqa: DTZ001
    ],
)
def test_members_of_a_union_that_look_alike_are_told_apart(value: Any, annotation: Any) -> None:
    """A str that looks like a UUID stays a str, a Dog stays a Dog: where JSON cannot tell, a label does."""
    back = there_and_back(value, annotation)
    assert back == value
    assert type(back) is type(value)


def test_a_union_is_written_without_label_where_its_members_differ() -> None:
    """The common unions are the JSON that anybody would write by hand."""
    assert DEFAULT.encode(5, int | str | None, where="") == b"5"
    assert DEFAULT.encode(Cat("a"), Cat | int, where="") == b'{"name":"a"}'
    assert DEFAULT.decode(b'{"name":"a","age":2}', Cat | Puppy, where="") == Puppy("a", 2)
    assert DEFAULT.decode(b'{"name":"a"}', Cat | Dog, where="") == Cat("a")
    assert DEFAULT.decode(b'{"name":"a"}', Dog | Cat, where="") == Dog("a")


def test_a_payload_may_lack_what_has_a_default_and_have_what_is_not_known() -> None:
    """So a field can be added or dropped by a deploy while old payloads are about."""
    assert DEFAULT.decode(b'{"sku":"a","price":"1","color":"red"}', Item, where="") == Item("a", Decimal(1))
    assert DEFAULT.decode(b'{"x":1,"z":9}', Point, where="") == Point(1)
    assert DEFAULT.decode(b'{"title":"a","more":1}', Movie, where="") == {"title": "a"}


def test_without_annotation_values_are_plain_json() -> None:
    """Tuples become lists, objects their JSON form: nothing else is known when they are read."""
    value = {"t": (1, 2), "item": Item("a", Decimal("1.0")), "at": date(2024, 1, 1), "c": Color.RED, "s": {"b", "a"}}
    expected = {
        "t": [1, 2],
        "item": {"sku": "a", "price": "1.0", "count": 1},
        "at": "2024-01-01",
        "c": "red",
        "s": ["a", "b"],
    }
    assert there_and_back(value, Any) == expected
    assert there_and_back(Point(1, 2), object) == {"x": 1, "y": 2}


def test_an_int_fits_where_a_float_is_asked_for() -> None:
    """As type checkers have it, in both directions; what comes out is a float."""
    back = there_and_back(5, float)
    assert (back, type(back)) == (5.0, float)
    assert type(DEFAULT.decode(b"5", float, where="")) is float


def test_timedelta_is_read_from_seconds_too() -> None:
    """People write `timeout:=90` on the command line."""
    assert DEFAULT.decode(b"90", timedelta, where="") == timedelta(seconds=90)
    assert DEFAULT.decode(b'"P1DT2H3.5S"', timedelta, where="") == timedelta(days=1, hours=2, seconds=3.5)


def test_a_defaultdict_comes_back_as_one() -> None:
    """Its factory cannot be written: what comes back has none."""
    value = defaultdict(int, a=1)
    assert there_and_back(value, defaultdict[str, int]) == {"a": 1}


def test_the_same_set_gives_the_same_bytes() -> None:
    """Sets iterate differently in each process; payloads of a replayed run do not."""
    words = {f"w{number}" for number in range(50)}
    assert DEFAULT.encode(words, set[str], where="") == dump_json(sorted(words))


def test_a_class_of_the_users_own_kind_can_be_taught() -> None:
    """`Custom` says how a class is written and read; alone, inside others, and without annotation."""

    class Money:
        def __init__(self, cents: int) -> None:
            self.cents = cents

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Money) and other.cents == self.cents

        __hash__ = None  # type: ignore[assignment]

    converter = Converter([Custom(cls=Money, write=lambda money: money.cents, read=Money)])
    payload = converter.encode([Money(5)], list[Money | None], where="")
    assert payload == b"[5]"
    assert converter.decode(payload, list[Money | None], where="") == [Money(5)]
    assert converter.encode({"m": Money(7)}, Any, where="") == b'{"m":7}'


def test_what_a_class_checks_itself_is_checked_at_reading() -> None:
    """`__post_init__` runs; what it accepts comes through."""
    assert there_and_back(Positive(3), Positive) == Positive(3)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(PLAIN)
def test_any_json_value_comes_back_exactly(value: Any) -> None:
    """Integers of any size, any text, any nesting."""
    assert there_and_back(value, Any) == value


@given(st.lists(st.builds(Item, st.text(), st.decimals(allow_nan=False, allow_infinity=False), st.integers())))
def test_lists_of_dataclasses_come_back_exactly(items: list[Item]) -> None:
    """The daily case."""
    assert there_and_back(items, list[Item]) == items


@given(st.datetimes() | st.datetimes(timezones=st.just(BERLIN)))
def test_any_datetime_comes_back_exactly(value: datetime) -> None:
    """To the microsecond."""
    assert there_and_back(value, datetime) == value


@given(st.timedeltas())
def test_any_timedelta_comes_back_exactly(value: timedelta) -> None:
    """To the microsecond, over all of its range: a float of seconds would lose some."""
    assert there_and_back(value, timedelta) == value


@given(st.one_of(st.text(), st.binary(), st.uuids(), st.dates(), st.integers(), st.none()))
def test_a_wide_union_gives_back_what_it_was_given(value: Any) -> None:
    """Whatever the value looks like as JSON."""
    back = there_and_back(value, str | bytes | UUID | date | int | None)
    assert back == value
    assert type(back) is type(value)
