"""Compile: from an annotation to its plan, recursive types included."""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from collections import OrderedDict, abc, defaultdict, deque
from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    LiteralString,
    Never,
    NewType,
    NoReturn,
    TypeVar,
    Union,
    get_args,
    get_origin,
    is_typeddict,
)

from rqflow.converters import choices, records, sequences, unions
from rqflow.converters.hints import field_hints, substitute, variables_of
from rqflow.converters.plain import plain_plan
from rqflow.converters.plan import EVERY, OBJECT, Misfit, Plan, misfit, name_of
from rqflow.converters.scalars import SCALARS, STR
from rqflow.errors import BadInput

_ARRAYS: Final[dict[Any, tuple[type, ...]]] = {
    abc.Sequence: (list, tuple),
    abc.MutableSequence: (list,),
    abc.Collection: (list, tuple),
    abc.Iterable: (list, tuple),
}
_SETS: Final[dict[Any, tuple[tuple[type, ...], type]]] = {
    set: ((set,), set),
    frozenset: ((frozenset,), frozenset),
    abc.Set: ((set, frozenset), set),
    abc.MutableSet: ((set,), set),
}
_MAPPINGS: Final[dict[Any, tuple[tuple[type, ...], Callable[[Any], Any]]]] = {
    dict: ((dict,), dict),
    OrderedDict: ((OrderedDict,), OrderedDict),
    defaultdict: ((defaultdict,), partial(defaultdict, None)),
    abc.Mapping: ((dict,), dict),
    abc.MutableMapping: ((dict,), dict),
}
_ALIAS: Final = getattr(typing, "TypeAliasType", None)
"""What `type X = …` makes, from Python 3.12 on."""

ADVICE: Final = (
    "make it a dataclass, a NamedTuple, a TypedDict, an Enum or a pydantic model, "
    "or give the converter a Custom(…) for it"
)


def refuse(annotation: Any, why: str = "") -> BadInput:
    """The annotation has no plan."""
    return BadInput(f"{name_of(annotation)} cannot be converted to JSON and back{why}; {ADVICE}")


