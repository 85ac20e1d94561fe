"""Records: the plans of classes with named fields: dataclasses, NamedTuples, TypedDicts and pydantic models.

Each is written as an object by field name. Reading ignores keys that are no field, so that a new field may be deployed
before all have it; a missing one takes its default, and without a default it is an error.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, NotRequired, Required, get_args, get_origin

from rqflow.converters.json import dump_json, load_json
from rqflow.converters.plan import EVERY, OBJECT, Misfit, Plan, misfit, plain_misfit
from rqflow.errors import BadInput

Fields = tuple[tuple[str, Plan, bool], ...]
"""Name, plan, and whether it must be there."""


def _write_fields(value: Any, fields: Fields) -> dict[str, Any]:
    written = {}
    name = ""
    try:
        for name, plan, _ in fields:
            written[name] = plan.write(getattr(value, name))
    except Misfit as error:
        raise error.at(f".{name}") from None
    return written


def _read_fields(value: Mapping[str, Any], fields: Fields, expected: str) -> dict[str, Any]:
    found = {}
    name = ""
    try:
        for name, plan, required in fields:
            if name in value:
                found[name] = plan.read(value[name])
            elif required:
                raise Misfit(plan.expected, "nothing", reason=f"missing; {expected} needs it and it has no default")
    except Misfit as error:
        raise error.at(f".{name}") from None
    return found


def class_plan(cls: type, expected: str, fields: Fields) -> Plan:
    """A dataclass or NamedTuple: built by calling it with its fields."""

    def write(value: Any) -> dict[str, Any]:
        if type(value) is not cls:
            raise _other_class(value)
        return _write_fields(value, fields)

    def _other_class(value: Any) -> Misfit:
        if isinstance(value, cls):
            kind = type(value).__name__
            return Misfit(expected, f"its subclass {kind}, which would come back as {expected}: annotate with {kind}")
        return misfit(expected, value)

    def read(value: Any) -> Any:
        if type(value) is not dict:
            raise plain_misfit(expected, value)
        found = _read_fields(value, fields, expected)
        try:
            return cls(**found)
        except Exception as error:  # whatever the class's own checks raise
            raise Misfit(expected, "", reason=f"{expected} refuses it: {type(error).__name__}: {error}") from error

    names = frozenset(name for name, _, _ in fields)
    return Plan(expected=expected, write=write, read=read, kinds=OBJECT, types=(cls,), names=names, rank=3)


def dataclass_fields(cls: type, hints: Mapping[str, Any], compile: Callable[[Any], Plan]) -> Fields:
    """The fields that a dataclass's constructor takes. Raises BadInput for one that cannot be read back."""
    missing = dataclasses.MISSING
    found = []
    for field in dataclasses.fields(cls):
        if field.init:
            required = field.default is missing and field.default_factory is missing
            found.append((field.name, compile(hints.get(field.name, Any)), required))
    for name, hint in hints.items():
        if isinstance(hint, dataclasses.InitVar) and not hasattr(cls, name):
            raise BadInput(
                f"{cls.__name__}.{name} is an InitVar without default: it is not kept, so no value can be read back"
            )
    return tuple(found)


def namedtuple_fields(cls: type, hints: Mapping[str, Any], compile: Callable[[Any], Plan]) -> Fields:
    """The fields of a NamedTuple; those of a plain `namedtuple` may be anything."""
    defaults = getattr(cls, "_field_defaults", {})
    names: tuple[str, ...] = getattr(cls, "_fields", ())
    return tuple((name, compile(hints.get(name, Any)), name not in defaults) for name in names)


def typeddict_fields(cls: type, hints: Mapping[str, Any], compile: Callable[[Any], Plan]) -> Fields:
    """The keys of a TypedDict; Required and NotRequired are read from the resolved hints, not from strings."""
    required: frozenset[str] = getattr(cls, "__required_keys__", frozenset())
    found = []
    for name, hint in hints.items():
        needed, bare = name in required, hint
        while get_origin(bare) in _QUALIFIERS or get_origin(bare) is Annotated:
            if get_origin(bare) in (Required, NotRequired):
                needed = get_origin(bare) is Required
            bare = get_args(bare)[0]
        found.append((name, compile(bare), needed))
    return tuple(found)


_QUALIFIERS: Final = (Required, NotRequired)


def typeddict_plan(expected: str, fields: Fields) -> Plan:
    """A TypedDict: a dict that may have these keys and no others."""
    names = frozenset(name for name, _, _ in fields)

    def write(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise misfit(expected, value)
        extra = [key for key in value if key not in names]
        if extra:
            raise Misfit(expected, "", reason=f"{expected} has no key {extra[0]!r}; it has {', '.join(sorted(names))}")
        written = {}
        for name, plan, required in fields:
            if name in value:
                try:
                    written[name] = plan.write(value[name])
                except Misfit as error:
                    raise error.at(f"[{name!r}]") from None
            elif required:
                raise Misfit(plan.expected, "nothing", reason=f"missing; {expected} needs it").at(f"[{name!r}]")
        return written

    def read(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise plain_misfit(expected, value)
        return _read_fields(value, fields, expected)

    return Plan(expected=expected, write=write, read=read, kinds=OBJECT, types=(dict,), names=names, rank=3)


def is_pydantic(cls: Any) -> bool:
    """A model by the looks of it: pydantic need not be installed."""
    return isinstance(cls, type) and hasattr(cls, "model_validate_json") and hasattr(cls, "model_dump_json")


def pydantic_plan(cls: Any, expected: str) -> Plan:
    """A pydantic model, written and read by itself."""

    def write(value: Any) -> Any:
        if type(value) is not cls:
            raise misfit(expected, value)
        try:
            return load_json(value.model_dump_json(by_alias=True, round_trip=True))
        except ValueError as error:
            raise Misfit(expected, "", reason=f"{expected} cannot be written: {error}") from error

    def read(value: Any) -> Any:
        try:
            return cls.model_validate_json(dump_json(value))
        except ValueError as error:
            raise Misfit(expected, "", reason=f"{expected} refuses it: {error}") from error

    names = frozenset(
        alias
        for name, field in getattr(cls, "model_fields", {}).items()
        for alias in (name, getattr(field, "alias", None))
        if alias
    )
    return Plan(expected=expected, write=write, read=read, kinds=EVERY, types=(cls,), names=names, rank=3)
