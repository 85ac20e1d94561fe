"""State: what workflow code draws, shows and records: time, randomness, side effects, status, attributes, events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from rqflow.authoring.limits import check_attributes, check_name, duration
from rqflow.converters.convert import DEFAULT
from rqflow.core.run import current
from rqflow.errors import BadInput


def uuid4() -> UUID:
    """A random UUID of the run's own generator."""
    return UUID(int=current().random.getrandbits(128), version=4)


def side_effect(produce: Callable[[], Any], type: Any) -> Any:
    """`produce()` once; replay gives what was recorded. Raises BadValue."""
    where = f"side effect {getattr(produce, '__name__', 'function')}"
    payload = current().side_effect(lambda: DEFAULT.encode(produce(), type, where=where))
    return DEFAULT.decode(payload, type, where=where)


def set_status(value: Any) -> None:
    """Show this as the instance's custom status. Raises BadValue."""
    current().set_status(DEFAULT.encode(value, Any, where="custom status"))


def set_attributes(values: Mapping[str, Any], more: Mapping[str, Any]) -> None:
    """Change indexed attributes; None removes. Raises BadInput."""
    if not isinstance(values, Mapping):
        raise BadInput(f"set_attributes takes a mapping or keywords, got {type(values).__name__}")
    changes, removed = check_attributes({**values, **more})
    if changes or removed:
        current().set_attributes(changes, removed)


def emit(name: str, value: Any) -> None:
    """Put an event on the hub's stream, in the same commit. Raises BadValue, BadInput."""
    current().emit(check_name("event", name), DEFAULT.encode(value, Any, where=f"event {name}"))


def seconds(option: str, value: timedelta | float) -> float:
    """A wait that may be zero. Raises BadInput."""
    return duration(option, value, zero=True).total_seconds()
