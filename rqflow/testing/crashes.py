"""Crashes: a workflow of yours, played again and again, with a death at every call that is made to the store."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from types import ModuleType
from typing import Any, Final

from rqflow.authoring.activities import Activity
from rqflow.authoring.registry import Registry
from rqflow.authoring.workflows import Workflow
from rqflow.errors import BadInput
from rqflow.testing.crash_case import Ended, Evidence, Scenario, play
from rqflow.testing.crash_ground import DAY, play_in_memory, redis_stage
from rqflow.testing.crash_points import WHO, CrashPoint, Who, parse_point, points_of
from rqflow.testing.scene import Script, only_start
from rqflow.worker.options import WorkerOptions

_SWEEP: Final = timedelta(milliseconds=100)
NET: Final = DAY.total_seconds() / 2
"""Seconds of virtual time that nothing but the wait for a sweep takes."""
SHOWN: Final = 10
"""Cases that a failure tells of; the rest is counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashOptions:
    """How `crash_at_every_call` plays."""

    url: str = ""
    """A Redis, in real time. Empty: a store in memory on a virtual clock, where nobody waits for timers."""
    partitions: int = 1
    """Of the hubs that are made: with several, messages between instances go by way of outboxes."""
    worker: WorkerOptions = field(default_factory=lambda: WorkerOptions(seed=1, build="crash", sweep=_SWEEP))
    """Of each worker, such as `cache_size=0`. In memory leases end only by death, whatever is said here."""
    who: Sequence[Who] = WHO
    """Who dies: the worker, the keeper of its leases (as a whole process too), the client."""
    only: str = ""
    """One case alone, by the name that a failure gives: `worker 7 before`."""
    every: int = 1
    """Only each n-th of the cases, beginning with `offset`: a share where all of them take too long."""
    offset: int = 0
    known: Sequence[Workflow[..., Any] | Activity[..., Any] | ModuleType] = ()
    """Further workflows and activities, or modules of them. What stands in the workflow's module is known."""
    before_each: Callable[[], None] = lambda: None
    """Called before each case: to set back what your activities write to."""
    after_each: Callable[[CrashPoint | None], None] = lambda point: None
    """Called after each case with its point (None: undisturbed), to look at that; may raise AssertionError."""
    patience: timedelta = timedelta(0)
    """How long one case may take. 0: 30 seconds on a Redis, 400 days of virtual time in memory."""
    at_once: int = 8
    """Cases that are played beside each other on a Redis; 1 where your activities share something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashReport:
    """What was found: nothing, or `crash_at_every_call` had raised."""

    cases: int
    """Deaths that were played."""
    unreached: tuple[str, ...]
    """Of these, such that did not come to pass, because the run was shorter this time; they count as undisturbed."""
    by_net: tuple[str, ...]
    """Cases in which something went on only because workers look by themselves once in a while (`WorkerOptions.sweep`,
    in memory once a day): right, but late. `undisturbed` may be among them."""
    calls: dict[str, int]
    """How many calls the undisturbed run made, by who made them: worker, keeper, client."""
    ended: dict[str, Ended]
    """How each instance ended, children included, by id."""

    def __str__(self) -> str:
        calls = ", ".join(f"{number} of the {who}" for who, number in self.calls.items())
        return f"{self.cases} deaths at {calls}: the same end after each"


class CrashFailure(AssertionError):
    """After some deaths something was not as it should be; the message says after which, and how to play them again."""


def crash_at_every_call(
    workflow: Workflow[..., Any],
    *args: Any,
    script: Script = only_start,
    expect: Callable[[Ended], bool] | None = None,
    options: CrashOptions | None = None,
) -> CrashReport:
    """Play a workflow undisturbed, then once for each call that its worker, keeper and client made, with a death there.

    After each death a fresh worker, or client, goes on; then must be true: every instance ended as in the undisturbed
    run (or, where ends may differ, `expect` says so of the workflow's), each history is one (P2), each result was
    applied once (P5), no signal came twice (P8), nothing is left when all is purged (P10).

    `script` says what clients do; without one the instance is started and left to itself. Works in plain and in
    asynchronous tests alike, and blocks. Raises CrashFailure; BadInput; and whatever the undisturbed run raises.
    """
    if not isinstance(workflow, Workflow):
        raise BadInput(f"{workflow!r} is no workflow; give a function that is decorated with @workflow")
    chosen = options or CrashOptions()
    if chosen.every < 1 or not 0 <= chosen.offset < chosen.every:
        raise BadInput(f"every must be at least 1 and offset below it, not {chosen.every} and {chosen.offset}")
    only = parse_point(chosen.only) if chosen.only else None
    trial = _Trial(workflow, args, script, expect, chosen)
    return _apart(lambda: trial.run(only))


class _Trial:
    """All cases of one scenario."""

    def __init__(
        self,
        workflow: Workflow[..., Any],
        args: tuple[Any, ...],
        script: Script,
        expect: Callable[[Ended], bool] | None,
        options: CrashOptions,
    ) -> None:
        patience = options.patience or (timedelta(seconds=30) if options.url else timedelta(days=400))
        self._scenario = Scenario(workflow, args, script, f"{workflow.name}-1", patience)
        self._expect = expect
        self._options = options
        self._registry = _registry(workflow, options.known)
        self._failed: list[str] = []
        self._unreached: list[str] = []
        self._by_net: list[str] = []

    def run(self, only: CrashPoint | None) -> CrashReport:
        """Raises CrashFailure."""
        [first] = self._play_all([None])
        if isinstance(first, BaseException):
            raise first
        if first.by_net:
            self._by_net.append("undisturbed")
        if first.faults:
            raise CrashFailure("undisturbed: " + "; ".join(first.faults))
        if self._expect is not None and not self._expect(first.ended[self._scenario.id]):
            raise CrashFailure(f"undisturbed: not as expected: {first.ended[self._scenario.id]}")
        points = [point for point in points_of(first.worker, first.client) if point.who in self._options.who]
        points = [only] if only is not None else points[self._options.offset :: self._options.every]
        for point, evidence in zip(points, self._play_all(points), strict=True):
            self._judge(point, evidence, first)
        if self._failed:
            raise CrashFailure(self._message(len(points)))
        said = {"worker": first.worker.said["call"], "keeper": first.worker.said["renewal"]}
        calls = {**said, "client": first.client.said["call"]}
        return CrashReport(
            cases=len(points),
            unreached=tuple(self._unreached),
            by_net=tuple(self._by_net),
            calls={who: len(made) for who, made in calls.items()},
            ended=first.ended,
        )

    # ---- playing

    def _play_all(self, points: Sequence[CrashPoint | None]) -> list[Evidence | Exception]:
        if self._options.url:
            return asyncio.run(self._play_on_redis(points))
        return [self._play_in_memory(point) for point in points]

    def _play_in_memory(self, point: CrashPoint | None) -> Evidence | Exception:
        self._options.before_each()
        try:
            evidence = play_in_memory(
                lambda stage: play(stage, self._scenario, point),
                self._registry,
                self._options.worker,
                self._options.partitions,
            )
            self._options.after_each(point)
        except Exception as error:
            return error
        return evidence

    async def _play_on_redis(self, points: Sequence[CrashPoint | None]) -> list[Evidence | Exception]:
        room = asyncio.Semaphore(self._options.at_once)
        options = self._options

        async def one(point: CrashPoint | None) -> Evidence | Exception:
            async with room:
                options.before_each()
                try:
                    async with redis_stage(options.url, self._registry, options.worker, options.partitions) as stage:
                        evidence = await play(stage, self._scenario, point)
                    options.after_each(point)
                except Exception as error:
                    return error
                return evidence

        return await asyncio.gather(*(one(point) for point in points))

    # ---- judging

    def _judge(self, point: CrashPoint, evidence: Evidence | Exception, first: Evidence) -> None:
        if isinstance(evidence, Exception):
            self._failed.append(f"{point}: {type(evidence).__name__}: {evidence}")
            return
        if not evidence.died:
            self._unreached.append(point.name)
        if evidence.by_net or evidence.seconds > first.seconds + NET:
            self._by_net.append(point.name)
        wrong = list(evidence.faults)
        if self._expect is not None:
            if not self._expect(evidence.ended[self._scenario.id]):
                wrong.append(f"not as expected: {evidence.ended[self._scenario.id]}")
        else:
            wrong += _differences(first, evidence)
        if wrong:
            self._failed.append(f"{point}: " + "; ".join(wrong))

    def _message(self, cases: int) -> str:
        more = f"\n  and {len(self._failed) - SHOWN} more" if len(self._failed) > SHOWN else ""
        listed = "\n  ".join(self._failed[:SHOWN])
        name = self._failed[0].partition(" (")[0].partition(":")[0]
        return (
            f"{len(self._failed)} of {cases} deaths of {self._scenario.workflow.name} did harm "
            f"(seed {self._options.worker.seed}):\n  {listed}{more}\n"
            f'play one of them alone with the same arguments and CrashOptions(only="{name}", …)'
        )


def _differences(first: Evidence, evidence: Evidence) -> list[str]:
    wrong = []
    for instance in sorted(first.ended.keys() | evidence.ended.keys()):
        usual, found = first.ended.get(instance), evidence.ended.get(instance)
        if usual != found:
            wrong.append(f"P1: {instance} came to {found}, undisturbed to {usual}")
    for (instance, name), count in evidence.news.items():
        usual_count = first.news.get((instance, name), 0)
        if count > usual_count:
            wrong.append(f"P8: {instance} was told {name!r} {count} times, undisturbed {usual_count} times")
    return wrong


def _registry(
    workflow: Workflow[..., Any], known: Sequence[Workflow[..., Any] | Activity[..., Any] | ModuleType]
) -> Registry:
    registry = Registry([workflow])
    home = sys.modules.get(workflow.fn.__module__)
    for each in (*([] if home is None else [home]), *known):
        if isinstance(each, ModuleType):
            registry.add_module(each)
        else:
            registry.add(each)
    return registry


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _apart(work: Callable[[], CrashReport]) -> CrashReport:
    """Do it here; or in a thread of its own, where an event loop runs in this one."""
    if not _in_a_loop():
        return work()
    done: list[CrashReport] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            done.append(work())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, name="crash at every call", daemon=True)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return done[0]
