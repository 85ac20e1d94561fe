"""Two under way: what is finished leaves behind a round trip that is not answered yet, and nothing is lost by it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from types import SimpleNamespace
from typing import Any, cast

import pytest

from rqflow.authoring.activity_face import activity
from rqflow.authoring.workflow_face import workflow
from rqflow.backend.calls.call import Call
from rqflow.backend.calls.tasks import Commit, CompleteActivity, Entry, Subscription, Sweep, Take, Unregister
from rqflow.errors import BackendRefused, BackendUnavailable
from rqflow.testing.passing import PassingBackend
from rqflow.worker.item import Desk, Item
from rqflow.worker.outgoing import Outgoing
from rqflow.worker.trading import AHEAD
from tests.worker.ground import Ground, settled

gates: dict[str, asyncio.Event] = {}


@activity
async def gated(key: str) -> str:
    await gates[key].wait()
    return key


@activity
async def echo(value: int) -> int:
    return value


@workflow
async def wide(keys: list[str]) -> int:
    return len(await asyncio.gather(*(gated(key) for key in keys)))


@workflow
async def steps(count: int) -> int:
    return sum([await echo(number) for number in range(count)])


@dataclass(eq=False)
class Trip:
    """A batch that was carried out, whose answers wait."""

    calls: Sequence[Call[Any]]
    go: asyncio.Event = field(default_factory=asyncio.Event)

    def of(self, kind: type[Call[Any]]) -> int:
        return sum(isinstance(call, kind) for call in self.calls)

    @property
    def take(self) -> Take:
        return cast(Take, self.calls[-1])


class Slow(PassingBackend):
    """Carries out at once, and holds the answers of exchanges back while told to."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.holds = False
        self.held: deque[Trip] = deque()
        self.most = 0

    async def send(self, calls: Sequence[Call[Any]]) -> list[Any]:
        answers = await self._inner.send(calls)
        if self.holds and isinstance(calls[-1], Take):
            trip = Trip(calls)
            self.held.append(trip)
            self.most = max(self.most, len(self.held))
            await trip.go.wait()
        return answers

    async def call(self, call: Call[Any]) -> Any:
        return await self._inner.call(call)

    async def wait_for_tasks(
        self, partition: int, worker: str, subscription: Subscription, timeout: timedelta
    ) -> Sequence[Entry]:
        return await self._inner.wait_for_tasks(partition, worker, subscription, timeout)

    def release(self) -> None:
        """Answer the oldest."""
        self.held.popleft().go.set()

    def release_all(self) -> None:
        """Hold nothing back any more."""
        self.holds = False
        while self.held:
            self.release()


@pytest.fixture
def slow(ground: Ground) -> Ground:
    """A hub whose answers can be held back."""
    return replace(ground, backend=Slow(ground.backend))


def keys_of(count: int) -> list[str]:
    keys = [f"key {number}" for number in range(count)]
    gates.update((key, asyncio.Event()) for key in keys)
    return keys


@pytest.mark.parametrize("partitions", [1])
async def test_what_is_finished_leaves_behind_a_round_trip_that_is_not_answered(slow: Ground) -> None:
    """A few are enough, fewer wait; there are never more than two, and each result is told once."""
    backend = cast(Slow, slow.backend)
    keys = keys_of(3 * AHEAD)
    async with slow.worker(wide, gated) as worker:
        instance = await slow.start(wide, keys)
        await settled(lambda: len(worker.desk.activities.attempts()) == len(keys))
        backend.holds = True
        gates[keys[0]].set()
        await settled(lambda: len(backend.held) == 1)
        assert backend.held[0].of(CompleteActivity) == 1
        for key in keys[1:AHEAD]:
            gates[key].set()
        await settled(lambda: len(worker.desk.activities.attempts()) == len(keys) - AHEAD)
        assert len(backend.held) == 1  # one fewer than is worth a second
        for key in keys[AHEAD:]:
            gates[key].set()
        await settled(lambda: len(backend.held) == 2)
        assert backend.held[1].of(CompleteActivity) >= AHEAD
        await settled(lambda: not worker.desk.activities.attempts())
        assert backend.most == 2
        backend.release_all()
        assert await slow.result(instance) == len(keys)
    assert backend.most == 2


@pytest.mark.parametrize("partitions", [1])
async def test_p10_two_under_way_bring_no_more_than_there_is_room_for(slow: Ground) -> None:
    """[P10] What the first may bring is no room for the second; and the first leaves it some."""
    backend = cast(Slow, slow.backend)
    rooms: list[tuple[int, int]] = []

    async def look() -> None:
        for turn in count():
            if len(backend.held) == 2:
                takes = [trip.take for trip in backend.held]
                rooms.append((sum(take.workflow_room for take in takes), sum(take.activity_room for take in takes)))
            if len(backend.held) == 2 or (backend.held and turn % 50 == 0):
                backend.release()
            await asyncio.sleep(0)

    backend.holds = True
    async with slow.worker(steps, echo, workflow_slots=9, activity_slots=8):
        looking = asyncio.create_task(look())
        instances = await slow.start_many(steps, [5] * 60)
        assert [await slow.result(instance) for instance in instances] == [10] * 60
        backend.holds = False
        looking.cancel()
        backend.release_all()
    assert rooms
    assert max(workflows for workflows, _ in rooms) <= 9
    assert max(activities for _, activities in rooms) <= 8
    assert min(activities for _, activities in rooms) >= 0


