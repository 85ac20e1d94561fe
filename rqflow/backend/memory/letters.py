"""Letters: what one instance sends to another, and how it crosses partitions as bytes."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final, TypeAlias

from rqflow.converters.json import dump_json, load_json
from rqflow.core.events import ParentLink
from rqflow.core.options import AttributeValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """By which schedule an instance is started, and for which slot."""

    schedule: str
    generation: str
    slot_ms: int
    keep_result: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StartLetter:
    """Start a child, or what a schedule orders: one of `parent` and `order` is given."""

    to: str
    run: str
    workflow: str
    queue: str
    parent: ParentLink | None = None
    order: Order | None = None
    tell_start: bool = False
    timeout_ms: int | None
    retention_ms: int
    attributes: dict[str, AttributeValue]
    priority: int
    lane: str
    body: bytes
    """The encoded WorkflowStarted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerLetter:
    """Tell a run what became of one of its commands."""

    to: str
    run: str
    id: int
    last: bool
    """Nothing more will be told of this command."""
    child: str = ""
    """First run of the child that this is about, if it is about one."""
    body: bytes
    """The encoded news."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewsLetter:
    """Put a signal or a cancel request into an instance's inbox, and tell the sender whether that could be done."""

    to: str
    cancel: bool
    sender: ParentLink | None
    first_run: str = ""
    """If given: only if it is still the instance that began with this run."""
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminateLetter:
    """End a child because its parent ended."""

    to: str
    first_run: str
    reason: str
    recursive: bool
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndLetter:
    """Tell a schedule that what it started has ended, or could not be started."""

    to: str
    """The schedule."""
    generation: str
    run: str
    """That it was started with."""
    status: str
    body: bytes = b""
    """The result, if it is wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckLetter:
    """Ask after what a schedule started, so that its end is told again, or that it is not there."""

    to: str
    run: str
    """That it was started with."""
    schedule: str
    generation: str
    body: bytes = b""


Letter: TypeAlias = StartLetter | AnswerLetter | NewsLetter | TerminateLetter | EndLetter | CheckLetter

_KINDS: Final[dict[str, type[Any]]] = {
    "start": StartLetter,
    "answer": AnswerLetter,
    "news": NewsLetter,
    "terminate": TerminateLetter,
    "end": EndLetter,
    "check": CheckLetter,
}
_NAMES: Final = {cls: name for name, cls in _KINDS.items()}
_LINKS: Final[dict[str, Any]] = {"parent": ParentLink, "sender": ParentLink, "order": Order}


def write_letter(letter: Letter) -> bytes:
    """The letter as bytes: a line of JSON, then its body."""
    header: list[Any] = [_NAMES[type(letter)]]
    for field in fields(letter):
        if field.name != "body":
            value = getattr(letter, field.name)
            header.append(_flat(value) if field.name in _LINKS and value is not None else value)
    return dump_json(header) + b"\n" + letter.body


def _flat(link: Any) -> list[Any]:
    return [getattr(link, field.name) for field in fields(link)]


def read_letter(data: bytes) -> Letter:
    """The letter that `write_letter` wrote."""
    header, _, body = data.partition(b"\n")
    kind, *values = load_json(header)
    cls = _KINDS[kind]
    arguments: dict[str, Any] = {"body": body}
    for field, value in zip((field for field in fields(cls) if field.name != "body"), values, strict=True):
        if field.name in _LINKS and value is not None:
            link = _LINKS[field.name]
            arguments[field.name] = link(**dict(zip((part.name for part in fields(link)), value, strict=True)))
        else:
            arguments[field.name] = value
    letter: Letter = cls(**arguments)
    return letter
