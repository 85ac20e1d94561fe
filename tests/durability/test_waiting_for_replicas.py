"""Waiting for replicas: a promise is kept when they have it; a replica frozen, gone or promoted; nobody else waits."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from rqflow.backend.calls.instances import Outcome, ReadOutcome
from rqflow.backend.opening import create_hub, open_backend, open_sync_backend
from rqflow.backend.redis.blocking import POOL_SIZE
from rqflow.backend.redis.keys import key
from rqflow.backend.redis.reserve import RESERVE_SIZE
from rqflow.backend.redis.sockets import Timeouts
from rqflow.client.asynchronous import AsyncClient
from rqflow.client.handle import AsyncHandle
from rqflow.client.options import ClientOptions
from rqflow.client.starting import Request
from rqflow.client.sync import Client
from rqflow.errors import BackendUnavailable, InstanceExists, NotDurable, RqflowError
from tests.backend.orders import start
from tests.backend.stand_in import StandIn, bulk
from tests.cli.shell import until
from tests.client.face import Face
from tests.conftest import fresh_name
from tests.servers.cluster import Cluster
from tests.servers.programs import valkey
from tests.servers.replicas import Replicated, frozen

SOON = ClientOptions(durable_within=timedelta(milliseconds=300), retry_for=timedelta(0))
SECONDS = timedelta(seconds=2)
PATIENT = ClientOptions(durable_within=timedelta(seconds=30))


@pytest.fixture(scope="module")
def pair() -> Iterator[Replicated]:
    """A master and its replica, for the tests of this module that leave them as they are."""
    with Replicated() as servers:
        yield servers


@pytest.fixture(scope="module")
def modern() -> Iterator[Replicated]:
    """The same of Valkey, which waits for disks too and counts differently what a connection wrote last."""
    with Replicated(program=valkey()) as servers:
        yield servers


@pytest.fixture(params=["redis", "valkey"])
def servers(request: pytest.FixtureRequest) -> Replicated:
    """A pair of each kind."""
    found: Replicated = request.getfixturevalue("pair" if request.param == "redis" else "modern")
    return found


@pytest.fixture(params=["sync", "async"])
async def faces(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    """Makes clients of either kind."""
    made: list[Face] = []

    def make(url: str, hub: str, options: ClientOptions) -> Face:
        cls = Client if request.param == "sync" else AsyncClient
        made.append(Face(cls(url, hub=hub, options=options)))
        return made[-1]

    yield make
    for face in made:
        await face.close()


def durable_hub(servers: Replicated, durability: str = "replica:1") -> str:
    return create_hub(servers.url, fresh_name("durable"), partitions=2, durability=durability).name


async def test_p1_what_was_promised_is_on_the_replica(servers: Replicated, faces: Any) -> None:
    """A start, a signal and all that steers come back when the replica has them: each is read there at once [P1]."""
    hub = durable_hub(servers)
    face = faces(servers.url, hub, PATIENT)
    replica = servers.on(servers.replicas[0])

    def there(name: str) -> list[Any]:
        return [found for part in range(2) for found in replica.lrange(key(hub, part, "inbox", name), 0, -1)]

    def row(name: str) -> dict[Any, Any]:
        return next(found for part in range(2) if (found := replica.hgetall(key(hub, part, "instance", name))))

    for number in range(10):
        name = f"i{number}"
        await face.start("any", id=name)
        assert row(name)[b"status"] == b"running"
        await face.do("signal", name, "go", number)
        assert len(there(name)) == 2
    await face.do("suspend", "i0")
    assert row("i0")[b"status"] == b"suspended"
    await face.do("resume", "i0")
    assert row("i0")[b"status"] == b"running"
    await face.do("cancel", "i1")
    assert len(there("i1")) == 3
    assert await face.do("terminate", "i2")
    assert row("i2")[b"status"] == b"terminated"
    handles = await face.do("start_many", [Request.of("any", id=f"m{number}") for number in range(50)])
    assert not [one for one in handles if isinstance(one, RqflowError)]
    assert {row(f"m{number}")[b"status"] for number in range(50)} == {b"running"}


async def test_a_frozen_replica_is_told_and_disturbs_nobody(servers: Replicated, faces: Any) -> None:
    """The error says what is known and what is not; reads of the same client are answered meanwhile; the same wish
    again holds when the replica is back, and is not counted twice [F15]."""
    hub = durable_hub(servers)
    face = faces(servers.url, hub, SOON)
    patient = faces(servers.url, hub, PATIENT)
    await patient.start("any", id="before")
    with frozen(servers.replicas[0]):
        waiting = asyncio.ensure_future(patient.start("any", id="x", request_id="r"))
        began = time.monotonic()
        while not [row for row in await patient.do("list") if row.instance == "x"]:
            assert time.monotonic() - began < 20
        assert (await patient.do("describe", "x")).status == "running"
        assert not waiting.done()
        # A repeat writes nothing; what it repeats is still not on the replica.
        for _ in range(2):
            with pytest.raises(NotDurable, match=r"by the master.*0 of 1 replicas had it within 0\.3 s") as told:
                await face.start("any", id="x", request_id="r")
            assert (told.value.instance, told.value.durability, told.value.replicas) == ("x", "replica:1", 0)
        with pytest.raises(NotDurable):
            await face.do("signal", "x", "go", 1, request_id="s")
        with pytest.raises(NotDurable):
            await face.do("update", "x", "change", 1, request_id="u")
        # A refusal promises nothing, and stays what it is.
        with pytest.raises(InstanceExists):
            await face.start("any", id="x")
        answers = await face.do("start_many", [Request.of("any", id=name) for name in ("x", "y")])
        assert [type(answer) for answer in answers] == [InstanceExists, NotDurable]
    assert (await waiting).id == "x"
    await patient.start("any", id="x", request_id="r")
    await patient.do("signal", "x", "go", 1, request_id="s")
    master = servers.on(servers.master)
    assert sum(int(master.llen(key(hub, partition, "inbox", "x"))) for partition in range(2)) == 3


def test_p1_what_is_done_with_schedules_is_on_the_replica(servers: Replicated) -> None:
    """As what is done with instances: a schedule that a failover forgets would fire no more, and nobody would know."""
    hub = durable_hub(servers)
    replica = servers.on(servers.replicas[0])

    def row() -> dict[Any, Any]:
        return next((found for part in range(2) if (found := replica.hgetall(key(hub, part, "schedule", "s")))), {})

    with Client(servers.url, hub=hub, options=PATIENT) as client:
        for number in range(10):
            client.schedules.create("s", "any", every=3_600, unchecked=True)
            assert row()[b"revision"] == b"1"
            client.schedules.pause("s", f"number {number}")
            assert f"number {number}".encode() in row()[b"state"]
            client.schedules.delete("s")
            assert row() == {}
        with frozen(servers.replicas[0]), Client(servers.url, hub=hub, options=SOON) as hasty:
            with pytest.raises(NotDurable, match=r"schedule 's'.*0 of 1 replicas had it") as told:
                hasty.schedules.create("s", "any", every=3_600, unchecked=True)
            assert (told.value.schedule, told.value.instance) == ("s", "")
        client.schedules.resume("s")
        assert row()[b"revision"] == b"2"


async def test_a_replica_that_is_gone_is_told() -> None:
    """Killed: the count says how many are left of those that were asked for."""
    with Replicated(2) as servers:
        hub = durable_hub(servers, "replica:2")
        with Client(servers.url, hub=hub, options=PATIENT) as client:
            client.start("any", id="x", result_type=None)
        servers.replicas[1].kill()
        with Client(servers.url, hub=hub, options=SOON) as client:
            with pytest.raises(NotDurable, match="1 of 2 replicas had it") as told:
                client.start("any", id="y", result_type=None)
            assert told.value.replicas == 1


def test_p1_what_was_promised_outlives_the_master() -> None:
    """Every start that was told as accepted is there after the master died and the replica took over [P1]."""
    with Replicated() as servers:
        hub = durable_hub(servers)
        promised: list[str] = []
        numbers = itertools.count()

        def start_on(number: int) -> None:
            with Client(servers.url, hub=hub, options=replace(PATIENT, retry_for=timedelta(0))) as client:
                while True:
                    name = f"{number}-{next(numbers)}"
                    try:
                        client.start("any", id=name, result_type=None)
                    except BackendUnavailable:
                        return
                    promised.append(name)

        with ThreadPoolExecutor(4) as threads:
            running = [threads.submit(start_on, number) for number in range(4)]
            until(lambda: len(promised) >= 100, 40)
            servers.master.kill()
            for one in running:
                one.result()
        servers.on(servers.replicas[0]).replicaof("NO", "ONE")
        with Client(servers.replicas[0].url, hub=hub) as client:
            there = {row.instance for row in client.list()}
        assert set(promised) <= there


async def test_a_client_follows_its_promises_to_the_next_master(faces: Any) -> None:
    """The sentinels name the replica that took over: the same client's next start waits for that one's replica."""
    with Replicated(2) as servers:
        hub = durable_hub(servers)
        current = {"master": servers.master}

        def answer(_: list[bytes]) -> bytes:
            return b"*2\r\n%s%s" % (bulk("127.0.0.1"), bulk(current["master"].url.rpartition(":")[2]))

        with StandIn(answer) as sentinel:
            face = faces(f"redis+sentinel://127.0.0.1:{sentinel.port}/main", hub, PATIENT)
            await face.start("any", id="x", request_id="r")
            first, second = servers.replicas
            # One of the two has it; this test is not about which.
            replica = servers.on(first)
            until(lambda: replica.exists(*(key(hub, partition, "instance", "x") for partition in range(2))), 30)
            replica.replicaof("NO", "ONE")
            servers.follow(second, first)
            # The old master lives, and is a replica now: what it is told is not told to the client as done.
            servers.follow(servers.master, first)
            current["master"] = first
            await face.start("any", id="y", request_id="r")
            assert {row.instance for row in await face.do("list")} >= {"y"}
            servers.master.kill()
            await face.start("any", id="z", request_id="r")
            assert {row.instance for row in await face.do("list")} == {"x", "y", "z"}


async def test_disks_are_waited_for(modern: Replicated) -> None:
    """fsync-replica: the master's disk and the replica's have it, or it is said which has not [F15]."""
    hub = durable_hub(modern, "fsync-replica")
    replica = modern.on(modern.replicas[0])
    with Client(modern.url, hub=hub, options=PATIENT) as client:
        client.start("any", id="x", result_type=None)
    with Client(modern.url, hub=hub, options=SOON) as client:
        replica.config_set("appendonly", "no")
        with pytest.raises(NotDurable, match="0 of 1 replicas had it on disk, its own disk had within"):
            client.start("any", id="y", result_type=None)
        replica.config_set("appendonly", "yes")
    with Client(modern.url, hub=hub, options=PATIENT) as client:
        client.start("any", id="y", request_id="again", on_conflict="use_existing", result_type=None)


async def test_each_node_of_a_cluster_answers_for_itself(cluster: Cluster) -> None:
    """A batch over three masters without replicas: every item is told, and all are there."""
    name = create_hub(cluster.url, fresh_name("durable"), partitions=4, durability="replica:1").name
    async with AsyncClient(cluster.url, hub=name, options=SOON) as client:
        answers = await client.start_many([Request.of("any", id=f"i{number}") for number in range(20)])
        assert {type(answer) for answer in answers} == {NotDurable}
        assert len([row async for row in client.list()]) == 20


async def test_p1_what_a_cluster_promised_outlives_a_master() -> None:
    """Three masters with a replica each, one killed: every instance that was told as accepted is there, and the same
    client's next start waits for those that are left [P1] [F16]."""
    with Cluster(replicas=1) as formed:
        hub = create_hub(formed.url, fresh_name("durable"), partitions=8, durability="replica:1").name
        options = ClientOptions(durable_within=timedelta(seconds=10), retry_for=timedelta(seconds=40))
        async with AsyncClient(formed.url, hub=hub, options=options) as client:
            promised = await client.start_many([Request.of("any", id=f"i{number}") for number in range(100)])
            assert not [one for one in promised if isinstance(one, RqflowError)]
            formed.nodes[0].kill()
            states = await asyncio.gather(*(client.describe(f"i{number}") for number in range(100)))
            assert {state.status for state in states} == {"running"}
        # Two masters still have their replicas; the one that took over has none, and that is told.
        async with AsyncClient(formed.url, hub=hub, options=replace(options, durable_within=SECONDS)) as client:
            answers = await client.start_many([Request.of("any", id=f"j{number}") for number in range(50)])
            assert {type(answer) for answer in answers} == {AsyncHandle, NotDurable}


