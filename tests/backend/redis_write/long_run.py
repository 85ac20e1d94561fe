"""Long run: the machine for a while: `python -m tests.backend.redis_write.long_run --minutes 15 --seed 1`."""

from __future__ import annotations

import argparse
import time
from collections import Counter

import redis
from hypothesis import seed

from rqflow.backend.redis.embedded import EmbeddedServer
from tests.backend.redis_write.test_side_by_side import machine, run

LIVES = 20
"""Of one seed."""


def main() -> None:
    """Seed by seed, until the time is over; the first failure is shrunk, shown and ends it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--program", help="a redis-server; else the one on PATH")
    chosen = parser.parse_args()
    ends, steps, sent = time.monotonic() + 60 * chosen.minutes, 0, Counter[str]()
    with EmbeddedServer(options={"appendonly": "no"}, program=chosen.program) as server:
        number = chosen.seed
        while time.monotonic() < ends:
            kind = machine(redis.Redis.from_url(server.url), chosen.partitions)
            print(f"seed {number}", flush=True)  # noqa: T201
            run(seed(number)(kind), LIVES)
            steps += kind.steps
            sent.update({call.__name__: count for call, count in kind.sent.items()})
            number += 1
    print(f"{steps:,} steps, {sum(sent.values()):,} calls: {dict(sent)}")  # noqa: T201


if __name__ == "__main__":
    main()
