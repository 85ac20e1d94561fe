"""Transport: what becomes of calls when Redis dies, hangs up, forgets its scripts or never answers."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import struct
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from rqflow.backend.calls.instances import Deliver, Describe, ReadHistory, ReadOutcome
from rqflow.backend.opening import create_hub, open_backend, open_sync_backend
from rqflow.backend.protocol import Backend, SyncBackend, partition_of
from rqflow.backend.redis import blocking
from rqflow.backend.redis.address import Address, Endpoint, parse_address
from rqflow.backend.redis.blocking import BlockingConnection, Pool
from rqflow.backend.redis.connection import Connection, Line, connect
from rqflow.backend.redis.embedded import EmbeddedServer, free_port
from rqflow.backend.redis.sockets import Timeouts
from rqflow.client.asynchronous import AsyncClient
from rqflow.core.events import SignalReceived
from rqflow.core.wire import encode
from rqflow.errors import BackendError, BackendRefused, BackendUnavailable, InstanceNotFound
from tests.backend.orders import commit, leave, register, start, take_workflow, until
from tests.backend.stand_in import StandIn, bulk

QUICK = Timeouts(connect=10, answer=1, idle=30)
SECRET = "hunter2"


def outcome(instance: str = "x", partition: int = 0) -> ReadOutcome:
    return ReadOutcome(partition=partition, instance=instance)


def observer(server: EmbeddedServer) -> redis.Redis:
    """Another client, that is not ours."""
    return redis.Redis.from_url(server.url)


def hang_up_all(server: EmbeddedServer) -> None:
    """CLIENT KILL for every connection but this one."""
    with observer(server) as other:
        other.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        other.execute_command("CLIENT", "KILL", "TYPE", "pubsub")


@pytest.fixture
async def own(redis_server: EmbeddedServer) -> AsyncIterator[Backend]:
    """A backend on a server of this test's own."""
    opened = await open_backend(redis_server.url, timeouts=Timeouts(connect=2, answer=5))
    yield opened
    await opened.close()


@pytest.fixture
def own_sync(redis_server: EmbeddedServer) -> Iterator[SyncBackend]:
    """A blocking backend on a server of this test's own."""
    opened = open_sync_backend(redis_server.url, timeouts=Timeouts(connect=2, answer=5))
    yield opened
    opened.close()


def test_a_batch_of_calls_is_one_round_trip(sync_backend: SyncBackend, redis_url: str) -> None:
    """Whatever their number, calls to a partition leave in one piece and need no second."""
    sync_backend.call(start("x", sync_backend.hub.partitions))
    home = partition_of("x", sync_backend.hub.partitions)
    assert [answer.status for answer in sync_backend.send([outcome("x", home)] * 50)] == ["running"] * 50


async def test_scripts_that_redis_forgot_are_loaded_again(backend: Backend, redis_url: str) -> None:
    """SCRIPT FLUSH in mid-use is not noticed by anyone."""
    await backend.call(start("x", backend.hub.partitions))
    with redis.Redis.from_url(redis_url) as other:
        other.script_flush()
    home = partition_of("x", backend.hub.partitions)
    first, second = await backend.send([outcome("x", home), Describe(partition=home, instance="x")])
    assert first.status == second.status == "running"


async def test_a_killed_and_restarted_server_is_found_again(own: Backend, redis_server: EmbeddedServer) -> None:
    """While it is away calls fail by name; when it is back they go on, and nothing that was accepted is lost [P1]."""
    await own.call(start("kept"))
    redis_server.kill()
    with pytest.raises(BackendUnavailable, match=r"redis\.sock"):
        await own.call(outcome("kept"))
    with pytest.raises(BackendUnavailable, match="check that it runs"):
        await own.call(outcome("kept"))
    redis_server.start()
    assert (await own.call(outcome("kept"))).status == "running"


