"""Choices: the plans of values out of a closed set: enums and Literal."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, Flag
from typing import Any

from rqflow.converters.plan import INTEGER, STRING, Plan, misfit, plain_misfit


def _kind(value: Any) -> str:
    names = {str: "string", int: "integer", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")


def enum_plan(cls: type[Enum]) -> Plan:
    """By value where all values are text or integers, else by name. A Flag is an integer, combined members too."""
    if issubclass(cls, Flag):
        return _flag_plan(cls)
    members = list(cls)
    by_value = all(isinstance(member.value, (str, int)) and not isinstance(member.value, bool) for member in members)
    plain = {member: _bare(member.value) if by_value else member.name for member in members}
    found = {written: member for member, written in plain.items()}
    listed = ", ".join(repr(written) for written in list(found)[:10]) + (", …" if len(found) > 10 else "")
    expected = cls.__name__

    def write(value: Any) -> Any:
        if not isinstance(value, cls):
            raise misfit(f"{expected} member", value)
        return plain[value]

    def read(value: Any) -> Enum:
        member = found.get(value) if type(value) in (str, int) else None
        if member is None:
            raise plain_misfit(f"{expected} (one of {listed})", value)
        return member

    kinds = frozenset(_kind(written) for written in found)
    return Plan(expected=expected, write=write, read=read, kinds=kinds or STRING, types=(cls,), rank=2)


def _bare(value: Any) -> Any:
    return str.__str__(value) if isinstance(value, str) else int(value)


def _flag_plan(cls: type[Flag]) -> Plan:
    expected = cls.__name__

    def write(value: Any) -> int:
        if not isinstance(value, cls):
            raise misfit(f"{expected} member", value)
        return int(value.value)

    def read(value: Any) -> Flag:
        if type(value) is not int:
            raise plain_misfit(expected, value)
        try:
            return cls(value)
        except ValueError:
            raise plain_misfit(expected, value) from None

    return Plan(expected=expected, write=write, read=read, kinds=INTEGER, types=(cls,), rank=1)


def literal_plan(expected: str, values: tuple[Any, ...], compile: Callable[[Any], Plan]) -> Plan:
    """Literal[…]: equal, and of the same class (True is not 1)."""
    written = [(value, compile(type(value)).write(value)) for value in values]

    def write(value: Any) -> Any:
        for known, plain in written:
            if type(value) is type(known) and value == known:
                return plain
        raise misfit(expected, value)

    def read(value: Any) -> Any:
        for known, plain in written:
            if type(value) is type(plain) and value == plain:
                return known
        raise plain_misfit(expected, value)

    kinds = frozenset(_kind(plain) for _, plain in written)
    return Plan(expected=expected, write=write, read=read, kinds=kinds, types=(), rank=0)
