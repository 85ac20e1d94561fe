"""Notices: what those who wait for an instance are told by pub/sub: that there is news, or what a run came to."""

from __future__ import annotations

from typing import Any

from rqflow.backend.calls.instances import Outcome
from rqflow.core.states import CLOSED


def read_end(message: Any) -> Outcome | None:
    """The end that a notice tells of (see lifecycle.lua). None for any other, also for one that cannot be read:
    whoever waits looks for himself then."""
    try:
        status, run, payload = message.split(b" ", 2)
        outcome = Outcome(status=status.decode(), run=run.decode(), payload=payload)
    except (AttributeError, TypeError, ValueError):
        return None
    return outcome if outcome.status in CLOSED and outcome.run else None
