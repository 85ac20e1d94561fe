"""Pulse: what the loop's thread is doing at this moment, readable from another thread."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Beat:
    """A turn that is under way."""

    since: float
    """`time.monotonic()` at its start."""
    label: str
    """Workflow and instance."""


class Pulse:
    """Set around each turn. One attribute is written at once, so a reader sees all of a beat or none of it."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        """The thread whose stack tells where a turn hangs."""
        self.beat: Beat | None = None

    def begin(self, label: str) -> None:
        """A turn begins."""
        self.beat = Beat(time.monotonic(), label)

    def end(self) -> None:
        """It has ended."""
        self.beat = None
