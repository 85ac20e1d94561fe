"""Recovery: how long work stands still after each fault: `python -m benchmarks.recovery`.

Each trial has a Redis and worker processes of its own. Prints a table of medians and worst cases; asserts nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from benchmarks.recovery.faults import FAULTS, Fault


async def trials(fault: Fault, count: int, folder: Path, progress: Progress) -> list[float]:
    """So many trials of a fault: seconds each."""
    room = asyncio.Semaphore(fault.beside)
    bar = progress.add_task(fault.title, total=count)

    async def one(number: int) -> float:
        async with room:
            seconds = await fault.run(folder / str(number), seed=number)
            progress.advance(bar)
            return seconds

    return list(await asyncio.gather(*(one(number) for number in range(count))))


def show(results: dict[str, list[float]]) -> None:
    """The table, as Markdown: it goes into docs/guarantees.md."""
    print("| fault | measured from → to | median | worst | promised | trials |")
    print("|---|---|---|---|---|---|")
    for name, seconds in results.items():
        fault = FAULTS[name]
        promised = "" if fault.target is None else _span(fault.target)
        middle, worst = _span(statistics.median(seconds)), _span(max(seconds))
        print(f"| {fault.title} | {fault.since} | {middle} | {worst} | {promised} | {len(seconds)} |")


def _span(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


async def measure(names: list[str], count: int) -> dict[str, list[float]]:
    """All faults, one after the other."""
    results: dict[str, list[float]] = {}
    with Progress(console=Console(stderr=True)) as progress, tempfile.TemporaryDirectory() as folder:
        for name in names:
            results[name] = await trials(FAULTS[name], count, Path(folder) / name, progress)
    return results


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=20, help="of each fault (default: 20)")
    parser.add_argument("--only", action="append", choices=sorted(FAULTS), help="this fault; may be repeated")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all seconds there, too")
    options = parser.parse_args()
    results = asyncio.run(measure(options.only or list(FAULTS), options.trials))
    show(results)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
