"""Parts: the pieces of a worker that need no store."""

from __future__ import annotations

import asyncio
import math
import socket
import threading
import time
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from rqflow.backend.calls.outlook import Outlook
from rqflow.backend.calls.tasks import Taken
from rqflow.core.executor import Executor
from rqflow.errors import BackendUnavailable, BadInput
from rqflow.worker.cache import ExecutorCache
from rqflow.worker.frames import BrokenFrame, length_of, pack, receive
from rqflow.worker.link import Link
from rqflow.worker.options import WorkerOptions
from rqflow.worker.threads import ThreadPool
from rqflow.worker.times import Times
from tests.worker.test_running import one_step


def executor(size: int = 10, length: int = 0) -> Executor:
    made = Executor(one_step)
    made.size, made.length = size, length
    return made


def test_p10_the_cache_drops_the_least_recently_used_by_count_and_by_bytes() -> None:
    """[P10] Neither many small executors nor a few large ones grow without bound."""
    cache = ExecutorCache(size=2, max_bytes=100)
    for run in ("a", "b", "c"):
        cache.put(run, executor())
    assert cache.take("a", 0) is None
    assert cache.take("b", 0) is not None
    cache.put("d", executor(size=95))
    assert len(cache) == 1
    assert cache.bytes == 95
    cache.put("e", executor(size=101))
    assert cache.take("e", 0) is None


def test_an_executor_that_stands_elsewhere_than_the_history_is_dropped() -> None:
    """Somebody else took a turn in between."""
    cache = ExecutorCache(size=2, max_bytes=100)
    cache.put("a", executor(length=5))
    assert cache.take("a", 7) is None
    assert len(cache) == cache.bytes == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"lease": timedelta(milliseconds=5)},
        {"queues": ()},
        {"queues": ("a", "a")},
        {"activity_slots": 0},
        {"cache_size": -1},
        {"workflows": False, "activities": False},
        {"drain_timeout": timedelta(seconds=-1)},
        {"sweep": timedelta(0)},
    ],
)
def test_absurd_options_are_refused(wrong: dict[str, Any]) -> None:
    """The message names the option."""
    with pytest.raises(BadInput, match=r"option|queue|worker"):
        WorkerOptions(**wrong)


def test_p10_a_member_that_stays_due_is_asked_for_less_and_less_often() -> None:
    """[P10] A due member that nobody can handle makes no busy loop."""
    times = Times(0.0, timedelta(seconds=1))
    overdue = Taken(tasks=(), notices=(), now_ms=1_000, next_due_ms=900, outbox=0)
    waits = []
    for _ in range(12):
        times.learn(overdue, 10.0, fired=0)
        waits.append(times.next_due - 10.0)
    assert waits == sorted(waits)
    assert waits[0] > 0
    assert waits[-1] == 1.0
    times.learn(overdue, 10.0, fired=5)
    assert times.next_due == 10.0


def test_due_times_are_relative_to_redis_and_need_no_local_wall_clock() -> None:
    """Redis says 1,050 at its 1,000: that is 50 ms from here, whatever time it is here."""
    times = Times(0.0, timedelta(seconds=1))
    times.learn(Taken(tasks=(), notices=(), now_ms=1_000, next_due_ms=1_050, outbox=0), 7.0, fired=None)
    assert times.next_due == pytest.approx(7.05)
    told = Taken(tasks=(), notices=(), now_ms=1_000, past_us=700, next_due_ms=1_050, outbox=0)
    times.learn(told, 7.0, fired=None)
    assert times.next_due == pytest.approx(7.0493), "to the microsecond"
    times.learn(Taken(tasks=(), notices=(), now_ms=1_000, next_due_ms=None, outbox=0), 7.0, fired=None)
    assert math.isinf(times.next_due)


def test_p6_the_end_of_anothers_lease_is_awaited_to_the_millisecond() -> None:
    """[P6] A worker sweeps when a lease ends, not at its next round; one that stays lapsed makes no busy loop."""
    times = Times(0.0, timedelta(seconds=60))
    times.swept(7.0, more=False)
    lapse = Taken(tasks=(), notices=(), now_ms=1_000, next_due_ms=None, outbox=0, next_lapse_ms=1_500)
    times.learn(lapse, 7.0, fired=None)
    assert times.next_sweep == pytest.approx(7.501)
    times.swept(8.0, more=False)
    times.learn(replace(lapse, next_lapse_ms=0), 8.0, fired=None)
    assert times.next_sweep == pytest.approx(8.1)
    times.learn(replace(lapse, next_lapse_ms=None), 8.0, fired=None)
    assert times.next_sweep == pytest.approx(68.0)


