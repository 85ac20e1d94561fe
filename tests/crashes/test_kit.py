"""The crash kit itself: what it finds, what it says of it, and what it refuses."""

from __future__ import annotations

import asyncio
import re
import time
from datetime import timedelta
from typing import Any, Final

import pytest

from rqflow.authoring.activity_face import activity
from rqflow.authoring.workflow_face import workflow
from rqflow.errors import BadInput
from rqflow.testing.crashes import CrashFailure, CrashOptions, crash_at_every_call
from rqflow.testing.scene import Scene
from rqflow.worker.options import WorkerOptions
from tests.crashes.steps import leave_effect

payments: Final[list[str]] = []


@activity
async def pay_carelessly() -> int:
    """Pays once more at each attempt."""
    payments.append(activity.info().idempotency_key)
    return len(payments)


@activity
async def pay() -> int:
    """Pays once, however often it is tried."""
    if activity.info().idempotency_key not in payments:
        payments.append(activity.info().idempotency_key)
    return len(payments)


@workflow
async def careless() -> int:
    return await pay_carelessly()


@workflow
async def paying() -> int:
    await asyncio.sleep(3 * 86_400)
    return await pay()


@workflow
async def told(name: str) -> str:
    return await workflow.receive(name, str)


@workflow
async def told_later() -> str:
    await asyncio.sleep(60)
    return "done"


@workflow
async def stubborn() -> None:
    """Waits for what nobody sends."""
    await workflow.receive("never")


PAYING: Final = CrashOptions(before_each=payments.clear)


def test_a_step_that_must_not_be_repeated_is_found() -> None:
    """[G7] The failure names the deaths that did harm, what was said there, and how to play one of them alone."""
    with pytest.raises(CrashFailure, match=r"came to Ended\(status='completed', value=2\)") as failure:
        crash_at_every_call(careless, options=PAYING)
    found = re.search(r'CrashOptions\(only="(worker \d+ (?:before|after))"', str(failure.value))
    assert found, failure.value
    assert "(CompleteActivity)" in str(failure.value)
    alone = CrashOptions(before_each=payments.clear, only=found[1])
    with pytest.raises(CrashFailure, match="1 of 1 deaths of careless did harm"):
        crash_at_every_call(careless, options=alone)


def test_one_that_knows_repeats_passes_and_nobody_waits_for_its_timer() -> None:
    """[G7] [A8] A timer of three days, hundreds of times, in the time of a breath."""
    begun = time.monotonic()
    report = crash_at_every_call(paying, options=PAYING)
    assert report.cases > 20
    assert {who for who, calls in report.calls.items() if calls} == {"worker", "keeper", "client"}
    assert report.ended["paying-1"].value == 1
    assert "the same end after each" in str(report)
    assert time.monotonic() - begun < 30


def test_what_lies_outside_is_looked_at_after_each_case() -> None:
    """[G7] A check of the user's own, of what the activities did: its failure is a failure of the case."""

    def once(point: Any) -> None:
        assert len(payments) == 1, f"paid {len(payments)} times"

    options = CrashOptions(before_each=payments.clear, after_each=once)
    with pytest.raises(CrashFailure, match="paid 2 times"):
        crash_at_every_call(careless, expect=lambda ended: ended.status == "completed", options=options)
    crash_at_every_call(paying, options=options)


def test_ends_that_may_differ_are_judged_by_the_user() -> None:
    """[G7] `expect` looks at each end; also at the undisturbed one."""
    crash_at_every_call(careless, expect=lambda ended: ended.value in (1, 2), options=PAYING)
    with pytest.raises(CrashFailure, match="undisturbed: not as expected"):
        crash_at_every_call(careless, expect=lambda ended: ended.value == 3, options=PAYING)


async def test_it_works_where_a_loop_runs() -> None:
    """[G7] In an asynchronous test as in any other; a client that dies is followed by one that repeats it all."""

    async def tell(scene: Scene) -> None:
        await scene.start()
        await scene.sleep(60)
        await scene.signal("word", "hello")

    report = crash_at_every_call(told, "word", script=tell, options=CrashOptions(who=("client",)))
    assert report.calls["client"] == 2
    assert report.cases == 4
    assert report.ended["told-1"].value == "hello"


def test_waits_that_run_beside_each_other_are_told_apart() -> None:
    """What one of them has seen is not what the other waits for, though a client dies in between."""

    async def tell(scene: Scene) -> None:
        await scene.start()
        early, late = await asyncio.gather(
            scene.until(lambda row: row.status == "running"), scene.until(lambda row: row.status == "completed")
        )
        assert late.status == "completed", (early.status, late.status)

    crash_at_every_call(told_later, script=tell, options=CrashOptions(who=("worker",), every=5))


def test_a_share_of_the_deaths_can_be_played() -> None:
    """Shares with the offsets 0, 1 and 2 are all of them together."""
    all_of_them = crash_at_every_call(paying, options=PAYING).cases
    shares = [CrashOptions(before_each=payments.clear, every=3, offset=offset) for offset in range(3)]
    assert sum(crash_at_every_call(paying, options=share).cases for share in shares) == all_of_them


def test_on_a_redis_too(redis_url: str) -> None:
    """[G7] In real time, each case in a hub of its own that is removed afterwards."""

    async def tell(scene: Scene) -> None:
        await scene.start()
        await scene.signal("word", "hello")

    options = CrashOptions(url=redis_url, partitions=2, worker=WorkerOptions(seed=1, cache_size=0))
    assert crash_at_every_call(told, "word", script=tell, options=options).cases > 20


@workflow
async def elder() -> None:
    """Has a child, which has a child: none of them ends by itself."""
    child = workflow.start_child(parent)
    await child.started()
    workflow.set_status("has a child")
    await child.result()


@workflow
async def parent() -> None:
    await stubborn()


def test_what_a_client_left_on_its_way_is_waited_for_until_a_worker_looks(redis_url: str) -> None:
    """[P6] [G7] On a Redis, with options that leave the sweep at its 15 seconds: a lease is renewed long before that.

    The client that terminates a family carries the word from one to the next itself; it dies at each step of that.
    """

    async def end(scene: Scene) -> None:
        await scene.start()
        await scene.shows("has a child")
        await scene.terminate("all of them", recursive=True)

    worker = WorkerOptions(seed=1, lease=timedelta(seconds=5))
    options = CrashOptions(url=redis_url, partitions=4, worker=worker, who=("client",), at_once=16)
    report = crash_at_every_call(elder, script=end, options=options)
    assert {ended.status for ended in report.ended.values()} == {"terminated"}
    assert report.calls["client"] > 3


def test_a_scenario_that_does_not_end_says_how_it_stands() -> None:
    """Patience is counted in the store's time: nobody waits for it in memory."""
    with pytest.raises(TimeoutError, match=r"not at its end within 1:00:00: .*stubborn-1 \(stubborn\) running"):
        crash_at_every_call(stubborn, options=CrashOptions(patience=timedelta(hours=1)))


async def _nothing(scene: Scene) -> None:
    """A script that forgot its first line."""


def test_bad_input_is_told_at_once() -> None:
    """What was wrong, and what to do."""
    with pytest.raises(BadInput, match=r"begins with `await scene.start\(\)`"):
        crash_at_every_call(careless, script=_nothing)
    with pytest.raises(BadInput, match="is no workflow"):
        crash_at_every_call(leave_effect)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="'worker 0 before' is no crash point"):
        crash_at_every_call(careless, options=CrashOptions(only="worker 0 before"))
    with pytest.raises(BadInput, match="every must be at least 1"):
        crash_at_every_call(careless, options=CrashOptions(every=0))
