"""Judges: what checks a chaos run finds each kind of wrong that is put before it; its silence is worth something."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rqflow.authoring.registry import load_modules
from rqflow.backend.calls.hubs import HubInfo
from rqflow.backend.opening import open_backend, open_sync_backend
from rqflow.client.asynchronous import AsyncClient
from rqflow.core.events import (
    ActivityCompleted,
    ActivityScheduled,
    ChildScheduled,
    Event,
    SignalReceived,
    Stamped,
    WorkflowStarted,
)
from rqflow.core.ids import child_run
from rqflow.worker.options import WorkerOptions
from rqflow.worker.worker import Worker
from tests.chaos.book import Page, Told
from tests.chaos.checks import Examiner
from tests.chaos.expectations import hold
from tests.chaos.findings import Finding, read_all
from tests.chaos.flows import BUILDS, LAST, NAME, collect
from tests.chaos.timekeepers import wrong_with
from tests.promises.verbs import Effect, effects

SENT = 7


@pytest.fixture
async def sound(redis_url: str, hub: HubInfo, tmp_path: Path) -> tuple[Finding, list[Effect], Page]:
    """A collection that went well, in several runs, with what its client knows of it."""
    registry = load_modules([NAME, BUILDS["blue"]])
    backend, leases = await open_backend(redis_url, hub.name), open_sync_backend(redis_url, hub.name)
    options = WorkerOptions(build="blue", cache_size=0)
    async with (
        AsyncClient(redis_url, hub=hub.name) as client,
        Worker(registry, backend=backend, leases=leases, options=options),
    ):
        page = Page("c", "collect", (5, []), start="accepted")
        handle = await client.start(collect, str(tmp_path), 5, [], id="c")
        page.run = handle.run
        for number in [*range(SENT), LAST]:
            await page.order("number", number, handle.signal("number", number))
        assert await page.await_result(handle.result(timeout=30))
        findings = await read_all(client, backend)
    leases.close()
    await backend.close()
    return findings["c"], effects(tmp_path), page


Case = tuple[Finding, list[Effect], Page]


def judge(case: Case) -> set[str]:
    """The promises that are found broken."""
    finding, left, page = case
    Examiner(left, lossy=False).examine(finding, {finding.id: finding})
    return {each.promise for each in [*finding.problems, *hold(page, finding, Counter())]}


async def test_what_went_well_is_not_blamed(sound: Case) -> None:
    """No promise is said to be broken where none is."""
    assert judge(sound) == set()
    assert len(sound[0].runs) == 2


def _without(kind: type) -> Callable[[Case], None]:
    def spoil(case: Case) -> None:
        run = case[0].runs[0]
        # All of them: without one signal of several a run may come to the same.
        run[:] = [each for each in run if not isinstance(each.event, kind)]

    return spoil


def _twice(kind: type) -> Callable[[Case], None]:
    def spoil(case: Case) -> None:
        run = case[0].runs[0]
        place = next(place for place, each in enumerate(run) if isinstance(each.event, kind))
        run.insert(place, run[place])

    return spoil


def _no_effect(case: Case) -> None:
    case[1].clear()


def _strange_effect(case: Case) -> None:
    case[1].append(replace(case[1][0], key=case[1][0].key + "0"))


def _no_last_run(case: Case) -> None:
    case[0].runs.pop()


def _open(case: Case) -> None:
    case[0].row = replace(case[0].row, status="running")


def _back_in_time(case: Case) -> None:
    last = [place for place, each in enumerate(case[0].runs[0]) if isinstance(each.event, SignalReceived)][-1]
    case[0].runs[0][last] = Stamped(at_ms=0, event=case[0].runs[0][last].event)


def _another_run(case: Case) -> None:
    case[2].run = "another"


def _another_result(case: Case) -> None:
    case[2].results.append([0])


def _result(value: bytes) -> Callable[[Case], None]:
    def spoil(case: Case) -> None:
        case[0].row = replace(case[0].row, result=value)

    return spoil


def _refused(case: Case) -> None:
    told = case[2].told
    told[0] = Told(told[0].verb, told[0].value, "closed")


@pytest.mark.parametrize(
    ("spoil", "promises"),
    [
        (_without(ActivityScheduled), {"P2", "P4"}),
        (_twice(ActivityScheduled), {"P2"}),
        (_twice(ActivityCompleted), {"P2"}),
        (_twice(SignalReceived), {"P8"}),
        (_without(SignalReceived), {"P4"}),
        (_no_effect, {"P5"}),
        (_strange_effect, {"P5"}),
        (_no_last_run, {"P2"}),
        (_open, {"P6"}),
        (_back_in_time, {"P2"}),
        (_another_run, {"P1"}),
        (_another_result, {"P1"}),
        (_result(b"[0,1,2,3,4,6,5]"), {"P8"}),
        (_result(b"[0,1,2,3,4,5]"), {"P8"}),
        (_result(b"[0,1,2,3,4,5,6,6]"), {"P8"}),
        (_refused, {"P8"}),
    ],
)
async def test_each_wrong_is_found(sound: Case, spoil: Callable[[Case], Any], promises: set[str]) -> None:
    """Something that must not be is put into what was read: the promise that it breaks is named."""
    spoil(sound)
    assert promises <= judge(sound)


async def test_a_child_that_an_old_message_has_begun_again_is_found(sound: Case) -> None:
    """Under the id of another one that its parent began after it."""
    child, left, _ = sound
    started = child.runs[0][0].event
    assert isinstance(started, WorkflowStarted)

    def said(of_command: int) -> str:
        mine = replace(started, run=child_run("p-run", of_command))
        parent: list[Event] = [replace(started, instance="p", run="p-run")]
        parent += (ChildScheduled(id=id, workflow="collect", instance="c") for id in (1, 2))
        finding = Finding(replace(child.row, instance="p"), [[Stamped(at_ms=1, event=each) for each in parent]])
        began = Finding(child.row, [[Stamped(at_ms=1, event=mine), *child.runs[0][1:]]])
        Examiner(left, lossy=True).examine(finding, {"c": began})
        return str([str(each) for each in finding.problems])

    assert "its child c is not the one that it began last" in said(1)
    assert "began last" not in said(2)


async def test_an_instance_that_was_accepted_and_is_gone_is_missed(sound: Case) -> None:
    """The worst of all."""
    assert {each.promise for each in hold(sound[2], None, Counter())} == {"P1"}


def test_p9_slots_that_are_left_out_or_begun_twice_are_found() -> None:
    """[P9] A gap between two slots, and one slot under two runs."""
    slots = [datetime(2026, 1, 1, 12, 0, second, tzinfo=UTC) for second in range(5)]
    once = [Effect(f"tick {slot}", 1, f"run-{slot}:1") for slot in slots]
    assert wrong_with(slots, [*once, *once]) == []
    assert wrong_with([*slots[:2], *slots[3:]], once) == ["no slot between 12:00:01 and 12:00:03"]
    [twice] = wrong_with(slots, [*once, replace(once[0], key="other:1")])
    assert "begun as" in twice
