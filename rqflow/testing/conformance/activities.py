"""Activities: their attempts, their results, their time limits, and how they are canceled."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from rqflow.backend.calls.tasks import ActivityTask, CancelNotice
from rqflow.core.commands import CancelActivity
from rqflow.core.events import ActivityCompleted, ActivityFailed
from rqflow.core.options import Retry
from rqflow.core.wire import decode_failure, decode_options
from rqflow.errors import LeaseLost
from rqflow.testing.conformance.actor import DONE, Actor
from rqflow.testing.conformance.bench import LONG, Bench, names_of
from rqflow.testing.conformance.deeds import (
    BROKEN,
    charge,
    complete_call,
    continued,
    give_back_call,
    news_of,
    retry_call,
    worker,
)
from rqflow.testing.conformance.moving import BLINK
from rqflow.testing.conformance.standing import Standing


async def scheduled(bench: Bench, **options: object) -> Actor:
    """A worker that has started `order` and scheduled its activity."""
    actor = await worker(bench)
    await bench.start()
    await actor.commit(await actor.turn(), charge(1, **options))  # type: ignore[arg-type]
    return actor


class TestActivity(Standing):
    """An activity from its scheduling to its end."""

    async def test_the_task_carries_all_that_an_attempt_needs(self, bench: Bench) -> None:
        """Taking one needs no second read."""
        retry = Retry(max_attempts=7, initial=timedelta(seconds=2), non_retryable=("ValueError",))
        actor = await scheduled(bench, retry=retry, timeout=LONG, heartbeat=BLINK)
        task = await actor.activity()
        assert (task.instance, task.id, task.name, task.queue, task.workflow) == (
            "order",
            1,
            "charge",
            "main",
            "checkout",
        )
        assert (task.payload, task.attempt, task.losses, task.details) == (b"5", 1, 0, b"")
        options = decode_options(task.options)
        assert (options.retry, options.timeout, options.heartbeat) == (retry, LONG, BLINK)
        assert task.started_at_ms >= task.scheduled_at_ms > 0
        assert task.idempotency_key == f"{task.run}:1"

    async def test_p5_a_result_is_applied_once(self, bench: Bench) -> None:
        """A repeat, because the answer was lost, is refused and adds nothing [P5][B21]."""
        actor = await scheduled(bench)
        call = complete_call(await actor.activity(), b"paid")
        await bench.call(call)
        await bench.refused(call, LeaseLost)
        task = await actor.turn()
        assert news_of(task) == [ActivityCompleted(id=1, payload=b"paid")]
        await actor.commit(task)
        await bench.refused(call, LeaseLost)
        assert (await bench.describe()).pending == ()

    async def test_p5_of_many_racing_results_one_counts(self, bench: Bench) -> None:
        """However they race."""
        actor = await scheduled(bench)
        task = await actor.activity()
        calls = [complete_call(task, b"%d" % number) for number in range(8)]
        answers = [answer for [answer] in await asyncio.gather(*(bench.backend.send([call]) for call in calls))]
        assert sum(answer is None for answer in answers) == 1
        assert len((await actor.turn()).inbox) == 1

    async def test_the_last_two_of_a_fan_out_lose_nobody(self, bench: Bench) -> None:
        """Results that end together all reach the run, and wake it [P6]."""
        actor = await worker(bench)
        await bench.start()
        await actor.commit(await actor.turn(), *(charge(id) for id in range(1, 11)))
        tasks = [task for task in await actor.take() if isinstance(task, ActivityTask)]
        await asyncio.gather(*(bench.call(complete_call(task)) for task in tasks))
        ids = {event.id for event in news_of(await actor.turn()) if isinstance(event, ActivityCompleted)}
        assert ids == set(range(1, 11))

    async def test_a_retry_is_another_attempt_of_the_same(self, bench: Bench) -> None:
        """Due after its delay, with another token, the same key, and what the last one left [B16]."""
        actor = await scheduled(bench)
        first = await actor.activity()
        await actor.renew(heartbeats=((first.token, b"half way"),))
        await bench.call(retry_call(first, BLINK))
        [pending] = (await bench.describe()).pending
        assert (pending.state, pending.attempt, pending.last_failure) == ("backoff", 2, BROKEN)
        assert pending.due_at is not None
        assert pending.heartbeat == b"half way"
        assert await actor.take() == []
        await bench.wait()
        second = await actor.activity()
        assert (second.attempt, second.losses, second.details) == (2, 0, b"half way")
        assert second.token != first.token
        assert second.idempotency_key == first.idempotency_key
        assert (second.payload, second.scheduled_at_ms) == (first.payload, first.scheduled_at_ms)
        await bench.refused(complete_call(first), LeaseLost)
        await bench.refused(retry_call(first, BLINK), LeaseLost)
        await bench.call(complete_call(second))
        assert names_of(news_of(await actor.turn())) == ["ActivityCompleted"]

    async def test_retries_leave_no_trace_in_history(self, bench: Bench) -> None:
        """They wake no workflow either."""
        actor = await scheduled(bench)
        for _ in range(3):
            await bench.call(retry_call(await actor.activity(), timedelta(milliseconds=1)))
            await bench.wait(timedelta(milliseconds=5))
        assert (await actor.activity()).attempt == 4
        assert (await bench.describe()).history_length == 2

    async def test_a_retry_may_come_at_once(self, bench: Bench) -> None:
        """Without delay the next attempt is there, at the latest when what is due is handled."""
        actor = await scheduled(bench)
        await bench.call(retry_call(await actor.activity(), timedelta(0)))
        await bench.fire()
        assert (await actor.activity()).attempt == 2

    async def test_given_back_it_counts_no_attempt(self, bench: Bench) -> None:
        """Another worker gets the same attempt, at once or after a while [B13]."""
        actor = await scheduled(bench)
        first = await actor.activity()
        await bench.call(give_back_call(first))
        second = await actor.activity()
        assert (second.attempt, second.losses) == (1, 0)
        await bench.refused(complete_call(first), LeaseLost)
        await bench.call(give_back_call(second, delay=BLINK))
        assert await actor.take() == []
        await bench.refused(give_back_call(second), LeaseLost)
        await bench.wait()
        assert (await actor.activity()).attempt == 1

    async def test_p7_an_activity_of_a_removed_instance_is_delivered_to_nobody(self, bench: Bench) -> None:
        """Neither its task nor its result harms anyone."""
        actor = await scheduled(bench)
        running = await actor.activity()
        await bench.terminate("order")
        await bench.refused(complete_call(running), LeaseLost)
        await bench.refused(retry_call(running, BLINK), LeaseLost)
        await bench.refused(give_back_call(running), LeaseLost)
        assert await actor.take(again=True) == []

    async def test_an_old_instances_result_does_not_reach_a_new_one(self, bench: Bench) -> None:
        """The id was used again, and the new run waits for an activity of the same number."""
        actor = await scheduled(bench, schedule_to_close=BLINK)
        old = await actor.activity()
        await bench.start("order", run="run-b", on_conflict="terminate_existing")
        await actor.commit(await actor.turn(), charge(1))
        await bench.refused(complete_call(old), LeaseLost)
        await bench.refused(retry_call(old, BLINK), LeaseLost)
        await bench.wait()
        new = await actor.activity()
        await bench.call(complete_call(new, b"new"))
        assert news_of(await actor.turn()) == [ActivityCompleted(id=1, payload=b"new")]

    async def test_an_old_runs_result_does_not_reach_the_next_run(self, bench: Bench) -> None:
        """A completion that arrives after continue-as-new is refused."""
        actor = await scheduled(bench)
        running = await actor.activity()
        await bench.signal("order")
        task = await actor.turn()
        await actor.commit(task, close=continued(task, "run-next"))
        await bench.refused(complete_call(running), LeaseLost)
        assert names_of(news_of(await actor.turn())) == ["WorkflowStarted"]

    async def test_a_result_that_waits_during_continue_as_new_goes_with_its_run(self, bench: Bench) -> None:
        """It was for a command of the old run; the new run's command of that number is another."""
        actor = await scheduled(bench)
        running = await actor.activity()
        await bench.signal("order")
        task = await actor.turn()
        await bench.call(complete_call(running))
        await actor.commit(task, close=continued(task, "run-next"))
        assert names_of(news_of(await actor.turn())) == ["WorkflowStarted"]