def test_threads_find_a_restarted_server_again(own_sync: SyncBackend, redis_server: EmbeddedServer) -> None:
    """The same for blocking code."""
    own_sync.call(start("kept"))
    redis_server.kill()
    for _ in range(2):
        with pytest.raises(BackendUnavailable, match=r"redis\.sock"):
            own_sync.call(outcome("kept"))
    redis_server.start()
    assert own_sync.call(outcome("kept")).status == "running"


async def test_a_connection_that_was_hung_up_while_idle_is_replaced_unseen(
    own: Backend, own_sync: SyncBackend, redis_server: EmbeddedServer
) -> None:
    """As long as nothing was sent on it, nobody hears of a broken connection."""
    await own.call(start("x"))
    own_sync.call(outcome("x"))
    hang_up_all(redis_server)
    assert own_sync.call(outcome("x")).status == "running"
    for _ in range(3):
        await asyncio.sleep(0)  # the loop hears of the end, as any loop does that is not blocked
    assert (await own.call(outcome("x"))).status == "running"


async def test_calls_at_the_same_moment_share_one_connection(own: Backend, redis_server: EmbeddedServer) -> None:
    """A thousand callers need no thousand connections, and each gets its own answer [P10]."""
    names = [f"i{n}" for n in range(1_000)]
    await asyncio.gather(*(own.call(start(name)) for name in names))
    found = await asyncio.gather(*(own.call(Describe(partition=0, instance=name)) for name in names))
    assert [one.instance for one in found] == names
    with observer(redis_server) as other:
        ours = [one for one in other.client_list() if one["name"] == "rqflow"]
    assert len(ours) == 1


async def test_a_canceled_call_leaves_the_others_their_answers(backend: Backend) -> None:
    """Who is canceled between question and answer does not shift the answers of others."""
    home = partition_of("x", backend.hub.partitions)
    await backend.call(start("x", backend.hub.partitions))
    for _ in range(20):
        hasty = asyncio.create_task(backend.call(outcome("nobody", home)))
        patient = asyncio.create_task(backend.call(Describe(partition=home, instance="x")))
        await asyncio.sleep(0)
        hasty.cancel()
        assert (await patient).instance == "x"
        with pytest.raises(asyncio.CancelledError):
            await hasty


async def test_large_calls_wait_for_room_in_the_socket(backend: Backend) -> None:
    """Tens of megabytes at once arrive whole and in order."""
    home = partition_of("big", backend.hub.partitions)
    await backend.call(register(home))
    await backend.call(start("big", backend.hub.partitions))
    signals = [
        Deliver(
            partition=home,
            instance="big",
            event=encode(SignalReceived(name="s", payload=b'"' + bytes([97 + n]) * 900_000 + b'"')),
            request=f"r{n}",
        )
        for n in range(20)
    ]
    await asyncio.gather(*(backend.call(signal) for signal in signals))
    length = 0
    while length < 21:
        task = await take_workflow(backend, home)
        await backend.call(commit(task))
        length += len(task.inbox)
    page = await backend.call(ReadHistory(partition=home, instance="big", after=20))
    assert page.events[0].endswith(b"t" * 900_000 + b'"')


