"""Crossing: signals, cancels, starts and ends between instances, from the outbox to the inbox, once and in order."""

from __future__ import annotations

import pytest

from rqflow.backend.calls.tasks import DropOutbox, ReadOutbox, Receive
from rqflow.core.commands import SendCancel, SendSignal
from rqflow.core.events import CancelRequested, SignalDelivered, SignalFailed, SignalReceived
from rqflow.core.wire import decode_failure
from rqflow.testing.conformance.actor import DONE, Actor
from rqflow.testing.conformance.bench import Bench, names_of, signals_in
from rqflow.testing.conformance.deeds import child, continued, finish, news_of, resume, suspend, worker
from rqflow.testing.conformance.standing import Standing


async def pair(bench: Bench) -> tuple[Actor, str, str]:
    """A worker and two instances, in two partitions if there are several; the first has begun."""
    actor = await worker(bench)
    [one, two] = bench.apart("one", "two")
    await bench.start(one)
    await bench.start(two)
    tasks = await actor.turns()
    await actor.commit(tasks[one])
    await actor.commit(tasks[two])
    await bench.signal(one)
    return actor, one, two


class TestSending(Standing):
    """What one instance sends to another."""

    async def test_a_signal_arrives_and_its_sender_is_told(self, bench: Bench) -> None:
        """The receiver gets the payload, the sender an answer to its command [A9]."""
        actor, one, two = await pair(bench)
        await actor.commit(await actor.turn(one), SendSignal(id=1, instance=two, name="go", payload=b"\x00\xff\n"))
        tasks = await actor.turns()
        assert news_of(tasks[two]) == [SignalReceived(name="go", payload=b"\x00\xff\n")]
        assert news_of(tasks[one]) == [SignalDelivered(id=1)]

    async def test_a_cancel_request_arrives_and_its_sender_is_told(self, bench: Bench) -> None:
        """The receiver's row shows it."""
        actor, one, two = await pair(bench)
        await actor.commit(await actor.turn(one), SendCancel(id=1, instance=two, reason='ä "quote"\n'))
        tasks = await actor.turns()
        assert news_of(tasks[two]) == [CancelRequested(reason='ä "quote"\n')]
        assert news_of(tasks[one]) == [SignalDelivered(id=1)]
        assert (await bench.describe(two)).cancel_requested

    @pytest.mark.parametrize("command", [SendSignal(id=1, instance="?", name="go"), SendCancel(id=1, instance="?")])
    @pytest.mark.parametrize("receiver", ["unknown", "ended"])
    async def test_what_finds_no_open_instance_fails(
        self, bench: Bench, command: SendSignal | SendCancel, receiver: str
    ) -> None:
        """The sender learns that nobody was there."""
        actor, one, two = await pair(bench)
        if receiver == "ended":
            await bench.terminate(two)
        to = two if receiver == "ended" else bench.apart(one, "nobody")[1]
        fields = {name: getattr(command, name) for name in command.__dataclass_fields__} | {"instance": to}
        await actor.commit(await actor.turn(one), type(command)(**fields))
        [event] = news_of(await actor.turn(one))
        assert isinstance(event, SignalFailed)
        assert (event.id, decode_failure(event.payload).kind) == (1, "not_found")

    async def test_an_instance_may_signal_itself(self, bench: Bench) -> None:
        """Signal and answer are its next news."""
        actor, one, _ = await pair(bench)
        await actor.commit(await actor.turn(one), SendSignal(id=1, instance=one, name="go", payload=b"1"))
        assert sorted(names_of(news_of(await actor.turn(one)))) == ["SignalDelivered", "SignalReceived"]

    async def test_a_signal_of_the_last_turn_arrives(self, bench: Bench) -> None:
        """Though nobody waits for the answer."""
        actor, one, two = await pair(bench)
        await actor.commit(await actor.turn(one), SendSignal(id=1, instance=two, name="go", payload=b"1"), close=DONE)
        assert signals_in(news_of(await actor.turn(two))) == [b"1"]

    async def test_an_answer_to_an_old_run_wakes_nobody(self, bench: Bench) -> None:
        """The next run's command of that number is another."""
        actor, one, two = await pair(bench)
        task = await actor.turn(one)
        send = SendSignal(id=1, instance=two, name="go")
        await actor.commit(task, send, close=continued(task, "run-next"))
        tasks = await actor.turns()
        assert names_of(news_of(tasks[one])) == ["WorkflowStarted"]
        assert names_of(news_of(tasks[two])) == ["SignalReceived"]

    async def test_signals_of_one_sender_keep_their_order(self, bench: Bench) -> None:
        """Within a commit and from one commit to the next."""
        actor, one, two = await pair(bench)
        await suspend(bench, two)
        for turn in range(3):
            sends = [
                SendSignal(id=10 * turn + n, instance=two, name="go", payload=b"%d" % (10 * turn + n))
                for n in range(1, 6)
            ]
            await bench.signal(one)
            await actor.commit(await actor.turn(one), *sends)
        await resume(bench, two)
        received = signals_in(news_of(await actor.turn(two)))
        assert received == [b"%d" % (10 * turn + n) for turn in range(3) for n in range(1, 6)]

    async def test_a_child_gets_a_signal_of_the_same_commit(self, bench: Bench) -> None:
        """Letters leave in the order of their commands: first the child is there, then its signal comes."""
        actor, one, _ = await pair(bench)
        kid = bench.apart(one, "kid")[1]
        await actor.commit(
            await actor.turn(one), child(kid, "run-kid"), SendSignal(id=2, instance=kid, name="go", payload=b"1")
        )
        tasks = await actor.turns()
        assert names_of(news_of(tasks[kid])) == ["WorkflowStarted", "SignalReceived"]
        assert news_of(tasks[one]) == [SignalDelivered(id=2)]


