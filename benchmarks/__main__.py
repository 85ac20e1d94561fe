"""Benchmarks: the works W1 to W12 for rqflow and its peers: `python -m benchmarks`.

Each run has a Redis, worker processes and a client of its own, on this machine. Prints a table of medians as Markdown,
and writes all figures as JSON; asserts nothing. See docs/performance.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from benchmarks.machine import load, machine
from benchmarks.page import BEGIN, END, has_place, put
from benchmarks.players import CONTESTANTS
from benchmarks.plot import plot
from benchmarks.results import Result, measure
from benchmarks.session import SETTINGS, Setting
from benchmarks.table import shown, table
from benchmarks.works import WORKS, Work


def main(arguments: Sequence[str]) -> None:
    """Measure what was asked for."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.workers < 1 or (options.runs is not None and options.runs < 1):
        parser.error("--workers and --runs must be at least 1")
    works = _works(parser, options.only)
    counts = _pairs(parser, options.count, "--count", {work.key for work in WORKS})
    python = _pairs(parser, options.python, "--python", None)
    setting = Setting(
        python={"": sys.executable, **python},
        persistence=options.persistence,
        workers=options.workers,
        quick=options.quick,
        postgres=options.postgres,
        counts={key: int(count) for key, count in counts.items()},
    )
    players = options.players.split(",") if options.players else []
    unknown = set(players) - {each.key for each in CONTESTANTS}
    if unknown:
        parser.error(f"no such players: {', '.join(sorted(unknown))}; there are {_names()}")
    if options.plot and find_spec("matplotlib") is None:
        parser.error("--plot needs matplotlib: pip install 'rqflow[bench]'")
    if options.page and not has_place(options.page):
        parser.error(f"--page {options.page}: the page needs a line {BEGIN} and after it a line {END}")
    facts = machine()
    runs = 1 if options.quick and options.runs is None else options.runs or 5
    results = asyncio.run(_measure(works, setting, runs, not options.no_peers, players))
    facts["load after"] = load()
    said = f"{runs} of each, worker processes: {setting.workers}, append-only: {setting.persistence}"
    told = table(
        facts, f"{said}, {'a smoke run whose figures mean nothing' if options.quick else _asked(options)}", results
    )
    print(told)
    plain = {"machine": facts, "options": said, "results": [each.plain() for each in results]}
    options.json.write_text(json.dumps(plain, indent=1, default=str, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"all figures: {options.json}", file=sys.stderr)
    if options.page:
        put(options.page, told)
    if options.plot:
        for path in plot(results, options.plot):
            print(f"picture: {path}", file=sys.stderr)


async def _measure(
    works: Sequence[Work], setting: Setting, runs: int, peers: bool, players: Sequence[str]
) -> list[Result]:
    results: list[Result] = []
    async for result in measure(works, setting, runs=runs, peers=peers, players=players):
        if result not in results:
            results.append(result)
        last = f"{shown(result.runs[-1][result.first])} {result.first}" if result.runs else ""
        print(f"{result.work.key} {result.player.title}: {result.why_not or last}", file=sys.stderr, flush=True)
    return results


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", metavar="WORKS", default="", help="these, as in W2,W4")
    parser.add_argument("--players", metavar="NAMES", default="", help=f"these, of {_names()}")
    parser.add_argument("--no-peers", action="store_true", help="rqflow alone")
    parser.add_argument(
        "--persistence", choices=list(SETTINGS), default="everysec", help="of Redis (default: everysec)"
    )
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes of each player (default: 1)")
    parser.add_argument("--runs", type=int, metavar="N", help="of each work by each player (default: 5; --quick: 1)")
    parser.add_argument("--quick", action="store_true", help="a smoke run: little work, figures that mean nothing")
    parser.add_argument("--count", action="append", default=[], metavar="WORK=N", help="so much of a work")
    parser.add_argument("--postgres", default="", metavar="URL", help="a database that DBOS may use")
    parser.add_argument(
        "--python", action="append", default=[], metavar="PLAYER=PATH", help="the Python that has a player's library"
    )
    parser.add_argument(
        "--json", type=Path, default=Path("benchmarks.json"), metavar="FILE", help="(default: benchmarks.json)"
    )
    parser.add_argument("--plot", type=Path, metavar="FOLDER", help="draw PNGs there")
    parser.add_argument("--page", type=Path, metavar="FILE", help="put the table into this page, between its marks")
    return parser


def _asked(options: argparse.Namespace) -> str:
    """What else was asked for, without paths and addresses."""
    words = [f"--{name} {value}" for name in ("only", "players") if (value := getattr(options, name))]
    words += [f"--count {each}" for each in options.count] + ["--no-peers"] * options.no_peers
    return " ".join(words) or "all works and players"


def _names() -> str:
    return ", ".join(dict.fromkeys(each.key for each in CONTESTANTS))


def _works(parser: argparse.ArgumentParser, only: str) -> list[Work]:
    wanted = [key for key in only.upper().split(",") if key]
    unknown = set(wanted) - {work.key for work in WORKS}
    if unknown:
        parser.error(f"no such works: {', '.join(sorted(unknown))}; there are {', '.join(work.key for work in WORKS)}")
    return [work for work in WORKS if not wanted or work.key in wanted]


def _pairs(
    parser: argparse.ArgumentParser, pairs: Sequence[str], option: str, names: set[str] | None
) -> dict[str, str]:
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or (names is not None and (name not in names or not value.isdigit())):
            parser.error(f"{option} {pair}: write {'WORK=NUMBER' if names else 'PLAYER=PATH'}")
        found[name] = value
    return found


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit("broken off: nothing was written")
