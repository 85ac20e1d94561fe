"""Outlook: what a worker must be awake for in a partition, told with each renewal of its lease."""

from __future__ import annotations

from rqflow.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """A partition as a worker must know it that has nothing to do."""

    now_ms: int
    past_us: int = 0
    """Microseconds that had passed since: what is due in a millisecond may be due at once."""
    next_due_ms: int | None
    """When the next timer, retry, timeout … of this partition is due."""
    next_lapse_ms: int | None = None
    """When the lease of another worker ends, unless it is renewed: what that one had can be swept up from then on."""
    outbox: int
    """Messages waiting to be relayed."""
