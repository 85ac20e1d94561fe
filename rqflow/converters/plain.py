"""Plain: the plan of values without annotation: JSON values as they are, typed objects as their JSON form."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rqflow.converters.json import MAX_DEPTH
from rqflow.converters.plan import EVERY, Misfit, Plan, got
from rqflow.converters.scalars import INT, refuse_surrogates


def plain_plan(of_value: Callable[[Any], Plan | None]) -> Plan:
    """`of_value` finds the plan for what is no plain JSON value."""

    def write(value: Any) -> Any:
        return _write(value, of_value, MAX_DEPTH)

    return Plan(expected="a JSON value", write=write, read=_same, kinds=EVERY, rank=9)


def _same(value: Any) -> Any:
    return value


def _write(value: Any, of_value: Callable[[Any], Plan | None], depth: int) -> Any:
    """Tuples become lists: JSON has nothing else. Raises Misfit."""
    cls = type(value)
    if cls is str:
        if not value.isascii():
            refuse_surrogates(value)
        return value
    if cls is bool or value is None:
        return value
    if cls is int:
        return INT.write(value)
    if cls is float:
        if not math.isfinite(value):
            raise Misfit("float", "", reason=f"expected a finite float, got {value}: JSON has no such number")
        return value
    if depth == 0:
        raise Misfit("", "", reason=f"nested deeper than {MAX_DEPTH} levels, or in itself")
    if cls is dict:
        return _write_dict(value, of_value, depth)
    if cls is list or cls is tuple:
        return _write_list(value, of_value, depth)
    plan = of_value(value)
    if plan is not None:
        return plan.write(value)
    if isinstance(value, Mapping):
        return _write_dict(value, of_value, depth)
    return _write_list(value, of_value, depth)


def _write_dict(value: Mapping[Any, Any], of_value: Callable[[Any], Plan | None], depth: int) -> dict[str, Any]:
    written = {}
    for key, item in value.items():
        if type(key) is not str:
            reason = f"the keys of a JSON object are text, got {got(key)}; annotate it, as in dict[int, …]"
            raise Misfit("str", got(key), reason=reason)
        try:
            if not key.isascii():
                refuse_surrogates(key)
            written[key] = _write(item, of_value, depth - 1)
        except Misfit as error:
            raise error.at(f"[{key!r}]") from None
    return written


def _write_list(value: Sequence[Any], of_value: Callable[[Any], Plan | None], depth: int) -> list[Any]:
    written: list[Any] = []
    try:
        for item in value:
            written.append(_write(item, of_value, depth - 1))  # noqa: PERF401 - its length tells where it broke
    except Misfit as error:
        raise error.at(f"[{len(written)}]") from None
    return written
