"""Failure: an exception as a value: its type, message, causes and a trimmed traceback."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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
    def from_wire(cls, wire: dict[str, Any]) -> Failure:
        """The failure that `to_wire` wrote; unknown fields are ignored, so newer writers do no harm."""
        cause = wire.get("cause")
        return cls(
            type=str(wire.get("type", "unknown")),
            message=str(wire.get("message", "")),
            traceback=str(wire.get("traceback", "")),
            kind=str(wire.get("kind", "error")),
            retryable=bool(wire.get("retryable", True)),
            cause=cls.from_wire(cause) if isinstance(cause, dict) else None,
        )
