"""Sequences: the plans of lists, tuples, sets and mappings."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final

from rqflow.converters.json import dump_json
from rqflow.converters.plan import ARRAY, INTEGER, OBJECT, STRING, Misfit, Plan, misfit, plain_misfit

_DIGITS: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,4000})")


def _each(convert: Callable[[Any], Any], values: Iterable[Any]) -> list[Any]:
    """Every value converted; a misfit tells its number."""
    converted: list[Any] = []
    add = converted.append
    try:
        for value in values:
            add(convert(value))
    except Misfit as error:
        raise error.at(f"[{len(converted)}]") from None
    return converted


def array_plan(expected: str, accepted: tuple[type[Any], ...], build: Callable[[list[Any]], Any], item: Plan) -> Plan:
    """Values of one type in order: list, deque, tuple[T, ...] and the abstract ones."""

    def write(value: Any) -> list[Any]:
        if not isinstance(value, accepted):
            raise misfit(expected, value)
        return _each(item.write, value)

    def read(value: Any) -> Any:
        if type(value) is not list:
            raise plain_misfit(expected, value)
        return build(_each(item.read, value))

    return Plan(expected=expected, write=write, read=read, kinds=ARRAY, types=accepted)


def list_plan(expected: str, item: Plan) -> Plan:
    """list[T]."""
    return array_plan(expected, (list,), lambda values: values, item)


def deque_plan(expected: str, item: Plan) -> Plan:
    """deque[T]."""
    return array_plan(expected, (deque,), deque, item)


def set_plan(expected: str, accepted: tuple[type[Any], ...], build: Callable[[list[Any]], Any], item: Plan) -> Plan:
    """Sets are written sorted by their JSON text: the same set gives the same bytes in every process."""

    def write(value: Any) -> list[Any]:
        if not isinstance(value, accepted):
            raise misfit(expected, value)
        return sorted(_each(item.write, value), key=dump_json)

    def read(value: Any) -> Any:
        if type(value) is not list:
            raise plain_misfit(expected, value)
        try:
            return build(_each(item.read, value))
        except TypeError as error:
            raise Misfit(expected, "", reason=f"expected {expected}, but {error}") from None

    return Plan(expected=expected, write=write, read=read, kinds=ARRAY, types=accepted)


def tuple_plan(expected: str, items: tuple[Plan, ...]) -> Plan:
    """tuple[A, B]: each place has its type."""
    size = len(items)

    def convert(values: Any, side: str) -> list[Any]:
        if len(values) != size:
            raise Misfit(f"{expected} ({size} items)", f"{len(values)} items")
        converted = []
        for number, plan in enumerate(items):
            try:
                converted.append(getattr(plan, side)(values[number]))
            except Misfit as error:
                raise error.at(f"[{number}]") from None
        return converted

    def write(value: Any) -> list[Any]:
        if not isinstance(value, tuple):
            raise misfit(expected, value)
        return convert(value, "write")

    def read(value: Any) -> tuple[Any, ...]:
        if type(value) is not list:
            raise plain_misfit(expected, value)
        return tuple(convert(value, "read"))

    return Plan(expected=expected, write=write, read=read, kinds=ARRAY, types=(tuple,))


def key_plan(plan: Plan) -> Plan | None:
    """How a type is written as the key of a JSON object; None if it cannot be."""
    if plan.kinds == STRING:
        return plan
    if plan.kinds != INTEGER:
        return None

    def read(key: str) -> Any:
        if not _DIGITS.fullmatch(key):
            raise plain_misfit(plan.expected, key)
        return plan.read(int(key))

    return Plan(expected=plan.expected, write=lambda key: str(plan.write(key)), read=read, kinds=STRING)


def mapping_plan(
    expected: str, accepted: tuple[type[Any], ...], build: Callable[[dict[Any, Any]], Any], key: Plan, item: Plan
) -> Plan:
    """dict[K, V] and the abstract mappings. `key` comes from `key_plan`."""

    def convert(value: Any, write_key: Callable[[Any], Any], convert_item: Callable[[Any], Any]) -> dict[Any, Any]:
        converted: dict[Any, Any] = {}
        for name, part in value.items():
            try:
                written = write_key(name)
            except Misfit as error:
                raise error.at(" key") from None
            try:
                converted[written] = convert_item(part)
            except Misfit as error:
                raise error.at(f"[{name!r}]") from None
        return converted

    def write(value: Any) -> dict[str, Any]:
        if not isinstance(value, accepted):
            raise misfit(expected, value)
        return convert(value, key.write, item.write)

    def read(value: Any) -> Any:
        if type(value) is not dict:
            raise plain_misfit(expected, value)
        return build(convert(value, key.read, item.read))

    return Plan(expected=expected, write=write, read=read, kinds=OBJECT, types=accepted)
