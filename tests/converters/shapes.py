"""Shapes: classes of every kind that the converter takes apart and puts together in these tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import Enum, IntEnum, IntFlag, StrEnum
from typing import Generic, Literal, NamedTuple, NewType, NotRequired, TypedDict, TypeVar

from pydantic import BaseModel, Field

T = TypeVar("T")
K = TypeVar("K")
UserId = NewType("UserId", int)


class Color(StrEnum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Odd(Enum):
    """Values that JSON cannot hold: written by name."""

    TUPLE = (1, 2)
    OBJECT = object()


class Rights(IntFlag):
    READ = 1
    WRITE = 2


@dataclass
class Item:
    sku: str
    price: Decimal
    count: int = 1


@dataclass
class Order:
    id: str
    items: list[Item] = field(default_factory=list)
    placed: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    street: str
    country: Literal["de", "fr"] = "de"


@dataclass
class Tree:
    value: int
    left: Tree | None = None
    others: list[Tree] = field(default_factory=list)


@dataclass
class Page(Generic[T]):
    items: list[T]
    next: int | None = None


@dataclass
class Pair(Page[K], Generic[K, T]):
    """K is what the parent calls T."""

    extra: T | None = None


@dataclass
class Positive:
    number: int

    def __post_init__(self) -> None:
        if self.number <= 0:
            raise ValueError(f"{self.number} is not positive")


@dataclass
class Area:
    width: int
    height: int
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = self.width * self.height


class Point(NamedTuple):
    x: int
    y: int = 0


class Movie(TypedDict):
    title: str
    year: NotRequired[int]


class Loose(Movie, total=False):
    rating: float


class Model(BaseModel):
    size: int
    by: datetime | None = None
    alias: str = Field(default="x", alias="theAlias")


@dataclass
class Cat:
    name: str


@dataclass
class Dog:
    name: str


@dataclass
class Puppy:
    name: str
    age: int = 0


class Stranger:
    """Nothing says how to write it."""
