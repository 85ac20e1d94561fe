"""Letters: what one instance sends to another, and how it crosses partitions as bytes."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final, TypeAlias

from rqflow.converters.json import dump_json, load_json
from rqflow.core.events import ParentLink
from rqflow.core.options import AttributeValue


@dataclass(frozen=True, slots=True, kw_only=True)
class StartLetter:
    """Start a child."""

    to: str
    run: str
    workflow: str
    queue: str
    parent: ParentLink
    tell_start: bool
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


Letter: TypeAlias = StartLetter | AnswerLetter | NewsLetter | TerminateLetter

_KINDS: Final[dict[str, type[Any]]] = {
    "start": StartLetter,
    "answer": AnswerLetter,
    "news": NewsLetter,
    "terminate": TerminateLetter,
}
_NAMES: Final = {cls: name for name, cls in _KINDS.items()}
_LINKS: Final = frozenset({"parent", "sender"})


def write_letter(letter: Letter) -> bytes:
    """The letter as bytes: a line of JSON, then its body."""
    header: list[Any] = [_NAMES[type(letter)]]
    for field in fields(letter):
        if field.name != "body":
            value = getattr(letter, field.name)
            header.append([value.instance, value.run, value.command] if isinstance(value, ParentLink) else value)
    return dump_json(header) + b"\n" + letter.body


def read_letter(data: bytes) -> Letter:
    """The letter that `write_letter` wrote."""
    header, _, body = data.partition(b"\n")
    kind, *values = load_json(header)
    cls = _KINDS[kind]
    arguments: dict[str, Any] = {"body": body}
    for field, value in zip((field for field in fields(cls) if field.name != "body"), values, strict=True):
        if field.name in _LINKS and value is not None:
            instance, run, command = value
            arguments[field.name] = ParentLink(instance=instance, run=run, command=command)
        else:
            arguments[field.name] = value
    letter: Letter = cls(**arguments)
    return letter
