"""Unknown: tasks that a worker does not know go to one that does, without a race and without a wait."""

from __future__ import annotations

from datetime import timedelta

from rqflow.backend.calls.tasks import ActivityTask, Subscription
from rqflow.testing.conformance.actor import Actor
from rqflow.testing.conformance.bench import LONG, Bench
from rqflow.testing.conformance.deeds import charge, dies, finish, give_back_call, resume, retry_call, suspend, worker
from rqflow.testing.conformance.kept import kept
from rqflow.testing.conformance.moving import BLINK
from rqflow.testing.conformance.standing import Standing
from rqflow.testing.conformance.stats import queue_of, stats_of

SECOND = timedelta(seconds=1)
"""After which an activity that was offered in vain is there for all again."""


async def ignorant(bench: Bench, name: str = "ignorant") -> Actor:
    """A worker of the same queue that knows nothing."""
    return await worker(bench, name, workflows=(), activities=())


async def waiting_activity(bench: Bench, actor: Actor, delay: timedelta = LONG) -> None:
    """An activity that the only worker has given back, which does not know it."""
    await bench.start()
    await actor.commit(await actor.turn(), charge(1))
    await bench.call(give_back_call(await actor.activity(), delay=delay, unknown="charge"))


class TestUnknownNames(Standing):
    """Who knows a name gets its task at once, however many do not know it."""

    async def test_a_workflow_goes_straight_to_a_worker_that_knows_it(self, bench: Bench) -> None:
        """[P6] Past all who do not: they never see it again."""
        others = [await ignorant(bench, f"ignorant-{number}") for number in range(3)]
        knower = await worker(bench)
        await bench.start()
        await bench.call(give_back_call(await others[0].turn(), delay=LONG, unknown="checkout"))
        for other in others:
            assert await other.take() == []
        assert (await queue_of(bench)).unknown == ()
        await finish(knower)
        assert await bench.status() == "completed"

    async def test_a_turn_without_news_goes_to_a_worker_that_knows_it(self, bench: Bench) -> None:
        """[P6] One that was kept and then lost: what it had begun may be unfinished."""
        actor = await worker(bench)
        await bench.start()
        await kept(actor)
        other, knower = await ignorant(bench), await worker(bench, "knower")
        await dies(bench, actor, other)
        await bench.call(give_back_call(await other.turn(), delay=LONG, unknown="checkout"))
        assert (await knower.turn()).inbox == ()

    async def test_a_suspended_one_is_given_to_nobody(self, bench: Bench) -> None:
        """[P6] Resumed, it has its turn."""
        other, knower = await ignorant(bench), await worker(bench)
        await bench.start()
        task = await other.turn()
        await suspend(bench)
        await bench.call(give_back_call(task, delay=LONG, unknown="checkout"))
        assert await knower.take() == []
        assert await resume(bench)
        await finish(knower)
        assert await bench.status() == "completed"

    async def test_an_activity_goes_to_a_worker_that_knows_it_when_that_has_room(self, bench: Bench) -> None:
        """[P6] In the same look that finds it; it is the same attempt still."""
        other = await ignorant(bench)
        knower = await worker(bench)
        await bench.start()
        await knower.commit(await knower.turn(), charge(1))
        await bench.call(give_back_call(await other.activity(), delay=LONG, unknown="charge"))
        assert await other.take() == []
        assert (await queue_of(bench)).unknown == ()
        [task] = await knower.take()
        assert isinstance(task, ActivityTask)
        assert (task.attempt, task.losses) == (1, 0)
        assert (await stats_of(bench)).due == 0

    async def test_a_worker_without_room_takes_what_it_knows_when_it_has_some(self, bench: Bench) -> None:
        """[P6] However often it looks before; and after a second the activity is there for all again."""
        other = await ignorant(bench)
        knower = await worker(bench)
        await bench.start()
        await knower.commit(await knower.turn(), charge(1))
        await bench.call(give_back_call(await other.activity(), delay=LONG, unknown="charge"))
        for _ in range(3):
            assert await knower.take(activity_room=0) == []
        [task] = await knower.take(workflow_room=0)
        assert isinstance(task, ActivityTask)
        await bench.call(give_back_call(task))
        await bench.call(give_back_call(await other.activity(), delay=LONG, unknown="charge"))
        await bench.wait(SECOND)
        task = await other.activity()
        await bench.call(give_back_call(task, delay=LONG, unknown="charge"))
        await bench.wait(SECOND)
        [task] = await knower.take(workflow_room=0)
        assert isinstance(task, ActivityTask)

    async def test_a_notice_ends_a_blocked_read_though_an_offer_waits_for_room(self, bench: Bench) -> None:
        """[P6] A worker that runs all that it can must hear that something of it is not wanted any more."""
        other = await ignorant(bench)
        knower = await worker(bench)
        await bench.start()
        await knower.commit(await knower.turn(), charge(1), charge(2))
        running = [await knower.taken(bench.at("order"), workflow_room=0, activity_room=1)]
        [task] = running[0].tasks
        assert isinstance(task, ActivityTask)
        await bench.call(give_back_call(await other.activity(), unknown="charge"))
        assert await knower.take(activity_room=0) == []
        await bench.terminate("order")
        entries = await bench.backend.wait_for_tasks(bench.at("order"), knower.id, Subscription(), BLINK)
        taken = await knower.taken(bench.at("order"), activity_room=0, entries=entries)
        assert entries
        assert [notice.token for notice in taken.notices] == [task.token]

    async def test_a_worker_that_comes_is_told_of_the_workflows_that_wait_for_it(self, bench: Bench) -> None:
        """[P6] Not of those that it does not know, nor of other queues'."""
        other = await ignorant(bench)
        await bench.start()
        await bench.call(give_back_call(await other.turn(), delay=LONG, unknown="checkout"))
        assert (await queue_of(bench)).unknown == (("checkout", 1),)
        elsewhere = await worker(bench, "elsewhere", queues=("side",))
        assert await elsewhere.take() == []
        assert await (await ignorant(bench, "another")).take() == []
        knower = await worker(bench)
        assert (await queue_of(bench)).unknown == ()
        await finish(knower)

    async def test_a_worker_that_comes_is_told_of_the_activities_that_wait_for_it(self, bench: Bench) -> None:
        """[P6] Once: another that comes is not."""
        other = await ignorant(bench)
        await waiting_activity(bench, other)
        assert (await queue_of(bench)).unknown == (("charge", 1),)
        elsewhere = await worker(bench, "elsewhere", queues=("side",))
        assert await elsewhere.take() == []
        knower = await worker(bench)
        second = await worker(bench, "second")
        assert await second.take() == []
        [task] = await knower.take()
        assert isinstance(task, ActivityTask)
        await bench.call(retry_call(task, LONG))
        assert await (await worker(bench, "third")).take() == [], "its policy says when it is tried again"


