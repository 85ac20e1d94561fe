"""Plan: how the values of one annotation are written as plain JSON values and read again, and how a misfit is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

NULL: Final = frozenset({"null"})
BOOLEAN: Final = frozenset({"boolean"})
INTEGER: Final = frozenset({"integer"})
NUMBER: Final = frozenset({"integer", "number"})
STRING: Final = frozenset({"string"})
ARRAY: Final = frozenset({"array"})
OBJECT: Final = frozenset({"object"})
EVERY: Final = NULL | BOOLEAN | NUMBER | STRING | ARRAY | OBJECT


@dataclass(slots=True, kw_only=True, eq=False)
class Plan:
    """Compiled once for an annotation. Both directions raise Misfit."""

    expected: str
    """The annotation as people write it."""
    write: Callable[[Any], Any]
    """A value to plain JSON values."""
    read: Callable[[Any], Any]
    """Plain JSON values to a value."""
    kinds: frozenset[str] = EVERY
    """The kinds of JSON value that `write` may give: they tell the members of a union apart."""
    types: tuple[type, ...] = ()
    """The exact classes that it is for, empty where it takes many."""
    names: frozenset[str] = frozenset()
    """Field names, of what is written as an object with fields."""
    rank: int = 5
    """Members of a union are tried from low to high."""


class Misfit(Exception):
    """A value does not fit; on its way out each level puts its place in front."""

    def __init__(self, expected: str, got: str, *, reason: str = "") -> None:
        super().__init__(expected, got)
        self.expected = expected
        self.got = got
        self.reason = reason
        self.path: list[str] = []

    def at(self, place: str) -> Misfit:
        """Itself, one level further out."""
        self.path.append(place)
        return self

    def text(self, where: str) -> str:
        """The whole sentence."""
        place = where + "".join(reversed(self.path))
        if self.reason:
            return f"{place}: {self.reason}"
        return f"{place}: expected {self.expected}, got {self.got}"


_SHORT: Final = 60


def got(value: Any) -> str:
    """What a value is, in a few words: its class, and itself where it is a small scalar."""
    if value is None:
        return "None"
    name = type(value).__name__
    if type(value) in (bool, int, float, str):
        try:
            text = repr(value)
        except ValueError:  # an integer of more digits than Python prints
            return "a huge int"
        return f"{name} {text if len(text) <= _SHORT else text[:_SHORT] + '…'}"
    return name


def misfit(plan_text: str, value: Any) -> Misfit:
    """The plain case: this was expected, that was got."""
    return Misfit(plan_text, got(value))


def plain_misfit(plan_text: str, value: Any) -> Misfit:
    """As `misfit`, in JSON's words: for what was read from a payload."""
    kinds = {dict: "an object", list: "an array", type(None): "null"}
    return Misfit(plan_text, kinds.get(type(value)) or got(value))


def name_of(annotation: Any) -> str:
    """An annotation as people write it."""
    if annotation is None or annotation is type(None):
        return "None"
    if isinstance(annotation, type) and not hasattr(annotation, "__args__"):
        return annotation.__qualname__.replace("<locals>.", "").rpartition(".")[2]
    return repr(annotation).replace("typing.", "").replace("__main__.", "")
