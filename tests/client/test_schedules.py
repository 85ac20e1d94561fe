"""Schedules: what clients write and read of them, on each store, from each kind of client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import pytest

from rqflow import AsyncClient, Client, Worker, activity, schedule, workflow
from rqflow.authoring.workflows import Workflow
from rqflow.backend.calls.schedules import WriteSchedule
from rqflow.backend.memory.backend import MemoryBackend
from rqflow.backend.memory.store import MemoryStore
from rqflow.client import schedule_applying, schedule_reading, scheduling
from rqflow.client.flow import Flow, Send, connect, send
from rqflow.client.schedule_preparing import Wanted
from rqflow.client.schedule_reading import Schedule
from rqflow.errors import (
    BackendUnavailable,
    BadInput,
    BadSchedule,
    BadValue,
    NotFound,
    ScheduleExists,
    ScheduleNotFound,
)
from rqflow.schedules.naming import instance_id
from rqflow.schedules.slots import slots_after
from rqflow.schedules.state import Trigger, decode_state
from rqflow.schedules.timetable import Timetable
from rqflow.testing.clock import VirtualClock
from tests.client.conftest import Place
from tests.client.face import Face


@workflow(queue="reports")
async def report(year: int, title: str = "usual") -> str:
    """What the schedules of these tests start."""
    return f"{title} {year}"


@activity
async def no_workflow() -> None:
    """No workflow."""


async def do(face: Face, verb: str, *args: Any, **options: Any) -> Any:
    """What a verb of `client.schedules` gives."""
    return await face.on(face.client.schedules, verb, *args, **options)


async def test_a_schedule_is_written_and_read_back(face: Face) -> None:
    """By function: arguments are held against its annotations, its queue is taken over. [F3]"""
    await do(face, "create", "yearly", report, 2026, cron="0 2 * * *", zone="Europe/Berlin", kwargs={"title": "short"},
             overlap="buffer_one", notes="for the board")  # fmt: skip
    found: Schedule = await do(face, "get", "yearly")
    assert (found.id, found.paused, found.broken, found.result) == ("yearly", False, "", None)
    assert found.spec.timetable == Timetable(cron=("0 2 * * *",), zone="Europe/Berlin")
    assert (found.spec.action.workflow, found.spec.action.queue) == ("report", "reports")
    assert (found.spec.policy.overlap, found.spec.notes) == ("buffer_one", "for the board")
    assert found.arguments == {"year": 2026, "title": "short"}
    assert found.next == next(slots_after(found.spec.timetable, "yearly", found.now))
    assert timedelta(0) <= found.now - found.created_at < timedelta(minutes=1)
    with pytest.raises(ScheduleExists, match="yearly"):
        await do(face, "create", "yearly", report, 2026, cron="@daily")


async def test_an_update_changes_what_it_names(face: Face) -> None:
    """The rest stays; an interval replaces the specs; arguments change with or without the workflow."""
    await do(face, "create", "one", report, 2026, cron="0 2 * * *", zone="Asia/Tokyo", notes="old", paused="not yet")
    await do(face, "update", "one", every="90s", notes="new")
    found = await do(face, "get", "one")
    assert found.spec.timetable == Timetable(every=timedelta(seconds=90), zone="Asia/Tokyo")
    assert (found.spec.notes, found.paused, found.state.reason) == ("new", True, "not yet")
    assert (found.spec.action.queue, found.arguments, found.next) == ("reports", {"year": 2026}, None)
    await do(face, "update", "one", workflow=report, args=(2027,))
    assert (await do(face, "get", "one")).arguments == {"year": 2027}
    await do(face, "update", "one", workflow="other", unchecked=True)
    await do(face, "update", "one", kwargs={"a": 1})
    found = await do(face, "get", "one")
    assert (found.spec.action.workflow, found.arguments) == ("other", {"a": 1})
    for field, value in (("cron", "x"), ("workflow", "unknown"), ("template", "x")):
        with pytest.raises(BadSchedule) as caught:
            await do(face, "update", "one", **{field: value})
        assert caught.value.field == field
    assert (await do(face, "get", "one")).spec == found.spec


async def test_a_schedule_at_its_end_can_still_be_changed() -> None:
    """Its notes, say; but it is not given another timetable that has passed."""
    clock = VirtualClock()
    store = MemoryBackend(MemoryStore(now_ms=clock.now_ms))
    async with AsyncClient(backend=store) as client:
        await client.schedules.create("one", report, 2026, every="1h", end=clock.now() + timedelta(days=1))
        clock.advance(timedelta(days=2))
        await client.schedules.update("one", notes="over")
        found = await client.schedules.get("one")
        assert found.spec.notes == "over"
        with pytest.raises(BadSchedule, match=r"end: .* has passed"):
            await client.schedules.update("one", every="2h")
        wanted = Wanted(
            id="one", workflow=report, args=(2027,), keywords={"every": "1h", "end": found.spec.timetable.end}
        )
        (change,) = await client.schedules.run_flow(schedule_applying.apply(client.options, [wanted]))
        assert [name for name, _, _ in change.differences] == ["notes", "args"]


async def test_pause_and_resume_say_why(face: Face) -> None:
    """And the slots of the pause are nobody's loss."""
    await do(face, "create", "one", report, 2026, every="1h")
    await do(face, "pause", "one", "the printer is broken")
    found = await do(face, "get", "one")
    assert (found.paused, found.state.reason, found.next) == (True, "the printer is broken", None)
    await do(face, "resume", "one", "it prints")
    found = await do(face, "get", "one")
    assert (found.paused, found.state.reason) == (False, "it prints")
    assert found.next is not None
    assert found.next.at > found.now