async def test_callers_that_wait_are_bounded() -> None:
    """When every connection that may wait is in use, the next caller is told, and that nothing was sent [P10]."""
    with Replicated() as servers:
        hub = durable_hub(servers)
        timeouts = Timeouts(connect=20, answer=3, durable=0.5)
        opened = await open_backend(servers.url, hub, timeouts=timeouts)
        blocked = open_sync_backend(servers.url, hub, timeouts=timeouts)
        await asyncio.gather(*(opened.call(start(f"warm{number}", 2)) for number in range(RESERVE_SIZE)))
        with ThreadPoolExecutor(POOL_SIZE + 1) as threads:
            list(threads.map(lambda number: blocked.call(start(f"sync{number}", 2)), range(POOL_SIZE)))
            with frozen(servers.master):
                waiting = [opened.call(start(f"x{number}", 2)) for number in range(RESERVE_SIZE + 1)]
                sync = [threads.submit(blocked.call, start(f"y{number}", 2)) for number in range(POOL_SIZE + 1)]
                found = await asyncio.gather(*waiting, return_exceptions=True)
                threaded = [await asyncio.to_thread(one.exception) for one in sync]
        for errors in (found, threaded):
            assert {type(error) for error in errors} == {BackendUnavailable}
            assert any("nothing was sent" in str(error) for error in errors)
            assert any("nothing was heard" in str(error) for error in errors)
        await opened.close()
        blocked.close()


