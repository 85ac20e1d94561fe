"""Clock: a virtual time that moves only when a test says so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

START: Final = datetime(2026, 1, 1, tzinfo=UTC)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class VirtualClock:
    """Time for stores and tests. It begins at a fixed moment, so that runs can be compared."""

    def __init__(self, start: datetime = START) -> None:
        self._start = start
        self._elapsed = timedelta(0)
        self._listeners: list[Callable[[], None]] = []

    @property
    def elapsed(self) -> timedelta:
        """How much time has passed since the clock was made."""
        return self._elapsed

    def now(self) -> datetime:
        return self._start + self._elapsed

    def now_ms(self) -> int:
        """Milliseconds since the epoch: what a MemoryStore takes as its clock."""
        return (self.now() - _EPOCH) // timedelta(milliseconds=1)

    def advance(self, by: timedelta) -> None:
        """Let time pass, and wake all who wait for it."""
        if by < timedelta(0):
            raise ValueError(f"time does not go back: {by}")
        self._elapsed += by
        for listener in self._listeners:
            listener()

    def on_advance(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever time has passed, such as `MemoryStore.wake`."""
        self._listeners.append(listener)