async def test_triggers_and_backfills_wait_for_a_scheduler(face: Face) -> None:
    """Each has an id of its own; a backfill given twice under one id is one; one can be taken back."""
    await do(face, "create", "one", report, 2026, every="1h")
    ids = [await do(face, "trigger", "one") for _ in range(3)]
    ids.append(await do(face, "trigger", "one", overlap="skip"))
    assert len(set(ids)) == 4
    assert all(id.startswith("one/20") and id.endswith("Z") for id in ids)
    month = {"start": datetime(2026, 1, 1, tzinfo=UTC), "end": datetime(2026, 2, 1, tzinfo=UTC)}
    first = await do(face, "backfill", "one", **month, limit=3)
    for _ in range(2):
        assert await do(face, "backfill", "one", **month, backfill_id="january") == "january"
    state = (await do(face, "get", "one")).state
    assert [type(trigger) for trigger in state.triggers] == [Trigger] * 4
    assert [(one.id, one.limit) for one in state.backfills] == [(first, 3), ("january", 1)]
    await do(face, "cancel_backfill", "one", "january")
    assert len((await do(face, "get", "one")).state.backfills) == 1
    with pytest.raises(NotFound, match="january"):
        await do(face, "cancel_backfill", "one", "january")
    with pytest.raises(BadInput, match="overlap"):
        await do(face, "trigger", "one", overlap="perhaps")
    with pytest.raises(BadInput, match="later than now"):
        await do(face, "backfill", "one", month["start"], datetime.now(UTC) + timedelta(days=2))


async def test_all_schedules_are_listed_by_id(face: Face) -> None:
    """Over partitions and pages, each once."""
    names = [f"s-{number:03}" for number in range(230)]
    await asyncio.gather(*(do(face, "create", name, report, 2026, cron="@daily") for name in names))
    assert [found.id for found in await do(face, "list")] == names
    await do(face, "delete", "s-007")
    assert [found.id for found in await do(face, "list")] == [name for name in names if name != "s-007"]


