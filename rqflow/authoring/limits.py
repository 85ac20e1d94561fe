"""Limits: what names, durations, counts and attributes may be; each refusal names the option."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from rqflow.core.options import AttributeValue, Retry
from rqflow.errors import BadInput

MAX_DURATION: Final = timedelta(days=3_660)
"""Ten years: more is a mistake in the unit."""
MAX_NAME: Final = 200
MAX_ATTRIBUTES: Final = 32
MAX_ATTRIBUTE_NAME: Final = 64
MAX_ATTRIBUTE_BYTES: Final = 256


def check_name(kind: str, name: Any) -> str:
    """A workflow's, activity's, queue's or message's name. Raises BadInput."""
    if not isinstance(name, str) or not name:
        raise BadInput(f"{kind} name must be a str that is not empty, got {name!r}")
    if len(name) > MAX_NAME:
        raise BadInput(f"{kind} name has {len(name):,} characters, the limit is {MAX_NAME}")
    if not name.isprintable() or any(character.isspace() for character in name):
        raise BadInput(f"{kind} name must not hold spaces or control characters, got {name!r}")
    return name


def duration(option: str, value: timedelta | float, *, zero: bool = False) -> timedelta:
    """A duration as timedelta; a number is seconds. Raises BadInput."""
    if isinstance(value, bool) or not isinstance(value, (timedelta, int, float)):
        raise BadInput(f"{option} must be a timedelta or a number of seconds, got {type(value).__name__}")
    if not isinstance(value, timedelta):
        if not math.isfinite(value) or abs(value) > MAX_DURATION.total_seconds():
            raise BadInput(f"{option} of {value} seconds is more than ten years")
        value = timedelta(seconds=value)
    if value < timedelta(0) or (not zero and value == timedelta(0)):
        raise BadInput(f"{option} must be {'zero or more' if zero else 'more than zero'}, got {value}")
    if value > MAX_DURATION:
        raise BadInput(f"{option} of {value} is more than ten years")
    return value


def optional_duration(option: str, value: timedelta | float | None) -> timedelta | None:
    """As `duration`; None stays None."""
    return None if value is None else duration(option, value)


def check_priority(value: Any) -> int:
    """A priority is a small integer. Raises BadInput."""
    if type(value) is not int or not -1_000 <= value <= 1_000:
        raise BadInput(f"priority must be an int from -1000 to 1000, got {value!r}")
    return value


def check_retry(retry: Any) -> Retry | None:
    """A retry policy that makes sense. Raises BadInput."""
    if retry is None:
        return None
    if not isinstance(retry, Retry):
        raise BadInput(f"retry must be a Retry(…), got {type(retry).__name__}")
    attempts = retry.max_attempts
    if attempts is not None and (type(attempts) is not int or attempts < 1):
        raise BadInput(f"retry max_attempts must be an int from 1, or None for no limit, got {attempts!r}")
    duration("retry initial", retry.initial, zero=True)
    duration("retry max_interval", retry.max_interval, zero=True)
    optional_duration("retry total_time", retry.total_time)
    for option, value, low, high in (
        ("coefficient", retry.coefficient, 1.0, 1_000.0),
        ("jitter", retry.jitter, 0.0, 1.0),
    ):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            raise BadInput(f"retry {option} must be a number from {low:g} to {high:g}, got {value!r}")
    names: Any = retry.non_retryable
    if not isinstance(names, tuple) or not all(isinstance(name, str) for name in names):
        raise BadInput('retry non_retryable must be a tuple of exception names, such as ("ValueError",)')
    return retry


def check_attributes(values: Mapping[str, Any]) -> tuple[dict[str, AttributeValue], tuple[str, ...]]:
    """What to set and what to remove (None). Raises BadInput."""
    if len(values) > MAX_ATTRIBUTES:
        raise BadInput(f"{len(values)} attributes at once, the limit is {MAX_ATTRIBUTES}")
    changes: dict[str, AttributeValue] = {}
    removed: list[str] = []
    for name, value in values.items():
        if not isinstance(name, str) or not name.isidentifier() or len(name) > MAX_ATTRIBUTE_NAME:
            raise BadInput(
                f"attribute name must be an identifier of at most {MAX_ATTRIBUTE_NAME} characters, got {name!r}"
            )
        if value is None:
            removed.append(name)
        else:
            changes[name] = _attribute(name, value)
    return changes, tuple(removed)


def _attribute(name: str, value: Any) -> AttributeValue:
    if type(value) in (bool, str, int, float):
        checked: AttributeValue = value
    elif isinstance(value, str):
        checked = str.__str__(value)
    else:
        raise BadInput(f"attribute {name} must be str, int, float or bool, got {type(value).__name__}")
    if isinstance(checked, float) and not math.isfinite(checked):
        raise BadInput(f"attribute {name} must be finite, got {checked}")
    if isinstance(checked, int) and checked.bit_length() > 53:
        raise BadInput(f"attribute {name} must be an int of at most 53 bits, got {checked.bit_length()} bits")
    if isinstance(checked, str):
        try:
            size = len(checked.encode())
        except UnicodeEncodeError:
            raise BadInput(f"attribute {name} holds text that is no valid Unicode") from None
        if size > MAX_ATTRIBUTE_BYTES:
            raise BadInput(f"attribute {name} is {size:,} bytes long, the limit is {MAX_ATTRIBUTE_BYTES}")
    return checked
