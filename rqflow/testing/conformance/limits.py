"""Limits: who passes a bound is refused, nothing is written, and the run can still end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import pytest

from rqflow.backend.calls.hubs import Limits
from rqflow.backend.calls.instances import Terminate
from rqflow.backend.protocol import Backend
from rqflow.core.commands import CancelTimer, RecordSideEffect, SetAttributes, StartTimer
from rqflow.core.events import SignalReceived
from rqflow.core.wire import encode
from rqflow.errors import BadInput, LimitReached, RqflowError
from rqflow.testing.conformance.actor import DONE
from rqflow.testing.conformance.bench import LONG, Bench
from rqflow.testing.conformance.clocks import Clock
from rqflow.testing.conformance.deeds import charge, child, complete_call, continued, worker

TIGHT: Final = Limits(
    payload_bytes=2_000,
    id_bytes=40,
    name_bytes=30,
    inbox_events=5,
    history_events=20,
    history_bytes=5_000,
    outstanding=4,
    attributes=3,
    children=2,
)
"""The limits of `tight_backend`: near enough to be reached."""


class TestLimits:
    """Each bound, from both sides (P10)."""

    @pytest.fixture
    def bench(self, tight_backend: Backend, clock: Clock) -> Bench:
        return Bench(tight_backend, clock)

    @pytest.mark.parametrize(
        "options",
        [
            {"instance": "x" * 41},
            {"instance": "ä" * 21},
            {"instance": ""},
            {"workflow": "w" * 31},
            {"queue": "q" * 31},
            {"lane": "l" * 31},
            {"payload": b"p" * 2_001},
            {"attributes": {"a": 1, "b": 2, "c": 3, "d": 4}},
            {"attributes": {"a": "v" * 300}},
            {"attributes": {"n" * 31: 1}},
        ],
    )
    async def test_p10_a_start_past_a_limit_is_refused(self, bench: Bench, options: dict[str, Any]) -> None:
        """And starts nothing."""
        error = await bench.refused(bench.start_call(**options), RqflowError)
        assert isinstance(error, LimitReached | BadInput)
        assert await bench.listing() == []

    async def test_a_start_at_the_limit_is_accepted(self, bench: Bench) -> None:
        """The bound itself is allowed."""
        await bench.start("x" * 40, workflow="w" * 30, payload=b"p" * 2_000, attributes={"a": 1, "b": 2, "c": 3})

    async def test_p10_a_full_inbox_refuses_clients(self, bench: Bench) -> None:
        """With an error that names the limit; when a turn has consumed, there is room again."""
        actor = await worker(bench)
        await bench.start()
        for _ in range(4):
            await bench.signal("order")
        error = await bench.refused(bench.signal_call("order"), LimitReached)
        assert error.limit == 5
        assert (await bench.describe()).inbox_length == 5
        await actor.commit(await actor.turn())
        await bench.signal("order")

    async def test_a_full_inbox_knows_a_repeat(self, bench: Bench) -> None:
        """A request that was accepted is not refused later."""
        await bench.start()
        call = bench.signal_call("order")
        await bench.call(call)
        for _ in range(3):
            await bench.signal("order")
        await bench.call(call)

    async def test_a_full_inbox_still_takes_results(self, bench: Bench) -> None:
        """Only clients' news are refused: what the run itself waits for always arrives."""
        actor = await worker(bench)
        await bench.start()
        await actor.commit(await actor.turn(), charge(1), StartTimer(id=2, delay=timedelta(0)))
        running = await actor.activity()
        for _ in range(5):
            await bench.signal("order")
        await bench.call(complete_call(running))
        await bench.fire()
        assert (await bench.describe()).inbox_length == 7

    async def test_signal_with_start_is_refused_by_a_full_inbox(self, bench: Bench) -> None:
        """The existing instance keeps what it had."""
        await bench.start()
        for _ in range(4):
            await bench.signal("order")
        signal = encode(SignalReceived(name="go"))
        call = bench.start_call("order", on_conflict="use_existing", signal=signal, signal_request="request-a")
        await bench.refused(call, LimitReached)
        assert (await bench.describe()).inbox_length == 5

    async def test_a_payload_past_the_limit_is_refused(self, bench: Bench) -> None:
        """Before it is anywhere."""
        await bench.start()
        await bench.refused(bench.signal_call("order", payload=b"p" * 2_001), BadInput)
        await bench.signal("order", payload=b"p" * 2_000)
        assert (await bench.describe()).inbox_length == 2

    @pytest.mark.parametrize(
        "commands",
        [
            [RecordSideEffect(id=n, payload=b"1") for n in range(1, 21)],
            [RecordSideEffect(id=n, payload=b"x" * 1_900) for n in range(1, 4)],
            [StartTimer(id=n, delay=LONG) for n in range(1, 6)],
            [SetAttributes(id=1, changes={"a": 1, "b": 2, "c": 3, "d": 4}, payload=b"{}")],
        ],
        ids=["events", "bytes", "outstanding", "attributes"],
    )
    async def test_p2_a_commit_past_a_limit_writes_nothing(self, bench: Bench, commands: list[Any]) -> None:
        """The worker keeps its lease and can end the run instead [P2][P10]."""
        actor = await worker(bench)
        await bench.start()
        task = await actor.turn()
        before = await bench.describe()
        await bench.refused(actor.commit_call(task, *commands), LimitReached)
        assert await bench.describe() == before
        assert await bench.due() == 0
        assert (await actor.commit(task, close=DONE)).closed

    async def test_p10_an_instance_has_so_many_open_children(self, bench: Bench) -> None:
        """Also those that nobody waits for, through all its runs; when one ends there is room for another."""
        actor = await worker(bench)
        await bench.start()
        task = await actor.turn()
        kids = [child(f"kid-{id}", f"kid-run-{id}", id) for id in (1, 2)]
        await actor.commit(task, *kids, close=continued(task, "run-b"))
        task = await actor.turn()
        error = await bench.refused(actor.commit_call(task, child("kid-3", "kid-run-3")), LimitReached)
        assert error.limit == 2
        await bench.call(Terminate(partition=bench.at("kid-1"), instance="kid-1"))
        await bench.relay()
        await actor.commit(task, child("kid-3", "kid-run-3"))

    async def test_a_run_at_its_limit_can_end(self, bench: Bench) -> None:
        """One that has no room left for another event still ends in good order."""
        actor = await worker(bench)
        await bench.start()
        await actor.commit(await actor.turn(), *(RecordSideEffect(id=n) for n in range(1, 20)))
        await bench.signal("order")
        task = await actor.turn()
        assert task.history_length == 20
        await bench.refused(actor.commit_call(task), LimitReached)
        assert (await actor.commit(task, close=DONE)).closed
        assert (await bench.describe()).history_length == 22

    async def test_what_is_waited_for_no_more_leaves_room(self, bench: Bench) -> None:
        """The bound is on what is outstanding at one time."""
        actor = await worker(bench)
        await bench.start()
        await actor.commit(await actor.turn(), *(StartTimer(id=n, delay=LONG) for n in range(1, 5)))
        await bench.signal("order")
        await bench.refused(actor.commit_call(await actor.turn(), StartTimer(id=5, delay=LONG)), LimitReached)
        [task] = await actor.take(again=True)
        await actor.commit(task, CancelTimer(id=5, target=1))  # type: ignore[arg-type]
        await bench.signal("order")
        await actor.commit(await actor.turn(), StartTimer(id=6, delay=LONG))
        assert (await bench.describe()).timers == 4
