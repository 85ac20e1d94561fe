"""Report: what a chaos run did and found, for people and for scripts."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

SHOWN = 40


@dataclass
class Report:
    """All figures of one run."""

    seed: int
    server: str
    fsync: str
    partitions: int
    minutes: float
    also: str = ""
    """Further options of the command line."""
    deeds: dict[str, int] = field(default_factory=dict)
    recoveries: dict[str, list[float]] = field(default_factory=dict)
    workers: dict[str, int] = field(default_factory=dict)
    """Processes that were started, by build."""
    instances: dict[str, dict[str, int]] = field(default_factory=dict)
    """By workflow and status, children included."""
    starts: dict[str, int] = field(default_factory=dict)
    orders: dict[str, int] = field(default_factory=dict)
    """Signals, updates, cancels and so on, by what their senders were told."""
    results: int = 0
    waits: list[float] = field(default_factory=list)
    stalled: int = 0
    """Times that an instance met the build that cannot follow it."""
    audits: int = 0
    """Looks at all keys in mid-play."""
    calm_seconds: float = 0.0
    """From the end of the chaos until all had ended."""
    lost: int = 0
    """Accepted starts that are gone; only where Redis may lose what it had told."""
    undone: int = 0
    """Ends that clients had read before a failover took them back; only where masters are replaced."""
    checked: dict[str, int] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.violations

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        found = asdict(self) | {"ok": self.ok}
        found["waits"] = _spread(self.waits)
        found["recoveries"] = {name: _spread(spans) for name, spans in self.recoveries.items()}
        return found

    def show(self, console: Console) -> None:
        """As tables."""
        deeds = Table("deed", "times", "median s", "slowest s", title="The villain: until the next result was seen")
        for name, count in sorted(self.deeds.items()):
            spread = _spread(self.recoveries.get(name, []))
            deeds.add_row(name, str(count), f"{spread['median']:.2f}", f"{spread['slowest']:.2f}")
        instances = Table("workflow", "ended", title="Instances")
        for name, ends in sorted(self.instances.items()):
            instances.add_row(name, _counted(ends))
        checked = Table("promise", "checked", "violations", title="Promises")
        broken = Counter(line.split(" ", 1)[0] for line in self.violations)
        for name in sorted({*self.checked, *broken}):
            checked.add_row(name, f"{self.checked.get(name, 0):,}", str(broken[name]))
        for table in (deeds, instances, checked):
            console.print(table)
        waits = _spread(self.waits)
        console.print(f"workers      {_counted(self.workers)}")
        console.print(f"starts       {_counted(self.starts)}" + (f", {self.lost} lost" if self.lost else ""))
        console.print(f"orders       {_counted(self.orders)}")
        seen = f"{self.results} seen" + (f", {self.undone} undone by a failover" if self.undone else "")
        console.print(f"results      {seen}; median {waits['median']:.2f} s, slowest {waits['slowest']:.1f} s")
        console.print(
            f"stalled      {self.stalled} times, by a build that could not follow; of the events that the hub keeps"
        )
        console.print(f"audits       {self.audits} looks at all keys in mid-play")
        slowest = max(
            ((max(spans), name) for name, spans in self.recoveries.items() if spans), default=(0.0, "nothing")
        )
        console.print(f"recovery     slowest {slowest[0]:.1f} s, after: {slowest[1]}")
        console.print(f"calm after   {self.calm_seconds:.1f} s")
        for line in self.violations[:SHOWN]:
            console.print(f"VIOLATION    {line}", style="red", markup=False)
        if len(self.violations) > SHOWN:
            console.print(f"… and {len(self.violations) - SHOWN} more")
        again = f"--seed {self.seed} --minutes {self.minutes:g} --server {self.server} --fsync {self.fsync}{self.also}"
        console.print(f"{'no violation' if self.ok else 'FAILED'}; again: python -m tests.chaos {again}")


def _spread(spans: list[float]) -> dict[str, float]:
    return {"count": len(spans), "median": median(spans) if spans else 0.0, "slowest": max(spans, default=0.0)}


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items(), key=lambda item: -item[1]))
