"""Confirming without I/O: what goes behind a pipeline, and what each reply to it means."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rqflow.backend.calls.call import Call
from rqflow.backend.calls.durability import read_durability
from rqflow.backend.calls.hubs import HubInfo, Limits
from rqflow.backend.calls.instances import Deliver, Outcome, ReadOutcome, Resume, Started, Suspend, Terminate
from rqflow.backend.calls.reruns import Rerun
from rqflow.backend.calls.schedules import ChangeSchedule, CreateSchedule, DeleteSchedule, WriteSchedule, Written
from rqflow.backend.redis.address import Endpoint, parse_address
from rqflow.backend.redis.commands import Place
from rqflow.backend.redis.confirming import Confirmation
from rqflow.backend.redis.delivery import deliver
from rqflow.backend.redis.keys import key
from rqflow.backend.redis.resp import RedisCommand, ServerError
from rqflow.backend.redis.routing import Routes, slot_of
from rqflow.errors import BackendUnavailable, NotDurable
from tests.backend.orders import start

HUB = HubInfo(
    name="h", partitions=1, version=1, created_at=datetime(2026, 1, 1, tzinfo=UTC), retention=timedelta(days=1)
)
A, B = Endpoint("a", 6379), Endpoint("b", 6379)


def told(
    calls: list[Call[Any]],
    answer: Callable[[Endpoint, RedisCommand], Any],
    *,
    durability: str = "replica:1",
    routes: Routes | None = None,
) -> tuple[list[Any], list[str]]:
    """The answers, and the words of all that was sent."""
    routes = routes or Routes(parse_address("redis://a"))
    work = deliver(calls, Place(HUB, Limits()), routes, Confirmation(read_durability(durability), 0.25))
    words: list[str] = []
    try:
        pipelines = next(work)
        while True:
            words += [str(command[0]) for commands in pipelines.values() for command in commands]
            pipelines = work.send(
                {endpoint: [answer(endpoint, one) for one in commands] for endpoint, commands in pipelines.items()}
            )
    except StopIteration as stop:
        return stop.value, words


def server(wait: Any, mark: Any = 1) -> Callable[[Endpoint, RedisCommand], Any]:
    """One that starts everything and answers the wait with this."""
    started = [[[b"x-run", 1]], []]
    replies = {"EVALSHA": started, "EVAL": mark, "WAIT": wait, "WAITAOF": wait, "ASKING": b"OK"}
    return lambda _, command: replies[str(command[0])]


def plainly(answer: Any, wait: Any) -> Callable[[Endpoint, RedisCommand], Any]:
    """One that answers each script and each wait with these."""
    return lambda _, command: answer if command[0] == "EVALSHA" else wait


def test_a_mark_and_a_wait_go_behind_what_is_promised() -> None:
    """Only behind promises: who reads waits for nobody."""
    (answer,), words = told([start("x")], server(1))
    assert isinstance(answer, Started)
    assert words == ["EVALSHA", "EVAL", "WAIT"]
    read = ReadOutcome(partition=0, instance="x")
    (answer,), words = told([read], lambda *_: [[[b"running", b"r", b""]], []])
    assert isinstance(answer, Outcome)
    assert words == ["EVALSHA"]


@pytest.mark.parametrize(
    ("reply", "known"),
    [
        (0, "0 of 1 replicas had it within 0.25 s"),
        (ServerError("NOPERM this user has no permissions to run the 'wait' command"), "may not do that"),
        (ServerError("ERR unknown command 'WAIT'"), "unknown command"),
    ],
)
def test_what_is_not_confirmed_is_said_with_its_reason(reply: Any, known: str) -> None:
    """The call was carried out; that it is safe is not known."""
    (answer,), _ = told([start("x")], server(reply))
    assert isinstance(answer, NotDurable)
    assert known in str(answer)


RERUN = Rerun(
    partition=0, instance="x", run="r2", replaces="r1", workflow="w", queue="q", history=(), news=(("r", b"{}"),),
    timeout_ms=None, retention_ms=1_000, attributes={},
)  # fmt: skip


@pytest.mark.parametrize(
    ("call", "answer", "says"),
    [
        (Deliver(partition=0, instance="x", event=b"{}", request="r"), 1, "again with the same request_id is safe"),
        (Terminate(partition=0, instance="x"), 1, "what is done already stays as it is"),
        (Suspend(partition=0, instance="x"), 1, "what is done already stays as it is"),
        (Resume(partition=0, instance="x"), 1, "what is done already stays as it is"),
        (RERUN, [b"r2", 1], "look at its runs before asking again"),
    ],
)
def test_each_verb_says_what_asking_again_does(call: Call[Any], answer: Any, says: str) -> None:
    """Not all take a request id; only of those that do is one spoken."""
    (told_of,), _ = told([call], plainly(answer, 0))
    assert isinstance(told_of, NotDurable)
    assert says in str(told_of)
    assert ("request_id" in str(told_of)) == isinstance(call, Deliver)
    assert told_of.instance == "x"


STEP: dict[str, Any] = {"partition": 0, "schedule": "s", "generation": "g", "revision": 1, "state": b"{}", "due_ms": 1}


def test_what_clients_do_with_schedules_is_confirmed_and_what_schedulers_do_is_not() -> None:
    """A slot that is undone with its master is fired again by whoever looks next; an order would be forgotten."""
    create = CreateSchedule(partition=0, schedule="s", generation="g", spec=b"", args=b"", state=b"", due_ms=None)
    orders: list[tuple[Call[Any], Any]] = [
        (create, 1), (ChangeSchedule(**STEP), [2, 0]), (DeleteSchedule(partition=0, schedule="s"), 1),
    ]  # fmt: skip
    for call, answer in orders:
        (told_of,), _ = told([call], plainly(answer, 0))
        assert isinstance(told_of, NotDurable)
        assert str(told_of).startswith("schedule 's': accepted by the master")
        assert "request_id" not in str(told_of)
        assert (told_of.schedule, told_of.instance) == ("s", "")
    (written,), words = told([WriteSchedule(**STEP)], plainly([2, 0], 0))
    assert (written, words) == (Written(revision=2, outbox=0), ["EVALSHA"])


@pytest.mark.parametrize(
    ("counts", "known"),
    [([1, 1], None), ([0, 1], "its own disk had not"), ([1, 0], "its own disk had"), ([0, 0], "0 of 1 replicas")],
)
def test_both_disks_count(counts: list[int], known: str | None) -> None:
    """WAITAOF answers for the master's disk and the replicas'."""
    (answer,), words = told([start("x")], server(counts), durability="fsync-replica")
    assert words[-1] == "WAITAOF"
    assert isinstance(answer, Started) if known is None else known in str(answer)


@pytest.mark.parametrize(
    "error",
    [
        "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
        "ERR WAIT cannot be used with replica instances. Please also note …",
        "READONLY You can't write against a read only replica.",
    ],
)
def test_a_master_that_was_demoted_confirms_nothing(error: str) -> None:
    """What it accepted may be undone by its successor: the same wish goes there."""
    routes = Routes(parse_address("redis://a"))
    (answer,), _ = told([start("x")], server(ServerError(error)), routes=routes)
    assert isinstance(answer, BackendUnavailable)
    assert routes.take_doubted() == {A}


def test_a_mark_that_is_refused_confirms_nothing() -> None:
    """Without it the wait would answer for something else."""
    (answer,), _ = told([start("x")], server(1, mark=ServerError("OOM command not allowed")))
    assert isinstance(answer, NotDurable)
    assert "out of memory" in str(answer)


def test_the_mark_follows_keys_that_are_moving() -> None:
    """Sent where the calls went, with ASKING where they needed it."""
    routes = Routes(parse_address("redis+cluster://a"))
    slot = slot_of(key("h", 0, "meta"))
    good = server(1)

    def answer(endpoint: Endpoint, command: RedisCommand) -> Any:
        if endpoint == A and command[0] in ("EVALSHA", "EVAL"):
            return ServerError(f"ASK {slot} b:6379")
        return good(endpoint, command)

    (found,), words = told([start("x")], answer, routes=routes)
    assert isinstance(found, Started)
    assert words == ["EVALSHA", "EVAL", "WAIT", "ASKING", "EVALSHA", "ASKING", "EVAL", "WAIT"]
