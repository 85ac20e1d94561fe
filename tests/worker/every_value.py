"""Every value: a dataclass that holds one of each kind of value, and a workflow that carries it through an activity."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Generic, NamedTuple, NotRequired, TypedDict, TypeVar
from uuid import UUID

from pydantic import BaseModel

from rqflow.authoring.activity_face import activity
from rqflow.authoring.workflow_face import workflow

T = TypeVar("T")


class Color(StrEnum):
    RED = "red"


class Level(IntEnum):
    HIGH = 2


class Kind(Enum):
    PAIR = (1, 2)


class Movie(TypedDict):
    title: str
    year: NotRequired[int]


class Point(NamedTuple):
    x: int
    y: int = 0


class Model(BaseModel):
    size: int
    by: datetime


@dataclass(frozen=True)
class Cat:
    name: str


@dataclass(frozen=True)
class Dog:
    name: str


@dataclass(frozen=True)
class Box(Generic[T]):
    item: T


@dataclass(frozen=True)
class Everything:
    """One of each."""

    model: Model
    color: Color
    level: Level
    kind: Kind
    at: datetime
    naive: datetime
    day: date
    hour: time
    span: timedelta
    key: UUID
    price: Decimal
    raw: bytes
    movie: Movie
    point: Point
    pair: tuple[int, str]
    many: tuple[int, ...]
    numbers: set[int]
    words: frozenset[str]
    nothing: int | None
    pet: Cat | Dog
    box: Box[Decimal]
    big: int
    nested: dict[str, list[Cat]]


EVERYTHING = Everything(
    model=Model(size=1, by=datetime(2026, 1, 1, tzinfo=UTC)),
    color=Color.RED,
    level=Level.HIGH,
    kind=Kind.PAIR,
    at=datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    naive=datetime(2026, 1, 2, 3, 4, 5),  # noqa: DTZ001 (it stays naive)
    day=date(2026, 2, 3),
    hour=time(1, 2, 3, 4),
    span=timedelta(days=-1, microseconds=7),
    key=UUID(int=5),
    price=Decimal("1.10"),
    raw=b"\x00\xff",
    movie={"title": "Metropolis", "year": 1927},
    point=Point(1, 2),
    pair=(1, "ä🎉"),
    many=(1, 2, 3),
    numbers={3, 1},
    words=frozenset({"x"}),
    nothing=None,
    pet=Dog("rex"),
    box=Box(Decimal("2.50")),
    big=2**200 + 1,
    nested={"k": [Cat("mia")]},
)


@activity
async def reflect(value: Everything) -> Everything:
    """Gives back what it was given."""
    return value


@activity
def shipping(country: str) -> int:
    """What it says is not what it gives."""
    return country  # type: ignore[return-value]


@workflow
async def carry(value: Everything) -> Everything:
    """Through an activity, whose result is what was sent, of the same classes."""
    back = await reflect(value)
    assert back == value
    assert type(back.pet) is Dog
    return back


@workflow
async def wrong_result() -> int:
    """Awaits an activity that gives back what it does not promise."""
    return await shipping("de")


@workflow
async def wrong_argument() -> int:
    """Calls an activity with what it does not take."""
    return await shipping(7)  # type: ignore[arg-type]


@workflow
async def wrong_number() -> float:
    """Gives back what JSON has no word for."""
    return float("nan")
