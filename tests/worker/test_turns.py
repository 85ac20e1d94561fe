"""Turns: what happens when code and history, limits or names do not fit; nobody else suffers."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from rqflow.authoring.activity_face import activity
from rqflow.authoring.workflow_face import workflow
from rqflow.backend.calls.hubs import Limits, ReadStats
from rqflow.backend.memory.backend import MemoryBackend, SyncMemoryBackend
from rqflow.backend.memory.store import MemoryStore
from rqflow.core.executor import Executor
from rqflow.core.failure import Failure
from tests.worker.ground import Ground, settled


@activity
async def echo(value: Any) -> Any:
    return value


@activity
async def other(value: Any) -> Any:
    return value


@workflow(name="shape")
async def shape_old() -> str:
    await echo("first")
    await workflow.receive("go")
    return "old"


@workflow(name="shape")
async def shape_new() -> str:
    await other("first")
    await workflow.receive("go")
    return "new"


@workflow
async def simple(value: int) -> int:
    result: int = await echo(value)
    return result


@workflow
async def counts() -> int:
    seen = 0
    workflow.on_query("seen", lambda: seen)
    while await workflow.receive("add", int):
        seen += 1
    return seen


@workflow
async def blocks() -> str:
    time.sleep(0.25)  # noqa: ASYNC251 (what it must not do)
    return "done"


@workflow
async def fills(count: int) -> int:
    return len(await asyncio.gather(*(echo(n) for n in range(count))))


@workflow
async def too_large() -> None:
    await echo("x" * 5_000)


@workflow
async def large_result() -> str:
    return "x" * 5_000


@workflow
async def forgets() -> str:
    async def breaks() -> None:
        raise ZeroDivisionError("nobody looks")

    asyncio.get_running_loop().create_task(breaks())
    await asyncio.sleep(0.01)
    return "done"


@pytest.mark.parametrize("cache_size", [0, 100])
async def test_p4_code_that_left_its_history_stalls_and_goes_on_with_the_right_code(
    ground: Ground, cache_size: int
) -> None:
    """[P4] The reason shows both sides; other instances are served; a worker of another build tries it again."""
    async with ground.worker(shape_old, echo, build="one", cache_size=cache_size):
        instance = await ground.start(shape_old)
        await ground.grown(instance, 3)
    async with ground.worker(shape_new, simple, echo, other, build="two", cache_size=cache_size):
        await ground.signal(instance, "go")
        assert (await ground.until(instance, "stalled")).status == "stalled"
        reason = (await ground.describe(instance)).reason
        assert "echo" in reason
        assert "other" in reason
        assert await ground.result(await ground.start(simple, 5)) == 5
    async with ground.worker(shape_old, echo, build="three", cache_size=cache_size):
        assert await ground.result(instance) == "old"


async def test_p6_an_unknown_workflow_waits_for_a_worker_that_knows_it(ground: Ground) -> None:
    """[P6] It is not eaten, not failed, and others are served meanwhile."""
    async with ground.worker(simple, echo):
        instance = await ground.start(shape_old)
        assert await ground.result(await ground.start(simple, 5)) == 5
        assert (await ground.outcome(instance)).status in ("pending", "running")
        async with ground.worker(shape_old, echo):
            await ground.signal(instance, "go")
            assert await ground.result(instance) == "old"


@workflow
async def unshared() -> int:
    return await private(1) + int(await echo(2))


@activity
async def private(value: int) -> int:
    return value


async def test_p6_who_knows_a_name_gets_its_tasks_however_many_do_not(ground: Ground) -> None:
    """[P6] Ten steps past three workers that know neither the workflow nor one of its activities: no step waits."""
    loop = asyncio.get_running_loop()
    async with ground.worker(simple, echo), ground.worker(simple, echo), ground.worker(simple, echo):
        ids = [await ground.start(unshared) for _ in range(10)]
        async with ground.worker(unshared, private, echo):
            await ground.result(ids[0])
            begun = loop.time()
            ids += [await ground.start(unshared) for _ in range(10)]
            assert [await ground.result(id) for id in ids] == [3] * 20
            # One that was raced for waited for up to five seconds each time that another won.
            assert loop.time() - begun < 10


async def test_a_question_is_answered_from_the_live_run_and_from_history(ground: Ground) -> None:
    """By the worker that holds the executor, by one that replays, and after the end."""
    async with ground.worker(counts):
        instance = await ground.start(counts)
        for _ in range(3):
            await ground.signal(instance, "add", 1)
        await ground.grown(instance, 4)
        assert await ground.query(instance, "seen") == 3
    async with ground.worker(counts, cache_size=0):
        assert await ground.query(instance, "seen") == 3
        await ground.signal(instance, "add", 0)
        assert await ground.result(instance) == 3
        assert await ground.query(instance, "seen") == 3
        unknown = await ground.query(instance, "nonsense")
        assert isinstance(unknown, Failure)
        assert "nonsense" in unknown.message


@workflow
async def asked() -> str:
    state = "begun"
    workflow.on_query("state", lambda: state)
    await echo(1)
    state = "stepped"
    await workflow.receive("go")
    await echo(2)
    return state


async def test_a_question_sees_the_news_before_it_even_if_they_make_the_code_ask_for_more(ground: Ground) -> None:
    """Asked before the first turn: answered as that turn would leave it, and the turn itself is none the worse."""
    instance = await ground.start(asked)
    question = asyncio.get_running_loop().create_task(ground.query(instance, "state"))
    await settled(lambda: ground.leases.call(ReadStats(partition=ground.at(instance))).queues[0].workflows_queued > 0)
    async with ground.worker(asked, echo):
        assert await question in ("begun", "stepped")
        await ground.grown(instance, 3)
        await ground.signal(instance, "go")
        assert await ground.query(instance, "state") == "stepped"
        assert await ground.result(instance) == "stepped"


async def test_a_long_history_is_read_in_pages(ground: Ground) -> None:
    """More events than a task brings along, replayed by a worker that never saw them."""
    async with ground.worker(counts):
        instance = await ground.start(counts)
        await asyncio.gather(*(ground.signal(instance, "add", 1) for _ in range(1_200)))
        await ground.grown(instance, 1_201)
    async with ground.worker(counts, cache_size=0):
        await ground.signal(instance, "add", 0)
        assert await ground.result(instance) == 1_200


async def test_p7_one_instance_with_much_news_gives_others_their_turn(memory_ground: Ground) -> None:
    """[P7] A turn takes in a bounded number of news; the rest waits for the next."""
    instance = await memory_ground.start(counts)
    for _ in range(50):
        await memory_ground.signal(instance, "add", 1)
    await memory_ground.signal(instance, "add", 0)
    async with memory_ground.worker(counts, max_turn_events=10) as worker:
        assert await memory_ground.result(instance) == 50
        assert worker.desk.turns.turned == 6


async def test_a_turn_that_blocks_is_reported_with_its_stack(
    memory_ground: Ground, caplog: pytest.LogCaptureFixture
) -> None:
    """Once, by the thread that keeps the leases, with the line that blocks."""
    async with memory_ground.worker(blocks, deadlock_after=timedelta(milliseconds=50)):
        assert await memory_ground.result(await memory_ground.start(blocks)) == "done"
    reports = [record.getMessage() for record in caplog.records if "has held the thread" in record.getMessage()]
    assert len(reports) == 1
    assert "time.sleep(0.25)" in reports[0]


async def test_exceptions_of_forgotten_tasks_are_told(memory_ground: Ground, caplog: pytest.LogCaptureFixture) -> None:
    """They do not fail the workflow, and they are not lost."""
    async with memory_ground.worker(forgets):
        assert await memory_ground.result(await memory_ground.start(forgets)) == "done"
    assert any("nobody looks" in record.getMessage() for record in caplog.records)


def small(**limits: Any) -> Ground:
    """A hub in memory with small limits."""
    store = MemoryStore(limits=replace(Limits(), **limits))
    return Ground(MemoryBackend(store), SyncMemoryBackend(store))


@pytest.mark.parametrize(
    ("workflow_of", "arguments", "limits", "says"),
    [
        (too_large, (), {"payload_bytes": 1_000}, "activity echo: arguments: the encoded value is 5,0"),
        (large_result, (), {"payload_bytes": 1_000}, "workflow large_result: result: the encoded value is 5,002"),
        (fills, (50,), {"history_events": 20}, "events in one history: the limit is 20"),
        (too_large, (), {"history_bytes": 2_000}, "bytes in one history: the limit is 2,000"),
        (fills, (50,), {"outstanding": 20}, "the limit is 20"),
    ],
    ids=["payload", "result", "events", "bytes", "outstanding"],
)
async def test_p10_a_run_that_passes_a_limit_fails_with_a_failure_that_names_it(
    workflow_of: Any, arguments: tuple[Any, ...], limits: dict[str, int], says: str
) -> None:
    """[P10] And the worker goes on with others."""
    ground = small(**limits)
    async with ground.worker(workflow_of, simple, echo):
        failure = await ground.failure(await ground.start(workflow_of, *arguments))
        assert says in failure.message
        assert failure.kind == "limit"
        assert await ground.result(await ground.start(simple, 1)) == 1


async def test_p7_a_fault_of_the_engine_stalls_one_instance_and_harms_no_other(
    memory_ground: Ground, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """[P7] Whatever a turn raises, the worker lives and the reason is shown."""
    worker = memory_ground.worker(simple, shape_old, echo)
    advance = Executor.advance

    def breaks(executor: Executor, *rest: Any, **options: Any) -> Any:
        if executor._definition is shape_old:
            raise KeyError("a bug")
        return advance(executor, *rest, **options)

    monkeypatch.setattr(Executor, "advance", breaks)
    async with worker:
        instance = await memory_ground.start(shape_old)
        await memory_ground.until(instance, "stalled")
        assert "a bug" in (await memory_ground.describe(instance)).reason
        assert await memory_ground.result(await memory_ground.start(simple, 1)) == 1
    assert any("the engine failed" in record.getMessage() for record in caplog.records)


async def test_an_executor_is_kept_between_turns_and_dropped_at_the_end(memory_ground: Ground) -> None:
    """A hit for each turn after the first; nothing is left of what has ended."""
    async with memory_ground.worker(simple, echo) as worker:
        for number in range(10):
            await memory_ground.result(await memory_ground.start(simple, number))
        await settled(lambda: len(worker.desk.cache) == 0)
        assert (worker.desk.cache.hits, worker.desk.cache.misses) == (10, 10)
