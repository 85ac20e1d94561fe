"""Fates: lost requests and answers, and late renewals."""

from __future__ import annotations

import time
from collections.abc import Sequence
from random import Random

from rqflow.errors import BackendUnavailable
from rqflow.testing.fates import Fate, Line


class Losses(Fate):
    """A share of all sendings is lost on its way, and as many answers."""

    def __init__(self, share: float, seed: int) -> None:
        self._share = share
        self._random = Random(seed)

    def before(self, line: Line, calls: Sequence[str]) -> int:
        self._lose(line)
        return len(calls)

    def after(self, line: Line) -> bool:
        self._lose(line)
        return True

    def _lose(self, line: Line) -> None:
        if line == "call" and self._random.random() < self._share:
            raise BackendUnavailable("lost")


class Lateness(Fate):
    """Some renewals take longer than the lease lasts."""

    def __init__(self, share: float, seconds: float, seed: int) -> None:
        self._share = share
        self._seconds = seconds
        self._random = Random(seed)

    def before(self, line: Line, calls: Sequence[str]) -> int:
        if line == "renewal" and self._random.random() < self._share:
            time.sleep(self._seconds)
        return len(calls)
