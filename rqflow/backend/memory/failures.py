"""Failures: those that a store writes itself, for what ended without its code being asked."""

from __future__ import annotations

from rqflow.core.events import Payload
from rqflow.core.failure import Failure
from rqflow.core.wire import encode_failure


def encoded_failure(type: str, message: str, kind: str) -> Payload:
    """A failure as a payload."""
    return encode_failure(Failure(type=type, message=message, kind=kind))
