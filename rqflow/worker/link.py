"""Link: how a worker outlasts an absent store: waits that grow, and one line of log at loss and at return."""

from __future__ import annotations

import asyncio
import logging
from random import Random
from typing import Final

from rqflow.errors import BackendRefused, BackendUnavailable, RqflowError

logger = logging.getLogger("rqflow.worker")

AWAY: Final = (BackendUnavailable, BackendRefused)
"""The store as a whole does not answer, or refuses all: that passes, and the same call is worth another try. Any other
BackendError is about one call alone."""
FIRST_WAIT = 0.05
LONGEST_WAIT = 1.0


class Link:
    """The state of the connection as all partitions' exchanges see it. One of them notices first and says so."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._failures: dict[int, int] = {}
        """Failures in a row, by partition."""
        self._broken: set[tuple[int, str]] = set()

    async def failed(self, partition: int, error: RqflowError) -> None:
        """Wait before the next try: longer each time, never more than LONGEST_WAIT, and not all at once."""
        if not self._failures:
            logger.warning("the store does not answer, trying again until it does: %s", error)
        count = self._failures[partition] = self._failures.get(partition, 0) + 1
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(count - 1, 10))
        await asyncio.sleep(wait * self._random.uniform(0.5, 1.0))

    def is_well(self, partition: int) -> bool:
        """Whether the partition answered when it was asked last."""
        return partition not in self._failures

    def answered(self, partition: int) -> None:
        """The partition answers (again)."""
        if self._failures and self._failures.pop(partition, None) is not None and not self._failures:
            logger.warning("the store answers again")

    def heard(self, partition: int, call: str, answer: object) -> None:
        """Say once that one of a worker's own calls fails, though the store hands out tasks."""
        if not isinstance(answer, RqflowError):
            self._broken.discard((partition, call))
        elif (partition, call) not in self._broken:
            self._broken.add((partition, call))
            logger.error("partition %d: %s fails, it is tried again and again: %s", partition, call, answer)
