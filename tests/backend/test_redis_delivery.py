"""Delivery: how calls become pipelines, and what redirections and missing scripts do to them; without I/O."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rqflow.backend.calls.call import Call
from rqflow.backend.calls.hubs import HubInfo, Limits
from rqflow.backend.calls.instances import Describe, Outcome, ReadOutcome
from rqflow.backend.protocol import partition_of
from rqflow.backend.redis.address import Endpoint, parse_address
from rqflow.backend.redis.commands import Place
from rqflow.backend.redis.delivery import ROUNDS, deliver
from rqflow.backend.redis.keys import key
from rqflow.backend.redis.resp import RedisCommand, ServerError
from rqflow.backend.redis.routing import Routes, slot_of
from rqflow.errors import BackendError, BackendUnavailable, BadInput, BadValue, InstanceExists, InstanceNotFound
from tests.backend.orders import start

HUB = HubInfo(
    name="h", partitions=4, version=1, created_at=datetime(2026, 1, 1, tzinfo=UTC), retention=timedelta(days=1)
)
PLACE = Place(HUB, Limits())
A, B = Endpoint("a", 6379), Endpoint("b", 6379)
FINE = [[[b"running", b"r", b""]], []]
"""Of a script of many calls: one answer, nothing broken."""

Server = Callable[[Endpoint, RedisCommand], Any]


def sent(calls: list[Call[Any]], server: Server, routes: Routes | None = None) -> tuple[list[Any], list[Any]]:
    """The answers, and every pipeline that went out."""
    routes = routes or Routes(parse_address("redis://a"))
    work = deliver(calls, PLACE, routes)
    rounds: list[Any] = []
    try:
        pipelines = next(work)
        while True:
            rounds.append(pipelines)
            pipelines = work.send(
                {endpoint: [server(endpoint, one) for one in commands] for endpoint, commands in pipelines.items()}
            )
    except StopIteration as stop:
        return stop.value, rounds


def is_stale(routes: Routes) -> bool:
    return routes.stale


def outcome(partition: int = 0, instance: str = "x") -> ReadOutcome:
    return ReadOutcome(partition=partition, instance=instance)


def test_slots_are_those_of_redis_cluster() -> None:
    """The reference values of the cluster specification, and the rule of the hash tag."""
    assert slot_of("123456789") == 0x31C3
    assert slot_of("{user1000}.following") == slot_of("{user1000}.followers") == slot_of("user1000")
    assert slot_of("foo{}{bar}") == slot_of("foo{}{bar}") != slot_of("bar")
    assert slot_of("foo{bar") != slot_of("bar")
    assert slot_of("foo{{bar}}zap") == slot_of("{bar")


def test_one_server_gets_one_pipeline() -> None:
    """Calls to several partitions of one server travel together, in their order."""
    routes = Routes(parse_address("redis://a"))
    sent([outcome()], lambda *_: FINE, routes)
    answers, rounds = sent([outcome(0), outcome(3), outcome(0)], lambda *_: FINE, routes)
    assert answers == [Outcome(status="running", run="r", payload=b"")] * 3
    assert [len(pipelines[A]) for pipelines in rounds] == [3]


def test_no_calls_ask_nothing() -> None:
    """An empty batch costs nothing."""
    assert sent([], lambda *_: FINE) == ([], [])


def test_a_call_that_cannot_be_sent_fails_alone() -> None:
    """What is refused before it is sent is an error in its place; the others go out."""
    bad = start("x", workflow="greet", run="with space")
    answers, rounds = sent([bad, outcome()], lambda *_: FINE)
    assert isinstance(answers[0], BadInput)
    assert isinstance(answers[1], Outcome)
    assert len(rounds[0][A]) == 1


def test_missing_scripts_are_loaded_once_and_only_their_calls_sent_again() -> None:
    """After NOSCRIPT the source goes out once however many calls need it."""
    loaded: set[str] = set()
    routes = Routes(parse_address("redis://a"))
    sent([outcome()], lambda *_: FINE, routes)

    def server(_: Endpoint, command: RedisCommand) -> Any:
        if command[0] == "SCRIPT":
            loaded.add(str(command[2])[:10])
            return b"sha"
        return FINE if loaded else ServerError("NOSCRIPT No matching script.")

    answers, rounds = sent([outcome(0), outcome(1)], server, routes)
    assert all(isinstance(answer, Outcome) for answer in answers)
    assert [command[0] for command in rounds[1][A]] == ["SCRIPT", "EVALSHA", "EVALSHA"]


def test_p2_a_script_that_is_missing_alone_does_not_reverse_the_order_of_a_batch() -> None:
    """A new server knows the script of the second call only, from someone else: the first is carried out first."""
    calls = [start("x", 4), ReadOutcome(partition=partition_of("x", 4), instance="x")]
    known: set[str] = set()
    ran: list[str] = []

    def server(_: Endpoint, command: RedisCommand) -> Any:
        if command[0] == "SCRIPT":
            known.add(hashlib.sha1(str(command[2]).encode()).hexdigest())
            return b"sha"
        if command[1] not in known:
            return ServerError("NOSCRIPT No matching script.")
        ran.append(str(command[1]))
        return FINE

    routes = Routes(parse_address("redis://a"))
    sent([calls[1]], server, routes)
    second = ran.pop()
    assert (known, ran) == ({second}, [])
    for _ in range(2):
        sent(calls, server, routes)
        assert ran.pop() == second
        assert ran.pop() != second
    routes.suspect()
    known.discard(next(iter(known - {second})))
    sent(calls, server, routes)
    assert ran[-1] == second
    assert len(ran) == 2


def test_a_script_that_can_never_be_loaded_is_given_up() -> None:
    """A server that forgets at once does not keep us for ever [P10]."""
    answers, rounds = sent([outcome()], lambda _, command: ServerError("NOSCRIPT No matching script."))
    assert isinstance(answers[0], BackendUnavailable)
    assert len(rounds) == ROUNDS


def test_moved_keys_are_followed_and_remembered() -> None:
    """MOVED teaches the new owner: the call goes there, and the next one at once."""
    routes = Routes(parse_address("redis+cluster://a"))
    slot = slot_of(key("h", 0, "meta"))

    def server(endpoint: Endpoint, _: RedisCommand) -> Any:
        return FINE if endpoint == B else ServerError(f"MOVED {slot} b:6379")

    answers, rounds = sent([outcome()], server, routes)
    assert isinstance(answers[0], Outcome)
    assert [list(pipelines) for pipelines in rounds] == [[A], [B]]
    assert routes.owner(slot) == B
    assert len(sent([outcome()], server, routes)[1]) == 1


def test_keys_that_are_moving_are_asked_for_once_elsewhere() -> None:
    """ASK is followed for this one try, with ASKING in front, and teaches nothing; a missing script is loaded there."""
    routes = Routes(parse_address("redis+cluster://a"))
    slot = slot_of(key("h", 0, "meta"))
    seen: list[str] = []

    def server(endpoint: Endpoint, command: RedisCommand) -> Any:
        if endpoint == A:
            return ServerError(f"ASK {slot} b:6379")
        seen.append(str(command[0]))
        if command[0] == "EVALSHA":
            return FINE if "SCRIPT" in seen else ServerError("NOSCRIPT No matching script.")
        return b"OK"

    answers, _ = sent([outcome()], server, routes)
    assert isinstance(answers[0], Outcome)
    assert seen == ["ASKING", "EVALSHA", "SCRIPT", "ASKING", "EVALSHA"]
    assert routes.owner(slot) == A


def test_redirections_in_circles_end() -> None:
    """Two nodes that name each other are asked a bounded number of times [P10]."""
    slot = slot_of(key("h", 0, "meta"))
    other = {A: "b", B: "a"}
    answers, rounds = sent([outcome()], lambda endpoint, _: ServerError(f"MOVED {slot} {other[endpoint]}:6379"))
    assert isinstance(answers[0], BackendUnavailable)
    assert len(rounds) == ROUNDS


def test_a_redirection_without_a_host_means_the_server_that_was_asked() -> None:
    """A node that does not know its own name says only the port; an IPv6 address stands in brackets."""
    routes = Routes(parse_address("redis+cluster://a"))
    slot = slot_of(key("h", 0, "meta"))
    places = iter([f"MOVED {slot} :7000", f"MOVED {slot} [::1]:7001"])
    answers, rounds = sent([outcome()], lambda *_: ServerError(word) if (word := next(places, "")) else FINE, routes)
    assert isinstance(answers[0], Outcome)
    assert [next(iter(pipelines)) for pipelines in rounds[1:]] == [Endpoint("a", 7000), Endpoint("::1", 7001)]


def test_a_replica_is_left_for_its_master() -> None:
    """READONLY after a failover means: connect anew, the name may lead elsewhere by now."""
    routes = Routes(parse_address("redis://a"))
    answers, _ = sent([outcome()], lambda *_: ServerError("READONLY You can't write"), routes)
    assert isinstance(answers[0], BackendUnavailable)
    assert routes.take_doubted() == {A}
    assert routes.take_doubted() == set()


def test_a_partition_under_way_to_another_node_is_unavailable() -> None:
    """A script that meets a key which has left already says so, and is not a fault of ours."""
    text = "ERR Lua script attempted to access a non local key in a cluster node"
    (answer,), _ = sent([outcome()], lambda *_: ServerError(text))
    assert isinstance(answer, BackendUnavailable)
    assert "moving" in str(answer)


def test_a_script_error_shows_the_line_that_broke() -> None:
    """Redis counts the lines of the source as it was sent: the error quotes the line itself."""
    (answer,), _ = sent([outcome()], lambda *_: ServerError("ERR user_script:1: boom script: x, on @user_script:1."))
    assert isinstance(answer, BackendError)
    assert "read_outcome.lua ('local prefix" in str(answer)
    (answer,), _ = sent([outcome()], lambda *_: ServerError("ERR user_script:99999: boom"))
    assert "read_outcome.lua failed at line 99999" in str(answer)


def test_a_reply_that_cannot_be_read_harms_only_its_own_call() -> None:
    """A script of another version, say: an error for one, answers for the others [P7]."""
    attributes = [[b"x", [b"0"] * 22, b"", b"", 0, [b"a", b"{not JSON"]], [], 0, []]
    replies = iter([[[[b"running"]], []], [[[b"err", b"missing", b"x"]], []], FINE, attributes])
    calls = [outcome(0), outcome(1), outcome(2), Describe(partition=0, instance="x")]
    answers, _ = sent(calls, lambda _, command: b"sha" if command[0] == "SCRIPT" else next(replies))
    assert isinstance(answers[3], BadValue)
    assert isinstance(answers[0], BackendError)
    assert "read_outcome.lua" in str(answers[0])
    assert isinstance(answers[1], InstanceNotFound)
    assert isinstance(answers[2], Outcome)


def test_calls_of_one_script_and_key_travel_as_one() -> None:
    """Consecutive ones; each has its own answer, and one that broke its own error with the script's name."""
    routes = Routes(parse_address("redis://a"))
    text = b"ERR user_script:2: boom"
    calls: list[Call[Any]] = [start("x"), start("y"), start("z")]
    reply = [[[b"x-run", 1], 0, [b"err", b"exists", b"z", b"running"]], [2, text]]
    answers, rounds = sent(calls, lambda _, command: b"sha" if command[0] == "SCRIPT" else reply, routes)
    assert [command[0] for command in rounds[0][A]] == ["SCRIPT", "EVALSHA"]
    assert answers[0].created
    assert "start.lua" in str(answers[1])
    assert "local partition = " in str(answers[1])
    assert isinstance(answers[2], InstanceExists)


