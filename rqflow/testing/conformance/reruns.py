"""Reruns: an instance begins with a part of an earlier run's history."""

from __future__ import annotations

from typing import Any

import pytest

from rqflow.backend.calls.checks import RERUN_BYTES
from rqflow.backend.calls.instances import Started
from rqflow.backend.calls.reruns import Rerun
from rqflow.core.events import SignalReceived, WorkflowRerun
from rqflow.core.wire import encode, stored
from rqflow.errors import BadInput, InstanceExists, InstanceNotClosed, InstanceNotFound, LimitReached, RqflowError
from rqflow.testing.conformance.bench import QUEUE, Bench
from rqflow.testing.conformance.deeds import charge, complete_call, finish, news_of, stall_call, worker
from rqflow.testing.conformance.standing import Standing

KEPT = (stored(5, "r", encode(SignalReceived(name="kept"))), stored(6, "i", encode(SignalReceived(name="too"))))
BEGIN = encode(WorkflowRerun(run="again", source="before", redo=(1,)))
MORE = encode(SignalReceived(name="more", payload=b"!"))


def rerun_call(bench: Bench, instance: str = "order", run: str = "again", **options: Any) -> Rerun:
    """With a history of two events, and two news."""
    given: dict[str, Any] = {
        "replaces": "", "workflow": "checkout", "queue": QUEUE, "history": KEPT, "news": (("r", BEGIN), ("i", MORE)),
        "timeout_ms": None, "retention_ms": 60_000, "attributes": {}, **options,
    }  # fmt: skip
    return Rerun(partition=bench.at(instance), instance=instance, run=run, **given)


class TestRerun(Standing):
    """What stood is kept, what is new is news, and nobody is overrun [B9]."""

    async def test_it_begins_with_its_history_and_its_news(self, bench: Bench) -> None:
        """Under a free id: one task with all of it."""
        actor = await worker(bench)
        call = rerun_call(bench, attributes={"a": 1}, status=b"3", reason="why", priority=2, lane="l")
        assert await bench.call(call) == Started(instance="order", run="again", created=True)
        task = await actor.turn()
        assert (task.history, task.history_length, task.history_bytes) == (KEPT, 2, sum(map(len, KEPT)))
        assert [type(event) for event in news_of(task)] == [WorkflowRerun, SignalReceived]
        row = await bench.describe()
        assert (row.status, row.run, row.runs, row.history_length, row.inbox_length) == ("running", "again", 1, 2, 2)
        assert (row.attributes, row.custom_status, row.reason, row.priority, row.lane) == (
            {"a": 1},
            b"3",
            "why",
            2,
            "l",
        )
        await actor.commit(task)
        assert (await bench.describe()).history_length == 4

    async def test_it_takes_the_place_of_an_ended_run(self, bench: Bench) -> None:
        """Whose history stays, and which nobody starts once more by repeating its start."""
        actor = await worker(bench)
        start = bench.start_call("order")
        before = (await bench.call(start)).run
        await finish(actor)
        await bench.call(rerun_call(bench, replaces=before))
        assert (await bench.describe()).run == "again"
        assert len(await bench.history(run=before)) == 2
        assert (await bench.call(start)).run == "again"

    async def test_a_repeat_is_the_same_rerun(self, bench: Bench) -> None:
        """Sent again after a broken connection, and after its end."""
        actor = await worker(bench)
        for _ in range(2):
            assert (await bench.call(rerun_call(bench))).created
        await finish(actor)
        assert (await bench.call(rerun_call(bench))).run == "again"
        assert (await bench.describe()).status == "completed"

    async def test_it_takes_the_place_of_a_stalled_run(self, bench: Bench) -> None:
        """Which ends as terminated: what it waited for is waited for no more."""
        actor = await worker(bench)
        run = (await bench.start()).run
        await actor.commit(await actor.turn(), charge(1), sticky=False)
        running = await actor.activity()
        await bench.signal("order")
        await bench.call(stall_call(await actor.turn()))
        await bench.call(rerun_call(bench, replaces=run))
        row = await bench.describe()
        assert (row.status, row.run, row.pending) == ("running", "again", ())
        assert (await bench.history(run=run))[-1].reason == "replaced by a rerun"  # type: ignore[union-attr]
        await bench.refused(complete_call(running), RqflowError)

    async def test_it_has_its_own_deadline(self, bench: Bench) -> None:
        """Counted from now."""
        await bench.call(rerun_call(bench, timeout_ms=0))
        await bench.fire()
        assert (await bench.describe()).status == "timed_out"

    @pytest.mark.parametrize(
        ("options", "error"),
        [
            ({"instance": "nobody", "replaces": "some"}, InstanceNotFound),
            ({"replaces": ""}, InstanceExists),
            ({"replaces": "another"}, InstanceExists),
            ({"replaces": "order's"}, InstanceNotClosed),
            ({"instance": ""}, BadInput),
            ({"instance": "x" * 1_000}, LimitReached),
            ({"instance": "free", "news": ()}, BadInput),
            ({"instance": "free", "history": (b"x" * (RERUN_BYTES + 1),)}, LimitReached),
            ({"instance": "free", "news": (("i", MORE + b"x" * 3_000_000),)}, BadInput),
        ],
    )
    async def test_it_overruns_nobody(self, bench: Bench, options: dict[str, Any], error: type[RqflowError]) -> None:
        """Refused, and nothing has changed."""
        run = (await bench.start()).run
        given = {**options, "replaces": run} if options.get("replaces") == "order's" else options
        await bench.refused(rerun_call(bench, **given), error)
        assert [row.instance for row in await bench.listing()] == ["order"]
        assert (await bench.describe()).run == run
