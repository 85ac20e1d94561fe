"""Outlook: what a worker must be awake for in a partition, told with each renewal of its lease."""

from __future__ import annotations

from rqflow.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """As in Taken, for a worker that takes nothing."""

    now_ms: int
    next_due_ms: int | None
    next_lapse_ms: int | None
    outbox: int
