"""Policy: what a schedule does when slots and runs get in each other's way, and what each slot starts."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Literal, TypeAlias

from rqflow.errors import BadInput

Overlap: TypeAlias = Literal["skip", "buffer_one", "buffer_all", "allow", "cancel_other", "terminate_other"]
"""What becomes of a slot that comes while a run of the schedule is still open."""

MAX_RUNNING: Final = 1_000
"""Runs of one schedule that may be open at once, whatever its policy; slots beyond are skipped and counted."""
MAX_BUFFER: Final = 1_000
"""Starts that may wait, at most."""
MIN_CATCH_UP: Final = timedelta(seconds=5)
"""A pause of a busy machine must not be taken for a missed slot."""
DEFAULT_TEMPLATE: Final = "{schedule}/{slot}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How a schedule treats slots that overlap, were missed, or follow on failures."""

    overlap: Overlap = "skip"
    """skip: the slot is left out and counted. buffer_one: one start waits until the open run has ended, later ones are
    left out. buffer_all: all wait in order, up to `buffer_limit`. allow: it starts beside. cancel_other,
    terminate_other: the open run is asked to cancel, or is terminated, and the newest slot starts when it has ended."""
    buffer_limit: int = 100
    """How many starts wait under buffer_all; 1 to 1,000."""
    catch_up: timedelta = timedelta(minutes=1)
    """A slot is still fired so long after its time, if no scheduler was there; older ones are left out and counted."""
    pause_after: int = 0
    """Pause after so many failures (failed, timed out) in a row; 0: never."""
    max_runs: int | None = None
    """After so many runs of slots the schedule is done; triggers and backfills do not count."""
    keep_result: bool = False
    """Keep what the last successful run returned, for `workflow.info().schedule`."""

    def __post_init__(self) -> None:
        if not 1 <= self.buffer_limit <= MAX_BUFFER:
            raise BadInput(f"buffer_limit is 1 to {MAX_BUFFER:,}, not {self.buffer_limit}")
        if self.catch_up < MIN_CATCH_UP:
            raise BadInput(f"catch_up is {MIN_CATCH_UP.seconds} seconds or more, not {self.catch_up}")
        if self.pause_after < 0:
            raise BadInput(f"pause_after is 0 (never) or more, not {self.pause_after}")
        if self.max_runs is not None and self.max_runs < 1:
            raise BadInput(f"max_runs is 1 or more, not {self.max_runs}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What a slot starts; its arguments are kept beside, as a payload."""

    workflow: str
    """Its name."""
    queue: str
    template: str = DEFAULT_TEMPLATE
    """The instance's id, with {schedule} and {slot}: see naming.py."""
    timeout: timedelta | None = None
    retention: timedelta | None = None
    """None: the hub's."""
    attributes: dict[str, str | int | float | bool] = field(default_factory=dict)
    priority: int = 0
    lane: str = ""
    headers: tuple[tuple[str, str], ...] = ()
