"""Gathering from threads: threads of one client share round trips, and nothing else."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from rqflow.backend.calls.call import Call
from rqflow.backend.calls.instances import ReadOutcome, Start
from rqflow.backend.memory.backend import SyncMemoryBackend
from rqflow.backend.memory.store import MemoryStore
from rqflow.client.gathering import MOST
from rqflow.client.gathering_threads import AT_ONCE, ThreadGathering
from rqflow.client.sync import Client
from rqflow.errors import BackendRefused, BackendUnavailable, InstanceExists
from tests.client.faults import BROKEN, BreakingSyncBackend, Faults

LONG = 20.0
"""Longer than anything here takes, even on a busy machine."""


class Post(BreakingSyncBackend):
    """A store that keeps what came with each round trip, and may be held up."""

    def __init__(self) -> None:
        self.faults = Faults()
        super().__init__(SyncMemoryBackend(MemoryStore()), self.faults)
        self.trips: list[list[Call[Any]]] = []
        self.open = threading.Event()
        self.open.set()
        self.refuses: Callable[[Call[Any]], bool] = lambda _: False
        self.raises: BaseException | None = None

    def send(self, calls: Sequence[Call[Any]]) -> list[Any]:
        self.trips.append(list(calls))
        assert self.open.wait(LONG)
        if any(map(self.refuses, calls)):
            raise TypeError("that cannot be packed")
        if self.raises is not None and len(calls) > 1:
            raise self.raises
        return super().send(calls)


@pytest.fixture
def post() -> Post:
    return Post()


@pytest.fixture
def client(post: Post) -> Client:
    return Client(backend=post)


def names(count: int) -> list[str]:
    return [f"order-{number}" for number in range(count)]


@contextmanager
def held_up(client: Client, post: Post, count: int) -> Iterator[list[Future[Any]]]:
    """So many starts that all wait: as many as may are under way, the others gather, and leave afterwards."""
    post.open.clear()
    with ThreadPoolExecutor(count) as pool:
        asked = []
        for number, id in enumerate(names(count), 1):
            asked.append(pool.submit(client.start, "checkout", id=id))
            _until(lambda number=number: _under_way(client) == number)  # type: ignore[misc]
        yield asked
        post.open.set()


def _under_way(client: Client) -> int:
    """How many have asked and have no answer."""
    gathering = client._gathering
    assert gathering is not None or not client._closed
    kinds = () if gathering is None else tuple(gathering._kinds.values())
    return sum(kind.under_way + len(kind.waiting) for kind in kinds)


def _until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONG
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.001)


def sent(post: Post) -> list[str]:
    return [call.instance for calls in post.trips for call in calls if isinstance(call, Start)]


def test_threads_that_wait_travel_together(client: Client, post: Post) -> None:
    """Two are under way; all others leave as one batch when one of these comes back, and each has its own answer."""
    client.start("checkout", id="order-7")
    post.trips.clear()
    with held_up(client, post, 60) as asked:
        pass
    errors = [future.exception() for future in asked]
    assert [number for number, error in enumerate(errors) if isinstance(error, InstanceExists)] == [7]
    assert [future.result().id for future in asked if future.exception() is None] == [
        id for id in names(60) if id != "order-7"
    ]
    assert [len(calls) for calls in post.trips] == [1, 1, 58]
    assert sent(post) == names(60), "in the order in which they asked"
    assert _under_way(client) == 0


def test_a_batch_has_a_limit(client: Client, post: Post) -> None:
    """[P10] Whoever is too many leaves with the next."""
    with held_up(client, post, AT_ONCE + MOST + 5) as asked:
        pass
    assert all(future.result().created for future in asked)
    assert sorted(len(calls) for calls in post.trips) == [1] * AT_ONCE + [5, MOST]


def test_who_is_alone_or_has_many_leaves_at_once(client: Client, post: Post) -> None:
    """Nobody waits for company."""
    for id in names(3):
        client.start("checkout", id=id)
    assert client.start_many([]) == []
    assert [len(calls) for calls in post.trips] == [1, 1, 1]
    gathering = ThreadGathering(post)
    reads = [ReadOutcome(partition=0, instance=id) for id in [*names(3), *names(3)]]
    assert len(gathering.send(reads)) == 6


def test_a_broken_connection_is_told_to_each_thread(client: Client, post: Post) -> None:
    """[P1] All try again; none is lost, and none is started twice."""
    with held_up(client, post, 30) as asked:
        post.faults.after = 3
    assert all(future.result().created for future in asked)
    assert len(list(client.list())) == 30


def test_errors_of_the_store_are_each_threads_own(post: Post) -> None:
    """Those that all may raise at once are copies; others are handed on."""
    client = Client(backend=post)
    with held_up(client, post, 5) as asked:
        post.raises = BackendRefused("not with me")
    assert [str(future.exception()) for future in asked[AT_ONCE:]] == ["not with me"] * 3
    post.raises = None
    gathering = ThreadGathering(post)
    post.open.clear()
    post.trips.clear()
    with ThreadPoolExecutor(5) as pool:
        reads = [
            pool.submit(gathering.send, [ReadOutcome(partition=0, instance=f"order-{number}")]) for number in range(5)
        ]
        _until(lambda: sum(kind.under_way + len(kind.waiting) for kind in gathering._kinds.values()) == 5)
        post.raises = BackendUnavailable(BROKEN)
        post.open.set()
    told = [future.result()[0] for future in reads if isinstance(future.result()[0], BackendUnavailable)]
    assert len(told) == 3
    assert len({id(error) for error in told}) == 3
    assert {str(error) for error in told} == {BROKEN}


def test_what_cannot_be_sent_harms_only_the_thread_that_asked_for_it(client: Client, post: Post) -> None:
    """[P7] A mishap that only packing finds: the others of the batch try by themselves."""
    post.refuses = lambda call: getattr(call, "instance", "") == "order-13"
    with held_up(client, post, 20) as asked:
        pass
    assert [number for number, future in enumerate(asked) if future.exception()] == [13]
    assert isinstance(asked[13].exception(), TypeError)


def test_when_the_thread_that_carries_a_batch_is_interrupted_the_others_try_again(client: Client, post: Post) -> None:
    """[P1] A Ctrl-C reaches whoever is at it; it ends nobody else's call."""
    with held_up(client, post, 10) as asked:
        post.raises = KeyboardInterrupt()
        post.open.set()
        _until(asked[AT_ONCE].done)
        post.raises = None
    ends = [type(future.exception()) for future in asked]
    assert ends[AT_ONCE] is KeyboardInterrupt
    assert ends.count(type(None)) == 9
    assert _under_way(client) == 0


