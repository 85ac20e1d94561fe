"""Checks: every promise, held to every instance that was read when all was over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, cast, get_args

from rqflow.authoring.registry import Registry, load_modules
from rqflow.core.commands import Decision, record_of
from rqflow.core.events import (
    ActivityCompleted,
    ActivityScheduled,
    ChildCompleted,
    ChildScheduled,
    End,
    SignalReceived,
    Stamped,
    WorkflowContinued,
    WorkflowStarted,
    WorkflowTerminated,
    WorkflowTimedOut,
)
from rqflow.core.executor import Executor
from rqflow.core.ids import child_run
from rqflow.core.states import CLOSED
from rqflow.errors import RqflowError
from rqflow.testing.histories import times_of_news
from rqflow.worker.decisions import end_of
from tests.chaos.findings import Finding
from tests.chaos.flows import BUILDS, NAME
from tests.promises.evidence import check_history, turns_of
from tests.promises.verbs import Effect

LONG = 150
"""Events beyond which a run is replayed in one piece only: turn by turn costs the square."""


class Examiner:
    """Holds the promises to one instance after the other, and counts."""

    def __init__(self, effects: Iterable[Effect], *, lossy: bool) -> None:
        """`lossy`: Redis may have lost what it had told; then only what stands in it must agree."""
        self.counts = Counter[str]()
        self._lossy = lossy
        self._registries: list[Registry] = [load_modules([NAME, module]) for module in BUILDS.values()]
        self._keys = dict[str, set[str]]()
        """Of effects, by run."""
        for effect in effects:
            self._keys.setdefault(effect.key.partition(":")[0], set()).add(effect.key)

    def examine(self, finding: Finding, others: Mapping[str, Finding]) -> None:
        """Everything that is true of any instance."""
        self.counts["P6"] += 1
        if finding.row.status not in CLOSED:
            finding.says("P6", f"is {finding.row.status} in the end ({finding.row.reason}); {finding.row}")
            return
        self.counts["P2"] += len(finding.runs)
        if finding.missing:
            finding.says("P2", f"the history of run {finding.missing} is missing")
        for number, run in enumerate(finding.runs):
            self._one_history(finding, run, last=number == len(finding.runs) - 1)
            self._replay(finding, run)
            self._effects(finding, run)
        self._signals(finding)
        self._children(finding, others)

    # ---- P2

    def _one_history(self, finding: Finding, run: list[Stamped], *, last: bool) -> None:
        events = [each.event for each in run]
        try:
            check_history(events)
        except (AssertionError, IndexError) as error:
            finding.says("P2", f"{error}")
            return
        end = events[-1]
        if not isinstance(end, get_args(End)):
            finding.says("P2", f"a history of an ended run without an end: {end}")
        if isinstance(end, WorkflowContinued) == last:
            finding.says("P2", f"{'the last' if last else 'not the last'} run ends with {type(end).__name__}")
        if last and finding.row.history_length != len(events):
            finding.says("P2", f"the row counts {finding.row.history_length} events, there are {len(events)}")
        times = times_of_news(run)
        if cast(WorkflowStarted, events[0]).continued_from is None and times != sorted(times):
            finding.says("P2", "time goes back in its history")

    # ---- P4

    def _replay(self, finding: Finding, run: list[Stamped]) -> None:
        self.counts["P4"] += 1
        problems = [problem for registry in self._registries if (problem := self._follow(registry, run))]
        # Of the two builds one may have written what the other cannot follow; nobody has written what none can.
        if len(problems) == len(self._registries):
            finding.says("P4", f"no build follows its history: {problems}")

    def _follow(self, registry: Registry, run: list[Stamped]) -> str:
        started = cast(WorkflowStarted, run[0].event)
        cold = Executor(registry.workflows[started.workflow])
        try:
            if cold.advance(run, replayed=len(run)) != Decision():
                return "replay asks for more"
            if len(run) <= LONG and not isinstance(run[-1].event, WorkflowTerminated | WorkflowTimedOut):
                return self._follow_turns(registry, started.workflow, run)
        except RqflowError as error:
            return str(error)
        finally:
            cold.close()
        return ""

    def _follow_turns(self, registry: Registry, workflow: str, run: list[Stamped]) -> str:
        """Each turn by an executor that knows only what stood before it."""
        before: list[Stamped] = []
        for news, records in turns_of(run):
            fresh = Executor(registry.workflows[workflow])
            try:
                decision = fresh.advance([*before, *news], replayed=len(before))
            finally:
                fresh.close()
            again = _names([*map(record_of, decision.commands), *([end_of(decision.close)] if decision.close else [])])
            if again != _names(each.event for each in records):
                return f"turn after {len(before)} events: {again} instead of {_names(each.event for each in records)}"
            before += news + records
        return ""

    # ---- P5

    def _effects(self, finding: Finding, run: list[Stamped]) -> None:
        events = [each.event for each in run]
        name = cast(WorkflowStarted, events[0]).run
        asked = {f"{name}:{each.id}" for each in events if isinstance(each, ActivityScheduled)}
        done = {f"{name}:{each.id}" for each in events if isinstance(each, ActivityCompleted)}
        self.counts["P5"] += len(done)
        had = self._keys.get(name, set())
        if missing := done - had:
            finding.says("P5", f"results without an effect: {sorted(missing)}")
        if (strange := had - asked) and not self._lossy:
            finding.says("P5", f"effects that its history never asked for: {sorted(strange)}")

    # ---- P8

    def _signals(self, finding: Finding) -> None:
        """Of numbered signals none is there twice, in all runs together."""
        received = Counter[bytes]()
        for run in finding.events():
            # What a run did not take is carried to the next, and stands in both histories.
            carried = [each for each in run if isinstance(each, SignalReceived) and each.name == "number"]
            mine = Counter(each.payload for each in carried)
            received |= mine
            if mine and max(mine.values()) > 1:
                twice = {payload for payload, count in mine.items() if count > 1 and payload != b"-1"}
                if twice:
                    finding.says("P8", f"signals that are twice in one run: {twice}")
        self.counts["P8"] += len(received)

    # ---- children

    def _children(self, finding: Finding, others: Mapping[str, Finding]) -> None:
        latest = dict[str, tuple[str, bool]]()
        for events in finding.events():
            answered = {each.id for each in events if isinstance(each, ChildCompleted)}
            for each in events:
                if not isinstance(each, ChildScheduled):
                    continue
                child = others.get(each.instance)
                latest[each.instance] = child_run(cast(WorkflowStarted, events[0]).run, each.id), each.id in answered
                if child is None and each.id in answered:
                    finding.says("P1", f"its child {each.instance} is gone")
        for name, (run, told) in latest.items():
            child = others.get(name)
            if child is None:
                continue
            if told and child.row.status != "completed":
                finding.says("P5", f"was told that {name} had completed, which is {child.row.status}")
            began = cast(WorkflowStarted, child.runs[0][0].event).run
            if began != run and finding.row.status == "completed":
                finding.says("P5", f"its child {name} is not the one that it began last")


def _names(events: Iterable[Any]) -> list[tuple[str, Any, Any]]:
    """What must be repeated exactly; payloads and spans may be another build's."""
    return [(type(each).__name__, getattr(each, "id", None), getattr(each, "name", None)) for each in events]
