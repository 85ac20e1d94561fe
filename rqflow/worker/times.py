"""Times: when an exchange must speak up by itself: due members by Redis' clock, and the sweep."""

from __future__ import annotations

import math
from datetime import timedelta

from rqflow.backend.calls.tasks import Taken

SWEEP_PAUSE = 0.1
"""Seconds between sweeps at least, however many leases end: a takeover that fails must not make a busy loop."""
SHORTEST_BARREN = 0.01
LONGEST_BARREN = 1.0


class Times:
    """Due times, on the loop's own clock. The local wall clock plays no part: it may be hours off."""

    def __init__(self, now: float, sweep_every: timedelta) -> None:
        self.next_due = math.inf
        self.next_sweep = now
        self._sweep_every = sweep_every.total_seconds()
        self._swept = -math.inf
        self._barren = 0

    @property
    def next(self) -> float:
        """When to wake."""
        return min(self.next_due, self.next_sweep)

    def swept(self, now: float, *, more: bool) -> None:
        """A sweep was done; more of it is wanted at once, or one in a while."""
        self.next_sweep = now if more else now + self._sweep_every
        self._swept = now

    def sweep_broke(self, now: float) -> None:
        """A sweep was refused, or broke over something: it waits for its usual turn, whatever leases have ended."""
        self.next_sweep = self._swept = now + self._sweep_every

    def learn(self, taken: Taken, now: float, *, fired: int | None) -> None:
        """What a Take said of the partition's next due member.

        `fired` is what a FireDue just before it handled, 0 too if it was refused, None if there was none.

        A member that is due and stays so (`fired` is 0) must not make a busy loop: it is left longer each time.
        A lease of another that ends is swept up when it does, not when the next sweep happens to come.
        """
        if taken.next_lapse_ms is not None:
            # Redis' milliseconds are rounded down, so the lease has ended for certain one later.
            lapse = now + (taken.next_lapse_ms + 1 - taken.now_ms) / 1000
            self.next_sweep = min(self.next_sweep, max(lapse, self._swept + SWEEP_PAUSE))
        if taken.next_due_ms is None:
            self.next_due = math.inf
            self._barren = 0
            return
        ahead = taken.next_due_ms - taken.now_ms
        if ahead > 0 or fired != 0:
            self._barren = 0
            self.next_due = now + max(0, ahead) / 1000
            return
        self.next_due = now + min(LONGEST_BARREN, SHORTEST_BARREN * 2 ** min(self._barren, 10))
        self._barren += 1
