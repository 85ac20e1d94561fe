"""Queries: questions to instances, and the answers of questions and updates."""

from __future__ import annotations

from datetime import timedelta

from rqflow.backend.calls.instances import Answer, Ask, ReadQueryAnswer, ReadUpdateAnswer
from rqflow.backend.calls.tasks import AnswerQuery, QueryTask
from rqflow.core.commands import AnswerUpdate
from rqflow.core.wire import decode_failure
from rqflow.errors import InstanceNotFound, LeaseLost
from rqflow.testing.conformance.actor import Actor
from rqflow.testing.conformance.bench import LONG, Bench
from rqflow.testing.conformance.deeds import BROKEN, continued, finish, worker
from rqflow.testing.conformance.moving import BLINK
from rqflow.testing.conformance.standing import Standing


async def ask(bench: Bench, instance: str = "order", query: str = "query-a", timeout: timedelta = LONG) -> None:
    await bench.call(
        Ask(partition=bench.at(instance), instance=instance, query=query, name="total", payload=b"[1]", timeout=timeout)
    )


async def answer_of(bench: Bench, instance: str = "order", query: str = "query-a") -> Answer | None:
    return await bench.call(ReadQueryAnswer(partition=bench.at(instance), instance=instance, query=query))


def answer_call(actor: Actor, task: QueryTask, answer: Answer) -> AnswerQuery:
    return AnswerQuery(
        partition=task.partition,
        worker=actor.id,
        instance=task.instance,
        query=task.query,
        token=task.token,
        answer=answer,
    )


class TestQuery(Standing):
    """A question that changes nothing."""

    async def test_it_is_a_task_with_an_answer(self, bench: Bench) -> None:
        """Asked, taken, answered, read; the history does not know of it."""
        actor = await worker(bench)
        await bench.start()
        await actor.commit(await actor.turn())
        assert await answer_of(bench) is None
        await ask(bench)
        task = await actor.question()
        assert (task.instance, task.query, task.name, task.payload) == ("order", "query-a", "total", b"[1]")
        assert (task.workflow, task.history_length) == ("checkout", 1)
        assert await answer_of(bench) is None
        answer = Answer(accepted=True, payload=b"\x00 99\n")
        await bench.call(answer_call(actor, task, answer))
        assert await answer_of(bench) == answer
        assert (await bench.describe()).history_length == 1

    async def test_a_refusal_is_an_answer_too(self, bench: Bench) -> None:
        """With its failure."""
        actor = await worker(bench)
        await bench.start()
        await actor.commit(await actor.turn())
        await ask(bench)
        answer = Answer(accepted=False, payload=BROKEN)
        await bench.call(answer_call(actor, await actor.question(), answer))
        assert await answer_of(bench) == answer

    async def test_it_goes_to_the_keeper_of_the_executor(self, bench: Bench) -> None:
        """If that one lives; else to all [A5]."""
        actor = await worker(bench)
        other = await worker(bench, "other")
        await bench.start()
        await actor.commit(await actor.turn())
        await ask(bench, query="query-a")
        assert await other.take() == []
        assert isinstance((await actor.take())[0], QueryTask)
        await actor.unregister()
        await ask(bench, query="query-b")
        assert {task.query for task in await other.take() if isinstance(task, QueryTask)} >= {"query-b"}

    async def test_one_of_a_worker_that_left_or_died_is_answered_by_another(self, bench: Bench) -> None:
        """Taken or still on its own stream."""
        actor = await worker(bench)
        other = await worker(bench, "other")
        await bench.start()
        await actor.commit(await actor.turn())
        await ask(bench, query="query-a")
        assert len(await actor.take()) == 1
        await ask(bench, query="query-b")
        await actor.renew(lease=BLINK)
        await bench.clock.pass_by(2 * BLINK)
        await other.sweep()
        tasks = [task for task in await other.take() if isinstance(task, QueryTask)]
        assert sorted(task.query for task in tasks) == ["query-a", "query-b"]
        await other.unregister()
        third = await worker(bench, "third")
        assert len(await third.take()) == 2

    async def test_p3_only_its_holder_answers_and_once(self, bench: Bench) -> None:
        """A stale token, another worker and a repeat are refused."""
        actor = await worker(bench)
        other = await worker(bench, "other")
        await bench.start()
        await actor.commit(await actor.turn())
        await ask(bench)
        task = await actor.question()
        yes = Answer(accepted=True, payload=b"1")
        await bench.refused(answer_call(other, task, Answer(accepted=True, payload=b"2")), LeaseLost)
        await bench.call(answer_call(actor, task, yes))
        await bench.refused(answer_call(actor, task, Answer(accepted=True, payload=b"3")), LeaseLost)
        assert await answer_of(bench) == yes

    async def test_after_its_timeout_no_worker_bothers(self, bench: Bench) -> None:
        """It takes no room either."""
        actor = await worker(bench)
        await bench.start()
        await actor.commit(await actor.turn())
        await ask(bench, timeout=BLINK)
        await bench.clock.pass_by(2 * BLINK)
        await bench.signal("order")
        assert [type(task).__name__ for task in await actor.take()] == ["WorkflowTask"]
        assert await actor.take(again=True) != []

    async def test_suspended_and_ended_instances_answer(self, bench: Bench) -> None:
        """From their history; a question needs no open instance."""
        actor = await worker(bench)
        await bench.start()
        await finish(actor)
        await ask(bench)
        assert (await actor.question()).history_length == 2

    async def test_an_unknown_instance_is_refused(self, bench: Bench) -> None:
        """Not found."""
        call = Ask(partition=bench.at("nobody"), instance="nobody", query="q", name="total", payload=b"", timeout=LONG)
        await bench.refused(call, InstanceNotFound)

    async def test_what_is_asked_again_after_a_broken_connection(self, bench: Bench) -> None:
        """Questions that a worker holds are given again as well."""
        actor = await worker(bench)
        await bench.start()
        await actor.commit(await actor.turn())
        await ask(bench)
        task = await actor.question()
        assert [one.token for one in await actor.take(again=True)] == [task.token]