class TestCanceledActivity(Standing):
    """An activity that its run does not want any more."""

    async def test_its_queued_task_goes(self, bench: Bench) -> None:
        """Nobody takes it."""
        actor = await scheduled(bench)
        await bench.signal("order")
        await actor.commit(await actor.turn(), CancelActivity(id=2, target=1))
        assert await actor.take() == []
        assert (await bench.describe()).pending == ()

    async def test_its_worker_is_told(self, bench: Bench) -> None:
        """Whoever runs it gets a notice with its token, even without room for more; its result is dropped."""
        actor = await scheduled(bench)
        runner = await worker(bench, "runner")
        running = await runner.activity()
        await bench.signal("order")
        await actor.commit(await actor.turn(), CancelActivity(id=2, target=1))
        taken = await runner.taken(running.partition, workflow_room=0, activity_room=0)
        assert taken.notices == (CancelNotice(partition=running.partition, token=running.token),)
        await bench.refused(complete_call(running), LeaseLost)
        assert (await runner.taken(running.partition)).notices == ()

    async def test_a_worker_that_is_late_is_told_too(self, bench: Bench) -> None:
        """Its lease has ended and nobody has taken over yet: if it renews, it must not run in vain."""
        actor = await scheduled(bench)
        runner = await worker(bench, "runner")
        running = await runner.activity()
        await runner.renew(lease=BLINK)
        await bench.wait()
        await bench.signal("order")
        await actor.commit(await actor.turn(), CancelActivity(id=2, target=1))
        await runner.renew()
        assert [each.token for each in (await runner.taken(running.partition)).notices] == [running.token]

    async def test_a_backing_off_one_never_comes_back(self, bench: Bench) -> None:
        """Its retry is due for nobody."""
        actor = await scheduled(bench)
        await bench.call(retry_call(await actor.activity(), BLINK))
        await bench.signal("order")
        await actor.commit(await actor.turn(), CancelActivity(id=2, target=1))
        await bench.wait()
        assert await actor.take() == []

    async def test_a_result_that_came_first_stays(self, bench: Bench) -> None:
        """Canceling what has ended changes nothing; the result is the next turn's news."""
        actor = await scheduled(bench)
        running = await actor.activity()
        await bench.signal("order")
        task = await actor.turn()
        await bench.call(complete_call(running))
        await actor.commit(task, CancelActivity(id=2, target=1))
        assert names_of(news_of(await actor.turn())) == ["ActivityCompleted"]

    async def test_the_end_of_its_run_tells_its_worker(self, bench: Bench) -> None:
        """Nobody waits for it any more."""
        actor = await scheduled(bench)
        running = await actor.activity()
        await bench.signal("order")
        await actor.commit(await actor.turn(), close=DONE)
        await actor.take()
        assert [notice.token for notice in actor.notices] == [running.token]