@pytest.mark.parametrize(
    "verb", ["get", "update", "delete", "pause", "resume", "trigger", "preview"],
)  # fmt: skip
async def test_a_verb_for_an_unknown_schedule_says_so(face: Face, verb: str) -> None:
    """[A2] The id is in the message."""
    with pytest.raises(ScheduleNotFound, match="'nothing'"):
        await do(face, verb, "nothing")


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("cron", {"cron": "0 0 30 2 *"}),
        ("cron", {}),
        ("zone", {"cron": "@daily", "zone": "Mars/Olympus"}),
        ("template", {"cron": "@daily", "template": "{slot}\n"}),
        ("every", {"every": "soon"}),
        ("queue", {"cron": "@daily", "queue": "two words"}),
        ("attributes", {"cron": "@daily", "attributes": {"a": object()}}),
        ("lane", {"cron": "@daily", "lane": 5}),
        ("priority", {"cron": "@daily", "priority": "high"}),
        ("corn", {"corn": "@daily"}),
    ],
)
async def test_a_schedule_that_cannot_be_is_refused_with_its_field(
    caller: Face, field: str, arguments: dict[str, Any]
) -> None:
    """Before anything is written."""
    with pytest.raises(BadSchedule) as caught:
        await do(caller, "create", "one", report, 2026, **arguments)
    assert caught.value.field == field
    assert await do(caller, "list") == []


async def test_an_unknown_workflow_is_refused_unless_a_live_worker_serves_it(caller: Face) -> None:
    """By name; whoever gives the function, or says unchecked, is believed."""
    for name, said in (("nowhere", "no worker is live"), (no_workflow, "no workflow"), ("two words", "spaces")):
        with pytest.raises(BadSchedule, match=said) as caught:
            await do(caller, "create", "one", name, every="1h")
        assert caught.value.field == "workflow"
    await do(caller, "create", "trusted", "nowhere", every="1h", unchecked=True, queue=None)
    with pytest.raises(BadValue, match="year"):
        await do(caller, "create", "one", report, "this", every="1h")
    with pytest.raises(BadSchedule, match="id: "):
        await do(caller, "create", "two words", report, 2026, every="1h")


async def test_a_workflow_that_a_live_worker_serves_may_be_named(face: Face, worker: Worker) -> None:
    """The worker's own record says so; others are told what there is."""
    await do(face, "create", "one", "price", [1], every="1h")
    with pytest.raises(BadSchedule, match=r"live workers serve .*price"):
        await do(face, "create", "two", "prize", every="1h")


async def test_a_preview_shows_what_is_what_would_be_and_what_is_not_written(face: Face) -> None:
    """With the rule that touched each slot. [F4]"""
    await do(face, "create", "one", report, 2026, cron="30 2 * * *", zone="Europe/Berlin")
    spring = datetime(2026, 3, 28, 12, tzinfo=UTC)
    slots = await do(face, "preview", "one", count=2, after=spring)
    assert [(slot.at.day, slot.at.hour, slot.rule) for slot in slots] == [(29, 1, "shifted"), (30, 0, "")]
    slots = await do(face, "preview", "one", count=2, after=spring, on_gap="skip")
    assert [(slot.at.day, slot.at.hour, slot.left_out) for slot in slots] == [(30, 0, 1), (31, 0, 0)]
    assert len(await do(face, "preview", cron="@hourly")) == 10
    assert len(await do(face, "preview", "new", every="1s", count=3)) == 3
    assert (await do(face, "get", "one")).spec.timetable.on_gap == "auto"
    with pytest.raises(BadInput, match="count"):
        await do(face, "preview", "one", count=0)


# ---- others write meanwhile --------------------------------------------------------------------------------------


def meddled(flow: Flow[Any], meddle: Callable[[], None]) -> Flow[Any]:
    """A flow in which somebody else comes between its first look at a schedule and what it writes then."""
    answer, came = None, False
    while True:
        try:
            step = flow.send(answer)
        except StopIteration as end:
            return end.value
        if not came and isinstance(step, Send) and any(isinstance(call, WriteSchedule) for call in step.calls):
            came = True
            meddle()
        answer = yield step


def unheard(flow: Flow[Any]) -> Flow[Any]:
    """A flow whose first write is carried out, and whose connection breaks before it hears so."""
    answer, lost = None, False
    while True:
        try:
            step = flow.send(answer)
        except StopIteration as end:
            return end.value
        answer = yield step
        if not lost and isinstance(step, Send) and any(isinstance(call, WriteSchedule) for call in step.calls):
            lost = True
            answer = [BackendUnavailable("the connection broke")] * len(step.calls)


