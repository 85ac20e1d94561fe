"""Poison: tasks that kill whoever takes them, and what merely stood beside them."""

from __future__ import annotations

from datetime import timedelta

from rqflow.backend.calls.instances import Ask
from rqflow.core.events import ActivityFailed
from rqflow.core.wire import decode_failure
from rqflow.errors import LeaseLost
from rqflow.testing.conformance.bench import LONG, Bench
from rqflow.testing.conformance.deeds import charge, dies, news_of, retry_call, worker
from rqflow.testing.conformance.standing import Standing


class TestPoison(Standing):
    """What dies with its workers again and again is given up, and nothing else is [F10]."""

    async def test_p7_a_turn_that_kills_its_workers_is_set_aside(self, bench: Bench) -> None:
        """Lost more often than allowed, its instance stalls; others are served [P7]."""
        survivor = await worker(bench, "survivor", queues=("elsewhere",))
        await bench.start("poison")
        for number in range(3):
            victim = await worker(bench, f"victim-{number}")
            task = await victim.turn("poison")
            assert task.deliveries == number + 1
            await victim.begin(task)
            await dies(bench, victim, survivor, max_losses=2)
        row = await bench.describe("poison")
        assert (row.status, row.task, row.inbox_length) == ("stalled", "", 1)
        assert row.reason
        actor = await worker(bench, "worker-1")
        assert await actor.take() == []
        await bench.start("order")
        assert list(await actor.turns()) == ["order"]

    async def test_p7_a_turn_that_had_not_begun_again_is_not_blamed(self, bench: Bench) -> None:
        """A first loss may be anyone's. Later ones count against the turn that had said that it begins, and not against
        those that waited beside it [P7]."""
        survivor = await worker(bench, "survivor", queues=("elsewhere",))
        for name in ("poison", "order"):
            await bench.start(name)
        for number in range(3):
            victim = await worker(bench, f"victim-{number}")
            tasks = await victim.turns()
            assert {name: task.deliveries for name, task in tasks.items()} == {
                "poison": number + 1,
                "order": min(number, 1) + 1,
            }
            await victim.begin(tasks["poison"])
            await dies(bench, victim, survivor, max_losses=2)
        assert (await bench.describe("poison")).status == "stalled"
        actor = await worker(bench, "worker-1")
        task = await actor.turn("order")
        await actor.begin(task)
        await actor.commit(task)
        await bench.signal("order")
        assert (await actor.turn("order")).deliveries == 1

    async def test_p3_only_the_holder_of_a_turn_may_begin_it(self, bench: Bench) -> None:
        """A worker that was given up is told so before it runs code that may kill it, too [P3]."""
        survivor = await worker(bench, "survivor")
        victim = await worker(bench, "victim")
        await bench.start()
        task = await victim.turn()
        await dies(bench, victim, survivor)
        await bench.refused(victim.begin_call(task), LeaseLost)
        await survivor.begin(await survivor.turn())

    async def test_an_attempt_whose_own_process_died_is_a_loss(self, bench: Bench) -> None:
        """The next attempt knows of it, after its wait as well."""
        actor = await worker(bench)
        await bench.start()
        await actor.commit(await actor.turn(), charge(1))
        for number, delay in enumerate((timedelta(0), timedelta(seconds=1))):
            task = await actor.activity()
            assert (task.attempt, task.losses) == (number + 1, number)
            await bench.call(retry_call(task, delay=delay, lost=True))
        await bench.clock.pass_by(timedelta(seconds=2))
        await bench.fire()
        task = await actor.activity()
        assert (task.attempt, task.losses) == (3, 2)

    async def test_p7_a_question_that_kills_its_workers_is_asked_twice(self, bench: Bench) -> None:
        """Of a second worker, not of a third: whoever asked does not wait so long [P7]."""
        survivor = await worker(bench, "survivor", queues=("elsewhere",))
        actor = await worker(bench)
        await bench.start()
        await actor.commit(await actor.turn(), sticky=False)
        await bench.call(
            Ask(partition=bench.at("order"), instance="order", query="q", name="total", payload=b"[]", timeout=LONG)
        )
        await actor.unregister()
        for number in range(2):
            victim = await worker(bench, f"victim-{number}")
            await victim.question()
            await dies(bench, victim, survivor)
        assert await (await worker(bench, "worker-1")).take() == []

    async def test_p7_an_activity_that_kills_its_workers_fails(self, bench: Bench) -> None:
        """Lost more often than allowed, it ends with an error that says so [P7]."""
        survivor = await worker(bench, "survivor", queues=("elsewhere",))
        starter = await worker(bench, "starter")
        await bench.start()
        await starter.commit(await starter.turn(), charge(1), sticky=False)
        await starter.unregister()
        for number in range(3):
            victim = await worker(bench, f"victim-{number}")
            task = await victim.activity()
            assert (task.attempt, task.losses) == (number + 1, number)
            await dies(bench, victim, survivor, max_losses=2)
        actor = await worker(bench, "worker-1")
        [event] = news_of(await actor.turn())
        assert isinstance(event, ActivityFailed)
        assert decode_failure(event.payload).kind == "worker_lost"
        assert await actor.take() == []
