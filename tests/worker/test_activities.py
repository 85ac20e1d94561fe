"""Activities: tried again, timed out, canceled and refused, on the loop, in threads and in processes."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Any, NoReturn
from uuid import uuid4

import pytest

from rqflow.authoring.activity_face import activity
from rqflow.authoring.workflow_face import workflow
from rqflow.backend.calls.hubs import ReadStats
from rqflow.core.options import Retry
from rqflow.errors import ActivityFailed, ActivityTimedOut
from tests.worker.ground import Ground, settled

QUICK = Retry(max_attempts=3, initial=timedelta(milliseconds=5), jitter=0)
calls: dict[str, list[Any]] = {}


def fresh(name: str) -> str:
    """A key that no other test has."""
    return f"{name}-{uuid4().hex}"


def note(name: str, value: Any) -> int:
    calls.setdefault(name, []).append(value)
    return len(calls[name])


@activity(retry=QUICK)
async def flaky(key: str) -> int:
    if note(key, activity.info().idempotency_key) < 3:
        raise OSError("not yet")
    return len(calls[key])


class OutOfStock(LookupError):
    """Of no use to try again."""


@activity(retry=Retry(max_attempts=5, initial=timedelta(0), non_retryable=("LookupError",)))
def sold_out(key: str) -> None:
    note(key, 1)
    raise OutOfStock("none left")


@activity(timeout=timedelta(milliseconds=50))
async def slow(key: str) -> None:
    try:
        await asyncio.sleep(30)
    except asyncio.CancelledError:
        note(key, "canceled")
        raise


@activity(timeout=timedelta(milliseconds=50))
def slow_thread(key: str) -> None:
    while not activity.is_cancelled():
        time.sleep(0.005)
    note(key, "told")


@activity(heartbeat=timedelta(milliseconds=60), retry=QUICK)
async def silent(key: str) -> str:
    """Beats once and falls silent; the next attempt reads what was left."""
    if note(key, activity.info().details(str)) == 1:
        activity.heartbeat("half")
        await asyncio.sleep(30)
    return activity.info().details(str) or ""


@activity(retry=QUICK)
async def leaves_details(key: str) -> str:
    if note(key, 1) == 1:
        activity.heartbeat("progress 7")
        raise OSError("after the beat")
    return activity.info().details(str) or ""


@activity
async def endless(key: str) -> None:
    note(key, "begun")
    try:
        await asyncio.sleep(60)
    finally:
        note(key, "ended")


@activity
def endless_thread(key: str) -> None:
    note(key, "begun")
    while not activity.is_cancelled():
        time.sleep(0.005)
    note(key, "ended")


@activity
async def large() -> str:
    return "x" * 2_000_000


@activity
async def unfit() -> int:
    return "no number"  # type: ignore[return-value]


@activity
def exits() -> NoReturn:
    raise SystemExit(3)


@activity
async def gives_up_itself() -> None:
    raise asyncio.CancelledError


@workflow
async def call_wrongly() -> Any:
    return await workflow.execute_activity("flaky", {"not": "a key"})


@workflow
async def run_flaky(key: str) -> int:
    return await flaky(key)


@workflow
async def run_sold_out(key: str) -> str:
    try:
        await sold_out(key)
    except ActivityFailed as error:
        return f"{error.failure.type.rpartition('.')[2]}: {error.failure.message}"
    return "sold"


@workflow
async def run_slow(key: str) -> str:
    try:
        await slow(key)
    except ActivityTimedOut as error:
        return str(error)
    return "in time"


@workflow
async def run_slow_thread(key: str) -> str:
    try:
        await slow_thread(key)
    except ActivityTimedOut:
        return "timed out"
    return "in time"


@workflow
async def run_silent(key: str) -> str:
    return await silent(key)


@workflow
async def run_leaves_details(key: str) -> str:
    return await leaves_details(key)


@workflow
async def run_endless(key: str, thread: bool) -> str:
    call = endless_thread(key) if thread else endless(key)
    await workflow.receive("enough")
    call.cancel()
    return "canceled"


@workflow
async def run_odd(which: str) -> str:
    odd: dict[str, Any] = {"large": large, "unfit": unfit, "exits": exits, "itself": gives_up_itself}
    try:
        await odd[which]()
    except ActivityFailed as error:
        return f"{error.failure.type}|{error.failure.message}"
    return "fine"


async def test_p5_an_activity_is_tried_again_under_the_same_key(ground: Ground) -> None:
    """[P5] Three tries, one result, one idempotency key."""
    key = fresh("flaky")
    async with ground.worker(run_flaky, flaky):
        assert await ground.result(await ground.start(run_flaky, key)) == 3
    assert len(calls[key]) == 3
    assert len(set(calls[key])) == 1


async def test_an_error_named_by_a_base_class_is_not_tried_again(ground: Ground) -> None:
    """OutOfStock is a LookupError; the workflow reads its type and message."""
    key = fresh("stock")
    async with ground.worker(run_sold_out, sold_out):
        assert await ground.result(await ground.start(run_sold_out, key)) == "OutOfStock: none left"
    assert calls[key] == [1]


async def test_an_async_activity_past_its_timeout_is_canceled(ground: Ground) -> None:
    """It sees CancelledError, the workflow sees ActivityTimedOut with the limit."""
    key = fresh("slow")
    async with ground.worker(run_slow, slow):
        assert "timeout of 0:00:00.050000 passed" in await ground.result(await ground.start(run_slow, key))
        await settled(lambda: calls.get(key) == ["canceled"])


async def test_a_thread_past_its_timeout_is_told_and_keeps_its_slot_until_it_returns(ground: Ground) -> None:
    """Python cannot stop it, but it can ask."""
    key = fresh("thread")
    async with ground.worker(run_slow_thread, slow_thread) as worker:
        assert await ground.result(await ground.start(run_slow_thread, key)) == "timed out"
        await settled(lambda: calls.get(key) == ["told"])
        await settled(lambda: worker.desk.activities.slots.used == 0)


async def test_a_silent_attempt_is_given_up_and_the_next_reads_its_last_heartbeat(ground: Ground) -> None:
    """Heartbeat timeout, retry, details."""
    key = fresh("silent")
    async with ground.worker(run_silent, silent):
        assert await ground.result(await ground.start(run_silent, key)) == "half"
    assert calls[key] == [None, "half"]


async def test_details_of_an_attempt_that_fails_at_once_reach_the_next(ground: Ground) -> None:
    """They do not wait for the next renewal of the lease."""
    key = fresh("details")
    async with ground.worker(run_leaves_details, leaves_details):
        assert await ground.result(await ground.start(run_leaves_details, key)) == "progress 7"


@pytest.mark.parametrize("thread", [False, True], ids=["async", "thread"])
async def test_an_activity_that_is_not_wanted_any_more_is_stopped(ground: Ground, thread: bool) -> None:
    """The workflow cancels its call; async code gets CancelledError, a thread reads is_cancelled."""
    key = fresh("endless")
    async with ground.worker(run_endless, endless, endless_thread):
        instance = await ground.start(run_endless, key, thread)
        await settled(lambda: calls.get(key) == ["begun"])
        await ground.signal(instance, "enough")
        assert await ground.result(instance) == "canceled"
        await settled(lambda: calls.get(key) == ["begun", "ended"])


@pytest.mark.parametrize(
    ("which", "says"),
    [
        ("large", "activity large, result: the encoded value is 2,000,002 bytes"),
        ("unfit", "activity unfit, result"),
        ("exits", "builtins.SystemExit|3"),
        ("itself", "CancelledError"),
    ],
)
async def test_p7_whatever_an_activity_does_is_its_own_failure(ground: Ground, which: str, says: str) -> None:
    """[P7] Too large, of the wrong type, SystemExit, CancelledError from nowhere: the worker goes on."""
    async with ground.worker(run_odd, large, unfit, exits, gives_up_itself, run_flaky, flaky):
        assert says in await ground.result(await ground.start(run_odd, which))
        assert await ground.result(await ground.start(run_flaky, fresh("after"))) == 3


async def test_arguments_that_do_not_fit_fail_the_activity_and_name_the_parameter(ground: Ground) -> None:
    """A call by name only cannot check them; the worker does."""
    async with ground.worker(call_wrongly, flaky):
        failure = await ground.failure(await ground.start(call_wrongly))
    assert "activity flaky, parameter key" in failure.message


async def test_an_unknown_activity_waits_for_a_worker_that_knows_it_and_is_visible(ground: Ground) -> None:
    """The first worker gives it back; stats name it; the second does it."""
    key = fresh("unknown")
    async with ground.worker(run_flaky):
        instance = await ground.start(run_flaky, key)

        def seen() -> bool:
            stats = ground.leases.call(ReadStats(partition=ground.at(instance)))
            return any("flaky" in dict(queue.unknown) for queue in stats.queues)

        await settled(seen)
        async with ground.worker(flaky, workflows=False):
            assert await ground.result(instance) == 3
