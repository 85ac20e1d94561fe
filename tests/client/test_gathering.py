"""Gathering: many coroutines of one client share round trips, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from rqflow.backend.calls.call import Call
from rqflow.backend.calls.instances import ReadOutcome, Start
from rqflow.backend.memory.backend import MemoryBackend
from rqflow.backend.memory.store import MemoryStore
from rqflow.client.asynchronous import AsyncClient
from rqflow.client.gathering import MOST
from rqflow.client.starting import Request
from rqflow.errors import InstanceExists, InstanceNotFound
from tests.client.faults import BreakingBackend, Faults

MANY = 250


class Post(BreakingBackend):
    """A store that keeps what came with each round trip, and may be closed or held up."""

    def __init__(self, partitions: int = 1) -> None:
        self.faults = Faults()
        super().__init__(MemoryBackend(MemoryStore(partitions=partitions)), self.faults)
        self.trips: list[list[Call[Any]]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.refuses: Callable[[Call[Any]], bool] = lambda _: False

    async def send(self, calls: Sequence[Call[Any]]) -> list[Any]:
        self.trips.append(list(calls))
        await self.open.wait()
        if any(map(self.refuses, calls)):
            raise TypeError("that cannot be packed")
        return await super().send(calls)

    def starts(self) -> list[str]:
        """The instances whose start was sent, in order."""
        return [call.instance for calls in self.trips for call in calls if isinstance(call, Start)]


def names(count: int = MANY) -> list[str]:
    return [f"order-{number}" for number in range(count)]


async def started(client: AsyncClient, ids: Sequence[str]) -> list[Any]:
    """What comes of starts that are asked for at the same time."""
    found: list[Any] = await asyncio.gather(*(client.start("checkout", id=id) for id in ids), return_exceptions=True)
    return found


async def test_what_many_ask_in_one_turn_leaves_together() -> None:
    """Each has his own answer or error, in a batch of at most a hundred; the first does not wait for the others."""
    client = AsyncClient(backend=(post := Post()))
    await client.start("checkout", id="order-7")
    post.trips.clear()
    answers = await started(client, names())
    assert [id for id, answer in zip(names(), answers, strict=True) if isinstance(answer, InstanceExists)] == [
        "order-7"
    ]
    assert {answer.id for answer in answers if not isinstance(answer, Exception)} == {*names()} - {"order-7"}
    assert [len(calls) for calls in post.trips] == [1, MOST, MOST, MANY - 2 * MOST - 1]
    assert post.starts() == names(), "in the order in which they asked"


async def test_who_is_alone_leaves_at_once() -> None:
    """One after the other, nobody waits for company."""
    client = AsyncClient(backend=(post := Post()))
    for id in names(5):
        await client.start("checkout", id=id)
    assert [len(calls) for calls in post.trips] == [1] * 5


async def test_partitions_reads_and_promises_travel_apart() -> None:
    """A server that is away harms those who ask it; and what replicas must have holds up no read."""
    client = AsyncClient(backend=(post := Post(partitions=4)))
    await started(client, names(40))
    post.trips.clear()
    reads = [client.describe(id) for id in names(40)]
    await asyncio.gather(started(client, [f"more-{id}" for id in names(40)]), *reads)
    assert all(len({(call.partition, call.promises) for call in calls}) == 1 for calls in post.trips)
    assert len(post.trips) <= 1 + 2 * 4
    bulk = await client.start_many([Request.of("checkout", id=f"bulk-{id}") for id in names(40)])
    assert not any(isinstance(answer, Exception) for answer in bulk)
    assert len(post.trips[-1]) == 40, "who has many calls has a batch of his own"


async def test_one_that_is_canceled_harms_no_other() -> None:
    """Before his call has left it is not sent at all; after that, nobody looks at its answer."""
    client = AsyncClient(backend=(post := Post()))
    post.open.clear()
    tasks = [asyncio.create_task(client.start("checkout", id=id)) for id in names(20)]
    await asyncio.sleep(0)
    tasks[3].cancel()
    for _ in range(3):
        await asyncio.sleep(0)
    assert [len(calls) for calls in post.trips] == [1, 18]
    tasks[0].cancel()
    tasks[4].cancel()
    post.open.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    gone = [number for number, answer in enumerate(answers) if isinstance(answer, asyncio.CancelledError)]
    assert gone == [0, 3, 4]
    assert "order-3" not in post.starts()
    assert (await client.describe("order-4")).status == "running"
    lonely = [asyncio.create_task(client.start("checkout", id=id)) for id in ("a", "b")]
    await asyncio.sleep(0)
    lonely[1].cancel()
    await asyncio.gather(*lonely, return_exceptions=True)
    assert "b" not in post.starts(), "a batch of which nobody is left does not leave"


async def test_a_broken_connection_is_told_to_each_who_tries_again() -> None:
    """[P1] None is lost, and none is started twice."""
    client = AsyncClient(backend=(post := Post()))
    post.faults.after = 2
    answers = await started(client, names(50))
    assert [answer.created for answer in answers] == [True] * 50
    assert len([row async for row in client.list()]) == 50


async def test_what_cannot_be_sent_harms_only_who_asked_for_it() -> None:
    """[P7] A mishap that only packing finds: the others of the batch try by themselves."""
    client = AsyncClient(backend=(post := Post()))
    post.refuses = lambda call: getattr(call, "instance", "") == "order-13"
    answers = await started(client, names(20))
    assert [type(answer) for answer in answers if isinstance(answer, Exception)] == [TypeError]
    assert isinstance(answers[13], TypeError)


async def test_those_who_wait_when_their_loop_ends_wait_no_more() -> None:
    """A client of the next loop does not join a batch that nobody will send."""
    client = AsyncClient(backend=(post := Post()))
    post.open.clear()
    tasks = [asyncio.create_task(client.start("checkout", id=id)) for id in names(3)]
    for _ in range(3):
        await asyncio.sleep(0)
    (carrying,) = (task for task in asyncio.all_tasks() if "_carry" in repr(task))
    carrying.cancel()
    tasks[0].cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(answer) for answer in answers] == [asyncio.CancelledError] * 3

    async def again() -> int:
        return len(await started(client, ["x", "y", "z"]))

    post.open.set()
    assert await asyncio.to_thread(lambda: asyncio.run(again())) == 3


async def test_errors_of_reads_are_each_callers_own() -> None:
    """Of many who ask for what is not there, each is told of his own."""
    client = AsyncClient(backend=(post := Post()))
    asked = [client.result(id) for id in names(20)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [str(answer) for answer in answers] == [str(InstanceNotFound(id)) for id in names(20)]
    assert all(isinstance(call, ReadOutcome) for calls in post.trips for call in calls)
