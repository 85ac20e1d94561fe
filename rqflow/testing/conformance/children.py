"""Children: how a parent and its child hear of each other, and what becomes of one when the other ends."""

from __future__ import annotations

from itertools import pairwise

import pytest

from rqflow.core.events import (
    CancelRequested,
    ChildCompleted,
    ChildFailed,
    ChildStarted,
    WorkflowCanceled,
    WorkflowFailed,
    WorkflowStarted,
)
from rqflow.core.options import ParentClosePolicy
from rqflow.core.wire import decode_failure
from rqflow.testing.conformance.actor import DONE, Actor
from rqflow.testing.conformance.bench import LONG, Bench, names_of
from rqflow.testing.conformance.deeds import BROKEN, child, continued, finish, news_of, worker
from rqflow.testing.conformance.moving import BLINK
from rqflow.testing.conformance.standing import Standing


async def family(
    bench: Bench, policy: ParentClosePolicy = "terminate", *, tell_start: bool = False
) -> tuple[Actor, str, str]:
    """A worker, a parent that has started a child, and that child; in two partitions, if there are several."""
    actor = await worker(bench)
    [parent, kid] = bench.apart("parent", "kid")
    await bench.start(parent)
    await actor.commit(await actor.turn(parent), child(kid, "run-kid", parent_close=policy, tell_start=tell_start))
    return actor, parent, kid