class TestActivityTimeLimits(Standing):
    """The two limits that the store keeps; those of one attempt are its worker's."""

    @pytest.mark.parametrize("limit", ["schedule_to_start", "schedule_to_close"])
    async def test_one_that_nobody_takes_fails_in_time(self, bench: Bench, limit: str) -> None:
        """The run learns of a timeout; the task is gone."""
        actor = await scheduled(bench, **{limit: BLINK})
        await bench.wait()
        [event] = news_of(await actor.turn())
        assert isinstance(event, ActivityFailed)
        assert decode_failure(event.payload).kind == "timeout"
        assert await actor.take() == []

    async def test_once_taken_it_has_started(self, bench: Bench) -> None:
        """Its time in the queue is over."""
        actor = await scheduled(bench, schedule_to_start=BLINK)
        running = await actor.activity()
        await bench.wait()
        assert await actor.take() == []
        await bench.call(complete_call(running))
        assert names_of(news_of(await actor.turn())) == ["ActivityCompleted"]

    async def test_one_that_takes_too_long_in_all_fails_while_it_runs(self, bench: Bench) -> None:
        """Its worker is told, and its result comes too late."""
        actor = await scheduled(bench, schedule_to_close=BLINK)
        running = await actor.activity()
        await bench.wait()
        [event] = news_of(await actor.turn())
        assert isinstance(event, ActivityFailed)
        assert [notice.token for notice in actor.notices] == [running.token]
        await bench.refused(complete_call(running), LeaseLost)

    async def test_one_that_takes_too_long_in_all_fails_while_it_backs_off(self, bench: Bench) -> None:
        """No further attempt is made."""
        actor = await scheduled(bench, schedule_to_close=BLINK)
        await bench.call(retry_call(await actor.activity(), LONG))
        await bench.wait()
        assert names_of(news_of(await actor.turn())) == ["ActivityFailed"]
        assert (await bench.describe()).pending == ()

    async def test_an_end_in_time_leaves_nothing_due(self, bench: Bench) -> None:
        """The limits of what has ended fire for nobody."""
        actor = await scheduled(bench, schedule_to_start=BLINK, schedule_to_close=BLINK)
        await bench.call(complete_call(await actor.activity()))
        assert await bench.due() == 0
        await actor.commit(await actor.turn())
        await bench.wait()
        assert await actor.take() == []
