"""Wire: how events and options are written as bytes, and read again by this version or refused.

An encoded event is a JSON array `[version, type, field, …]` (the fields in the order of the class, payload left out),
and, if the class has a payload, a newline and the payload's bytes. JSON never holds a raw newline, so the first one
ends the header, and a payload may be any bytes at all. (A schedule's last result stands in the header, as base64.)
A *stored* event has in front what the store put there: `<ms since epoch> <scope> <encoded event>`; scope `i` is for
the instance and survives continue-as-new, `r` for the run.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import timedelta
from functools import lru_cache
from operator import attrgetter
from types import NoneType, UnionType
from typing import Any, Final, get_args

from rqflow.converters.json import dump_json, load_header, load_json
from rqflow.core import events
from rqflow.core.events import Event, ParentLink, ScheduleLink, Stamped
from rqflow.core.failure import Failure
from rqflow.core.options import ActivityOptions, Retry
from rqflow.errors import BadInput, CorruptEvent, UnknownEvent, UnknownVersion

VERSION: Final = 1
"""Written into every event. A reader refuses a higher one; it reads all lower ones."""

INSTANCE_SCOPE: Final = "i"
RUN_SCOPE: Final = "r"

KEPT_OPTIONS: Final = 500
"""Options of activities that are kept as read or written: most calls of an activity have the same."""


def _members(union: Any) -> list[type[Any]]:
    found: list[type[Any]] = []
    for member in get_args(union):
        found += _members(member) if isinstance(member, UnionType) else [member]
    return found


def _getter(*names: str) -> Callable[[Any], Sequence[Any]]:
    if len(names) == 1:
        get = attrgetter(*names)
        return lambda event: (get(event),)
    return attrgetter(*names) if names else lambda event: ()


_TYPES: Final[dict[str, type[Any]]] = {cls.__name__: cls for cls in _members(Event)}
_HEADER: Final[dict[type[Any], tuple[str, ...]]] = {
    cls: tuple(field.name for field in fields(cls) if field.name != "payload") for cls in _TYPES.values()
}
_FIELDS: Final[dict[type[Any], Callable[[Any], Sequence[Any]]]] = {cls: _getter(*_HEADER[cls]) for cls in _HEADER}
"""The values of the fields in the header."""
_ON_THE_WIRE: Final[dict[str, frozenset[type[Any]]]] = {
    "int": frozenset({int}),
    "str": frozenset({str}),
    "bool": frozenset({bool}),
    "int | None": frozenset({int, NoneType}),
    "str | None": frozenset({str, NoneType}),
    "ParentLink | None": frozenset({list, NoneType}),
    "ScheduleLink | None": frozenset({list, NoneType}),
    "tuple[tuple[str, str], ...]": frozenset({list}),
    "tuple[int, ...]": frozenset({list}),
}
"""How a field is annotated → what JSON makes of it."""
_ALLOWED: Final[dict[type[Any], tuple[frozenset[type[Any]], ...]]] = {
    cls: tuple(_ON_THE_WIRE[str(field.type)] for field in fields(cls) if field.name != "payload")
    for cls in _TYPES.values()
}
_SEEN: Final[dict[type[Any], set[tuple[type[Any], ...]]]] = {cls: set() for cls in _TYPES.values()}
"""Types of fields that were found to be allowed: a handful for each class, so that most events are not looked at
field by field."""
_HAS_PAYLOAD: Final[frozenset[type[Any]]] = frozenset(
    cls for cls in _TYPES.values() if any(field.name == "payload" for field in fields(cls))
)


_LATE: Final = frozenset({events.ActivityScheduled, events.ActivityCompleted, events.ActivityFailed})
"""Their last field is written only where it says something: others do without, and so did earlier versions."""
_PARENT: Final = 2 + _HEADER[events.WorkflowStarted].index("parent")


def encode(event: Event) -> bytes:
    """The event as bytes."""
    cls = type(event)
    header: list[Any] = [VERSION, cls.__name__, *_FIELDS[cls](event)]
    if cls is events.WorkflowStarted:
        _write_links(header)
    elif cls in _LATE and (header[-1] is None or header[-1] is False):
        header.pop()
    if cls in _HAS_PAYLOAD:
        return dump_json(header) + b"\n" + event.payload  # type: ignore[union-attr]
    return dump_json(header)


def _write_links(header: list[Any]) -> None:
    """Of a start. The link to a schedule is written only where there is one: it is the last field."""
    parent, link = header[_PARENT], header.pop()
    if parent is not None:
        header[_PARENT] = [parent.instance, parent.run, parent.command]
    if link is not None:
        result = None if link.last_result is None else b64encode(link.last_result).decode()
        header.append([link.schedule, link.slot_ms, link.last_success_ms, result])


def decode(data: bytes) -> Event:
    """The event that `encode` wrote. Raises UnknownVersion, UnknownEvent, CorruptEvent."""
    header, _, payload = data.partition(b"\n")
    try:
        parts = load_header(header)
    except BadInput as error:
        raise CorruptEvent(f"event header is no JSON: {error}") from error
    if not isinstance(parts, list) or len(parts) < 2 or type(parts[0]) is not int or not isinstance(parts[1], str):
        raise CorruptEvent(f"event header is not [version, type, …], of {len(data):,} bytes")
    if not 1 <= parts[0] <= VERSION:
        raise UnknownVersion(
            f"event {parts[1]} has wire version {parts[0]}, this rqflow reads up to {VERSION}; "
            "run workers of the version that wrote it, or newer"
        )
    cls = _TYPES.get(parts[1])
    if cls is None:
        raise UnknownEvent(
            f"event type {parts[1]!r} is not known to this rqflow; run workers of the version that wrote it"
        )
    return _build(cls, parts[2:], payload)


def _build(cls: type[Any], values: list[Any], payload: bytes) -> Event:
    types = tuple(map(type, values))
    if types not in _SEEN[cls]:
        _check(cls, values)
        _SEEN[cls].add(types)
    arguments = dict(zip(_HEADER[cls], values, strict=False))
    if cls in _HAS_PAYLOAD:
        arguments["payload"] = payload
    try:
        if cls is events.WorkflowStarted:
            _revive_started(arguments)
        if cls is events.WorkflowRerun:
            _revive_rerun(arguments)
        built: Event = cls(**arguments)
    except (TypeError, ValueError) as error:
        raise CorruptEvent(f"{cls.__name__} cannot be read: {error}") from error
    return built


def _check(cls: type[Any], values: list[Any]) -> None:
    """Each field has a type that its annotation allows: they come from a store that others may write to."""
    names = _HEADER[cls]
    if len(values) > len(names):
        raise CorruptEvent(f"{cls.__name__} has {len(values)} fields, at most {len(names)} are known")
    for name, value, allowed in zip(names, values, _ALLOWED[cls], strict=False):
        if type(value) not in allowed:
            raise CorruptEvent(f"{cls.__name__} cannot be read: {name} is {value!r:.80}")


def _revive_started(arguments: dict[str, Any]) -> None:
    parent, headers = arguments.get("parent"), arguments.get("headers", [])
    if parent is not None:
        instance, run, command = parent
        if type(instance) is not str or type(run) is not str or type(command) is not int:
            raise TypeError(f"parent is {parent!r:.80}")
        arguments["parent"] = ParentLink(instance=instance, run=run, command=command)
    for name, value in headers:
        if type(name) is not str or type(value) is not str:
            raise TypeError(f"headers are {headers!r:.80}")
    arguments["headers"] = tuple(map(tuple, headers))
    if arguments.get("schedule") is not None:
        arguments["schedule"] = _read_schedule(arguments["schedule"])


def _read_schedule(link: list[Any]) -> ScheduleLink:
    schedule, slot_ms, success_ms, result = link
    if (type(schedule), type(slot_ms)) != (str, int) or type(success_ms) not in (int, NoneType):
        raise TypeError(f"schedule is {link!r:.80}")
    read = None if result is None else b64decode(result, validate=True)
    return ScheduleLink(schedule=schedule, slot_ms=slot_ms, last_success_ms=success_ms, last_result=read)


def _revive_rerun(arguments: dict[str, Any]) -> None:
    redo = arguments.get("redo", [])
    if any(type(id) is not int for id in redo):
        raise TypeError(f"redo is {redo!r:.80}")
    arguments["redo"] = tuple(redo)


def stored(at_ms: int, scope: str, encoded: bytes) -> bytes:
    """An encoded event as a store keeps it."""
    return b"%d %s %s" % (at_ms, scope.encode(), encoded)


def split_stored(data: bytes) -> tuple[int, str, bytes]:
    """Time, scope and encoded event. Raises CorruptEvent."""
    parts = data.split(b" ", 2)
    if len(parts) != 3 or not parts[0].isdigit() or parts[1] not in (b"i", b"r"):
        raise CorruptEvent(f"stored event of {len(data):,} bytes does not begin with time and scope")
    return int(parts[0]), parts[1].decode(), parts[2]


def decode_stored(data: bytes) -> Stamped:
    """A stored event, decoded. Raises as `decode`."""
    at_ms, _, encoded = split_stored(data)
    return Stamped(at_ms=at_ms, event=decode(encoded))


def encode_failure(failure: Failure) -> bytes:
    """A failure as a payload."""
    return dump_json(failure.to_wire())


def decode_failure(payload: bytes) -> Failure:
    """The failure in a payload. Raises CorruptEvent."""
    try:
        wire = load_json(payload)
    except BadInput as error:
        raise CorruptEvent(f"failure is no JSON: {error}") from error
    if not isinstance(wire, dict) or "type" not in wire:
        raise CorruptEvent(f"failure of {len(payload):,} bytes is not an object with a type")
    return Failure.from_wire(wire)


def _ms(value: timedelta | None) -> int | None:
    return None if value is None else value // timedelta(milliseconds=1)


def _span(value: Any) -> timedelta | None:
    return None if value is None else timedelta(milliseconds=value)


@lru_cache(maxsize=KEPT_OPTIONS)
def encode_options(options: ActivityOptions) -> bytes:
    """An activity's options, for its task: what the worker needs to time and retry it."""
    retry = options.retry
    return dump_json(
        {
            "timeout_ms": _ms(options.timeout),
            "heartbeat_ms": _ms(options.heartbeat),
            "schedule_to_close_ms": _ms(options.schedule_to_close),
            "retry": retry
            and {
                "max_attempts": retry.max_attempts,
                "initial_ms": _ms(retry.initial),
                "coefficient": retry.coefficient,
                "max_interval_ms": _ms(retry.max_interval),
                "jitter": retry.jitter,
                "total_time_ms": _ms(retry.total_time),
                "non_retryable": retry.non_retryable,
            },
        }
    )


@lru_cache(maxsize=KEPT_OPTIONS)
def decode_options(data: bytes) -> ActivityOptions:
    """The options that `encode_options` wrote. Raises CorruptEvent."""
    try:
        wire = load_json(data)
        retry = wire["retry"]
        return ActivityOptions(
            timeout=_span(wire["timeout_ms"]),
            heartbeat=_span(wire["heartbeat_ms"]),
            schedule_to_close=_span(wire["schedule_to_close_ms"]),
            retry=retry
            and Retry(
                max_attempts=retry["max_attempts"],
                initial=timedelta(milliseconds=retry["initial_ms"]),
                coefficient=retry["coefficient"],
                max_interval=timedelta(milliseconds=retry["max_interval_ms"]),
                jitter=retry["jitter"],
                total_time=_span(retry["total_time_ms"]),
                non_retryable=tuple(retry["non_retryable"]),
            ),
        )
    except (BadInput, KeyError, TypeError, ValueError, OverflowError) as error:
        raise CorruptEvent(f"activity options cannot be read: {error!r}") from error