class Compiler:
    """Makes plans. `custom` comes first: a user's own plans by class."""

    def __init__(self, custom: dict[Any, Plan], plan_of: Callable[[Any], Plan]) -> None:
        self.custom = custom
        self.plan_of = plan_of
        """The converter's own door: for classes that are met only when a value is written."""
        self.building: dict[Any, Plan] = {}
        """Plans under way, by annotation: a recursive type finds itself here."""
        self.plain = plain_plan(self.of_value)

    def compile(self, annotation: Any) -> Plan:
        """The plan of an annotation. Raises BadInput where it has none."""
        if annotation is None:
            annotation = type(None)
        if annotation is Any or annotation is object or annotation is inspect.Parameter.empty:
            return self.plain
        try:
            known = self.custom.get(annotation) or SCALARS.get(annotation) or self.building.get(annotation)
        except TypeError:  # not hashable: Annotated or Literal with a list in it
            return self._compile(annotation)
        if known is not None:
            return known
        plan = self.building[annotation] = _unfinished(annotation)
        try:
            made = self._compile(annotation)
        finally:
            del self.building[annotation]
        # Members of a recursive type hold the unfinished plan: it becomes the finished one.
        for name in Plan.__slots__:
            setattr(plan, name, getattr(made, name))
        return plan

    def of_value(self, value: Any) -> Plan | None:
        """How a value without annotation is written, if it is no plain JSON value. Raises Misfit."""
        cls = type(value)
        if cls in self.custom or isinstance(value, Enum):
            return self.plan_of(cls)
        for scalar in (str, int, float):
            if isinstance(value, scalar):
                return SCALARS[scalar]
        if isinstance(value, (set, frozenset)):
            return sequences.set_plan("set", (set, frozenset), set, self.plain)
        is_plain = isinstance(value, (abc.Mapping, abc.Sequence)) and not hasattr(cls, "_fields")
        if is_plain and not isinstance(value, (bytes, bytearray, memoryview)):
            return None
        if cls is object:
            raise Misfit("", "", reason=str(refuse(cls)))
        try:
            return self.plan_of(cls)
        except BadInput as error:
            raise Misfit("", "", reason=str(error)) from error

    def _compile(self, annotation: Any) -> Plan:
        if isinstance(annotation, type) and get_origin(annotation) is None:
            return self._of_class(annotation, annotation)
        if isinstance(annotation, TypeVar):
            return self._of_variable(annotation)
        if isinstance(annotation, NewType):
            return self.compile(annotation.__supertype__)
        if annotation is LiteralString:
            return STR
        if annotation in (Never, NoReturn):
            return Plan(expected="Never", write=_never, read=_never, kinds=frozenset())
        if isinstance(annotation, str):
            raise BadInput(f"annotation {annotation!r} is text; give the type itself")
        if _ALIAS is not None and isinstance(annotation, _ALIAS):
            return self.compile(annotation.__value__)
        origin = get_origin(annotation)
        if origin is None:
            raise refuse(annotation)
        return self._of_generic(annotation, origin, get_args(annotation))

    def _of_variable(self, variable: TypeVar) -> Plan:
        """A type variable nobody has filled in: its bound, its constraints, or anything."""
        if variable.__constraints__:
            return self._of_union(variable, variable.__constraints__)
        return self.compile(variable.__bound__) if variable.__bound__ is not None else self.plain

    def _of_generic(self, annotation: Any, origin: Any, args: tuple[Any, ...]) -> Plan:
        if origin is Annotated:
            return self.compile(args[0])
        if origin is Literal:
            return choices.literal_plan(name_of(annotation), args, self.compile)
        if origin in (Union, types.UnionType):
            return self._of_union(annotation, args)
        if _ALIAS is not None and isinstance(origin, _ALIAS):
            variables = dict(zip(origin.__type_params__, args, strict=False))
            return self.compile(substitute(origin.__value__, variables))
        if records.is_pydantic(origin):
            return records.pydantic_plan(annotation, name_of(annotation))
        if isinstance(origin, type):
            return self._of_class(origin, annotation, args)
        raise refuse(annotation)

    def _of_union(self, annotation: Any, args: tuple[Any, ...]) -> Plan:
        members = [self.compile(arg) for arg in args]
        if len(members) == 1:
            return members[0]
        expected = " | ".join(member.expected for member in members)
        return unions.union_plan(expected, members)

    def _of_class(self, cls: type, annotation: Any, args: tuple[Any, ...] = ()) -> Plan:
        expected = name_of(annotation)
        first = args[0] if args else Any
        if cls in (list, deque) or cls in _ARRAYS:
            item = self.compile(first)
            if cls is deque:
                return sequences.deque_plan(expected, item)
            return sequences.array_plan(expected, _ARRAYS.get(cls, (list,)), _same, item)
        if cls is tuple:
            return self._of_tuple(expected, args, bare=annotation is tuple)
        if cls in _SETS:
            accepted, build = _SETS[cls]
            return sequences.set_plan(expected, accepted, build, self.compile(first))
        if cls in _MAPPINGS:
            return self._of_mapping(cls, annotation, args or (str, Any))
        if issubclass(cls, Enum):
            return choices.enum_plan(cls)
        if records.is_pydantic(cls):
            return records.pydantic_plan(cls, expected)
        return self._of_record(cls, annotation, expected)

    def _of_record(self, cls: type, annotation: Any, expected: str) -> Plan:
        is_tuple = issubclass(cls, tuple) and hasattr(cls, "_fields")
        if not (dataclasses.is_dataclass(cls) or is_tuple or is_typeddict(cls)):
            raise refuse(annotation)
        hints = field_hints(cls, variables_of(annotation), expected)
        if is_typeddict(cls):
            return records.typeddict_plan(expected, records.typeddict_fields(cls, hints, self.compile))
        fields = records.namedtuple_fields if is_tuple else records.dataclass_fields
        return records.class_plan(cls, expected, fields(cls, hints, self.compile))

    def _of_tuple(self, expected: str, args: tuple[Any, ...], *, bare: bool) -> Plan:
        if bare or (len(args) == 2 and args[1] is Ellipsis):
            return sequences.array_plan(expected, (tuple,), tuple, self.compile(Any if bare else args[0]))
        return sequences.tuple_plan(expected, tuple(self.compile(arg) for arg in args if arg != ()))

    def _of_mapping(self, cls: type, annotation: Any, args: tuple[Any, ...]) -> Plan:
        key = sequences.key_plan(self.compile(args[0]))
        if key is None:
            raise refuse(
                annotation, ": the keys of a JSON object are text, so dict keys must be written as text or int"
            )
        accepted, build = _MAPPINGS[cls]
        return sequences.mapping_plan(name_of(annotation), accepted, build, key, self.compile(args[1]))


def _unfinished(annotation: Any) -> Plan:
    cls = get_origin(annotation) or annotation
    is_record = dataclasses.is_dataclass(cls) or is_typeddict(cls) or hasattr(cls, "_fields")
    kinds = OBJECT if is_record else EVERY
    return Plan(expected=name_of(annotation), write=_too_early, read=_too_early, kinds=kinds)


def _same(values: list[Any]) -> list[Any]:
    return values


def _never(value: Any) -> Any:
    raise misfit("nothing (Never)", value)


def _too_early(_: Any) -> Any:
    raise Misfit("a finished plan", "an unfinished one")