async def test_a_server_that_hangs_up_at_once_is_unavailable() -> None:
    """A proxy without anything behind it lets everyone in and drops them."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        endpoint = Endpoint("127.0.0.1", listener.getsockname()[1])
        address = Address(endpoints=(endpoint,))

        def hang_up() -> None:
            for _ in range(2):
                listener.accept()[0].close()
            accepted, _ = listener.accept()
            accepted.recv(1_000)
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            accepted.close()

        with ThreadPoolExecutor(1) as threads:
            done = threads.submit(hang_up)
            with pytest.raises(BackendUnavailable, match="does not answer"):
                await connect(address, endpoint, QUICK)
            for _ in range(2):
                with pytest.raises(BackendUnavailable, match="does not answer"):
                    BlockingConnection(address, endpoint, QUICK)
            done.result()


def test_what_is_sent_on_a_dead_connection_is_an_error_of_ours(redis_url: str) -> None:
    """No OSError reaches a caller."""
    address = parse_address(redis_url)
    dead = BlockingConnection(address, address.endpoints[0], QUICK)
    dead.close()
    with pytest.raises(BackendUnavailable, match="does not answer"):
        dead.write([("PING",)])
    dead.close()


async def test_what_is_sent_to_a_server_that_has_gone_is_an_error_of_ours() -> None:
    """Nobody reads: the first words are lost, and whoever goes on speaking hears of it."""
    with StandIn(lambda command: None) as server:
        endpoint = Endpoint("127.0.0.1", server.port)
        gone = BlockingConnection(parse_address(server.url), endpoint, QUICK)

        def go_on() -> None:
            while True:
                gone.write([("BYE",)])

        with pytest.raises(BackendUnavailable, match="does not answer"):
            go_on()
        connection = await connect(parse_address(server.url), endpoint, QUICK)
        connection.write(b"*1\r\n$3\r\nBYE\r\n" * 500_000)
        await asyncio.wait_for(connection.closed.wait(), 5)
        connection.write(b"*1\r\n$3\r\nBYE\r\n")
        with pytest.raises(BackendUnavailable, match="does not answer"):
            await connection.request([("PING",)])


async def test_a_server_that_takes_nothing_keeps_no_socket_open(redis_server: EmbeddedServer) -> None:
    """What cannot be sent any more is not waited for: a closed connection is gone at once."""
    address = parse_address(redis_server.url)
    before = len(os.listdir("/dev/fd"))
    connection = await connect(address, address.endpoints[0], QUICK)
    os.kill(redis_server.pid, signal.SIGSTOP)
    with pytest.raises(BackendUnavailable, match="nothing was heard for 1 seconds"):
        await connection.request([("PING", b"x" * 20_000_000)])
    await until(lambda: len(asyncio.all_tasks()) == 1 and len(os.listdir("/dev/fd")) == before)
    os.kill(redis_server.pid, signal.SIGCONT)


def test_threads_leave_a_replica_for_its_master(own_sync: SyncBackend, redis_server: EmbeddedServer) -> None:
    """After a failover behind the same name the old connections are dropped."""
    own_sync.call(start("x"))
    with observer(redis_server) as other:
        other.replicaof("127.0.0.1", "1")
        with pytest.raises(BackendUnavailable, match="looks for its master"):
            own_sync.call(start("y"))
        other.replicaof("NO", "ONE")
    own_sync.call(start("y"))


async def test_a_server_that_falls_silent_is_given_up() -> None:
    """It takes the question and never answers: the wait is bounded, and the error says how long."""
    with StandIn(lambda command: b"") as silent:
        connection = await connect(parse_address(silent.url), Endpoint("127.0.0.1", silent.port), QUICK)
        with pytest.raises(BackendUnavailable, match=r"nothing was heard for 1 seconds"):
            await connection.request([("PING",)])
        blocked = BlockingConnection(parse_address(silent.url), Endpoint("127.0.0.1", silent.port), QUICK)
        with pytest.raises(BackendUnavailable, match=r"nothing was heard for 1 seconds"):
            blocked.request([("PING",)])
        blocked.close()


async def test_a_slow_but_steady_reply_is_waited_for() -> None:
    """Bytes that keep coming are no silence, even if the whole takes longer than the limit."""
    release = threading.Event()
    pieces = iter([b"*4\r\n", b"+1\r\n", b"+2\r\n", b"+3\r\n", b"+4\r\n"])

    def trickle(command: list[bytes]) -> bytes:
        release.wait(0.5)
        return next(pieces, b"")

    with StandIn(trickle) as slow:
        connection = await connect(parse_address(slow.url), Endpoint("127.0.0.1", slow.port), QUICK)
        whole = asyncio.create_task(connection.request([("FIRST",)]))
        for _ in range(4):
            await asyncio.sleep(0)
            connection.write(b"*1\r\n$4\r\nMORE\r\n")
        assert await whole == [[b"1", b"2", b"3", b"4"]]
        connection.close()


async def test_silence_counts_from_the_question() -> None:
    """A server that had nothing to answer was not silent: a later question has all of its time."""
    moment = threading.Event()

    def answer(command: list[bytes]) -> bytes:
        if command[0] == b"SLOW":
            moment.wait(0.6)
        return b"+OK\r\n"

    with StandIn(answer) as server:
        connection = await connect(parse_address(server.url), Endpoint("127.0.0.1", server.port), QUICK)
        assert await connection.request([("FIRST",)]) == [b"OK"]
        await asyncio.sleep(0.7)
        assert await connection.request([("SLOW",)]) == [b"OK"]
        await asyncio.sleep(1.2)
        assert not connection.closed.is_set()
        connection.close()


async def test_what_is_no_redis_is_said_to_be_none() -> None:
    """A web server at that port is a wrong address, not a riddle."""
    with StandIn(lambda command: b"HTTP/1.1 400 Bad Request\r\n\r\n") as web:
        with pytest.raises(BackendUnavailable, match="does not speak as Redis does"):
            await open_backend(web.url)
        with pytest.raises(BackendUnavailable, match="does not speak as Redis does"):
            open_sync_backend(web.url)


async def test_a_redirection_to_nowhere_ends_the_connection() -> None:
    """What cannot be read as Redis means it is not guessed at."""
    with StandIn(lambda command: b"-MOVED somewhere\r\n") as vague:
        endpoint = Endpoint("127.0.0.1", vague.port)
        connection = await connect(parse_address(vague.url), endpoint, QUICK)
        with pytest.raises(BackendUnavailable, match="does not speak as Redis does"):
            await connection.request([("PING",)])
        blocked = BlockingConnection(parse_address(vague.url), endpoint, QUICK)
        with pytest.raises(BackendUnavailable, match="does not speak as Redis does"):
            blocked.request([("PING",)])
        blocked.close()


def test_a_loop_that_ends_takes_its_connections_along(redis_server: EmbeddedServer) -> None:
    """`asyncio.run` twice with one client that nobody closes: no socket is left open, and nothing warns."""
    create_hub(redis_server.url, "default")
    address = parse_address(redis_server.url)

    async def use() -> tuple[Connection, AsyncClient]:
        client = AsyncClient(redis_server.url)
        assert await client.start("checkout")
        return await connect(address, address.endpoints[0], QUICK), client

    connection, client = asyncio.run(use())
    assert connection.closed.is_set()

    async def again(client: AsyncClient) -> None:
        assert await client.start("checkout")

    asyncio.run(again(client))
    del connection, client
    gc.collect()


async def test_a_reply_that_nobody_asked_for_ends_the_connection() -> None:
    """A connection out of step is never used again: answers would go to the wrong callers."""
    with StandIn(lambda command: b"+PONG\r\n+EXTRA\r\n") as chatty:
        connection = await connect(parse_address(chatty.url), Endpoint("127.0.0.1", chatty.port), QUICK)
        assert await connection.request([("PING",)]) == [b"PONG"]
        await asyncio.wait_for(connection.closed.wait(), 5)
        with pytest.raises(BackendUnavailable, match="nobody asked"):
            await connection.request([("PING",)])


async def test_nobody_listening_is_one_clear_error() -> None:
    """The address is named, the password is not."""
    url = f"redis://ann:{SECRET}@127.0.0.1:{free_port()}"
    with pytest.raises(BackendUnavailable, match=r"127\.0\.0\.1:\d+ does not answer") as caught:
        await open_backend(url)
    assert SECRET not in str(caught.value)
    with pytest.raises(BackendUnavailable, match=r"127\.0\.0\.1:\d+ does not answer") as caught:
        open_sync_backend(url)
    assert SECRET not in str(caught.value)
    with pytest.raises(BackendUnavailable, match="nowhere"):
        open_sync_backend("unix:///nowhere/redis.sock")


async def test_a_server_that_takes_nobody_in_is_given_up() -> None:
    """A full backlog: the connection is never made, and the wait is bounded."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    endpoint = Endpoint("127.0.0.1", listener.getsockname()[1])
    crowd = []
    for _ in range(4):
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex((endpoint.host, endpoint.port))
        crowd.append(one)
    quick = Timeouts(connect=0.3, answer=0.3)
    with pytest.raises(BackendUnavailable, match=r"no connection within 0\.3 seconds"):
        await connect(Address(endpoints=(endpoint,)), endpoint, quick)
    with pytest.raises(BackendUnavailable, match=r"no connection within 0\.3 seconds"):
        BlockingConnection(Address(endpoints=(endpoint,)), endpoint, quick)
    for one in (*crowd, listener):
        one.close()


