"""Checks: what a caller gives, refused at the caller with a clear error before anything is sent."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, get_args

import rqflow.authoring.limits as authoring
from rqflow.backend.calls.hubs import Limits
from rqflow.client.options import Span, StartOptions
from rqflow.core.events import Payload
from rqflow.core.options import Attributes, ConflictPolicy, ReusePolicy
from rqflow.errors import BadInput, PayloadTooLarge

ATTRIBUTE_BYTES: Final = 256
_CONFLICT: Final[tuple[str, ...]] = get_args(ConflictPolicy)
_REUSE: Final[tuple[str, ...]] = get_args(ReusePolicy)


def check_text(what: str, value: object, limit: int) -> str:
    """A name or id: text with something in it, encodable, without control characters, at most `limit` bytes."""
    if not isinstance(value, str):
        raise BadInput(f"{what} must be text, not {type(value).__name__}")
    if not value:
        raise BadInput(f"{what} is empty")
    try:
        size = len(value.encode())
    except UnicodeEncodeError as error:
        raise BadInput(
            f"{what} has half a surrogate pair at position {error.start}, which is no character: {value[:40]!r}"
        ) from None
    if size > limit:
        raise BadInput(f"{what} is {size:,} bytes long in UTF-8, the limit is {limit:,}: {value[:40]!r}…")
    if value.isprintable():
        return value
    for place, character in enumerate(value):
        if unicodedata.category(character) == "Cc":
            raise BadInput(f"{what} has a control character at position {place}: {value[:40]!r}")
    return value


def check_id(value: object, limits: Limits) -> str:
    """An instance id."""
    return check_text("instance id", value, limits.id_bytes)


def check_name(kind: str, value: object, limits: Limits) -> str:
    """The name of a workflow, queue, signal, query, update or lane: as where it is defined, and within the limit."""
    if isinstance(value, str):
        return _known_name(kind, value, limits.name_bytes)
    return authoring.check_name(kind, value)


@lru_cache(maxsize=2_000)
def _known_name(kind: str, value: str, limit: int) -> str:
    # The same few names come with every start.
    return check_text(f"{kind} name", authoring.check_name(kind, value), limit)


def check_reason(value: object) -> str:
    """A reason is free text, kept short."""
    if not isinstance(value, str):
        raise BadInput(f"reason must be text, not {type(value).__name__}")
    # A reason is for people: what cannot be encoded is shown as it can be, and a long one is cut.
    return value.encode("utf-8", "replace").decode()[:2_000]


def check_span(what: str, value: Span, *, zero: bool = True) -> timedelta:
    """A length of time: a timedelta or seconds, not negative, not absurd."""
    span = authoring.duration(what, value, zero=zero)
    if not zero and span < timedelta(milliseconds=1):
        raise BadInput(f"{what} is shorter than a millisecond: {value}")
    return span


def optional_span(what: str, value: Span | None, *, zero: bool = True) -> timedelta | None:
    """As check_span, None stays None."""
    return None if value is None else check_span(what, value, zero=zero)


def seconds_of(what: str, value: Span | None) -> float | None:
    """How long to wait, in seconds; None: for ever."""
    return None if value is None else check_span(what, value).total_seconds()


def check_time(what: str, value: object) -> datetime:
    """A moment, in UTC. One without a time zone is refused: it means another moment on every machine."""
    if not isinstance(value, datetime):
        raise BadInput(f"{what} must be a datetime, not {type(value).__name__}")
    if value.utcoffset() is None:
        raise BadInput(f"{what} has no time zone: {value.isoformat()}; give one, such as datetime.UTC")
    try:
        moment = value.astimezone(UTC)
    except OverflowError:
        raise BadInput(f"{what} is out of range: {value.isoformat()}") from None
    if moment > datetime.now(UTC) + authoring.MAX_DURATION:
        raise BadInput(f"{what} is more than ten years ahead: {value.isoformat()}")
    return moment


def check_attributes(value: object, limits: Limits) -> Attributes:
    """Indexed values: few, flat and small."""
    if not isinstance(value, Mapping):
        raise BadInput(f"attributes must be a mapping, not {type(value).__name__}")
    if len(value) > limits.attributes:
        raise BadInput(f"{len(value)} attributes given, the limit is {limits.attributes}")
    checked, missing = authoring.check_attributes(value)
    if missing:
        raise BadInput(f"attribute {missing[0]} is None; leave it out instead")
    for name, item in checked.items():
        if isinstance(item, str) and len(item.encode()) > ATTRIBUTE_BYTES:
            raise BadInput(f"attribute {name} is {len(item.encode()):,} bytes long, the limit is {ATTRIBUTE_BYTES}")
    return checked


def check_payload(where: str, payload: Payload, limits: Limits) -> Payload:
    """An encoded value within the hub's limit."""
    if len(payload) > limits.payload_bytes:
        raise PayloadTooLarge(where, len(payload), limits.payload_bytes)
    return payload


def check_choice(what: str, value: object, allowed: tuple[str, ...]) -> None:
    """One of a few words."""
    if value not in allowed:
        raise BadInput(f"{what} is {value!r}; it can be {', '.join(allowed)}")


def check_count(what: str, value: object, *, least: int, most: int) -> int:
    """A whole number within bounds."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadInput(f"{what} must be a whole number, not {type(value).__name__}")
    if not least <= value <= most:
        raise BadInput(f"{what} is {value:,}; it can be {least:,} to {most:,}")
    return value


def check_start(options: StartOptions, limits: Limits) -> None:
    """What does not need converting: policies, priority, lane, request id, headers, and what excludes what."""
    if options.on_conflict is not None:
        check_choice("on_conflict", options.on_conflict, _CONFLICT)
    check_choice("on_reuse", options.on_reuse, _REUSE)
    authoring.check_priority(options.priority)
    if options.lane != "":
        check_name("lane", options.lane, limits)
    if options.request_id is not None:
        check_text("request_id", options.request_id, limits.id_bytes)
    if options.delay is not None and options.at is not None:
        raise BadInput("give delay or at, not both: each says when the instance begins")
    check_headers(options.headers, limits)


def check_headers(headers: Any, limits: Limits) -> None:
    """Pairs of short texts."""
    if not isinstance(headers, tuple) or len(headers) > 32:
        raise BadInput("headers must be a tuple of at most 32 (name, value) pairs")
    for pair in headers:
        if not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[1], str)):
            raise BadInput(f"header {pair!r} is no (name, value) pair of texts")
        check_name("header", pair[0], limits)
        if pair[1]:
            check_text(f"header {pair[0]!r}", pair[1], limits.payload_bytes // 32)
