"""Watching: who waits for an instance is told when something happens to it."""

from __future__ import annotations

import asyncio

from rqflow.backend.calls.instances import Answer, Ask, Outcome
from rqflow.backend.calls.tasks import AnswerQuery
from rqflow.backend.protocol import Watch
from rqflow.core.commands import AnswerUpdate, Close, SetStatus
from rqflow.core.events import WorkflowCanceled, WorkflowCompleted, WorkflowFailed
from rqflow.core.failure import Failure
from rqflow.core.wire import encode_failure
from rqflow.testing.conformance.actor import DONE, Actor
from rqflow.testing.conformance.bench import LONG, Bench
from rqflow.testing.conformance.deeds import continued, finish, worker
from rqflow.testing.conformance.standing import Standing

PATIENCE = 20.0
"""Seconds until a wait that should end counts as deaf."""


async def until(bench: Bench, watch: Watch, instance: str, status: str) -> None:
    """Wait for notices until the instance has this status."""
    for _ in range(100):
        if await bench.status(instance) == status:
            return
        assert await watch.wait(PATIENCE), f"nobody said that {instance} is {status}"
    raise AssertionError(f"told a hundred times, and {instance} is not {status}")


async def end_of(watch: Watch) -> Outcome:
    """The end that a notice tells of, as soon as there is one."""
    while watch.ended is None:
        assert await watch.wait(PATIENCE), "nobody said what the end is"
    return watch.ended


class TestWatch(Standing):
    """Notices; a watch may be told too often, but never too seldom [B10]."""

    async def test_the_end_is_told(self, bench: Bench) -> None:
        """Whoever watched from before it is woken, and finds the result."""
        actor = await worker(bench)
        await bench.start()
        async with bench.backend.watch("order") as watch:
            waiting = asyncio.ensure_future(until(bench, watch, "order", "completed"))
            await finish(actor)
            await waiting
        assert (await bench.outcome()).payload == DONE.payload

    async def test_an_end_says_what_it_is(self, bench: Bench) -> None:
        """Completed, failed, canceled, terminated, after another run: whoever waited need not ask [A10]."""
        actor = await worker(bench)
        failed = WorkflowFailed(payload=encode_failure(Failure(type="builtins.ValueError", message="no luck")))
        ends: list[Close] = [DONE, failed, WorkflowCanceled(payload=b"")]
        for number, close in enumerate(ends):
            await self._is_told(bench, f"order-{number}", actor, close)
        await bench.start("again")
        async with bench.backend.watch("again") as watch:
            task = await actor.turn("again")
            await actor.commit(task, close=continued(task, "run-2"))
            await actor.commit(await actor.turn("again"), SetStatus(id=1, payload=b"1"))
            assert await watch.wait(PATIENCE)
            told = [watch.ended]
            await bench.terminate("again", "enough")
            told.append(await end_of(watch))
        terminated = Outcome(status="terminated", run="run-2", payload=(await bench.outcome("again")).payload)
        assert told == [None, terminated]

    async def _is_told(self, bench: Bench, name: str, actor: Actor, close: Close) -> None:
        await bench.start(name)
        async with bench.backend.watch(name) as watch:
            await actor.commit(await actor.turn(name), close=close)
            assert await end_of(watch) == await bench.outcome(name)

    async def test_a_large_result_may_be_left_to_be_read(self, bench: Bench) -> None:
        """The end is told; what it came to, or nothing, but never a part of it."""
        actor = await worker(bench)
        await bench.start()
        async with bench.backend.watch("order") as watch:
            await actor.commit(await actor.turn(), close=WorkflowCompleted(payload=b"1" * 1_000_000))
            assert await watch.wait(PATIENCE)
            assert watch.ended in (None, await bench.outcome())

    async def test_what_happened_before_the_wait_counts(self, bench: Bench) -> None:
        """No gap between entering the watch and waiting."""
        async with bench.backend.watch("order") as watch:
            await bench.start()
            await bench.terminate("order")
            await until(bench, watch, "order", "terminated")

    async def test_nothing_happens_nothing_is_told(self, bench: Bench) -> None:
        """The wait ends with False at its timeout."""
        async with bench.backend.watch("nobody") as watch:
            for _ in range(20):
                if not await watch.wait(0.02):
                    break
            else:
                raise AssertionError("it is told of what does not happen")

    async def test_status_answers_and_ends_of_others_are_told(self, bench: Bench) -> None:
        """Custom status, an update's answer, a query's answer, a timeout, a parent's end."""
        actor = await worker(bench)
        await bench.start()
        async with bench.backend.watch("order") as watch:
            await actor.commit(await actor.turn(), SetStatus(id=1, payload=b"1"))
            assert await watch.wait(PATIENCE)
        await bench.signal("order")
        async with bench.backend.watch("order") as watch:
            answer = AnswerUpdate(id=2, update="update-a", accepted=True, payload=b"1")
            await actor.commit(await actor.turn(), answer)
            assert await watch.wait(PATIENCE)
        await bench.call(
            Ask(partition=bench.at("order"), instance="order", query="query-a", name="n", payload=b"", timeout=LONG)
        )
        question = await actor.question()
        async with bench.backend.watch("order") as watch:
            await bench.call(
                AnswerQuery(
                    partition=question.partition,
                    worker=actor.id,
                    instance="order",
                    query="query-a",
                    token=question.token,
                    answer=Answer(accepted=True, payload=b"1"),
                )
            )
            assert await watch.wait(PATIENCE)

    async def test_many_watch_many(self, bench: Bench) -> None:
        """Hundreds of waiters, each for its own instance and several for one."""
        actor = await worker(bench)
        names = [f"order-{number}" for number in range(50)]
        for name in names:
            await bench.start(name)

        async def watched(name: str) -> str:
            async with bench.backend.watch(name) as watch:
                await until(bench, watch, name, "completed")
            return name

        waits = [asyncio.ensure_future(watched(name)) for name in names * 4]
        await asyncio.sleep(0.01)
        for task in (await actor.turns()).values():
            await actor.commit(task, close=DONE)
        assert sorted(await asyncio.gather(*waits)) == sorted(names * 4)
