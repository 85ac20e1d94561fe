"""Hints: annotations of functions and classes, resolved from strings, with the type variables of generics filled in."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_args, get_origin

from rqflow.errors import BadInput


def hints_of(owner: Callable[..., Any] | type, where: str, names: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The annotations of a function or class. `names`: what else they may refer to. Raises BadInput."""
    local = dict(names or {})
    for parameter in getattr(owner, "__type_params__", ()):
        local.setdefault(parameter.__name__, parameter)
    if isinstance(owner, type):
        local.setdefault(owner.__name__, owner)  # a class inside a function may name itself
    try:
        return typing.get_type_hints(owner, localns=local, include_extras=True)
    except NameError as error:
        reason = f"{error}; define or import it at the top of module {owner.__module__}, and not under TYPE_CHECKING"
        raise BadInput(f"{where}: an annotation cannot be resolved: {reason}") from error
    except (TypeError, SyntaxError, AttributeError) as error:
        raise BadInput(f"{where}: an annotation cannot be resolved: {error}") from error


def substitute(annotation: Any, values: Mapping[Any, Any]) -> Any:
    """`annotation` with type variables replaced: `list[T]` with T=int is `list[int]`."""
    if not values:
        return annotation
    if isinstance(annotation, TypeVar):
        return values.get(annotation, annotation)
    parameters = getattr(annotation, "__parameters__", ())
    if not parameters or isinstance(annotation, type):
        return annotation
    return annotation[tuple(values.get(parameter, parameter) for parameter in parameters)]


def variables_of(annotation: Any) -> dict[Any, Any]:
    """What stands for each type variable in `Page[Order]`."""
    origin = get_origin(annotation)
    return dict(zip(getattr(origin, "__parameters__", ()), get_args(annotation), strict=False)) if origin else {}


def field_hints(cls: type, variables: Mapping[Any, Any], where: str) -> dict[str, Any]:
    """A class's annotations, each with the type variables as the class that declares the field has them."""
    hints = hints_of(cls, where)
    resolved = {name: substitute(hint, variables) for name, hint in hints.items()}
    for parent in getattr(cls, "__orig_bases__", ()):
        origin = get_origin(parent)
        if origin is None or not isinstance(origin, type) or origin in (typing.Generic, typing.Protocol):
            continue
        inner = {key: substitute(value, variables) for key, value in variables_of(parent).items()}
        own = inspect.get_annotations(cls)
        for name, hint in field_hints(origin, inner, where).items():
            if name not in own and name in resolved:
                resolved[name] = hint
    return resolved
