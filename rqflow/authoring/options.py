"""Options: the keywords of decorators and calls, checked and turned into the core's options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, TypeAlias, TypedDict, get_args
from unicodedata import category

from rqflow.authoring.limits import check_attributes, check_name, check_priority, check_retry, optional_duration
from rqflow.core.options import ActivityOptions, AttributeValue, ChildOptions, Local, ParentClosePolicy, Retry
from rqflow.errors import BadInput

Span: TypeAlias = timedelta | float
"""A duration: a timedelta, or a number of seconds."""


class ActivityKeywords(TypedDict, total=False):
    """What can be said of an activity call. See ActivityOptions."""

    queue: str | None
    retry: Retry | None
    timeout: Span | None
    schedule_to_start: Span | None
    schedule_to_close: Span | None
    heartbeat: Span | None
    priority: int
    lane: str
    local: Local


class ChildKeywords(TypedDict, total=False):
    """What can be said of a child. See ChildOptions."""

    id: str | None
    queue: str | None
    parent_close: ParentClosePolicy
    timeout: Span | None
    attributes: Mapping[str, AttributeValue]
    retention: Span | None
    priority: int
    lane: str


def _queue(value: Any) -> str | None:
    return None if value is None else check_name("queue", value)


def _lane(value: Any) -> str:
    return "" if value == "" else check_name("lane", value)


def _id(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value or len(value.encode(errors="replace")) > 512:
        raise BadInput(f"child id must be text of 1 to 512 bytes, got {value!r:.80}")
    # As ids that clients give: any character, such as those that join emoji, but controls and half surrogate pairs.
    if not value.isprintable() and any(category(character) in ("Cc", "Cs") for character in value):
        raise BadInput(f"child id must hold no control characters and no half surrogate pairs, got {value!r:.80}")
    return value


def _parent_close(value: Any) -> ParentClosePolicy:
    if value not in get_args(ParentClosePolicy):
        raise BadInput(f"parent_close must be one of {', '.join(get_args(ParentClosePolicy))}, got {value!r}")
    checked: ParentClosePolicy = value
    return checked


def _local(value: Any) -> Local:
    if value is not True and value is not False and value != "durable":
        raise BadInput(f'local must be True, False or "durable", got {value!r}')
    checked: Local = value
    return checked


def _attributes(value: Any) -> Mapping[str, AttributeValue]:
    if not isinstance(value, Mapping):
        raise BadInput(f"attributes must be a mapping, got {type(value).__name__}")
    changes, removed = check_attributes(value)
    if removed:
        raise BadInput(f"attribute {removed[0]} of a child that has not begun cannot be None")
    return changes


def _span(option: str) -> Callable[[Any], timedelta | None]:
    return lambda value: optional_duration(option, value)


_ACTIVITY: Final[Mapping[str, Callable[[Any], Any]]] = {
    "queue": _queue,
    "retry": check_retry,
    **{name: _span(name) for name in ("timeout", "schedule_to_start", "schedule_to_close", "heartbeat")},
    "priority": check_priority,
    "lane": _lane,
    "local": _local,
}
_CHILD: Final[Mapping[str, Callable[[Any], Any]]] = {
    "id": _id,
    "queue": _queue,
    "parent_close": _parent_close,
    "timeout": _span("timeout"),
    "attributes": _attributes,
    "retention": _span("retention"),
    "priority": check_priority,
    "lane": _lane,
}


def activity_options(before: ActivityOptions, keywords: Mapping[str, Any], where: str) -> ActivityOptions:
    """`before` with what `keywords` change. Raises BadInput."""
    options = replace(before, **_checked(keywords, _ACTIVITY, where))
    if options.local and options.queue is not None:
        raise BadInput(
            f"{where}: local runs it in the workflow's worker, so it has no queue; leave out queue, which is "
            f"{options.queue!r}, or set it to None"
        )
    return options


def child_options(before: ChildOptions, keywords: Mapping[str, Any], where: str) -> ChildOptions:
    """`before` with what `keywords` change. Raises BadInput."""
    return replace(before, **_checked(keywords, _CHILD, where))


def _checked(keywords: Mapping[str, Any], checks: Mapping[str, Callable[[Any], Any]], where: str) -> dict[str, Any]:
    checked = {}
    for name, value in keywords.items():
        check = checks.get(name)
        if check is None:
            raise BadInput(f"{where} has no option {name!r}; it has {', '.join(checks)}")
        try:
            checked[name] = check(value)
        except BadInput as error:
            raise BadInput(f"{where}: {error}") from None
    return checked
