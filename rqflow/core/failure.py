"""Failure: an exception as a value: its type, message, causes and a trimmed traceback."""

from __future__ import annotations

import asyncio
import traceback
from dataclasses import dataclass, replace
from types import FrameType, TracebackType
from typing import Any, Final

from rqflow.errors import (
    ActivityFailed,
    ActivityTimedOut,
    ChildFailed,
    LimitReached,
    NotFound,
    OutcomeError,
    PayloadTooLarge,
    RemoteError,
    SideEffectFailed,
    SignalFailed,
)

MAX_MESSAGE = 8_000
"""Characters of a message that are kept; the rest is cut with a note."""
MAX_TRACEBACK = 8_000
"""Characters of a traceback that are kept: its end, where the cause stands."""
MAX_CAUSES = 8
"""Links of the cause chain that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What went wrong, in a form that any process can read."""

    type: str
    """Qualified name of the exception's class, such as `builtins.ValueError` or `shop.errors.OutOfStock`."""
    message: str = ""
    """`str(exception)`, at most MAX_MESSAGE characters."""
    traceback: str = ""
    """The formatted stack without rqflow's own frames, at most MAX_TRACEBACK characters."""
    kind: str = "error"
    """error, timeout, canceled, terminated, worker_lost, not_found, limit: what code may branch on."""
    retryable: bool = True
    """False when the one who raised it said that trying again is of no use."""
    cause: Failure | None = None
    """The exception it was raised from, if any."""

    def to_wire(self) -> dict[str, Any]:
        """As plain JSON values; empty fields are left out."""
        wire: dict[str, Any] = {"type": self.type}
        if self.message:
            wire["message"] = self.message
        if self.traceback:
            wire["traceback"] = self.traceback
        if self.kind != "error":
            wire["kind"] = self.kind
        if not self.retryable:
            wire["retryable"] = False
        if self.cause is not None:
            wire["cause"] = self.cause.to_wire()
        return wire

    @classmethod
    def from_wire(cls, wire: dict[str, Any], links: int = MAX_CAUSES) -> Failure:
        """The failure that `to_wire` wrote; unknown fields are ignored, so newer writers do no harm.

        At most `links` causes are read, whatever was sent.
        """
        cause = wire.get("cause")
        return cls(
            type=str(wire.get("type", "unknown")),
            message=str(wire.get("message", "")),
            traceback=str(wire.get("traceback", "")),
            kind=str(wire.get("kind", "error")),
            retryable=bool(wire.get("retryable", True)),
            cause=cls.from_wire(cause, links - 1) if links and isinstance(cause, dict) else None,
        )


MAX_FRAMES: Final = 60
"""Frames of a traceback that are kept: the innermost ones."""
MAX_GROUPED: Final = 8
"""Exceptions of a group that its message names."""

_KINDS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (asyncio.CancelledError, "canceled"),
    (LimitReached, "limit"),
    (PayloadTooLarge, "limit"),
    (NotFound, "not_found"),
)

_OUTCOMES: Final[dict[str, type[OutcomeError]]] = {
    f"{cls.__module__}.{cls.__qualname__}": cls
    for cls in (ActivityFailed, ActivityTimedOut, ChildFailed, SignalFailed, SideEffectFailed)
}


def failure_of(error: BaseException) -> Failure:
    """The exception as a value. Whatever it is and does, this returns."""
    return _failure_of(error, MAX_CAUSES)


def exception_of(failure: Failure) -> OutcomeError:
    """A readable stand-in for the exception that `failure` tells of, with its chain of causes.

    An activity's or a child's failure is one again; what user code raised is a RemoteError.
    """
    cls = _OUTCOMES.get(failure.type)
    if cls is None:
        error: OutcomeError = RemoteError(
            f"{failure.type}: {failure.message}" if failure.message else failure.type, failure
        )
    else:
        error = cls(failure.message, failure.cause)
    error.recorded = failure
    error.__cause__ = None if failure.cause is None else exception_of(failure.cause)
    if failure.traceback:
        error.add_note(f"Traceback where it was raised:\n{failure.traceback}")
    return error


def _failure_of(error: BaseException, links: int) -> Failure:
    if isinstance(error, OutcomeError) and isinstance(error.recorded, Failure):
        return error.recorded
    return Failure(
        type=_qualified(type(error)),
        message=_message(error),
        traceback=_stack(error.__traceback__),
        kind=next((kind for cls, kind in _KINDS if isinstance(error, cls)), "error"),
        retryable=not _says_no(error),
        cause=_cause(error, links - 1) if links > 0 else None,
    )


def _cause(error: BaseException, links: int) -> Failure | None:
    if isinstance(error, OutcomeError) and isinstance(error.failure, Failure):
        return _shortened(error.failure, links)
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is None and isinstance(error, BaseExceptionGroup):
        cause = error.exceptions[0]
    return None if cause is None else _failure_of(cause, links)


def _shortened(failure: Failure, links: int) -> Failure:
    if failure.cause is None:
        return failure
    return replace(failure, cause=_shortened(failure.cause, links - 1) if links > 0 else None)


def _qualified(cls: type[BaseException]) -> str:
    return clean(f"{cls.__module__}.{cls.__qualname__}")


def _message(error: BaseException) -> str:
    try:
        text = str(error)
        if isinstance(error, BaseExceptionGroup):
            text += "".join(f"\n- {type(each).__name__}: {each}" for each in _leaves(error)[:MAX_GROUPED])
    except Exception as broken:  # a user's __str__ may do anything
        text = f"<its text cannot be had: {type(broken).__name__}>"
    if len(text) > MAX_MESSAGE:
        text = f"{text[:MAX_MESSAGE]}… ({len(text) - MAX_MESSAGE:,} more characters)"
    return clean(text)


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    leaves: list[BaseException] = []
    for each in group.exceptions:
        leaves += _leaves(each) if isinstance(each, BaseExceptionGroup) else [each]
    return leaves


def _says_no(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return any(_says_no(each) for each in error.exceptions)
    return getattr(error, "non_retryable", False) is True


def _ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] in ("rqflow", "asyncio")


def _stack(trace: TracebackType | None) -> str:
    frames = [(frame, line) for frame, line in traceback.walk_tb(trace) if not _ours(frame)][-MAX_FRAMES:]
    text = clean("".join(traceback.StackSummary.extract(iter(frames)).format()))
    return text if len(text) <= MAX_TRACEBACK else f"…{text[-MAX_TRACEBACK:]}"


def clean(text: str) -> str:
    """The text with what UTF-8 cannot hold (lone surrogates) replaced, so that it can be stored."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
