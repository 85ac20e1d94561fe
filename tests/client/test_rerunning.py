"""Reruns: an instance that has ended or stalled begins again, wholly or in part (PARITY B9)."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from rqflow.authoring.registry import Registry
from rqflow.authoring.workflow_face import workflow
from rqflow.backend.opening import open_backend, open_sync_backend, verify_hub
from rqflow.client.asynchronous import AsyncClient
from rqflow.core.events import ActivityScheduled, ChildScheduled, Event, TimerStarted, WorkflowRerun
from rqflow.errors import BadInput, InstanceExists, InstanceNotClosed, InstanceNotFound, WorkflowFailed
from rqflow.testing.conformance.bench import Bench
from rqflow.testing.conformance.clocks import StoreClock
from rqflow.testing.conformance.deeds import stall_call
from rqflow.testing.conformance.deeds import worker as registered
from rqflow.worker.options import WorkerOptions
from rqflow.worker.worker import Worker
from tests.client import reruns
from tests.client.conftest import Place
from tests.client.face import Face
from tests.client.reruns import answering, broken, done, giving_up, growing, keys, nearby, shipping

STEPS = ("pick", "charge", "pack", "deliver")


@pytest.fixture
async def client(place: Place) -> AsyncIterator[AsyncClient]:
    """A client of a hub that keeps all invariants to the end."""
    async with AsyncClient(place.url, hub=place.hub) as made:
        yield made
    if place.url.startswith("redis"):
        found = await asyncio.to_thread(verify_hub, place.url, place.hub)
        assert not found.violations, found


@pytest.fixture
async def worker(place: Place) -> AsyncIterator[Worker]:
    """A worker that replays each turn from its history."""
    backend, leases = await open_backend(place.url, place.hub), open_sync_backend(place.url, place.hub)
    options = WorkerOptions(cache_size=0, build="one", seed=1)
    async with Worker(reruns.registry(), backend=backend, leases=leases, options=options) as serving:
        yield serving
    await backend.close()
    leases.close()


@pytest.fixture
def order() -> str:
    """A name of its own for each test, by which its steps are counted."""
    return uuid.uuid4().hex[:8]


def counts(order: str) -> dict[str, int]:
    """How often each step was done."""
    return {step: done[f"{order} {step}"] for step in STEPS}


async def history(client: AsyncClient, id: str, run: str | None = None) -> list[Event]:
    return [stamped.event async for stamped in client.history(id, run)]


def number_of(events: list[Event], kind: type[Any], name: str = "") -> int:
    """The number of the event that asked for a step."""
    return next(
        place for place, event in enumerate(events, 1) if isinstance(event, kind) and name in getattr(event, "name", "")
    )


@pytest.mark.usefixtures("worker")
async def test_it_begins_again_from_its_start(client: AsyncClient, order: str) -> None:
    """[B9] Under its id, as another run, with what it had or with other arguments; the old run's history stays."""
    first = await client.start(shipping, order, id=order, attributes={"town": "Ulm"})
    before = await first.result()
    again = await first.rerun()
    after = await again.result()
    assert (again.id, after["steps"], after["paid"]) == (order, before["steps"], before["paid"])
    assert before["run"] != after["run"] == again.run
    assert before["lots"] != after["lots"]
    assert counts(order) == dict.fromkeys(STEPS, 2)
    assert len(await history(client, order, first.run)) == len(await history(client, order))
    third = await client.rerun(order, args=[order, 25])
    assert (await third.result())["paid"] == 25
    assert (await client.describe(order)).attributes == {"town": "Ulm"}


