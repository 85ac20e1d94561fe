"""The memory backend's own: named stores, threads and several event loops, a clock of one's choice, bounds."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta

import pytest

from rqflow.backend.calls.instances import Answer, Ask, ReadOutcome, ReadQueryAnswer
from rqflow.backend.calls.tasks import AnswerQuery, FireDue
from rqflow.backend.memory.agenda import Agenda, Item
from rqflow.backend.memory.backend import MemoryBackend, SyncMemoryBackend
from rqflow.backend.memory.opening import forget_memory, memory_store, open_memory, open_memory_sync
from rqflow.backend.memory.store import MemoryStore
from rqflow.core.commands import AnswerUpdate
from rqflow.errors import BadInput, HubMismatch, InstanceExists, InstanceNotFound
from rqflow.testing.clock import VirtualClock
from rqflow.testing.conformance.bench import LONG, Bench
from rqflow.testing.conformance.clocks import SuiteVirtualClock
from rqflow.testing.conformance.deeds import finish, worker

PATIENCE = 20.0


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def store(clock: VirtualClock) -> MemoryStore:
    made = MemoryStore(now_ms=clock.now_ms)
    clock.on_advance(made.wake)
    return made


@pytest.fixture
def bench(store: MemoryStore, clock: VirtualClock) -> Bench:
    return Bench(MemoryBackend(store), SuiteVirtualClock(clock))


# ---- opening -----------------------------------------------------------------------------------------------------


async def test_one_name_is_one_store() -> None:
    """`memory://name` is shared by all that open it, asynchronous or not; other names and hubs are apart."""
    one, two = open_memory("shop", "default", partitions=2), open_memory_sync("shop", "default")
    try:
        assert one.hub is two.hub
        assert (one.hub.partitions, one.limits) == (2, two.limits)
        bench = Bench(one, SuiteVirtualClock(VirtualClock()))
        await bench.start()
        assert two.call(ReadOutcome(partition=bench.at("order"), instance="order")).status == "running"
        other = open_memory_sync("shop", "other")
        with pytest.raises(InstanceNotFound):
            other.call(ReadOutcome(partition=0, instance="order"))
    finally:
        await one.close()
        two.close()
        forget_memory("shop", "default")
        forget_memory("shop", "other")
    with pytest.raises(InstanceNotFound):
        open_memory_sync("shop", "default").call(ReadOutcome(partition=0, instance="order"))
    forget_memory("shop", "default")
    forget_memory("never", "was")


def test_a_hub_keeps_its_partitions() -> None:
    """Whoever opens it with another number is told, and nobody is harmed."""
    memory_store("fixed", "default", partitions=4)
    with pytest.raises(HubMismatch, match="4 partitions, not 2"):
        open_memory("fixed", "default", partitions=2)
    assert open_memory("fixed", "default", partitions=4).hub.partitions == 4
    forget_memory("fixed", "default")


def test_a_hub_has_partitions() -> None:
    """None is no hub; a partition that is not there is refused."""
    with pytest.raises(BadInput):
        MemoryStore(partitions=0)
    for number in (-1, 1):
        with pytest.raises(BadInput, match=f"no partition {number}"):
            SyncMemoryBackend().call(FireDue(partition=number))


# ---- threads and loops ---------------------------------------------------------------------------------------------


def test_threads_share_a_store(store: MemoryStore, bench: Bench) -> None:
    """Of many that start the same id at once, one does."""
    backend = SyncMemoryBackend(store)
    answers: list[object] = []
    barrier = threading.Barrier(8)

    def start() -> None:
        call = bench.start_call("order")
        barrier.wait()
        answers.extend(backend.send([call]))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(answer, InstanceExists) for answer in answers) == 7


def test_a_blocked_thread_is_woken(store: MemoryStore, bench: Bench) -> None:
    """The blocking watch hears of what an event loop does; without news it ends at its timeout."""
    backend = SyncMemoryBackend(store)
    asyncio.run(_started(bench))
    with backend.watch("order") as watch:
        assert not watch.wait(0.001)
        thread = threading.Thread(target=lambda: asyncio.run(_finished(bench)))
        thread.start()
        assert watch.wait(PATIENCE)
        thread.join()
    assert backend.call(ReadOutcome(partition=0, instance="order")).status == "completed"


async def _started(bench: Bench) -> None:
    await bench.start()


async def _finished(bench: Bench) -> None:
    await finish(await worker(bench))


async def test_a_loop_is_woken_by_another_thread(store: MemoryStore, bench: Bench) -> None:
    """A worker that waits in one loop takes what a thread starts."""
    actor = await worker(bench)
    waiting = asyncio.ensure_future(
        bench.backend.wait_for_tasks(0, actor.id, actor.subscription, timedelta(seconds=PATIENCE))
    )
    await asyncio.sleep(0)
    call = bench.start_call("order")
    await asyncio.to_thread(SyncMemoryBackend(store).call, call)
    assert len(await waiting) == 1


async def test_a_loop_that_was_closed_disturbs_nobody(store: MemoryStore, bench: Bench) -> None:
    """Its waiters cannot be woken any more; those of others are."""
    holder: list[object] = []

    def abandon() -> None:
        loop = asyncio.new_event_loop()
        watching = bench.backend.watch("order")
        loop.run_until_complete(watching.__aenter__())
        holder.append(watching)
        loop.close()

    await asyncio.to_thread(abandon)
    async with bench.backend.watch("order") as watch:
        await bench.start()
        assert await watch.wait(PATIENCE)


# ---- time ----------------------------------------------------------------------------------------------------------


async def test_a_virtual_clock_ends_waits(clock: VirtualClock, bench: Bench) -> None:
    """Nobody waits for real time: when the clock is moved past the timeout, the wait ends."""
    actor = await worker(bench)
    waiting = asyncio.ensure_future(bench.backend.wait_for_tasks(0, actor.id, actor.subscription, LONG))
    await asyncio.sleep(0)
    clock.advance(LONG / 2)
    await asyncio.sleep(0)
    assert not waiting.done()
    clock.advance(LONG / 2)
    assert list(await waiting) == []
    assert clock.elapsed == LONG


def test_time_does_not_go_back(clock: VirtualClock) -> None:
    """Neither for the clock nor for the store."""
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance(timedelta(seconds=-1))
    times = iter([1_000, 5_000, 5_000, 4_000])
    store = MemoryStore(now_ms=lambda: next(times))
    assert store.apply(FireDue(partition=0)) == 0
    assert store._partitions[0].now_ms == 5_000


async def test_a_store_takes_the_wall_clock_if_given_none() -> None:
    """Milliseconds since the epoch."""
    bench = Bench(MemoryBackend(), SuiteVirtualClock(VirtualClock()))
    await bench.start()
    created = (await bench.describe()).created_at
    assert created >= bench.backend.hub.created_at
    assert created.year >= 2026


# ---- bounds --------------------------------------------------------------------------------------------------------


async def test_an_answer_to_a_question_is_kept_for_a_minute(bench: Bench) -> None:
    """And not longer; questions that were answered later stay their own minute."""
    actor = await worker(bench)
    await bench.start()
    await actor.commit(await actor.turn())
    for query in ("query-a", "query-b"):
        await bench.call(
            Ask(partition=0, instance="order", query=query, name="total", payload=b"", timeout=timedelta(minutes=5))
        )
        task = await actor.question()
        answer = Answer(accepted=True, payload=b"1")
        await bench.call(
            AnswerQuery(partition=0, worker=actor.id, instance="order", query=query, token=task.token, answer=answer)
        )
        await bench.clock.pass_by(timedelta(seconds=40))
    for query, kept in (("query-a", False), ("query-b", True)):
        found = await bench.call(ReadQueryAnswer(partition=0, instance="order", query=query))
        assert (found is not None) is kept


async def test_the_last_thousand_answers_of_updates_are_kept(bench: Bench, store: MemoryStore) -> None:
    """A run may answer any number; the memory for it has a limit [P10]."""
    actor = await worker(bench)
    await bench.start()
    answers = [AnswerUpdate(id=n, update=f"update-{n}", accepted=True) for n in range(1, 1_101)]
    await actor.commit(await actor.turn(), *answers)
    assert len(store._partitions[0].rows.by_id["order"].answers) == 1_000


def test_an_agenda_forgets_what_was_taken_back() -> None:
    """However often times are changed, it holds little more than there is [P10]."""
    agenda = Agenda()
    for number in range(1_000):
        agenda.put(Item("timer", "order", "run-a", 1), 5_000 - number)
        agenda.put(Item("timer", "order", "run-a", 2 + number), 10_000)
        agenda.drop(Item("timer", "order", "run-a", 2 + number))
    assert len(agenda.heap) < 100
    assert agenda.next_ms() == 4_001
    assert agenda.pop(4_000) is None
    assert agenda.pop(4_001) == Item("timer", "order", "run-a", 1)
    assert agenda.pop(10_000) is None