async def test_a_connection_long_silent_is_tried_before_it_is_trusted() -> None:
    """A firewall that forgot it swallows what is sent: a PING finds out before a call is risked."""
    patient = Timeouts(connect=1, answer=5, idle=0)
    answers = {"deaf": False}

    def answer(command: list[bytes]) -> bytes:
        return b"" if answers["deaf"] and command[0] == b"PING" else bulk("fine")

    with StandIn(answer) as server:
        endpoint = Endpoint("127.0.0.1", server.port)
        address = parse_address(server.url)
        line = Line(address, endpoint, patient)
        assert await line.request([("FIRST",)]) == [b"fine"]
        assert await line.request([("SECOND",)]) == [b"fine"]
        assert [command[0] for command in server.asked] == [b"CLIENT", b"FIRST", b"PING", b"SECOND"]
        answers["deaf"] = True
        assert await line.request([("THIRD",)]) == [b"fine"]
        assert [command[0] for command in server.asked[4:]] == [b"PING", b"CLIENT", b"THIRD"]
        line.close()
        pool = Pool(address, endpoint, Timeouts(connect=5, answer=1, idle=0))
        assert pool.request([("FOURTH",)]) == [b"fine"]
        assert pool.request([("FIFTH",)]) == [b"fine"]
        assert [command[0] for command in server.asked[7:]] == [
            b"CLIENT", b"FOURTH", b"PING", b"CLIENT", b"FIFTH",
        ]  # fmt: skip
        answers["deaf"] = False
        assert pool.request([("SIXTH",)]) == [b"fine"]
        assert [command[0] for command in server.asked[12:]] == [b"PING", b"SIXTH"]
        pool.close()