def test_p10_a_sweep_that_breaks_waits_a_while() -> None:
    """[P10] Though a lease has ended, and nobody can take over."""
    times = Times(0.0, timedelta(seconds=60))
    times.sweep_broke(8.0)
    lapsed = Taken(tasks=(), notices=(), now_ms=1_000, next_due_ms=None, outbox=0, next_lapse_ms=0)
    times.learn(lapsed, 8.0, fired=None)
    assert times.next_sweep == 9.0


def test_a_renewal_tells_what_no_take_has_seen() -> None:
    """Another worker's timer that is sooner, and a lease that was renewed: nobody need sweep at its old end."""
    times = Times(0.0, timedelta(seconds=60))
    times.swept(7.0, more=False)
    times.learn(
        Taken(tasks=(), notices=(), now_ms=1_000, next_due_ms=5_000, outbox=0, next_lapse_ms=1_500), 7.0, fired=None
    )
    times.foresee(Outlook(now_ms=2_000, next_due_ms=3_000, next_lapse_ms=9_999, outbox=0), 8.0)
    assert times.next_due == pytest.approx(9.0)
    assert times.next_sweep == pytest.approx(16.0)
    times.foresee(Outlook(now_ms=2_000, next_due_ms=4_000, next_lapse_ms=None, outbox=0), 8.0)
    assert times.next_due == pytest.approx(9.0)
    assert times.next_sweep == pytest.approx(67.0)
    times.foresee(Outlook(now_ms=2_000, next_due_ms=1_000, next_lapse_ms=None, outbox=0), 8.0)
    assert times.next_due == 8.0


async def test_a_lost_store_is_logged_once_and_once_when_it_is_back(caplog: pytest.LogCaptureFixture) -> None:
    """However often it is tried, and by however many partitions."""
    link = Link(Random(1))
    for _ in range(2):
        await asyncio.gather(*(link.failed(partition, BackendUnavailable("gone")) for partition in range(4)))
    for partition in range(4):
        link.answered(partition)
        link.answered(partition)
    assert [record.getMessage() for record in caplog.records] == [
        "the store does not answer, trying again until it does: gone",
        "the store answers again",
    ]


def test_frames_carry_any_bytes() -> None:
    """Newlines and zeros in a payload change nothing; a closed socket is a broken frame."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(pack(["completed"], b"\n\0\n") + pack(["failed", ["a"]]))
        assert receive(theirs) == (["completed"], b"\n\0\n")
        assert receive(theirs) == (["failed", ["a"]], b"")
        ours.close()
        with pytest.raises(BrokenFrame):
            receive(theirs)
    with pytest.raises(BrokenFrame):
        length_of(b"\xff\xff\xff\xff")


async def test_threads_are_made_when_needed_and_no_more_than_allowed() -> None:
    """Three jobs on two threads: the third waits; one after the other need one thread."""
    pool, gate = ThreadPool(2), threading.Event()
    names = [pool.run(lambda: (gate.wait(5), threading.current_thread().name)[1]) for _ in range(3)]
    gate.set()
    assert len(set(await asyncio.gather(*names))) <= 2
    lone = ThreadPool(8)
    seen = {await lone.run(lambda: threading.current_thread().name) for _ in range(5)}
    assert len(seen) == 1
    pool.close()
    lone.close()


async def test_what_a_thread_raises_reaches_the_one_who_awaits() -> None:
    """StopIteration too, which a future cannot carry as it is."""
    pool = ThreadPool(1)

    def stop() -> None:
        raise StopIteration

    with pytest.raises(RuntimeError, match="StopIteration"):
        await pool.run(stop)
    with pytest.raises(ZeroDivisionError):
        await pool.run(lambda: 1 / 0)
    pool.close()


async def test_a_thread_that_never_returns_does_not_keep_the_process() -> None:
    """Its threads are daemons."""
    pool = ThreadPool(1)
    future = pool.run(lambda: time.sleep(0.2))
    assert all(thread.daemon for thread in threading.enumerate() if thread.name.startswith("activity-"))
    await future
    pool.close()
