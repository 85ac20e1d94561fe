"""News: how signals, updates and cancel requests reach an instance, in order and once."""

from __future__ import annotations

import asyncio

from rqflow.core.events import CancelRequested, UpdateRequested
from rqflow.core.wire import decode_stored, encode
from rqflow.errors import InstanceClosed, InstanceNotFound
from rqflow.testing.conformance.bench import Bench, names_of, signals_in
from rqflow.testing.conformance.deeds import finish, news_of, worker
from rqflow.testing.conformance.standing import Standing


class TestNews(Standing):
    """What clients send to an instance."""

    async def test_p8_signals_arrive_in_order_and_once(self, bench: Bench) -> None:
        """A repeat of a request does nothing [P8][B5]."""
        actor = await worker(bench)
        await bench.start()
        for number in range(20):
            call = bench.signal_call("order", payload=b"%d" % number)
            await bench.call(call)
            await bench.call(call)
        assert signals_in(news_of(await actor.turn())) == [b"%d" % number for number in range(20)]

    async def test_p8_signals_sent_at_once_by_many_all_arrive(self, bench: Bench) -> None:
        """None is lost between two writers."""
        actor = await worker(bench)
        await bench.start()
        await asyncio.gather(*(bench.signal("order", payload=b"%d" % number) for number in range(50)))
        assert sorted(signals_in(news_of(await actor.turn()))) == sorted(b"%d" % number for number in range(50))

    async def test_a_batch_is_carried_out_in_order(self, bench: Bench) -> None:
        """The calls of one send to one partition keep their order, and a bad one harms no other."""
        actor = await worker(bench)
        calls = [
            bench.start_call("order"),
            bench.signal_call("order", payload=b"1"),
            bench.signal_call("nobody"),
            bench.signal_call("order", payload=b"2"),
        ]
        answers = await bench.backend.send(calls)
        assert isinstance(answers[2], InstanceNotFound)
        assert [isinstance(answer, Exception) for answer in answers] == [False, False, True, False]
        assert signals_in(news_of(await actor.turn())) == [b"1", b"2"]

    async def test_an_empty_batch_has_no_answers(self, bench: Bench) -> None:
        """Nothing asked, nothing answered."""
        assert await bench.backend.send([]) == []

    async def test_a_payload_may_be_any_bytes(self, bench: Bench) -> None:
        """Line ends, zeros, no UTF-8: payloads are opaque to a store."""
        actor = await worker(bench)
        await bench.start()
        payload = bytes(range(256)) * 3 + b"\n\n r i 17 \r\n"
        await bench.signal("order", payload=payload)
        assert signals_in(news_of(await actor.turn())) == [payload]

    async def test_p8_the_last_thousand_requests_are_remembered(self, bench: Bench) -> None:
        """A late repeat among the last 1,000 is known; the memory has a limit [P10]."""
        await bench.start()
        first = bench.signal_call("order", request="first")
        await bench.call(first)
        calls = [bench.signal_call("order") for _ in range(998)]
        assert all(answer is None for answer in await bench.backend.send(calls))
        await bench.call(first)
        assert (await bench.describe()).inbox_length == 1 + 1 + 998
        calls = [bench.signal_call("order") for _ in range(1_000)]
        assert all(answer is None for answer in await bench.backend.send(calls))
        await bench.call(first)
        assert (await bench.describe()).inbox_length == 1 + 1 + 998 + 1_000 + 1

    async def test_news_for_nobody_are_refused(self, bench: Bench) -> None:
        """Unknown and ended instances take none [A2]."""
        actor = await worker(bench)
        await bench.refused(bench.signal_call("nobody"), InstanceNotFound)
        await bench.start()
        await finish(actor)
        error = await bench.refused(bench.signal_call("order"), InstanceClosed)
        assert (error.instance, error.status) == ("order", "completed")

    async def test_a_repeat_after_the_end_is_no_error(self, bench: Bench) -> None:
        """The request was accepted once; saying so again is true."""
        actor = await worker(bench)
        await bench.start()
        call = bench.signal_call("order")
        await bench.call(call)
        await finish(actor)
        await bench.call(call)

    async def test_cancel_is_shown_and_told(self, bench: Bench) -> None:
        """The row shows that someone asked; the code gets the news and decides."""
        actor = await worker(bench)
        await bench.start()
        await bench.cancel("order", "too dear")
        row = await bench.describe()
        assert (row.cancel_requested, row.status) == (True, "running")
        cancel = news_of(await actor.turn())[1]
        assert isinstance(cancel, CancelRequested)
        assert cancel.reason == "too dear"

    async def test_an_update_is_news_too(self, bench: Bench) -> None:
        """Name, id and payload arrive as they were sent."""
        actor = await worker(bench)
        await bench.start()
        event = UpdateRequested(update="update-a", name="rename", payload=b'["x"]')
        call = bench.signal_call("order", request="update-a")
        await bench.call(
            type(call)(partition=call.partition, instance="order", event=encode(event), request="update-a")
        )
        assert news_of(await actor.turn())[1] == event

    async def test_stored_times_never_go_back(self, bench: Bench) -> None:
        """What came later is stamped no earlier, on the store's clock."""
        actor = await worker(bench)
        await bench.start()
        for _ in range(5):
            await bench.signal("order")
        times = [decode_stored(event).at_ms for event in (await actor.turn()).inbox]
        assert times == sorted(times)
        created = (await bench.describe()).created_at
        assert times[0] == round(created.timestamp() * 1000)

    async def test_p6_many_news_queue_one_task(self, bench: Bench) -> None:
        """An instance has at most one task, and has one as long as it has news [P6]."""
        actor = await worker(bench)
        await bench.start()
        for _ in range(5):
            await bench.signal("order")
        assert len(await actor.take()) == 1
        await bench.signal("order")
        assert await actor.take() == []
        row = await bench.describe()
        assert (row.task, row.worker, row.inbox_length) == ("leased", actor.id, 7)

    async def test_p7_a_turn_is_given_a_bounded_inbox(self, bench: Bench) -> None:
        """At most 1,000 news a turn; the rest is the next turn's [P7][P10]."""
        actor = await worker(bench)
        await bench.start()
        calls = [bench.signal_call("order", payload=b"%d" % number) for number in range(1_500)]
        assert all(answer is None for answer in await bench.backend.send(calls))
        first = await actor.turn()
        assert len(first.inbox) == 1_000
        assert (await actor.commit(first)).more
        second = await actor.turn()
        seen = signals_in(news_of(first)) + signals_in(news_of(second))
        assert seen == [b"%d" % number for number in range(1_500)]
        assert names_of(await bench.history())[0] == "WorkflowStarted"