class TestChild(Standing):
    """A child's life, as its parent learns of it [B17]."""

    async def test_it_starts_with_its_parents_words(self, bench: Bench) -> None:
        """Workflow, queue, run, arguments, attributes and whose child it is."""
        actor = await worker(bench)
        [parent, kid] = bench.apart("parent", "kid")
        await bench.start(parent, run="run-parent")
        await actor.commit(
            await actor.turn(parent),
            child(kid, "run-kid", attributes={"city": "Bern"}, timeout=LONG, priority=3, lane="x"),
        )
        task = await actor.turn(kid)
        [started] = news_of(task)
        assert isinstance(started, WorkflowStarted)
        assert started.parent is not None
        assert (started.parent.instance, started.parent.run, started.parent.command) == (parent, "run-parent", 1)
        assert (started.workflow, started.run, started.payload) == ("ship", "run-kid", b"[1]")
        row = await bench.describe(kid)
        assert (row.parent, row.attributes, row.priority, row.lane) == (parent, {"city": "Bern"}, 3, "x")
        assert row.deadline is not None
        assert (await bench.describe(parent)).children == (kid,)

    async def test_its_start_is_told_only_if_wanted(self, bench: Bench) -> None:
        """A parent that does not ask is not woken."""
        actor, parent, _ = await family(bench)
        assert parent not in await actor.turns()
        actor2 = await worker(bench, "worker-2")
        [other, kid] = bench.apart("other", "other-kid")
        await bench.start(other)
        await actor2.commit(await actor2.turn(other), child(kid, "run-other", tell_start=True))
        assert news_of((await actor2.turns() | await actor.turns())[other]) == [ChildStarted(id=1, run="run-other")]

    async def test_its_result_is_told_once(self, bench: Bench) -> None:
        """And the parent waits for it no more [B21]."""
        actor, parent, kid = await family(bench)
        await finish(actor, kid)
        task = await actor.turn(parent)
        assert news_of(task) == [ChildCompleted(id=1, payload=DONE.payload)]
        await actor.commit(task)
        assert (await bench.describe(parent)).children == ()
        assert await actor.take() == []

    @pytest.mark.parametrize("end", ["failed", "canceled", "terminated", "timed_out"])
    async def test_each_other_end_is_a_failure_to_its_parent(self, bench: Bench, end: str) -> None:
        """With the failure that says which."""
        actor = await worker(bench)
        [parent, kid] = bench.apart("parent", "kid")
        await bench.start(parent)
        timeout = BLINK if end == "timed_out" else None
        await actor.commit(await actor.turn(parent), child(kid, "run-kid", timeout=timeout))
        if end == "failed":
            await actor.commit(await actor.turn(kid), close=WorkflowFailed(payload=BROKEN))
        elif end == "canceled":
            await actor.commit(await actor.turn(kid), close=WorkflowCanceled())
        elif end == "terminated":
            await bench.terminate(kid)
        else:
            await bench.wait()
        assert await bench.status(kid) == end
        [event] = news_of((await actor.turns())[parent])
        assert isinstance(event, ChildFailed)
        kinds = {"failed": "error", "timed_out": "timeout"}
        assert decode_failure(event.payload).kind == kinds.get(end, end)

    async def test_an_id_that_is_taken_is_a_failure_to_its_parent(self, bench: Bench) -> None:
        """The instance that has it goes on unharmed."""
        actor = await worker(bench)
        [parent, kid] = bench.apart("parent", "kid")
        await bench.start(kid, run="run-first")
        await bench.start(parent)
        await actor.commit((await actor.turns())[parent], child(kid, "run-kid"))
        assert names_of(news_of(await actor.turn(parent))) == ["ChildFailed"]
        row = await bench.describe(kid)
        assert (row.run, row.status, row.parent) == ("run-first", "running", "")
        assert (await bench.describe(parent)).children == ()

    async def test_an_ended_id_is_used_again(self, bench: Bench) -> None:
        """As a start that allows it."""
        actor = await worker(bench)
        [parent, kid] = bench.apart("parent", "kid")
        await bench.start(kid, run="run-first")
        await finish(actor, kid)
        await bench.start(parent)
        await actor.commit(await actor.turn(parent), child(kid, "run-kid"))
        assert (await actor.turn(kid)).run == "run-kid"

    async def test_its_end_reaches_its_parent_over_continue_as_new(self, bench: Bench) -> None:
        """The child goes on under its id; only its last end is told."""
        actor, parent, kid = await family(bench)
        task = await actor.turn(kid)
        await actor.commit(task, close=continued(task, "run-kid-2"))
        assert parent not in await actor.turns()
        assert (await bench.describe(kid)).parent == parent
        await actor.commit((await actor.take(again=True))[0], close=DONE)  # type: ignore[arg-type]
        assert names_of(news_of(await actor.turn(parent))) == ["ChildCompleted"]

    async def test_news_of_a_child_of_an_old_run_wake_nobody(self, bench: Bench) -> None:
        """The parent's next run did not start it; but it is still its child."""
        actor, parent, kid = await family(bench)
        await bench.signal(parent)
        task = (await actor.turns())[parent]
        await actor.commit(task, close=continued(task, "run-parent-2"))
        await actor.commit(await actor.turn(parent))
        assert (await bench.describe(parent)).children == (kid,)
        assert await bench.status(kid) == "running"
        await bench.terminate(kid)
        assert await actor.take() == []
        assert (await bench.describe(parent)).children == ()

    async def test_the_end_of_an_old_instances_child_wakes_nobody(self, bench: Bench) -> None:
        """The parent's id was used again; the new instance has no such child, though a command of that number."""
        actor, parent, kid = await family(bench, "abandon")
        await bench.terminate(parent)
        await bench.start(parent, run="run-new")
        other = bench.apart(parent, "other")[1]
        tasks = await actor.turns()
        await actor.commit(tasks[parent], child(other, "run-other"))
        await actor.commit(tasks[kid], close=DONE)
        await actor.turn(other)
        assert await actor.take() == []
        assert (await bench.describe(parent)).children == (other,)


