"""Binding: which argument belongs to which parameter, told in our words where it belongs to none."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import Parameter, Signature
from typing import Any, Final

from rqflow.errors import BadValue

_POSITIONAL: Final = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


class Binding:
    """A signature, taken apart once. `*args` are bound as a list under their name, `**kwargs` as a dict."""

    __slots__ = (
        "keyword",
        "needs_places",
        "parameters",
        "positional",
        "required",
        "var_keyword",
        "var_positional",
        "where",
    )

    def __init__(self, signature: Signature, where: str) -> None:
        self.where = where
        self.parameters: dict[str, Parameter] = dict(signature.parameters)
        each = self.parameters.values()
        self.positional = tuple(one.name for one in each if one.kind in _POSITIONAL)
        self.keyword = frozenset(
            one.name for one in each if one.kind in (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
        )
        self.var_positional = next((one.name for one in each if one.kind is Parameter.VAR_POSITIONAL), "")
        self.var_keyword = next((one.name for one in each if one.kind is Parameter.VAR_KEYWORD), "")
        variadic = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
        self.required = tuple(one.name for one in each if one.default is Parameter.empty and one.kind not in variadic)
        self.needs_places = bool(self.var_positional) or any(one.kind is Parameter.POSITIONAL_ONLY for one in each)
        """Positional arguments cannot all be given by name."""

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Values by parameter name, of a call. Raises BadValue."""
        bound = dict(zip(self.positional, args, strict=False))
        if len(args) == len(self.parameters) == len(self.positional) and not kwargs:
            return bound
        if len(args) > len(self.positional):
            if not self.var_positional:
                raise BadValue(f"{self.where} takes {self._count()}, {len(args)} were given; it takes {self._listed()}")
            bound[self.var_positional] = list(args[len(self.positional) :])
        rest = {}
        for name, value in kwargs.items():
            if name not in self.keyword:
                rest[name] = value
            elif name in bound:
                raise BadValue(f"{self.where}, parameter {name}: given twice, by position and by name")
            else:
                bound[name] = value
        if rest:
            if not self.var_keyword:
                raise self._unexpected(next(iter(rest)))
            bound[self.var_keyword] = rest
        self._check_missing(bound)
        return bound

    def by_name(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Values by parameter name, `*args` and `**kwargs` under theirs. Raises BadValue."""
        for name in values:
            if name not in self.parameters:
                raise self._unexpected(name)
        if len(values) < len(self.parameters):
            self._check_missing(values)
        return values

    def as_call(self, found: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Bound values as positional and named arguments: by name alone where every parameter allows it.

        Raises BadValue."""
        if not (self.needs_places or self.var_keyword):
            return (), found
        args: list[Any] = []
        if self.needs_places:
            # A gap among those that go by position is filled with its default.
            args += [found.pop(name, self.parameters[name].default) for name in self.positional]
            args += found.pop(self.var_positional, ())
        if self.var_keyword:
            more = found.pop(self.var_keyword, {})
            if not self.keyword.isdisjoint(more):
                raise BadValue(f"{self.where}, parameter {self.var_keyword}: {', '.join(more)} given twice")
            found.update(more)
        return tuple(args), found

    def _check_missing(self, bound: Mapping[str, Any]) -> None:
        for name in self.required:
            if name not in bound:
                raise BadValue(f"{self.where}, parameter {name}: missing; it takes {self._listed()}")

    def _unexpected(self, name: str) -> BadValue:
        return BadValue(f"{self.where} has no parameter {name!r}; it takes {self._listed()}")

    def _count(self) -> str:
        count = len(self.positional)
        return f"{count} positional argument{'' if count == 1 else 's'}"

    def _listed(self) -> str:
        return ", ".join(map(_shown, self.parameters.values())) or "none"


def _shown(parameter: Parameter) -> str:
    """As it is written; an annotation that is kept as text would be shown in quotes."""
    hint = parameter.annotation
    return str(parameter).replace(repr(hint), hint, 1) if isinstance(hint, str) else str(parameter)