async def test_a_caller_that_gives_up_leaves_no_answer_to_the_next(pair: Replicated) -> None:
    """Canceled while Redis holds the answer back: the connection goes with it."""
    hub = durable_hub(pair)
    opened = await open_backend(pair.url, hub, timeouts=Timeouts(durable=20))
    with frozen(pair.replicas[0]), pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await opened.call(start("x", 2))
    assert (await opened.call(start("y", 2))).instance == "y"
    await opened.close()


async def test_closing_ends_those_who_wait(pair: Replicated) -> None:
    """And nothing is sent on a backend that was closed."""
    hub = durable_hub(pair)
    opened = await open_backend(pair.url, hub, timeouts=Timeouts(durable=20))
    await opened.call(start("before", 2))
    with frozen(pair.replicas[0]):
        waiting = asyncio.ensure_future(opened.call(start("x", 2)))
        read = ReadOutcome(partition=start("x", 2).partition, instance="x")
        while not isinstance((await opened.send([read]))[0], Outcome):
            pass
        await opened.close()
        with pytest.raises(BackendUnavailable):
            await waiting
    with pytest.raises(BackendUnavailable, match="closed"):
        await opened.call(start("y", 2))


async def test_connections_that_were_idle_for_long_are_made_anew(pair: Replicated) -> None:
    """A firewall may have forgotten them, and what a lost connection did is not known."""
    hub = durable_hub(pair)
    opened = await open_backend(pair.url, hub, timeouts=Timeouts(idle=0))
    for name in ("a", "b", "c"):
        await opened.call(start(name, 2))
    await opened.close()


async def test_a_master_that_comes_back_is_found(pair: Replicated) -> None:
    """Its connections were cut: the client asks again, on new ones, and the same wish counts once."""
    hub = durable_hub(pair)
    master = pair.on(pair.master)
    async with AsyncClient(pair.url, hub=hub, options=PATIENT) as client:
        for number in range(3):
            await client.start("any", id=f"i{number}")
            master.client_kill_filter(_type="normal", skipme=True)