@pytest.mark.parametrize("partitions", [1])
async def test_p3_a_lease_that_is_lost_with_two_under_way_harms_nothing(slow: Ground) -> None:
    """[P3] As another worker it asks nothing before both are answered: what they bring late is nobody's."""
    backend = cast(Slow, slow.backend)
    keys = keys_of(2 * AHEAD)
    async with slow.worker(wide, gated, steps, echo, lease=timedelta(seconds=0.5)) as worker:
        instance = await slow.start(wide, keys)
        await settled(lambda: len(worker.desk.activities.attempts()) == len(keys))
        backend.holds = True
        for key in keys:
            gates[key].set()
            await asyncio.sleep(0)
        await settled(lambda: len(backend.held) == 2)
        old = worker.standing.id
        await backend.send([Unregister(partition=0, worker=old)])
        await settled(lambda: worker.standing.id != old)
        await settled(worker.standing.registered.is_set)
        other = await slow.start(steps, 3)
        backend.release()
        await asyncio.sleep(0.2)  # far longer than it would take to ask
        assert [trip.take.worker for trip in backend.held] == [old]
        backend.release_all()
        assert await slow.result(other) == 3
        assert await slow.result(instance) == len(keys)


@pytest.mark.parametrize("partitions", [1])
async def test_p6_a_worker_that_always_has_one_under_way_sweeps_all_the_same(slow: Ground) -> None:
    """[P6] However busy it is, it takes over what dead workers had: once at a time."""
    backend = cast(Slow, slow.backend)
    keys = keys_of(3 * AHEAD)
    async with slow.worker(wide, gated, sweep=timedelta(hours=1)) as worker:
        instance = await slow.start(wide, keys)
        await settled(lambda: len(worker.desk.activities.attempts()) == len(keys))
        backend.holds = True
        gates[keys[0]].set()
        await settled(lambda: len(backend.held) == 1)
        (exchange,) = worker._exchanges
        exchange.times.swept(asyncio.get_running_loop().time() - 1, more=True)
        for key in keys[1 : 2 * AHEAD]:
            gates[key].set()
        await settled(lambda: len(backend.held) == 2)
        assert [trip.of(Sweep) for trip in backend.held] == [0, 1]
        for key in keys[2 * AHEAD :]:
            gates[key].set()
        await settled(lambda: not worker.desk.activities.attempts())
        backend.release()
        await settled(lambda: len(backend.held) == 2)
        assert [trip.of(Sweep) for trip in backend.held] == [1, 0]
        backend.release_all()
        assert await slow.result(instance) == len(keys)


class Listening:
    """A desk that notes what was released."""

    def __init__(self) -> None:
        self.released: list[str] = []

    def release(self, partition: int, token: str) -> None:
        self.released.append(token)


def finished(number: int) -> Item:
    call = cast(Commit, SimpleNamespace(partition=0))
    return Item(call, lambda answer: None, weight=1, token=str(number))


def outgoing_of(desk: Listening, count: int) -> Outgoing:
    """So many finished items."""
    made = Outgoing(cast(Desk, desk))
    for number in range(count):
        made.add(finished(number))
    return made


def test_p1_what_nobody_answered_goes_out_again_in_its_order() -> None:
    """[P1] Of two batches under way both, or the first alone: before all that was finished since."""
    gone = BackendUnavailable("gone")
    outgoing = outgoing_of(Listening(), 7)
    first, second = (outgoing.gather(items=2, size=100) for _ in range(2))
    assert outgoing.settle(first, [gone, gone]) is gone
    assert outgoing.settle(second, [gone, gone]) is gone
    assert [item.token for item in outgoing.gather(items=10, size=100)] == list("0123456")

    outgoing = outgoing_of(desk := Listening(), 5)
    first, second = (outgoing.gather(items=2, size=100) for _ in range(2))
    assert outgoing.settle(first, [1, BackendRefused("full")]) is not None
    assert outgoing.settle(second, [1, 1]) is None
    assert desk.released == ["0", "2", "3"]
    assert [item.token for item in outgoing.gather(items=10, size=100)] == ["1", "4"]


def test_p3_what_waits_to_go_out_again_is_lost_with_the_lease() -> None:
    """[P3] It is released like all that was not sent."""
    outgoing = outgoing_of(desk := Listening(), 3)
    first, _ = (outgoing.gather(items=1, size=100) for _ in range(2))
    outgoing.settle(first, [BackendUnavailable("gone")])
    outgoing.reset()
    assert desk.released == ["0", "2"]