class TestUpdate(Standing):
    """A signal that answers."""

    async def test_its_answer_is_part_of_a_commit(self, bench: Bench) -> None:
        """None before, the answer after, with result or failure."""
        actor = await worker(bench)
        await bench.start()
        assert await update_answer(bench) is None
        yes = AnswerUpdate(id=1, update="update-a", accepted=True, payload=b"\xff\n")
        no = AnswerUpdate(id=2, update="update-b", accepted=False, payload=BROKEN)
        await actor.commit(await actor.turn(), yes, no)
        assert await update_answer(bench) == Answer(accepted=True, payload=b"\xff\n")
        assert await update_answer(bench, "update-b") == Answer(accepted=False, payload=BROKEN)

    async def test_an_instance_that_ends_without_answering_says_so(self, bench: Bench) -> None:
        """Nobody waits for ever; what was answered before stays."""
        actor = await worker(bench)
        await bench.start()
        yes = AnswerUpdate(id=1, update="update-a", accepted=True, payload=b"1")
        await actor.commit(await actor.turn(), yes)
        await bench.terminate("order")
        assert await update_answer(bench) == Answer(accepted=True, payload=b"1")
        missed = await update_answer(bench, "update-b")
        assert missed is not None
        assert not missed.accepted
        assert decode_failure(missed.payload).kind == "not_found"

    async def test_an_answer_outlives_continue_as_new(self, bench: Bench) -> None:
        """Given in the last turn of a run, it is read after it."""
        actor = await worker(bench)
        await bench.start()
        task = await actor.turn()
        yes = AnswerUpdate(id=1, update="update-a", accepted=True, payload=b"1")
        await actor.commit(task, yes, close=continued(task, "run-next"))
        assert await update_answer(bench) == Answer(accepted=True, payload=b"1")

    async def test_an_unknown_instance_is_refused(self, bench: Bench) -> None:
        """Not found."""
        call = ReadUpdateAnswer(partition=bench.at("nobody"), instance="nobody", update="update-a")
        await bench.refused(call, InstanceNotFound)


async def update_answer(bench: Bench, update: str = "update-a") -> Answer | None:
    return await bench.call(ReadUpdateAnswer(partition=bench.at("order"), instance="order", update=update))
