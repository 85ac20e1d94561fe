"""Pulse: what the loop's thread is doing at this moment, readable from another thread."""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback

from rqflow.values import dataclass

logger = logging.getLogger("rqflow.worker")


@dataclass(frozen=True, slots=True)
class Beat:
    """A turn that is under way."""

    since: float
    """`time.monotonic()` at its start."""
    words: str
    parts: tuple[str, ...]

    @property
    def label(self) -> str:
        """Instance and workflow, for humans."""
        return self.words % self.parts


class Pulse:
    """Set around each turn. One attribute is written at once, so a reader sees all of a beat or none of it."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        """The thread whose stack tells where a turn hangs."""
        self.beat: Beat | None = None
        self._reported: Beat | None = None

    def begin(self, words: str, *parts: str) -> None:
        """A turn begins. It is described, as a line of a log is, only when somebody asks."""
        self.beat = Beat(time.monotonic(), words, parts)

    def end(self) -> None:
        """It has ended."""
        self.beat = None

    def report(self, after: float) -> None:
        """Log the stack of a turn that has been under way for so many seconds, once. Called from another thread."""
        beat = self.beat
        if beat is None or beat is self._reported:
            return
        seconds = time.monotonic() - beat.since
        if seconds < after:
            return
        self._reported = beat
        frame = sys._current_frames().get(self.thread)
        stack = "".join(traceback.format_stack(frame)) if frame is not None else ""
        logger.error(
            "%s has held the thread for %.1f seconds; workflow code must not block or compute for long, "
            "put that into an activity. Stack:\n%s",
            beat.label,
            seconds,
            stack,
        )
