"""Unions: the plan of `A | B`, which writes plain JSON where that tells the members apart and a label where not.

A value is written by the first member whose exact class it has, else by the first that takes it. Reading tries the
members from the most to the least particular; among objects with fields the one that leaves the fewest keys unread
wins. Where reading would pick another member than the one that wrote (a str that looks like a UUID, two dataclasses
with the same fields), the value is written as `{"$type": …, "$value": …}`: what goes in comes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rqflow.converters.plan import NULL, Misfit, Plan, misfit, plain_misfit

_TYPE, _VALUE = "$type", "$value"


def union_plan(expected: str, members: Sequence[Plan]) -> Plan:
    """The plan of a union of at least two members."""
    nothing = [member for member in members if member.kinds == NULL]
    if len(members) == 2 and len(nothing) == 1:
        other = members[0] if members[1] is nothing[0] else members[1]
        if not other.kinds & NULL:
            return _optional(expected, other)
    kinds = frozenset[str]().union(*(member.kinds for member in members))
    union = _Union(expected, members, apart=sum(len(member.kinds) for member in members) == len(kinds))
    return Plan(
        expected=expected,
        write=union.write,
        read=union.read,
        kinds=kinds if union.apart else kinds | {"object"},
        types=tuple(cls for member in members for cls in member.types),
    )


def _optional(expected: str, other: Plan) -> Plan:
    """`X | None`: by far the most common union, and never ambiguous."""

    def say(error: Misfit) -> Misfit:
        if not error.path and error.expected == other.expected:
            error.expected = expected
        return error

    def write(value: Any) -> Any:
        if value is None:
            return None
        try:
            return other.write(value)
        except Misfit as error:
            raise say(error) from None

    def read(value: Any) -> Any:
        if value is None:
            return None
        try:
            return other.read(value)
        except Misfit as error:
            raise say(error) from None

    return Plan(
        expected=expected,
        write=write,
        read=read,
        kinds=other.kinds | NULL,
        types=(*other.types, type(None)),
        names=other.names,
    )


class _Union:
    """A union of members that are tried in turn."""

    def __init__(self, expected: str, members: Sequence[Plan], *, apart: bool) -> None:
        self.expected = expected
        self.members = tuple(members)
        self.apart = apart
        """Each kind of JSON value belongs to one member: nothing needs a label."""
        self.reading = sorted(self.members, key=lambda member: member.rank)
        self.labels: dict[str, Plan] = {}
        for number, member in enumerate(self.members):
            label = member.expected if member.expected not in self.labels else f"{member.expected}#{number}"
            self.labels[label] = member

    def write(self, value: Any) -> Any:
        """By the first exact member, else by the first that takes it."""
        cls = type(value)
        exact = [member for member in self.members if cls in member.types]
        deepest: Misfit | None = None
        for member in exact or self.members:
            try:
                written = member.write(value)
            except Misfit as error:
                deepest = _deeper(deepest, error)
                continue
            return written if self.apart else self._labeled(member, written)
        if exact:
            # The class was right and something inside is not: that is what the caller must hear.
            raise deepest or misfit(self.expected, value)
        raise misfit(self.expected, value) if deepest is None or not deepest.path else deepest

    def read(self, value: Any) -> Any:
        if not self.apart and type(value) is dict and value.keys() == {_TYPE, _VALUE}:
            member = self.labels.get(value[_TYPE]) if isinstance(value[_TYPE], str) else None
            if member is None:
                raise plain_misfit(f"{self.expected} ($type one of {', '.join(self.labels)})", value[_TYPE])
            return member.read(value[_VALUE])
        return self._pick(value)[1]

    def _labeled(self, member: Plan, written: Any) -> Any:
        try:
            if self._pick(written)[0] is member and not (type(written) is dict and _TYPE in written):
                return written
        except Misfit:
            pass
        label = next(label for label, plan in self.labels.items() if plan is member)
        return {_TYPE: label, _VALUE: written}

    def _pick(self, value: Any) -> tuple[Plan, Any]:
        """The member that reads `value` best, and what it read."""
        best: tuple[int, Plan, Any] | None = None
        deepest: Misfit | None = None
        for member in self.reading:
            try:
                found = member.read(value)
            except Misfit as error:
                deepest = _deeper(deepest, error)
                continue
            if not member.names or type(value) is not dict:
                if best is None:
                    return member, found
                continue
            unread = len(value.keys() - member.names)
            if best is None or unread < best[0]:
                best = unread, member, found
        if best is None:
            raise plain_misfit(self.expected, value) if deepest is None or not deepest.path else deepest
        return best[1], best[2]


def _deeper(first: Misfit | None, second: Misfit) -> Misfit:
    return second if first is None or len(second.path) > len(first.path) else first