class TestOutbox(Standing):
    """Letters between partitions: nothing is sent outside a commit, and each arrives once."""

    async def test_the_commit_says_what_waits(self, bench: Bench) -> None:
        """Its answer and Take's count the letters; with one partition there are none."""
        actor, one, two = await pair(bench)
        call = actor.commit_call(await actor.turn(one), SendSignal(id=1, instance=two, name="go"))
        expected = 1 if bench.partitions > 1 else 0
        assert (await bench.call(call)).outbox == expected
        assert (await actor.taken(bench.at(one))).outbox == expected
        letters = await bench.messages(bench.at(one))
        assert [letter.to for letter in letters] == [bench.at(two)] * expected
        await bench.relay()
        assert await bench.messages(bench.at(one)) == ()

    async def test_p8_a_letter_that_is_relayed_often_arrives_once(self, bench: Bench) -> None:
        """Relays repeat themselves; receivers do not [P8][B21]."""
        actor, one, two = await pair(bench)
        sends = [SendSignal(id=n, instance=two, name="go", payload=b"%d" % n) for n in range(1, 6)]
        await bench.call(actor.commit_call(await actor.turn(one), *sends))
        new = await bench.relay(times=3)
        assert new == (10 if bench.partitions > 1 else 0)
        tasks = await actor.turns()
        assert signals_in(news_of(tasks[two])) == [b"%d" % n for n in range(1, 6)]
        assert len(tasks[one].inbox) == 5

    async def test_a_relay_that_dies_before_it_drops_does_no_harm(self, bench: Bench) -> None:
        """Another relay sends the same letters, together with later ones."""
        actor, one, two = await pair(bench)
        source, target = bench.at(one), bench.at(two)
        await suspend(bench, two)
        await bench.call(
            actor.commit_call(await actor.turn(one), SendSignal(id=1, instance=two, name="go", payload=b"1"))
        )
        letters = await bench.messages(source)
        await bench.call(Receive(partition=target, source=source, messages=letters))
        await bench.signal(one)
        await bench.call(
            actor.commit_call(await actor.turn(one), SendSignal(id=2, instance=two, name="go", payload=b"2"))
        )
        await bench.relay()
        await resume(bench, two)
        assert signals_in(news_of((await actor.turns())[two])) == [b"1", b"2"]

    async def test_reading_the_outbox_is_bounded(self, bench: Bench) -> None:
        """Oldest first, so many as are asked for."""
        actor, one, two = await pair(bench)
        sends = [SendSignal(id=n, instance=two, name="go", payload=b"%d" % n) for n in range(1, 6)]
        await bench.call(actor.commit_call(await actor.turn(one), *sends))
        source = bench.at(one)
        some = await bench.call(ReadOutbox(partition=source, limit=2))
        assert len(some) == (2 if bench.partitions > 1 else 0)
        assert some == (await bench.messages(source))[:2]
        await bench.call(Receive(partition=bench.at(two), source=source, messages=some))
        await bench.call(DropOutbox(partition=source, ids=tuple(letter.id for letter in some)))
        await bench.call(DropOutbox(partition=source, ids=tuple(letter.id for letter in some)))
        await bench.relay()
        assert signals_in(news_of((await actor.turns())[two])) == [b"%d" % n for n in range(1, 6)]

    async def test_a_child_is_started_and_told_of_once_by_many_relays(self, bench: Bench) -> None:
        """Start, answer and end cross as letters, each three times."""
        actor, one, _ = await pair(bench)
        kid = bench.apart(one, "kid")[1]
        call = actor.commit_call(await actor.turn(one), child(kid, "run-kid", tell_start=True))
        await bench.call(call)
        await bench.relay(times=3)
        tasks = await actor.turns()
        assert names_of(news_of(tasks[one])) == ["ChildStarted"]
        await bench.call(actor.commit_call(tasks[kid], close=DONE))
        await bench.relay(times=3)
        await actor.commit(tasks[one])
        assert names_of(news_of(await actor.turn(one))) == ["ChildCompleted"]

    async def test_a_parents_end_overtakes_no_start(self, bench: Bench) -> None:
        """Start and terminate of a child wait in the same outbox: they arrive in this order."""
        actor, one, _ = await pair(bench)
        kid = bench.apart(one, "kid")[1]
        await bench.call(actor.commit_call(await actor.turn(one), child(kid, "run-kid"), close=DONE))
        await bench.relay(times=2)
        assert await bench.status(kid) == "terminated"
        assert await actor.take() == []

    async def test_letters_to_the_ended_are_lost_in_peace(self, bench: Bench) -> None:
        """A child's end finds its parent gone: nobody is harmed."""
        actor, one, _ = await pair(bench)
        kid = bench.apart(one, "kid")[1]
        await actor.commit(await actor.turn(one), child(kid, "run-kid", parent_close="abandon"))
        await bench.terminate(one)
        await finish(actor, kid)
        assert await bench.relay() == 0
        assert await actor.take() == []
