"""Cache: live executors kept between turns, the least recently used dropped first, bounded by count and bytes."""

from __future__ import annotations

from collections import OrderedDict

from rqflow.core.executor import Executor


class ExecutorCache:
    """Executors by run. It never decides correctness: with size 0 every turn replays its history.

    An executor is taken out for its turn and put back when the turn is committed, so a turn whose commit failed
    leaves nothing behind that could be ahead of its history.
    """

    def __init__(self, *, size: int, max_bytes: int) -> None:
        self._size = size
        self._max_bytes = max_bytes
        self._kept: OrderedDict[str, tuple[Executor, int]] = OrderedDict()
        self.bytes = 0
        self.hits = 0
        self.misses = 0

    def __len__(self) -> int:
        return len(self._kept)

    def take(self, run: str, length: int) -> Executor | None:
        """The executor of a run if it stands at `length` events; one that stands elsewhere is dropped (P2, P4)."""
        found = self._kept.pop(run, None)
        if found is not None:
            executor, weight = found
            self.bytes -= weight
            if executor.length == length:
                self.hits += 1
                return executor
            executor.close()
        self.misses += 1
        return None

    def put(self, run: str, executor: Executor) -> None:
        """Keep an executor whose turn is committed."""
        self.drop(run)
        weight = executor.size
        if self._size == 0 or weight > self._max_bytes:
            executor.close()
            return
        self._kept[run] = (executor, weight)
        self.bytes += weight
        while len(self._kept) > self._size or self.bytes > self._max_bytes:
            self.drop(next(iter(self._kept)))
        assert len(self._kept) <= self._size, "P10: the cache is bounded"

    def drop(self, run: str) -> None:
        """Forget a run, if it is here."""
        found = self._kept.pop(run, None)
        if found is not None:
            self.bytes -= found[1]
            found[0].close()

    def clear(self) -> None:
        """Forget all."""
        for run in list(self._kept):
            self.drop(run)