@pytest.mark.usefixtures("worker")
async def test_it_begins_again_beside_itself(client: AsyncClient, order: str) -> None:
    """[B9] Under another id, which must be free; the instance is left as it is."""
    first = await client.start(shipping, order, id=order)
    before = await first.result()
    other = await client.rerun(order, new_id=f"{order}-b")
    assert (await other.result())["id"] == f"{order}-b"
    assert (await first.describe()).run == first.run
    assert await first.result() == before
    with pytest.raises(InstanceExists):
        await client.rerun(order, new_id=f"{order}-b")


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("beside", [False, True], ids=["in place", "beside"])
@pytest.mark.parametrize(
    "step",
    [
        (ActivityScheduled, "pick", {"pick", "charge", "pack", "deliver"}),
        (ActivityScheduled, "charge", {"charge", "pack", "deliver"}),
        (TimerStarted, "", {"deliver"}),
        (ChildScheduled, "", {"deliver"}),
    ],
    ids=["first", "parallel", "timer", "child"],
)
async def test_it_begins_again_from_a_step(
    client: AsyncClient, order: str, step: tuple[type[Any], str, set[str]], beside: bool
) -> None:
    """[B9] What came to its end before the step is kept; the step, what ran beside it and what follows is done again.
    Its randomness goes on as it began, its id and its children's ids are its own."""
    kind, name, redone = step
    first = await client.start(shipping, order, id=order)
    before = await first.result()
    number = number_of(await history(client, order), kind, name)
    again = await first.rerun(from_event=number, new_id=f"{order}-b" if beside else None)
    after = await again.result()
    assert after == before | {"run": again.run, "id": again.id}
    assert counts(order) == {step: 1 + (step in redone) for step in STEPS}
    events = await history(client, again.id)
    marks = [event for event in events if isinstance(event, WorkflowRerun)]
    assert [(mark.run, mark.source) for mark in marks] == [(again.run, first.run)]
    child, *_ = [row async for row in client.list(parent=again.id)]
    assert child.status == "completed"
    assert child.instance.startswith(f"{again.id}/")
    # A rerun of a rerun is like any other.
    third = await again.rerun(from_event=number_of(events, ActivityScheduled, "pick"), new_id=f"{order}-c")
    assert (await third.result())["lots"] == before["lots"]


@pytest.mark.usefixtures("worker")
async def test_a_step_may_get_another_input(client: AsyncClient, order: str) -> None:
    """[B9] And the history of the rerun says so."""
    first = await client.start(shipping, order, id=order)
    await first.result()
    number = number_of(await history(client, order), ActivityScheduled, "charge")
    again = await first.rerun(from_event=number, args=[order, 99])
    assert (await again.result())["paid"] == 99
    event = (await history(client, order))[number - 1]
    assert isinstance(event, ActivityScheduled)
    assert event.payload.endswith(b"99]")


@pytest.mark.usefixtures("worker")
async def test_only_what_failed_is_done_again(client: AsyncClient, order: str) -> None:
    """[B9] A step that failed is tried under a new idempotency key; one that ran beside it and succeeded is kept."""
    broken.add(f"{order} charge")
    first = await client.start(shipping, order, id=order)
    with pytest.raises(WorkflowFailed, match="charge is broken"):
        await first.result()
    broken.discard(f"{order} charge")
    again = await first.rerun(failed=True)
    assert (await again.result())["paid"] == 10
    assert counts(order) == {"pick": 1, "charge": 2, "pack": 1, "deliver": 1}
    assert len(set(keys[f"{order} charge"])) == 2


@pytest.mark.usefixtures("worker")
async def test_local_steps_are_kept_and_done_again_like_others(client: AsyncClient, order: str) -> None:
    """[B9, B26] Only what failed; and from a step in the middle of a turn."""
    broken.add(f"{order} pack")
    handle = await client.start(nearby, order, id=order)
    with pytest.raises(WorkflowFailed):
        await handle.result()
    broken.clear()
    again = await handle.rerun(failed=True)
    assert await again.result() == ["pick", 10, "pack", "deliver"]
    assert counts(order) == {"pick": 1, "charge": 1, "pack": 2, "deliver": 1}
    number = number_of(await history(client, order), ActivityScheduled, "pack")
    assert await (await handle.rerun(from_event=number)).result() == ["pick", 10, "pack", "deliver"]
    assert counts(order) == {"pick": 1, "charge": 1, "pack": 3, "deliver": 2}
    assert len(set(keys[f"{order} pack"])) == 3, "each run has keys of its own"