def test_a_group_that_is_refused_goes_elsewhere_as_a_whole() -> None:
    """A missing script, a moved and a moving slot: nothing was carried out, and all of it is sent again together."""
    routes = Routes(parse_address("redis+cluster://a"))
    slot = slot_of(key("h", 0, "meta"))
    words = iter(["NOSCRIPT No matching script.", f"MOVED {slot} b:6379", f"ASK {slot} a:6379"])

    def server(_: Endpoint, command: RedisCommand) -> Any:
        if command[0] != "EVALSHA":
            return b"OK"
        word = next(words, "")
        return ServerError(word) if word else [[[b"x-run", 1], [b"y-run", 0]], []]

    answers, rounds = sent([start("x"), start("y")], server, routes)
    assert [answer.created for answer in answers] == [True, False]
    assert [list(pipelines) for pipelines in rounds] == [[A], [A], [B], [A]]
    assert [command[0] for command in rounds[-1][A]] == ["SCRIPT", "ASKING", "EVALSHA"]


@pytest.mark.parametrize("reply", [[[1], []], [[1, 1]], 7, [[1, 1], [3, b"x"]], [[1, 1], [1]], [[1, 1], [1, 2]]])
def test_p7_a_group_whose_reply_cannot_be_read_is_an_error_of_each(reply: Any) -> None:
    """A script of another version, say: nobody is told that something was done which was not."""
    answers, _ = sent([start("x"), start("y")], lambda _, command: b"sha" if command[0] == "SCRIPT" else reply)
    for answer in answers:
        assert isinstance(answer, BackendError)
        assert "start.lua" in str(answer)


