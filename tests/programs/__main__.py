"""`python -m tests.programs --minutes 15 --seed 1`: random programs for as long as one likes, in memory.

The first failure is shrunk and printed, and ends it (exit code 1). The seed of its round has the same programs again.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import logging
import sys
import time
import traceback
from collections import Counter
from random import SystemRandom

from hypothesis import given
from hypothesis import strategies as st

from tests.programs.budget import drawn
from tests.programs.checks import check
from tests.programs.language import Program
from tests.programs.strategy import crews, programs
from tests.programs.world import Crew

ROUND = 500
"""Programs of a round, half of them with deaths."""


def main() -> int:
    """Round after round until the time is over."""
    parser = argparse.ArgumentParser(prog="python -m tests.programs", description="Random programs against rqflow.")
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--seed", type=int, default=None, help="of the first round; the next has the next")
    given_words = parser.parse_args()
    logging.disable(logging.CRITICAL)  # workers that die say much
    start = SystemRandom().randrange(1_000_000) if given_words.seed is None else given_words.seed
    until, seen, began = time.monotonic() + 60 * given_words.minutes, Counter[str](), time.monotonic()
    while time.monotonic() < until:
        try:
            seen += one_round(start)
        except Exception:
            traceback.print_exc()
            print(f"round {start} failed: python -m tests.programs --seed {start}")
            return 1
        minutes = (time.monotonic() - began) / 60
        print(f"{minutes:5.1f} min, seed {start}: {seen['programs']} programs", flush=True)
        start += 1
    print(*(f"{count:8} {label}" for label, count in sorted(seen.items())), sep="\n")
    return 0


def one_round(start: int) -> Counter[str]:
    """Programs of one seed; how often what was seen. Raises what fails."""
    seen = Counter[str]()

    def note(program: Program, crew: Crew, seed: int) -> None:
        seen["programs"] += 1
        seen.update(check(program, crew, seed))

    for fates in (0, 3):
        drawn(ROUND // 2, start=start)(given(programs, crews(fates=fates), st.integers(0, 99))(note))()
    return seen


if __name__ == "__main__":
    sys.exit(main())
