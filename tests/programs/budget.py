"""Budget: how many programs are drawn, from which seed, and how a failure is had again."""

from __future__ import annotations

import os
from collections.abc import Callable
from random import SystemRandom
from typing import Any, Final

from hypothesis import HealthCheck, Phase, seed, settings

VARIABLE: Final = "RQFLOW_PROGRAMS_SEED"
SEED: Final = int(os.environ.get(VARIABLE) or SystemRandom().randrange(1_000_000))
"""Of this process: another each time, unless it is asked for."""


def drawn(count: int, *, shrink: bool = True, start: int = SEED) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let a test be tried with so many programs. What fails is shrunk, printed, and had again by the seed."""
    chosen = settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink) if shrink else (Phase.generate,),
        suppress_health_check=tuple(HealthCheck),
        print_blob=True,
        report_multiple_bugs=False,
    )

    def decorate(test: Callable[..., Any]) -> Callable[..., Any]:
        decorated: Callable[..., Any] = chosen(seed(start)(test))
        return decorated

    return decorate
