"""Results: the runs of all players, interleaved, so that what disturbs the machine disturbs them alike."""

from __future__ import annotations

import statistics
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.machine import load
from benchmarks.players import OURS, Contestant, taking_part
from benchmarks.session import CannotPlay, Setting, play
from benchmarks.works import Figures, Work


@dataclass(kw_only=True)
class Result:
    """What a player did of a work."""

    work: Work
    player: Contestant
    version: str = ""
    why_not: str = ""
    """Why there is no figure."""
    count: int = 0
    runs: list[Figures] = field(default_factory=list)
    costs: list[Figures] = field(default_factory=list)
    """Of each workflow."""
    commands: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Calls and microseconds of each of Redis' commands, for each workflow, in the last run."""
    loads: list[str] = field(default_factory=list)
    """The machine's load when each run began."""

    @property
    def first(self) -> str:
        """The name of the figure that the work is about."""
        return next(iter(self.runs[0]))

    def median(self, name: str) -> float:
        """Of all runs."""
        return statistics.median(run[name] for run in self.runs if name in run)

    def cost(self, name: str) -> float:
        """The median of a cost."""
        return statistics.median(each[name] for each in self.costs)

    def spread(self, name: str) -> tuple[float, float]:
        """The least and the most of all runs."""
        found = [run[name] for run in self.runs if name in run]
        return min(found), max(found)

    def plain(self) -> dict[str, Any]:
        """For the JSON file."""
        figures = {
            name: {"median": self.median(name), "least": self.spread(name)[0], "most": self.spread(name)[1]}
            for name in (self.runs[0] if self.runs else ())
        }
        return {
            "work": self.work.key,
            "title": self.work.title,
            "player": self.player.title,
            "version": self.version,
            "note": self.player.note,
            "why_not": self.why_not,
            "count": self.count,
            "figures": figures,
            "costs": {name: self.cost(name) for name in (self.costs[0] if self.costs else ())},
            "runs": self.runs,
            "commands": self.commands,
            "loads": self.loads,
        }


async def measure(
    works: Sequence[Work], setting: Setting, *, runs: int, peers: bool, players: Sequence[str] = ()
) -> AsyncIterator[Result]:
    """A result again and again, at each run: of every player in every work. One that cannot is not asked again."""
    for work in works:
        results = [
            Result(work=work, player=player)
            for player in taking_part(work.key, peers=peers)
            if not players or player.key in players
        ]
        for _ in range(runs):
            for result in results:
                if not result.why_not:
                    await _once(result, setting)
                yield result


async def _once(result: Result, setting: Setting) -> None:
    work, player = result.work, result.player
    result.loads.append(load())
    try:
        laps, result.version = await play(player, work, setting)
    except CannotPlay as error:
        result.why_not = str(error)
        return
    last = laps[-1]
    units = work.cost_units(laps)
    result.count = last.count
    result.runs.append(work.figures(laps))
    result.costs.append(
        {
            "Redis µs": 1e6 * last.cost.redis / units,
            "worker µs": 1e6 * last.cost.workers / units,
            "client µs": 1e6 * last.cost.client / units,
            "commands": last.cost.commands / units,
            "round trips": last.cost.round_trips / units,
            "bytes kept": last.cost.bytes / units,
        }
    )
    busiest = sorted(last.cost.scripts.items(), key=lambda item: -item[1][1])[:25]
    result.commands = {name: (calls / units, micros / units) for name, (calls, micros) in busiest}


def ratio(result: Result, results: Sequence[Result]) -> float | None:
    """How much better ours is than this one in the same run; None for ours, or where one of them has no figure."""
    ours = next((each for each in results if each.player.key == OURS and each.work is result.work), None)
    if ours is None or ours is result or not ours.runs or not result.runs:
        return None
    mine, theirs = ours.median(ours.first), result.median(result.first)
    over, under = (theirs, mine) if result.work.lower else (mine, theirs)
    return over / under if under else None