class TestParentClose(Standing):
    """What becomes of an open child when its parent ends [B17]."""

    @pytest.mark.parametrize(("policy", "status"), [("terminate", "terminated"), ("abandon", "running")])
    async def test_its_policy_decides(self, bench: Bench, policy: ParentClosePolicy, status: str) -> None:
        """terminate ends it, abandon leaves it alone."""
        actor, parent, kid = await family(bench, policy)
        await bench.signal(parent)
        await actor.commit((await actor.turns())[parent], close=DONE)
        assert await bench.status(kid) == status

    async def test_cancel_asks_it_to_end(self, bench: Bench) -> None:
        """It gets the news and may clean up."""
        actor, parent, kid = await family(bench, "cancel")
        await bench.terminate(parent)
        assert isinstance(news_of(await actor.turn(kid))[1], CancelRequested)
        assert (await bench.describe(kid)).cancel_requested

    async def test_a_child_of_the_last_turn_is_started_too(self, bench: Bench) -> None:
        """Start and forget: a parent may end in the commit that starts an abandoned child."""
        actor = await worker(bench)
        [parent, kid] = bench.apart("parent", "kid")
        await bench.start(parent)
        await actor.commit(await actor.turn(parent), child(kid, "run-kid", parent_close="abandon"), close=DONE)
        assert await bench.status(kid) == "running"

    async def test_every_end_of_a_parent_counts(self, bench: Bench) -> None:
        """Terminated or timed out, as well as by its own decision."""
        actor = await worker(bench)
        [parent, kid] = bench.apart("parent", "kid")
        await bench.start(parent, timeout=BLINK)
        await actor.commit(await actor.turn(parent), child(kid, "run-kid"))
        await bench.wait()
        assert await bench.status(parent) == "timed_out"
        assert await bench.status(kid) == "terminated"

    async def test_terminate_follows_the_policies(self, bench: Bench) -> None:
        """Not recursive: abandoned children live."""
        _, parent, kid = await family(bench, "abandon")
        await bench.terminate(parent)
        assert await bench.status(kid) == "running"

    async def test_recursive_terminate_reaches_grandchildren(self, bench: Bench) -> None:
        """Whatever the policies say [B7]."""
        actor = await worker(bench)
        names = bench.apart("a", "b", "c", "d")
        await bench.start(names[0])
        for above, below in pairwise(names):
            await actor.commit(await actor.turn(above), child(below, f"run-{below}", parent_close="abandon"))
        await bench.terminate(names[0], recursive=True)
        assert [await bench.status(name) for name in names] == ["terminated"] * 4
        assert await actor.take() == []

    async def test_a_wide_and_deep_family_is_taken_down(self, bench: Bench) -> None:
        """Hundreds of children of one parent: in bounded steps, but all [P10]."""
        actor = await worker(bench)
        await bench.start("top")
        kids = [child(f"kid-{number}", f"run-kid-{number}", number) for number in range(1, 301)]
        await actor.commit(await actor.turn("top"), *kids)
        assert len(await bench.listing(parent="top", status="running")) == 300
        await bench.terminate("top", recursive=True)
        assert len(await bench.listing(status="terminated")) == 301

    async def test_a_deep_family_is_taken_down(self, bench: Bench) -> None:
        """However deep, in bounded steps [P10]."""
        actor = await worker(bench)
        await bench.start("level-0")
        for level in range(120):
            kid = child(f"level-{level + 1}", f"run-level-{level + 1}", parent_close="abandon")
            await actor.commit(await actor.turn(f"level-{level}"), kid)
        await bench.terminate("level-0", recursive=True)
        assert len(await bench.listing(status="terminated")) == 121

    async def test_a_stranger_that_took_the_childs_id_is_left_alone(self, bench: Bench) -> None:
        """The id was used again by somebody else: the parent's end does not concern it."""
        actor, parent, kid = await family(bench, "terminate")
        await bench.start(kid, run="run-stranger", on_conflict="terminate_existing")
        await bench.terminate(parent, recursive=True)
        row = await bench.describe(kid)
        assert (row.run, row.status) == ("run-stranger", "running")
        assert (await actor.turn(kid)).run == "run-stranger"

    async def test_a_child_that_continued_is_still_its_parents(self, bench: Bench) -> None:
        """Its next run goes down with the parent."""
        actor, parent, kid = await family(bench)
        task = await actor.turn(kid)
        await actor.commit(task, close=continued(task, "run-kid-2"))
        await bench.terminate(parent)
        assert await bench.status(kid) == "terminated"

    async def test_a_childs_policy_holds_over_continue_as_new_of_its_parent(self, bench: Bench) -> None:
        """The parent's next run did not start it, but when the instance ends, so does the child."""
        actor, parent, kid = await family(bench)
        await bench.signal(parent)
        task = (await actor.turns())[parent]
        await actor.commit(task, close=continued(task, "run-parent-2"))
        assert await bench.status(kid) == "running"
        await actor.commit(await actor.turn(parent), close=DONE)
        assert await bench.status(kid) == "terminated"