@pytest.mark.usefixtures("worker")
async def test_a_child_that_failed_is_begun_again(client: AsyncClient, order: str) -> None:
    """[B9] In the place of the one that ended, or as another if the rerun is another instance."""
    broken.add(f"{order} deliver")
    first = await client.start(shipping, order, id=order)
    with pytest.raises(WorkflowFailed):
        await first.result()
    broken.discard(f"{order} deliver")
    beside = await first.rerun(failed=True, new_id=f"{order}-b")
    assert (await beside.result())["steps"][-1] == "deliver"
    again = await first.rerun(failed=True)
    assert (await again.result())["steps"][-1] == "deliver"
    assert counts(order) == {"pick": 1, "charge": 1, "pack": 1, "deliver": 3}


@pytest.mark.usefixtures("worker")
async def test_a_line_that_was_wrong_is_run_again(client: AsyncClient, order: str) -> None:
    """[B9] No step failed, the code did: with mended code its last turn is taken again and no step is."""
    broken.add(f"{order} code")
    first = await client.start(shipping, order, id=order)
    with pytest.raises(WorkflowFailed, match="a line is wrong"):
        await first.result()
    broken.discard(f"{order} code")
    assert (await (await first.rerun(failed=True)).result())["paid"] == 10
    assert counts(order) == dict.fromkeys(STEPS, 1)


@pytest.mark.usefixtures("worker")
async def test_signals_are_kept(client: AsyncClient, order: str) -> None:
    """[B9] Those before what failed, and those that came after."""
    broken.add(f"{order} pick")
    first = await client.start(answering, order, id=order)
    await first.signal("word", "one")
    with pytest.raises(WorkflowFailed):
        await first.result()
    broken.discard(f"{order} pick")
    again = await first.rerun(failed=True)
    await again.signal("word", "two")
    assert await again.result() == ["one", "two"]


@pytest.mark.usefixtures("worker")
async def test_the_first_turn_may_be_what_failed(client: AsyncClient, order: str) -> None:
    """[B9] Then nothing is kept but what others have sent."""
    first = await client.signal_with_start("shipping", 5, signal="word", value="kept", id=order)
    with pytest.raises(WorkflowFailed):
        await first.result()
    again = await first.rerun(failed=True)
    with pytest.raises(WorkflowFailed):
        await again.result()


@pytest.mark.usefixtures("worker")
async def test_steps_that_were_given_up_stay_so(client: AsyncClient, order: str) -> None:
    """[B9] Unless the rerun begins before they were."""
    first = await client.start(giving_up, order, id=order)
    assert await first.result() == "gave up"
    events = await history(client, order)
    again = await first.rerun(from_event=number_of(events, ActivityScheduled, "charge"))
    assert await again.result() == "gave up"
    assert counts(order)["pick"] == 1
    assert counts(order)["charge"] == 2


@pytest.mark.usefixtures("worker")
async def test_a_rerun_goes_on_as_new_runs(client: AsyncClient, order: str) -> None:
    """[B9] Its next runs and their children have ids of their own: nothing of the earlier ones is touched."""
    first = await client.start(growing, order, 2, id=order)
    assert await first.result() == "pick"
    last = await client.describe(order)
    again = await client.rerun(order, from_event=2)
    assert await again.result() == "pick"
    fresh = await client.rerun(order, args=[order, 2])
    assert await fresh.result() == "pick"
    runs = {last.run, again.run, (await client.describe(order)).run}
    assert len(runs) == 3
    assert all([await history(client, order, run) for run in runs])


def versioned(*steps: str) -> Registry:
    """A build whose workflow does these steps, after a signal."""

    async def deploys(order: str) -> list[str]:
        for step in steps:
            await workflow.execute_activity(step, order)
        await workflow.receive("go", str)
        return list(steps)

    return Registry([*reruns.registry().activities.values(), workflow(deploys)])


