"""Collector: how often Python looks for circles of garbage in a worker process: seldom, because turns leave none."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

YOUNG: Final = 10_000
"""Objects made between two looks at least; Python's own figure is 700 to 2,000. Runs and attempts are gone with their
last reference, so what the collector finds is users' own, and it is found a little later."""


@contextmanager
def sparing() -> Iterator[None]:
    """Look seldom, and never again at what is loaded by now. A worker's process is ours; what was set comes back."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(max(before[0], YOUNG), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
