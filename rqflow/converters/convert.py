"""Convert: the converter between users' values and payloads, by annotation.

Strict where it would have to guess: "5" is no int, True is no int, NaN is no JSON; an int fits where a float is
asked for. What comes back equals what went in, but for three things that JSON and Python force: values without
annotation come back as plain JSON values, an aware datetime keeps its offset and not the name of its zone, and a fold
is not kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, get_args

import rqflow.converters.json as json_text
from rqflow.converters.compile import Compiler
from rqflow.converters.plan import Misfit, Plan, misfit, plain_misfit
from rqflow.errors import BadInput, BadValue

MAX_PLANS: Final = 2_000
"""Plans that a converter keeps; when it has more it forgets them all and begins again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Custom:
    """How a class that rqflow does not know is written as plain JSON values and read back."""

    cls: type
    write: Callable[[Any], Any]
    """From an instance to plain JSON values."""
    read: Callable[[Any], Any]
    """Back again; raises ValueError where they do not fit."""


class Converter:
    """Values to payloads and back. One with other rules only needs the same two methods."""

    def __init__(self, custom: Iterable[Custom] = ()) -> None:
        self._custom = {entry.cls: _custom_plan(entry) for entry in custom}
        self._plans: dict[Any, Plan] = {}

    def encode(self, value: Any, annotation: Any, *, where: str) -> bytes:
        """The value as a payload. Raises BadValue (it does not fit), BadInput (the annotation has no JSON form)."""
        return dump(self.plan(annotation, where).write, value, where)

    def decode(self, payload: bytes, annotation: Any, *, where: str) -> Any:
        """The value in a payload. Raises BadValue, BadInput."""
        return read(self.plan(annotation, where).read, load(payload, where), where)

    def plan(self, annotation: Any, where: str = "") -> Plan:
        """The plan of an annotation, compiled at its first use. Raises BadInput."""
        try:
            key = annotation if isinstance(annotation, type) else _key(annotation)
            known = self._plans.get(key)
        except TypeError:
            return self._compile(annotation, where)
        if known is None:
            if len(self._plans) >= MAX_PLANS:
                self._plans.clear()
            known = self._plans[key] = self._compile(annotation, where)
        return known

    def _compile(self, annotation: Any, where: str) -> Plan:
        try:
            return Compiler(self._custom, self.plan).compile(annotation)
        except (BadInput, Misfit, RecursionError) as error:
            raise BadInput(f"{where}: {error}" if where else str(error)) from error


def dump(write: Callable[[Any], Any], value: Any, where: str) -> bytes:
    """`value` as `write` puts it, as JSON text. Raises BadValue, which begins with `where`."""
    try:
        return json_text.dump_json(write(value))
    except Misfit as error:
        raise bad_value(error, where) from None
    except RecursionError:
        raise BadValue(f"{where}: nested deeper than {json_text.MAX_DEPTH} levels, or in itself", where=where) from None
    except BadInput as error:
        raise BadValue(f"{where}: {error}", where=where) from error


def load(payload: bytes, where: str) -> Any:
    """The plain JSON values in a payload; an empty one is None. Raises BadValue, which begins with `where`."""
    if not payload:
        return None
    try:
        return json_text.load_json(payload)
    except BadInput as error:
        raise BadValue(f"{where}: {error}", where=where) from error


def read(reader: Callable[[Any], Any], plain: Any, where: str) -> Any:
    """What `reader` makes of plain JSON values. Raises BadValue, which begins with `where`."""
    try:
        return reader(plain)
    except Misfit as error:
        raise bad_value(error, where) from error.__cause__
    except RecursionError:
        raise BadValue(f"{where}: nested deeper than {json_text.MAX_DEPTH} levels", where=where) from None


def bad_value(error: Misfit, where: str) -> BadValue:
    """A misfit, told to the user."""
    return BadValue(error.text(where), where=where, expected=error.expected, got=error.got)


def _key(annotation: Any) -> Any:
    """Tells `int | str` from `str | int`, which are equal and hash alike."""
    args = get_args(annotation)
    return (annotation, *map(_key, args)) if args else annotation


def _custom_plan(entry: Custom) -> Plan:
    expected = entry.cls.__name__

    def write(value: Any) -> Any:
        if type(value) is not entry.cls:
            raise misfit(expected, value)
        return entry.write(value)

    def read_value(value: Any) -> Any:
        try:
            return entry.read(value)
        except (ValueError, TypeError, LookupError) as error:
            found = plain_misfit(expected, value)
            found.reason = f"expected {expected}, got {found.got}: {error}"
            raise found from error

    return Plan(expected=expected, write=write, read=read_value, types=(entry.cls,), rank=2)


DEFAULT: Final = Converter()
"""Used where no other is given."""