@asynccontextmanager
async def served(place: Place, registry: Registry, build: str) -> AsyncIterator[None]:
    """A worker of this build, for a while."""
    backend, leases = await open_backend(place.url, place.hub), open_sync_backend(place.url, place.hub)
    async with Worker(registry, backend=backend, leases=leases, options=WorkerOptions(build=build, seed=1)):
        yield
    await backend.close()
    leases.close()


async def test_a_stalled_instance_can_be_rerun(client: AsyncClient, place: Place, order: str) -> None:
    """[B9, F10] Its code has changed under it: it is listed with the reason, waits without a task, and begins again
    with the code that there is now."""
    async with served(place, versioned("pick"), "one"):
        first = await client.start("deploys", order, id=order)
        await client.wait_for(order, lambda row: row.history_length == 3)
    async with served(place, versioned("pack", "pick"), "two"):
        await first.signal("go", "on")
        row = await client.wait_for(order, lambda row: row.status == "stalled")
        [listed] = [row async for row in client.list(status="stalled")]
        assert (listed.instance, listed.reason, listed.task) == (order, row.reason, "")
        assert "pick" in row.reason
        assert "pack" in row.reason
        again = await first.rerun()
        await again.signal("go", "on")
        assert await again.result() == ["pack", "pick"]


async def test_an_instance_that_stalled_at_once_can_be_rerun(client: AsyncClient, place: Place, order: str) -> None:
    """[B9, F10] Nobody has taken a turn of it: its arguments are still among its news."""
    first = await client.start(shipping, order, id=order)
    backend = await open_backend(place.url, place.hub)
    actor = await registered(Bench(backend, StoreClock(backend)), queues=("default",))
    await backend.call(stall_call(await actor.turn(order)))
    await actor.unregister()
    await backend.close()
    assert (await first.describe()).history_length == 0
    for refused, says in (
        ({"from_event": 2}, "no turn of"),
        ({"failed": True}, "is stalled, it has not failed"),
        ({"new_id": f"{order}-b"}, "rerun it in its place"),
    ):
        with pytest.raises(BadInput, match=says):
            await client.rerun(order, **refused)
        assert (await first.describe()).status == "stalled", "a refusal changes nothing"
    again = await first.rerun()
    assert (await again.describe()).reason == f"rerun of {order}, run {first.run}, from its start"
    async with served(place, reruns.registry(), "one"):
        assert (await again.result())["paid"] == 10


@pytest.mark.usefixtures("worker")
async def test_what_cannot_be_rerun_says_why(client: AsyncClient, order: str) -> None:
    """[B9] And nothing has changed."""
    with pytest.raises(InstanceNotFound):
        await client.rerun("nobody")
    first = await client.start(shipping, order, id=order)
    await first.result()
    [child] = [row.instance async for row in client.list(parent=order)]
    timer = number_of(await history(client, order), TimerStarted)
    for options, says in (
        ({"failed": True}, "is completed, it has not failed"),
        ({"failed": True, "args": [1]}, "leave out"),
        ({"from_event": 99}, "there is no event 99"),
        ({"from_event": 3}, "is ActivityCompleted: a rerun begins at"),
        ({"from_event": timer, "args": [1]}, "takes no input"),
        ({"from_event": 0}, "from_event is 0"),
        ({"new_id": ""}, "id"),
        ({"args": [1], "kwargs": {"b": 1}}, "all by keyword"),
    ):
        with pytest.raises(BadInput, match=says):
            await client.rerun(order, **options)
    with pytest.raises(BadInput, match="is a child of"):
        await client.rerun(child)
    waiting = await client.start(answering, order)
    with pytest.raises(InstanceNotClosed):
        await waiting.rerun()
    assert (await first.describe()).run == first.run


@pytest.mark.usefixtures("worker")
async def test_both_clients_rerun(face: Face, order: str) -> None:
    """[A1] The verb is on clients and on handles."""
    await face.start(shipping, order, id=order)
    await face.do("result", order)
    again = await face.do("rerun", order)
    await face.on(again, "result")
    third = await face.on(again, "rerun", new_id=f"{order}-b")
    assert (await face.on(third, "result"))["id"] == f"{order}-b"
    assert third.created