async def test_one_caller_connects_for_all() -> None:
    """Many first calls at once make one connection."""
    with StandIn(lambda command: b"+OK\r\n") as server:
        line = Line(parse_address(server.url), Endpoint("127.0.0.1", server.port), QUICK)
        await asyncio.gather(*(line.request([("PING",)]) for _ in range(10)))
        assert [command[0] for command in server.asked].count(b"CLIENT") == 1
        line.close()
        line.close()


async def test_a_closed_backend_says_so(redis_url: str) -> None:
    """Calls after `close` fail by name, those under way end, and closing twice is fine."""
    opened = await open_backend(redis_url)
    under_way = asyncio.create_task(opened.call(outcome()))
    await asyncio.sleep(0)
    await opened.close()
    with pytest.raises((BackendUnavailable, InstanceNotFound)):
        await under_way
    with pytest.raises(BackendUnavailable, match="closed"):
        await opened.call(outcome())
    await opened.close()
    blocked = open_sync_backend(redis_url)
    blocked.close()
    blocked.close()
    with pytest.raises(BackendUnavailable, match="closed"):
        blocked.call(outcome())


def test_threads_share_a_bounded_pool(
    own_sync: SyncBackend, redis_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More threads than connections wait their turn, and each gets its own answers [P10]."""
    names = [f"t{n}" for n in range(200)]
    own_sync.send([start(name) for name in names])
    with ThreadPoolExecutor(64) as threads:
        found = list(threads.map(lambda name: own_sync.call(Describe(partition=0, instance=name)).instance, names))
    assert found == names
    with observer(redis_server) as other:
        ours = [one for one in other.client_list() if one["name"] == "rqflow"]
    assert 1 <= len(ours) <= blocking.POOL_SIZE


def test_a_connection_in_use_at_the_close_is_dropped_after_its_use() -> None:
    """Closing from another thread neither breaks an answer nor leaks its socket."""
    inside, go = threading.Event(), threading.Event()

    def answer(command: list[bytes]) -> bytes:
        inside.set()
        go.wait(5)
        return b"+OK\r\n"

    with StandIn(answer) as server:
        pool = Pool(parse_address(server.url), Endpoint("127.0.0.1", server.port), Timeouts())
        with ThreadPoolExecutor(1) as threads:
            reply = threads.submit(pool.request, [("SLOW",)])
            assert inside.wait(5)
            pool.close()
            go.set()
            assert reply.result() == [b"OK"]
    del pool
    gc.collect()


def test_a_forked_child_has_connections_of_its_own(sync_backend: SyncBackend) -> None:
    """Parent and child use one backend after a fork, and neither reads the other's replies."""
    partitions = sync_backend.hub.partitions
    for name in ("parent", "child"):
        sync_backend.call(start(name, partitions))
    child = os.fork()
    if child == 0:
        try:
            for _ in range(50):
                call = Describe(partition=partition_of("child", partitions), instance="child")
                assert sync_backend.call(call).instance == "child"
        except BaseException:
            leave(1)
        leave(0)
    for _ in range(50):
        call = Describe(partition=partition_of("parent", partitions), instance="parent")
        assert sync_backend.call(call).instance == "parent"
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


async def test_a_frozen_server_thawed_in_time_answers(own: Backend, redis_server: EmbeddedServer) -> None:
    """A pause shorter than the limit is only a wait."""
    await own.call(start("x"))
    os.kill(redis_server.pid, signal.SIGSTOP)
    waiting = asyncio.create_task(own.call(outcome("x")))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    os.kill(redis_server.pid, signal.SIGCONT)
    assert (await waiting).status == "running"


async def test_a_user_without_rights_is_refused_by_command(redis_server: EmbeddedServer) -> None:
    """NOPERM names what was asked for, as an error of each call; the greeting's own comforts are not insisted on."""
    with observer(redis_server) as other:
        other.execute_command("ACL", "SETUSER", "reader", "on", f">{SECRET}", "~*", "+info", "+hgetall", "-client")
    await (await open_backend(redis_server.url)).close()  # which makes the default hub
    path = redis_server.url.removeprefix("unix://")
    opened = await open_backend(f"unix://reader:{SECRET}@{path}")
    with pytest.raises(BackendRefused, match=r"read_outcome\.lua") as caught:
        await opened.call(outcome())
    assert SECRET not in str(caught.value) + repr(opened)
    blocked = open_sync_backend(f"unix://reader:{SECRET}@{path}")
    assert SECRET not in repr(blocked)
    blocked.close()
    await opened.close()


async def test_a_foreign_error_of_one_call_does_not_harm_its_neighbours(backend: Backend, redis_url: str) -> None:
    """A row that someone broke by hand fails its own call with script and line, and no other [P7]."""
    partitions = backend.hub.partitions
    home = partition_of("x", partitions)
    near = next(f"n{n}" for n in range(99) if partition_of(f"n{n}", partitions) == home)
    await backend.send([start("x", partitions), start(near, partitions)])
    with redis.Redis.from_url(redis_url) as other:
        row = f"rqflow:{{{backend.hub.name}.{home}}}:instance:x"
        other.delete(row)
        other.rpush(row, "nonsense")
    broken, fine = await backend.send([outcome("x", home), outcome(near, home)])
    assert type(broken) is BackendError
    assert "read_outcome.lua" in str(broken)
    assert fine.status == "running"