class TestUnknownFates(Standing):
    """What becomes of a task that was handed on, when nothing goes as meant."""

    async def test_an_offer_of_an_attempt_that_is_over_is_worth_nothing(self, bench: Bench) -> None:
        """[P3] The activity was tried elsewhere meanwhile, or its instance is gone."""
        other = await ignorant(bench)
        await waiting_activity(bench, other, BLINK)
        knower = await worker(bench)
        await bench.wait()
        task = await other.activity()
        await bench.call(retry_call(task, LONG))
        assert await knower.take() == []
        await bench.terminate("order")
        await bench.start("order")
        await knower.commit(await knower.turn(), charge(1))
        await bench.call(give_back_call(await other.activity(), unknown="charge"))
        await bench.terminate("order")
        assert await knower.take() == []

    async def test_what_was_handed_to_a_worker_that_dies_or_leaves_goes_to_others(self, bench: Bench) -> None:
        """[P1] Tasks by the ways that sticky ones go; an offer is made good by its time."""
        other = await ignorant(bench)
        knower = await worker(bench)
        await bench.start()
        await bench.call(give_back_call(await other.turn(), unknown="checkout"))
        await dies(bench, knower, other)
        task = await other.turn()
        second = await worker(bench, "second")
        await other.commit(task, charge(1))
        await bench.call(give_back_call(await other.activity(), unknown="charge"))
        await second.unregister()
        await bench.wait(SECOND)
        assert (await other.activity()).attempt == 1

    async def test_nobody_is_handed_what_it_gave_back_itself(self, bench: Bench) -> None:
        """[P7] Whatever its record says it knows: that would have no end."""
        actor = await worker(bench)
        await bench.start()
        await bench.call(give_back_call(await actor.turn(), delay=LONG, unknown="checkout"))
        assert await actor.take() == []
        assert (await bench.describe()).task == "waiting"

    async def test_what_waits_for_another_reason_is_left_to_its_time(self, bench: Bench) -> None:
        """It was unknown once, and was given back for a while by one that knows it: who comes then is not told."""
        other = await ignorant(bench)
        await bench.start()
        await bench.call(give_back_call(await other.turn(), delay=BLINK, unknown="checkout"))
        await bench.wait()
        task = await other.turn()
        await bench.call(give_back_call(task, delay=LONG))
        assert await (await worker(bench, "first")).take() == []
        await bench.start("second")
        await other.commit(await other.turn("second"), charge(1))
        task_of = await other.activity("second")
        await bench.call(give_back_call(task_of, delay=LONG))
        assert await (await worker(bench, "last")).take() == []

    async def test_a_suspended_instance_waits_and_then_goes_where_it_is_known(self, bench: Bench) -> None:
        """[P6] It has no task before it is resumed."""
        other = await ignorant(bench)
        await bench.start()
        task = await other.turn()
        await suspend(bench)
        await bench.call(give_back_call(task, delay=LONG, unknown="checkout"))
        assert await (await worker(bench)).take() == []

    async def test_offers_to_a_worker_that_never_looks_have_a_bound(self, bench: Bench) -> None:
        """[P10] A hundred; the other activities come up again by themselves."""
        other = await ignorant(bench)
        knower = await worker(bench)
        await bench.start()
        await knower.commit(await knower.turn(), *(charge(number) for number in range(1, 104)))
        for task in await other.take(workflow_room=0, activity_room=200):
            assert isinstance(task, ActivityTask)
            await bench.call(give_back_call(task, unknown="charge"))
        assert (await stats_of(bench)).due == 103
        assert len(await knower.take(activity_room=200)) == 100
        assert (await stats_of(bench)).due == 3