def test_sentinels_are_asked_until_one_names_the_master() -> None:
    """One that is down or does not know is passed over."""
    routes = Routes(parse_address("redis+sentinel://s1,s2,s3/main"))
    assert is_stale(routes)
    search = routes.search()
    assert next(search) == (Endpoint("s1", 26379), ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main"))
    assert search.send(BackendUnavailable("down"))[0] == Endpoint("s2", 26379)
    assert search.send(None)[0] == Endpoint("s3", 26379)
    with pytest.raises(StopIteration):
        search.send([b"10.0.0.1", b"6380"])
    assert routes.owner(5) == Endpoint("10.0.0.1", 6380)
    assert not is_stale(routes)
    routes.suspect()
    assert is_stale(routes)


def test_when_no_sentinel_knows_the_error_says_what_each_said() -> None:
    """An operator sees which sentinel said what."""
    routes = Routes(parse_address("redis+sentinel://s1,s2/main"))
    search = routes.search()
    next(search)
    search.send(None)
    with pytest.raises(BackendUnavailable, match=r"s1:26379: it knows no master 'main'; .*loading"):
        search.send(ServerError("LOADING Redis is loading"))


def test_cluster_nodes_are_asked_until_one_tells_the_slots() -> None:
    """The map is read from any node; one without a name is the node that was asked."""
    routes = Routes(parse_address("redis+cluster://a,b"))
    search = routes.search()
    assert next(search) == (A, ("CLUSTER", "SLOTS"))
    assert search.send([])[0] == B
    with pytest.raises(StopIteration):
        search.send([[0, 8191, [b"", 7000, b"id"]], [8192, 16383, [b"c", 7001, b"id"], [b"d", 7002, b"id"]]])
    assert routes.owner(0) == Endpoint("b", 7000)
    assert routes.owner(16_383) == Endpoint("c", 7001)
    assert set(routes.nodes) == {Endpoint("b", 7000), Endpoint("c", 7001)}


def test_when_no_node_tells_the_error_says_so() -> None:
    """A cluster that is not formed is unavailable, and one that refuses us says why."""
    search = Routes(parse_address("redis+cluster://a")).search()
    next(search)
    with pytest.raises(BackendUnavailable, match="a:6379: it knows no slots"):
        search.send([])
    search = Routes(parse_address("redis+cluster://a")).search()
    next(search)
    with pytest.raises(BackendError, match="wants a password"):
        search.send(ServerError("NOAUTH Authentication required."))


def test_a_plain_server_is_never_searched_for() -> None:
    """One address, one server: a doubt makes nobody ask around."""
    routes = Routes(parse_address("redis://a"))
    with pytest.raises(StopIteration):
        next(routes.search())
    routes.suspect()
    assert not is_stale(routes)
    routes.become_cluster()
    assert is_stale(routes)
