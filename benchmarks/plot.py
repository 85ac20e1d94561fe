"""Plot: a picture for each work: a bar for each player, with the least and the most of its runs."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.players import OURS
from benchmarks.results import Result

COLOURS = {True: "#c0392b", False: "#7f8c8d"}


def plot(results: Sequence[Result], folder: Path) -> list[Path]:
    """PNGs in a folder. Raises ImportError without matplotlib, which the extra `bench` has."""
    matplotlib: Any = import_module("matplotlib")
    matplotlib.use("Agg")
    pyplot: Any = import_module("matplotlib.pyplot")
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for key in dict.fromkeys(result.work.key for result in results if result.runs):
        bars = [result for result in results if result.work.key == key and result.runs]
        drawn.append(_picture(pyplot, bars, folder / f"{key}.png"))
    return drawn


def _picture(pyplot: Any, bars: Sequence[Result], path: Path) -> Path:
    work, name = bars[0].work, bars[0].first
    medians = [bar.median(name) for bar in bars]
    errors = [
        [middle - bar.spread(name)[0] for middle, bar in zip(medians, bars, strict=True)],
        [bar.spread(name)[1] - middle for middle, bar in zip(medians, bars, strict=True)],
    ]
    figure, axes = pyplot.subplots(figsize=(9, 1.2 + 0.45 * len(bars)), layout="constrained")
    axes.barh(
        [f"{bar.player.title} {bar.version}" for bar in bars],
        medians,
        xerr=errors,
        color=[COLOURS[bar.player.key == OURS] for bar in bars],
    )
    axes.invert_yaxis()
    axes.set_xlabel(f"{name} ({'less' if work.lower else 'more'} is better)")
    axes.set_title(f"{work.key}: {work.title}", fontsize=9)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
    return path
