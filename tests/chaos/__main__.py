"""python -m tests.chaos --minutes M --seed S: harm everything, let it finish, check every promise, and report."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from rqflow.errors import RqflowError
from tests.chaos.grounds import FSYNC, GROUNDS
from tests.chaos.play import Plan, play


def _positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    def number(text: str) -> float:
        value = kind(text)
        if value <= 0:
            raise ValueError(text)
        return value

    return number


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=_positive(float), default=1.0, help="how long the villain rages (default 1)")
    parser.add_argument("--seed", type=int, help="decisions follow from it (default: drawn, and printed)")
    parser.add_argument("--server", choices=sorted(GROUNDS), default="standalone")
    parser.add_argument("--fsync", choices=FSYNC, default="always", help="everysec: power cuts lose the last second")
    parser.add_argument("--partitions", type=_positive(int), help="of the hub (default: 1 or 4, as the seed says)")
    parser.add_argument("--cache", type=int, help="executors that each worker keeps (default: each draws 0, 1 or 1000)")
    parser.add_argument("--workers", type=_positive(int), default=4)
    parser.add_argument("--customers", type=_positive(int), default=16)
    parser.add_argument("--keep", type=Path, help="a new folder for logs and effects, kept afterwards")
    parser.add_argument("--json", action="store_true", help="the report as JSON on standard output")
    return parser.parse_args(arguments)


def main() -> int:
    """0: every promise was kept. 1: one was not. 2: it could not be tried. 130: Ctrl-C."""
    options = parse(sys.argv[1:])
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1_000_000)
    plan = Plan(
        seed=seed, minutes=options.minutes, server=options.server, fsync=options.fsync, partitions=options.partitions,
        cache=options.cache, workers=options.workers, customers=options.customers,
    )  # fmt: skip
    console = Console(stderr=options.json, soft_wrap=True)
    began = time.monotonic()

    def tell(what: str) -> None:
        console.print(f"{time.monotonic() - began:7.1f} s  {what}", style="dim", highlight=False)

    tell(f"seed {seed}")
    folder = options.keep or Path(tempfile.mkdtemp(prefix="rqflow-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        report = asyncio.run(play(plan, folder, tell))
    except RqflowError as error:
        tell(f"it cannot be tried: {error}")
        return 2
    except KeyboardInterrupt:
        tell("broken off; all servers and workers were ended")
        return 130
    finally:
        if options.keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    if options.json:
        sys.stdout.write(json.dumps(report.as_json(), indent=2) + "\n")
    else:
        report.show(console)
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())