class _Interrupted:
    """A lock whose sleeper is interrupted when `meanwhile` is over."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self._meanwhile = meanwhile

    def acquire(self) -> None:
        self._meanwhile()
        raise KeyboardInterrupt

    def release(self) -> None:
        """It does not sleep any more."""


@pytest.mark.parametrize("elected", [False, True])
def test_a_thread_that_is_interrupted_while_it_waits_carries_nobody(
    client: Client, post: Post, monkeypatch: pytest.MonkeyPatch, elected: bool
) -> None:
    """[P6] Before its turn, or with a batch in its hands already: the next one takes that, and all have answers."""
    later: list[Future[Any]] = []
    with ThreadPoolExecutor(3) as pool, held_up(client, post, AT_ONCE) as asked:

        def meanwhile() -> None:
            monkeypatch.undo()
            later.extend(pool.submit(client.start, "checkout", id=id) for id in ("a", "b", "c"))
            _until(lambda: _under_way(client) == AT_ONCE + 1 + 3)
            if elected:
                post.open.set()
                _until(lambda: _under_way(client) == 1)

        monkeypatch.setattr("rqflow.client.gathering_threads._shut", lambda: _Interrupted(meanwhile))
        with pytest.raises(KeyboardInterrupt):
            client.start("checkout", id="interrupted")
    assert all(future.result().created for future in [*asked, *later])
    assert "interrupted" not in sent(post)
    assert _under_way(client) == 0


def test_a_forked_child_waits_for_nobody_of_its_parent(client: Client, post: Post) -> None:
    """Threads do not survive a fork; what they had under way is not the child's."""
    with held_up(client, post, 4):
        child = os.fork()
        if child == 0:
            post.open = threading.Event()
            post.open.set()
            os._exit(0 if client.start("checkout", id="childs").created else 1)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
