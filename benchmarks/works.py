"""Works: what is measured, how much of it, which figures come out, and what they must reach."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from benchmarks.meters import Lap

Figures = dict[str, float]
"""By name, with its unit; the first is what the work is about."""
REST = 10
"""Seconds before what is compared with something that began on a machine at rest."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """Something to do and to measure."""

    act: str
    count: int
    quick: int
    """The count of a smoke run."""
    at_once: int = 1
    warm: int = 0
    """So many are done before, unmeasured."""


@dataclass(frozen=True)
class Target:
    """What a figure of ours must reach on two cores, with Redis, worker and client on them."""

    value: float
    most: bool

    def reached(self, value: float) -> bool:
        """Whether a figure is there."""
        return value <= self.value if self.most else value >= self.value


def at_least(value: float) -> Target:
    """More is better."""
    return Target(value, most=False)


def at_most(value: float) -> Target:
    """Less is better."""
    return Target(value, most=True)


@dataclass(frozen=True, kw_only=True)
class Work:
    """One work."""

    key: str
    title: str
    steps: tuple[Step, ...]
    figures: Callable[[Sequence[Lap]], Figures]
    lower: bool = False
    """Whether less is better in the first figure."""
    targets: Mapping[str, Target] = field(default_factory=dict)
    workflows: int = 1
    """In each unit of its count."""
    single: bool = False
    """The count is the size of one workflow."""
    workers: int | None = None
    """So many, whatever was asked for."""
    cache: int = 1_000

    def cost_units(self, laps: Sequence[Lap]) -> int:
        """So many workflows share what the last step cost."""
        return 1 if self.single else laps[-1].count * self.workflows


def rate(unit: str, each: int = 1) -> Callable[[Sequence[Lap]], Figures]:
    """So many a second, `each` for a unit of the count."""
    return lambda laps: {f"{unit}/s": laps[-1].count * each / laps[-1].seconds, **laps[-1].numbers}


def seconds(laps: Sequence[Lap]) -> Figures:
    """How long it took."""
    return {"s": laps[-1].seconds, **laps[-1].numbers}


def percentiles(laps: Sequence[Lap]) -> Figures:
    """Of the milliseconds of each."""
    ms = sorted(laps[-1].ms)
    at = {f"p{part} ms": ms[min(len(ms) - 1, len(ms) * part // 100)] for part in (50, 95, 99)}
    return {**at, "worst ms": ms[-1], **laps[-1].numbers}


def beside_sleepers(laps: Sequence[Lap]) -> Figures:
    """The rate beside sleepers against the rate without, and what a sleeper takes."""
    before, sleepers, _, beside = laps
    rates = [lap.count / lap.seconds for lap in (before, beside)]
    return {
        "of the rate without": rates[1] / rates[0],
        "workflows/s": rates[1],
        "bytes a sleeper": sleepers.cost.bytes / sleepers.count,
        "sleepers/s": sleepers.count / sleepers.seconds,
    }


def idle(laps: Sequence[Lap]) -> Figures:
    """What a worker costs that has nothing to do."""
    lap = laps[-1]
    return {
        "% of a core": 100 * lap.cost.workers / lap.seconds,
        "commands/s": lap.cost.commands / lap.seconds,
        "round trips/s": lap.cost.round_trips / lap.seconds,
    }


def memory(laps: Sequence[Lap]) -> Figures:
    """What a worker keeps for each executor, and in all."""
    lap = laps[-1]
    return {
        "worker RSS MB": lap.cost.rss / 1e6,
        "KB an executor": (lap.cost.rss - lap.cost.rss_before) / 1e3 / lap.count,
    }


def growth(laps: Sequence[Lap]) -> Figures:
    """How much a worker has grown from the first tenth on, and its size after each."""
    sizes = {f"MB at {sum(lap.count for lap in laps[: at + 1]):,}": lap.cost.rss / 1e6 for at, lap in enumerate(laps)}
    half = statistics.mean(lap.count / lap.seconds for lap in laps)
    return {"MB grown": (laps[-1].cost.rss - laps[0].cost.rss) / 1e6, "workflows/s": half, **sizes}


def starts(laps: Sequence[Lap]) -> Figures:
    """In bulk and one by one."""
    bulk, single = laps
    return {"in bulk/s": bulk.count / bulk.seconds, "one by one/s": single.count / single.seconds}


def hits(laps: Sequence[Lap]) -> Figures:
    """What the workers told."""
    return dict(laps[-1].numbers)


_TEN = Step(act="sequence of 10", count=500, quick=10, at_once=200, warm=20)
_ONE = Step(act="one", count=5_000, quick=60, at_once=200, warm=200)

WORKS: tuple[Work, ...] = (
    Work(
        key="W1",
        title="no-op tasks: one-activity durable workflows against plain jobs, started at once, until all are done",
        steps=(Step(act="flood", count=10_000, quick=60, warm=50),),
        figures=rate("tasks"),
        targets={"tasks/s": at_least(5_000)},
    ),
    Work(
        key="W2",
        title="workflows with one no-op activity, at most 200 in flight",
        steps=(_ONE,),
        figures=lambda laps: {**rate("workflows")(laps), **percentiles(laps)},
        targets={"workflows/s": at_least(5_000)},
    ),
    Work(
        key="W3",
        title="workflows of ten sequential activities, at most 200 in flight",
        steps=(_TEN,),
        figures=rate("activities", 10),
        targets={"activities/s": at_least(12_000)},
    ),
    Work(
        key="W3L",
        title="the same with `local=True` activities: ten in one turn",
        steps=(replace(_TEN, act="ten local"),),
        figures=rate("activities", 10),
        targets={"activities/s": at_least(25_000)},
    ),
    Work(
        key="W3D",
        title='the same with `local="durable"` activities: each is made durable before the next',
        steps=(replace(_TEN, act="ten durable"),),
        figures=rate("activities", 10),
        targets={"activities/s": at_least(10_000)},
    ),
    Work(
        key="W4",
        title="latency of a workflow with one activity on an idle system, one after the other",
        steps=(Step(act="one", count=500, quick=20, warm=20),),
        figures=percentiles,
        lower=True,
        targets={"p50 ms": at_most(1.5), "p99 ms": at_most(4)},
    ),
    Work(
        key="W5",
        title="fan-out of 1,000 activities in one workflow",
        steps=(Step(act="fan-out", count=1_000, quick=50, warm=50),),
        figures=seconds,
        lower=True,
        targets={"s": at_most(0.08)},
        single=True,
    ),
    Work(
        key="W6",
        title="2,000 sequential activities in one workflow",
        steps=(Step(act="long sequence", count=2_000, quick=50, warm=10),),
        figures=seconds,
        lower=True,
        targets={"s": at_most(1.0), "1,900 / 100": at_most(1.15)},
        single=True,
    ),
    Work(
        key="W7",
        title="lateness of 1,000 timers of 50 ms, a workflow each, at most 50 in flight",
        steps=(Step(act="naps", count=1_000, quick=20, at_once=50, warm=10),),
        figures=percentiles,
        lower=True,
        targets={"p50 ms": at_most(3), "p99 ms": at_most(15)},
    ),
    Work(
        key="W7T",
        title="lateness of 1,000 timers of 50 ms in one workflow, all due at one moment",
        steps=(Step(act="naps together", count=1_000, quick=20, warm=10),),
        figures=percentiles,
        lower=True,
        single=True,
    ),
    Work(
        key="W8",
        title="trees of 15 workflows and 16 activities (100-byte results), at most 200 in flight",
        steps=(Step(act="tree", count=200, quick=4, at_once=200, warm=5),),
        figures=rate("trees"),
        targets={"trees/s": at_least(250)},
        workflows=15,
    ),
    Work(
        key="W9",
        title="W2 beside 100,000 sleeping instances",
        steps=(_ONE, Step(act="sleepers", count=100_000, quick=100), Step(act="rewritten", count=REST, quick=1), _ONE),
        figures=beside_sleepers,
        targets={"of the rate without": at_least(0.9), "bytes a sleeper": at_most(2_048)},
    ),
    Work(
        key="W10",
        title="starts that one client makes, which no worker takes: in bulk, and one by one from synchronous code",
        steps=(
            Step(act="start in bulk", count=20_000, quick=200, warm=100),
            Step(act="start one by one", count=2_000, quick=50, warm=10),
        ),
        figures=starts,
        targets={"in bulk/s": at_least(15_000), "one by one/s": at_least(2_500)},
    ),
    Work(
        key="W11",
        title="a query that replays a cold history of 2,000 events (1,000 sequential activities)",
        steps=(Step(act="remember", count=1_000, quick=20), Step(act="recall", count=20, quick=3)),
        figures=percentiles,
        lower=True,
        targets={"p50 ms": at_most(60)},
        cache=1,
    ),
    Work(
        key="W12",
        title="start to result through a synchronous client, from 50 threads",
        steps=(Step(act="threads", count=2_000, quick=60, at_once=50, warm=100),),
        figures=rate("workflows"),
    ),
    Work(
        key="IDLE",
        title="a worker with nothing to do, for 20 s",
        steps=(Step(act="nothing", count=20, quick=1, warm=1),),
        figures=idle,
        lower=True,
        targets={"% of a core": at_most(0.5), "commands/s": at_most(5)},
        single=True,
    ),
    Work(
        key="STICKY",
        title="turns after the first that find their executor, with 4 workers and W3's workflows",
        steps=(Step(act="hits", count=500, quick=10, at_once=200),),
        figures=hits,
        targets={"hits %": at_least(99)},
        workers=4,
    ),
    Work(
        key="CACHE",
        title="a worker with 10,000 executors in its cache",
        steps=(Step(act="sleepers", count=10_000, quick=50, warm=10),),
        figures=memory,
        lower=True,
        targets={"worker RSS MB": at_most(200)},
        cache=20_000,
    ),
    Work(
        key="GROWTH",
        title="a worker's size over 20,000 workflows of W2 (200,000 with --count GROWTH=20000)",
        steps=tuple(Step(act="one", count=2_000, quick=20, at_once=200) for _ in range(10)),
        figures=growth,
        lower=True,
    ),
)
