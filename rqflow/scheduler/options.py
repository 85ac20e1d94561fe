"""Options: how a scheduler looks at schedules."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from rqflow.errors import BadInput


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerOptions:
    """What can be chosen; the defaults suit."""

    name: str = ""
    """Shown by logs; else made of host and process number."""
    poll: timedelta = timedelta(seconds=15)
    """The safety net: so often it looks without being woken. It sleeps until the next slot, and is told of changes."""
    batch: int = 100
    """Schedules that it looks at in one round trip."""
    seed: int | None = None
    """Of the waits when Redis is away; None: drawn."""

    def __post_init__(self) -> None:
        if self.poll < timedelta(milliseconds=100):
            raise BadInput(f"poll is 0.1 seconds or more, not {self.poll}")
        if not 1 <= self.batch <= 1_000:
            raise BadInput(f"batch is 1 to 1,000, not {self.batch}")

    @property
    def lease(self) -> timedelta:
        """How long it is shown as alive after each look."""
        return 3 * self.poll
