"""Table: results as Markdown: medians, spread, ratios within the run, and what each workflow cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from benchmarks.players import OURS
from benchmarks.results import Result, ratio
from benchmarks.works import Work

HEAD = ("", "count", "median", "least – most", "rqflow is", "further medians")


def table(facts: Mapping[str, str], options: str, results: Sequence[Result]) -> str:
    """All works, one after the other."""
    lines = [" · ".join(f"{name}: {value}" for name, value in facts.items()), "", f"Runs: {options}.", ""]
    works: list[Work] = []
    for result in results:
        if result.work not in works:
            works.append(result.work)
    for work in works:
        lines += [*_section(work, [result for result in results if result.work is work]), ""]
    lines += _notes(results)
    return "\n".join(lines)


def _section(work: Work, results: Sequence[Result]) -> Iterator[str]:
    yield f"**{work.key}** {work.title}"
    yield ""
    costs = next((tuple(result.costs[0]) for result in results if result.costs), ())
    head = (*HEAD, *costs)
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    for result in results:
        yield f"| {' | '.join(_cells(result, results, costs))} |"
    targets = _targets(work, results)
    if targets:
        yield ""
        yield f"To reach: {targets}."


def _cells(result: Result, results: Sequence[Result], costs: Sequence[str]) -> Iterator[str]:
    yield f"{result.player.title} {result.version}".strip()
    if not result.runs:
        yield "–"
        yield f"none: {_plain(result.why_not)}"
        yield from ["–"] * (len(HEAD) - 3 + len(costs))
        return
    least, most = result.spread(result.first)
    times = ratio(result, results)
    others = [f"{shown(result.median(name))} {name}" for name in result.runs[0] if name != result.first]
    broken = [f"broke down later: {_plain(result.why_not)}"] if result.why_not else []
    yield f"{result.count:,}"
    yield f"{shown(result.median(result.first))} {result.first}"
    yield f"{shown(least)} – {shown(most)}"
    yield "–" if times is None else f"{shown(times)} ×"
    yield ", ".join([*others, *broken]) or "–"
    for cost in costs:
        absent = result.player.in_process and cost != "client µs"
        yield "–" if absent else shown(result.cost(cost))


def _targets(work: Work, results: Sequence[Result]) -> str:
    ours = next((result for result in results if result.player.key == OURS), None)
    told = []
    for name, target in work.targets.items():
        wanted = f"{name} {'≤' if target.most else '≥'} {shown(target.value)}"
        if ours is None or not any(name in run for run in ours.runs):
            told.append(f"{wanted} (not measured)")
        else:
            told.append(f"{wanted} ({'reached' if target.reached(ours.median(name)) else 'MISSED'})")
    return ", ".join(told)


def _notes(results: Sequence[Result]) -> Iterator[str]:
    yield "What the others are:"
    yield ""
    for title, note in {result.player.title: result.player.note for result in results}.items():
        yield f"- {title}: {note}."


def _plain(text: str) -> str:
    return text.replace("|", "/").replace("\n", " ")


def shown(value: float) -> str:
    """With as many digits as mean something."""
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}"