async def test_no_change_undoes_another(place: Place) -> None:
    """An update and a plan that find another's change read again, and write over that."""
    with Client(place.url, hub=place.hub) as client, Client(place.url, hub=place.hub) as other:
        client.schedules.create("one", report, 2026, every="1h")
        client.run_flow(
            meddled(scheduling.update(client.options, "one", notes="new"), lambda: other.schedules.pause("one"))
        )
        found = client.schedules.get("one")
        assert (found.paused, found.spec.notes) == (True, "new")
        wanted = [Wanted(id="one", workflow=report, args=(2027,), keywords={"every": "2h"})]
        applying = schedule_applying.apply(client.options, wanted)
        (change,) = client.run_flow(meddled(applying, lambda: other.schedules.resume("one", "again")))
        assert {name for name, _, _ in change.differences} == {"every", "args", "notes"}
        found = client.schedules.get("one")
        assert (found.paused, found.state.reason, found.arguments) == (False, "again", {"year": 2027})
        applying = schedule_applying.apply(client.options, [replace(wanted[0], args=(2028,))])
        client.run_flow(meddled(applying, lambda: other.schedules.delete("one")))
        assert client.schedules.get("one").arguments == {"year": 2028}


async def test_an_order_whose_answer_was_lost_is_given_once(place: Place) -> None:
    """A trigger that was heard is not repeated; a pause is the same pause, a canceled backfill is canceled."""
    with Client(place.url, hub=place.hub) as client:
        client.schedules.create("one", report, 2026, every="1h")
        instance = client.run_flow(unheard(scheduling.trigger(client.options, "one")))
        (asked,) = client.schedules.get("one").state.triggers
        assert instance == instance_id("{schedule}/{slot}", "one", asked.slot_ms)
        client.run_flow(unheard(scheduling.pause(client.options, "one", "lunch")))
        assert client.schedules.get("one").state.reason == "lunch"
        client.schedules.backfill("one", datetime(2026, 1, 1, tzinfo=UTC), backfill_id="b")
        client.run_flow(unheard(scheduling.cancel_backfill(client.options, "one", "b")))
        assert client.schedules.get("one").state.backfills == ()
        with pytest.raises(NotFound, match="'b'"):
            client.schedules.cancel_backfill("one", "b")


async def test_results_that_are_not_kept_any_more_are_forgotten(place: Place) -> None:
    """Were they kept again later, the old one would be taken for that of a newer run."""
    with Client(place.url, hub=place.hub) as client:
        client.schedules.create("one", report, 2026, every="1h", keep_result=True)
        row = client.run_flow(schedule_reading.read_schedule(client.options, "one"))
        facts = client.run_flow(connect())
        call = replace(scheduling._writing(row, decode_state(row.state), facts), result=b'"old"')
        client.run_flow(send(client.options, call))
        client.schedules.update("one", notes="kept")
        assert client.schedules.get("one").result == "old"
        client.schedules.update("one", keep_result=False)
        client.schedules.update("one", keep_result=True)
        assert client.schedules.get("one").result is None


# ---- schedules beside code ---------------------------------------------------------------------------------------


def module(*workflows: Workflow[..., Any]) -> tuple[Workflow[..., Any], ...]:
    """Workflows as those of one module."""
    name = ModuleType("reports").__name__
    for one in workflows:
        one.fn.__module__ = name
    return workflows


def nightly(cron: str = "0 2 * * *") -> Workflow[..., Any]:
    @schedule("weekly", cron="@weekly", args=(2026,), kwargs={"title": "long"})
    @schedule(cron=cron, zone="Europe/Berlin")
    @workflow
    async def nightly(year: int = 0, title: str = "") -> None: ...

    return nightly


@schedule("hourly-check", every="1h")
@workflow
async def check() -> None:
    """Another."""


