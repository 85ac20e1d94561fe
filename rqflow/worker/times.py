"""Times: when an exchange must speak up by itself: due members by Redis' clock, and the sweep."""

from __future__ import annotations

import math
from datetime import timedelta

from rqflow.backend.calls.outlook import Outlook
from rqflow.backend.calls.tasks import Taken

SWEEP_PAUSE = 0.1
"""Seconds between sweeps at least, however many leases end: a takeover that fails must not make a busy loop."""
BROKEN_PAUSE = 1.0
"""Seconds after a sweep that was refused, or broke over something."""
SHORTEST_BARREN = 0.01
LONGEST_BARREN = 1.0


class Times:
    """Due times, on the loop's own clock. The local wall clock plays no part: it may be hours off."""

    def __init__(self, now: float, sweep_every: timedelta) -> None:
        self.next_due = math.inf
        self._sweep_every = sweep_every.total_seconds()
        self._round = now
        """When the next sweep is made, whatever is known."""
        self._lapse = math.inf
        """When the next lease of another worker ends, if it is not renewed."""
        self._rest = -math.inf
        """No sweep before this for a lease that ends."""
        self._barren = 0

    @property
    def next_sweep(self) -> float:
        """When to sweep: a lease that ends is swept up when it does, not when the next round happens to come."""
        return min(self._round, max(self._lapse, self._rest))

    @property
    def next(self) -> float:
        """When to wake."""
        return min(self.next_due, self.next_sweep)

    def swept(self, now: float, *, more: bool) -> None:
        """A sweep was done; more of it is wanted at once, or one in a while."""
        self._round = now if more else now + self._sweep_every
        self._rest = now + SWEEP_PAUSE

    def sweep_broke(self, now: float) -> None:
        """A sweep was refused, or broke over something: the next one waits, whatever leases have ended."""
        self._round = self._rest = now + min(self._sweep_every, BROKEN_PAUSE)

    def learn(self, taken: Taken, now: float, *, fired: int | None) -> None:
        """What a Take said of the partition's next due member.

        `fired` is what of it the Take handled, 0 too if it was refused, None if it was not asked to.

        A member that is due and stays so (`fired` is 0) must not make a busy loop: it is left longer each time.
        """
        self._learn_lapse(taken, now)
        if taken.next_due_ms is None:
            self.next_due = math.inf
            self._barren = 0
            return
        ahead = taken.next_due_ms - taken.now_ms
        exact = ahead - taken.past_us / 1000
        if ahead > 0 or fired != 0:
            self._barren = 0
            self.next_due = now + max(0, exact) / 1000
            return
        self.next_due = now + min(LONGEST_BARREN, SHORTEST_BARREN * 2 ** min(self._barren, 10))
        self._barren += 1

    def foresee(self, outlook: Outlook, now: float) -> None:
        """What a renewal said: something may be due sooner than the last Take knew, such as another worker's timer."""
        self._learn_lapse(outlook, now)
        if outlook.next_due_ms is not None:
            self.next_due = min(self.next_due, now + max(0, outlook.next_due_ms - outlook.now_ms) / 1000)

    def _learn_lapse(self, told: Taken | Outlook, now: float) -> None:
        # Redis' milliseconds are rounded down, so the lease has ended for certain one later.
        lapse = math.inf if told.next_lapse_ms is None else told.next_lapse_ms + 1 - told.now_ms
        self._lapse = now + lapse / 1000
