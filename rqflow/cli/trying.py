"""Trying: commands to paste, made from the workflows that a module has."""

from __future__ import annotations

import ast
import dataclasses
import enum
import inspect
import json
import shlex
import textwrap
import types
import typing
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final, Union
from uuid import UUID

from rqflow.authoring.registry import Registry
from rqflow.authoring.workflows import Workflow

_SAMPLES: Final[dict[Any, Any]] = {
    str: "text", int: 1, float: 9.5, bool: True, Decimal: "9.50", bytes: "", type(None): None, Any: "text",
    datetime: "2026-01-31T12:00:00Z", date: "2026-01-31", time: "12:00", timedelta: 60,
    UUID: "12345678-1234-5678-1234-567812345678",
}  # fmt: skip
_DEEPEST: Final = 6


def start_commands(registry: Registry, most: int = 3) -> Iterator[str]:
    """A start for each workflow, what to do with the first of them, and how schedules beside code get written."""
    chosen = [registry.workflows[name] for name in sorted(registry.workflows)][:most]
    for definition in chosen:
        yield " ".join(
            ["rqflow start", shlex.quote(definition.name), *_arguments(definition), f"--id {_id(definition)}"]
        )
    if chosen:
        yield "rqflow list"
        yield f"rqflow show {_id(chosen[0])}"
        yield f"rqflow history {_id(chosen[0])}"
    for definition in chosen:
        for name, value in _signals(definition):
            yield f"rqflow signal {_id(definition)} {shlex.quote(name)} {' '.join(_words(value))}".rstrip()
    for module in sorted({workflow.fn.__module__ for workflow in registry.workflows.values() if workflow.plans}):
        yield f"rqflow schedule apply -m {module}"


def _id(definition: Workflow[..., Any]) -> str:
    return shlex.quote(f"{definition.name}-1")


def _arguments(definition: Workflow[..., Any]) -> Iterator[str]:
    hints = _hints(definition.fn)
    for parameter in inspect.signature(definition.fn).parameters.values():
        if parameter.default is parameter.empty and parameter.kind not in (
            parameter.VAR_POSITIONAL,
            parameter.VAR_KEYWORD,
        ):
            yield from _words({parameter.name: sample(hints.get(parameter.name, Any))})


def _words(value: Any) -> Iterator[str]:
    """A value as arguments of the command line: an object by its names, anything else whole."""
    if not isinstance(value, dict):
        yield shlex.quote(value if isinstance(value, str) else f":={json.dumps(value)}")
        return
    for name, part in value.items():
        if isinstance(part, str):
            yield f"{name}={shlex.quote(part)}"
        else:
            yield f"{name}:={shlex.quote(json.dumps(part, separators=(',', ':')))}"


def sample(hint: Any, depth: int = 0) -> Any:
    """A plain value that fits an annotation, as far as one can tell; what has a default is left out."""
    if hint in _SAMPLES:
        return _SAMPLES[hint]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return sample(arguments[0], depth)
    if origin is typing.Literal:
        return arguments[0]
    if origin in (Union, types.UnionType):
        return sample(next((part for part in arguments if part is not type(None)), Any), depth)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return next(iter(hint)).value
    if dataclasses.is_dataclass(hint) and depth < _DEEPEST:
        hints = _hints(hint)
        return {
            field.name: sample(hints.get(field.name, Any), depth + 1)
            for field in dataclasses.fields(hint)
            if field.init and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        }
    if (origin or hint) in (list, set, frozenset, tuple):
        return []
    return {}


def _hints(owner: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(owner)
    except (NameError, TypeError, AttributeError):
        return {}


def _signals(definition: Workflow[..., Any]) -> Iterator[tuple[str, Any]]:
    """Signals that the function waits for in plain sight: `workflow.receive("approve", Approval)`."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(definition.fn)))
    except (OSError, TypeError, SyntaxError):
        return
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="receive"), args=[ast.Constant(value=str() as name), *rest]):
                hint = definition.fn.__globals__.get(rest[0].id) if rest and isinstance(rest[0], ast.Name) else None
                yield name, {} if hint is None else sample(hint)