async def test_what_code_says_of_its_schedules_is_applied_with_a_plan(face: Face) -> None:
    """create, then keep; change with the fields that differ; delete what the same modules said before. [F4]"""
    made = module(nightly(), check)
    plan = await do(face, "apply", made, dry_run=True)
    assert [(change.id, change.verb) for change in plan] == [
        ("hourly-check", "create"), ("nightly", "create"), ("weekly", "create"),
    ]  # fmt: skip
    assert await do(face, "list") == []
    assert await do(face, "apply", [*made, check.options(queue="eu")]) == plan
    assert (await do(face, "get", "weekly")).arguments == {"year": 2026, "title": "long"}
    assert {change.verb for change in await do(face, "apply", made)} == {"keep"}
    await do(face, "create", "by-hand", check, every="1h")
    await do(face, "pause", "nightly")
    changed = module(nightly("0 3 * * *"))
    assert {change.verb for change in await do(face, "apply", changed)} == {"keep", "change"}
    plan = await do(face, "apply", module(nightly("0 4 * * *")), prune=True)
    assert [(change.id, change.verb, change.differences) for change in plan] == [
        ("hourly-check", "delete", ()),
        ("nightly", "change", (("cron", ("0 3 * * *",), ("0 4 * * *",)),)),
        ("weekly", "keep", ()),
    ]
    assert [found.id for found in await do(face, "list")] == ["by-hand", "nightly", "weekly"]
    assert (await do(face, "get", "nightly")).paused


async def test_nothing_is_applied_if_anything_is_wrong(caller: Face) -> None:
    """The message names schedule and field."""

    @schedule("never", cron="0 0 30 2 *")
    @workflow
    async def never() -> None: ...

    with pytest.raises(BadSchedule, match=r"never\.cron: ") as caught:
        await do(caller, "apply", module(check, never))
    assert caught.value.field == "never.cron"

    @schedule("bad", every="1h", args=("x",))
    @workflow
    async def bad(year: int) -> None: ...

    with pytest.raises(BadSchedule, match=r"bad\.args: .*year"):
        await do(caller, "apply", module(check, bad))
    with pytest.raises(BadSchedule, match="two of the schedules are named 'weekly'"):
        await do(caller, "apply", module(nightly(), nightly()))
    with pytest.raises(BadInput, match="is no workflow"):
        await do(caller, "apply", [no_workflow])
    assert await do(caller, "list") == []


def test_a_decorator_in_a_wrong_place_is_told() -> None:
    """Under @workflow, twice under one id, with an option that there is not."""
    with pytest.raises(BadInput, match="stands above @workflow"):
        schedule(cron="@daily")(no_workflow.fn)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="two schedules named 'hourly-check'"):
        schedule("hourly-check", cron="@daily")(check)
    with pytest.raises(BadSchedule, match="corn: @schedule has no such option"):
        schedule(corn="@daily")  # type: ignore[call-arg]
    with pytest.raises(BadSchedule, match="id: "):
        schedule("two words", cron="@daily")(check)


def test_a_schedule_survives_the_client_that_wrote_it(redis_place: Place) -> None:
    """On real Redis: another client finds it, and what it would do next. [F3] [F4] [G3]"""
    with Client(redis_place.url, hub=redis_place.hub) as client:
        client.schedules.create("nightly", report, 2026, cron="30 1 * * *", zone="Europe/Berlin", on_overlap="second")
    with Client(redis_place.url, hub=redis_place.hub) as client:
        autumn = client.schedules.preview("nightly", count=2, after=datetime(2026, 10, 24, 12, tzinfo=UTC))
        assert [(slot.at.isoformat(), slot.rule) for slot in autumn] == [
            ("2026-10-24T23:30:00+00:00", ""),
            ("2026-10-26T00:30:00+00:00", ""),
        ]
        changed = client.schedules.preview(
            "nightly", cron="30 2 * * *", count=1, after=datetime(2026, 10, 24, 12, tzinfo=UTC)
        )
        assert [(slot.at.isoformat(), slot.rule) for slot in changed] == [("2026-10-25T01:30:00+00:00", "second")]
