"""Parameters: a function's arguments and result as payloads.

Arguments travel as a JSON object by parameter name, so that parameters can be added and moved; a call by name only,
which cannot know them, sends an array by position. Both are read. An argument that is left out is not written: the
default of the code that runs applies.
"""

from __future__ import annotations

import contextlib
import inspect
import sys
import types
from collections.abc import Callable, Mapping
from inspect import Parameter
from typing import Any, Final

from rqflow.authoring.binding import Binding
from rqflow.converters.convert import Converter, bad_value, dump, load, read
from rqflow.converters.hints import hints_of
from rqflow.converters.json import load_json
from rqflow.converters.plan import Misfit, Plan
from rqflow.errors import BadInput, BadValue

_RETURN: Final = "return"


def names_around(function: Callable[..., Any], depth: int) -> dict[str, Any] | None:
    """The local names that annotations of a function defined inside another one may refer to."""
    if "<locals>" not in getattr(function, "__qualname__", ""):
        return None
    return dict(sys._getframe(depth + 1).f_locals)


class Parameters:
    """How one function is called through payloads. Annotations are resolved at the first use."""

    __slots__ = ("_hints", "_plans", "_where_result", "binding", "converter", "function", "where")

    def __init__(
        self, function: Callable[..., Any], where: str, converter: Converter, names: dict[str, Any] | None = None
    ) -> None:
        self.function = function
        self.where = where
        """How messages name the function: `workflow checkout`."""
        self._where_result = f"{where}, result"
        self.converter = converter
        self.binding = Binding(inspect.signature(function), where)
        self._plans: dict[str, Plan] | None = None
        self._hints: dict[str, Any] | None = None
        if names is not None:
            # The surrounding names are used now and not kept; what is defined later is looked for at the first use.
            with contextlib.suppress(BadInput):
                self._hints = hints_of(function, where, names)

    @property
    def plans(self) -> dict[str, Plan]:
        """By parameter name, and "return". Raises BadInput where an annotation cannot be used."""
        if self._plans is None:
            self._plans = self._compile()
        return self._plans

    def _compile(self) -> dict[str, Plan]:
        hints = hints_of(self.function, self.where) if self._hints is None else self._hints
        plans = {}
        for name, parameter in self.binding.parameters.items():
            hint: Any = hints.get(name, Any)
            if parameter.kind is Parameter.VAR_POSITIONAL:
                hint = types.GenericAlias(list, (hint,))
            elif parameter.kind is Parameter.VAR_KEYWORD:
                hint = types.GenericAlias(dict, (str, hint))
            plans[name] = self.converter.plan(hint, f"{self.where}, parameter {name}")
        plans[_RETURN] = self.converter.plan(hints.get(_RETURN, Any), self._where_result)
        return plans

    def encode_call(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bytes:
        """The arguments of a call. Raises BadValue: missing, too many, or not fitting."""
        plans = self._plans or self.plans
        written = {}
        name = ""
        try:
            for name, value in self.binding.bind(args, kwargs).items():
                written[name] = plans[name].write(value)
        except Misfit as error:
            raise bad_value(error, f"{self.where}, parameter {name}") from None
        except RecursionError:
            raise BadValue(f"{self.where}, parameter {name}: nested too deep, or in itself") from None
        return dump(_same, written, self.where)

    def encode_named(self, values: Mapping[str, Any]) -> bytes:
        """Arguments given as plain JSON values by name; text that does not fit is read as JSON (`qty=3`).

        Raises BadValue."""
        bound = self.binding.by_name(values)
        return dump(_same, {name: self._fitting(name, value) for name, value in bound.items()}, self.where)

    def _fitting(self, name: str, value: Any) -> Any:
        where = f"{self.where}, parameter {name}"
        try:
            read(self.plans[name].read, value, where)
        except BadValue:
            if not isinstance(value, str):
                raise
            try:
                value = load_json(value)
                self.plans[name].read(value)
            except (BadInput, Misfit):
                pass
            else:
                return value
            raise
        return value

    def decode_call(self, payload: bytes) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments in a payload, as the function takes them. Raises BadValue."""
        plain = load(payload, self.where)
        if isinstance(plain, dict):
            bound = self.binding.by_name(plain)
        elif plain is None or isinstance(plain, list):
            bound = self.binding.bind(tuple(plain or ()), {})
        else:
            raise BadValue(f"{self.where}: arguments must be an object by name or an array, got {plain!r:.60}")
        plans = self._plans or self.plans
        found = {}
        name = ""
        try:
            for name, value in bound.items():
                found[name] = plans[name].read(value)
        except Misfit as error:
            raise bad_value(error, f"{self.where}, parameter {name}") from error.__cause__
        except RecursionError:
            raise BadValue(f"{self.where}, parameter {name}: nested too deep") from None
        return self.binding.as_call(found)

    def encode_result(self, value: Any) -> bytes:
        """What the function returned. Raises BadValue."""
        plans = self._plans or self.plans
        return dump(plans[_RETURN].write, value, self._where_result)

    def decode_result(self, payload: bytes) -> Any:
        """What the function had returned. Raises BadValue."""
        plans = self._plans or self.plans
        return read(plans[_RETURN].read, load(payload, self._where_result), self._where_result)


def _same(value: Any) -> Any:
    return value
