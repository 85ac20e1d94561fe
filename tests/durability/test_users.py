"""Users: what config/ ships boots a server that rqflow works on, and each user can do its work and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis

from rqflow.backend.calls.instances import ReadOutcome
from rqflow.backend.opening import create_hub, diagnose, open_backend, open_sync_backend
from rqflow.backend.protocol import unwrap
from rqflow.backend.redis.doctor.rights import CLIENTS, WORKERS, roles
from rqflow.backend.redis.embedded import EmbeddedServer
from rqflow.backend.redis.keys import key
from rqflow.client.asynchronous import AsyncClient
from rqflow.client.options import ClientOptions
from rqflow.client.sync import Client
from rqflow.errors import BackendError, BackendRefused, NotDurable
from tests.backend.orders import BOTH, WORKER, register, start
from tests.cli.shell import RQFLOW, Shell, running, until
from tests.servers.cluster import Cluster
from tests.servers.programs import PROGRAMS
from tests.servers.users import configured, grant, shipped, url_of


def test_the_file_gives_each_user_what_its_work_needs_and_no_more() -> None:
    """The rights are those of the scripts that it sends and of what goes beside them; each is off until it has a
    password [F16]."""
    assert set(shipped()) == set(roles())
    for role, rules in shipped().items():
        line = " ".join(f"+{command}" for command in roles()[role])
        assert rules[:5] == ["off", "resetchannels", "&rqflow:*", "~rqflow:*", "-@all"]
        assert " ".join(rules[5:]) == line, f"config/users.acl, user rqflow-{role}, should end in: {line}"


@pytest.fixture(params=sorted(PROGRAMS))
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EmbeddedServer]:
    """One of each kind, run with config/redis.conf and config/users.acl."""
    with configured(tmp_path, PROGRAMS[request.param]()) as started:
        yield started


def test_the_shipped_configuration_is_one_that_the_doctor_likes(tmp_path: Path) -> None:
    """As its operator: everything can be read, and nothing is at risk [F15] [F16]."""
    with configured(tmp_path) as server:
        told = diagnose(url_of(server.url, "operator"))
        assert {(one.severity, one.subject) for one in told.findings} == {("advice", "memory"), ("advice", "replicas")}
        assert told.servers[0].persistence == "append-only file, fsync everysec"


def test_a_shop_runs_with_the_least_rights(redis_server: EmbeddedServer, tmp_path: Path) -> None:
    """A worker process, a client's commands and an operator's, each as its own user [F16]."""
    worker, client, operator = (Shell(grant(redis_server, role), "shop") for role in ("worker", "client", "operator"))
    operator("hub", "create", "shop", "--partitions", "2").ok()
    log = tmp_path / "worker.log"
    command = (*RQFLOW, "worker", "workers.orders", "-u", worker.environment["RQFLOW_REDIS_URL"], "--hub", "shop")
    with running(log, *command) as process:
        client("start", "checkout", 'order:={"id":"42","total":99.5}', "--id", "o").ok()
        until(lambda: "approval" in client("show", "o").out or None, 40, process.said)
        client("signal", "o", "approve", "by=ann").ok()
        client("list").ok()
        client("history", "o").ok()
        client("stats").ok()
        client("suspend", "o").ok()
        client("resume", "o").ok()
        client("cancel", "o").ok()
        assert client("result", "o", "--timeout", "40s").code in (0, 1)
        client("start", "nobody", "--id", "n").ok()
        client("terminate", "n").ok()
        client("purge", "n").ok()
        # Refused before anything is marked as going: the hub lives on.
        assert client("hub", "delete", "shop", "--yes", "--force").code == 5
        operator("hub", "show", "shop").ok()
        assert operator("doctor").ok()
    operator("hub", "list").ok()
    operator("hub", "show", "shop").ok()
    operator("hub", "set", "shop", "--durability", "fsync").ok()
    operator("hub", "verify", "shop").ok()
    operator("hub", "delete", "shop", "--yes", "--force").ok()


FORBIDDEN = (
    "FLUSHALL", "CONFIG SET maxmemory 1", "SHUTDOWN", "KEYS *", "REPLICAOF NO ONE", "ACL LIST", "MIGRATE h 1 k 0 1",
    "GET other", "HSET other f v", "SUBSCRIBE other", "PUBLISH other x", "SCRIPT FLUSH", "CLIENT KILL TYPE normal",
)  # fmt: skip


def test_nobody_reaches_what_is_not_his(redis_server: EmbeddedServer) -> None:
    """Other keys, other channels, and commands that end or steer a server."""
    for role in roles():
        url = grant(redis_server, role)
        with redis.Redis.from_url(url) as client:
            send: Any = client.execute_command
            for command in FORBIDDEN:
                with pytest.raises(redis.exceptions.NoPermissionError):
                    send(*command.split())


async def test_a_client_takes_no_tasks(redis_server: EmbeddedServer) -> None:
    """Without the right to read streams as a worker does."""
    opened = await open_backend(grant(redis_server, "client"))
    with pytest.raises(BackendRefused, match="may not do that"):
        await opened.wait_for_tasks(0, WORKER, BOTH, timedelta(milliseconds=10))
    await opened.close()


async def opening(url: str) -> None:
    create_hub(url, "fresh")
    opened = await open_backend(url, "fresh")
    open_sync_backend(url, "fresh").close()
    await opened.close()


async def loading(url: str) -> None:
    opened = await open_backend(url)
    for calls in ([start("x"), start("y")], [ReadOutcome(partition=0, instance=name) for name in "xy"]):
        for answer in await opened.send(calls):
            unwrap(answer)
    await opened.close()


async def listening(url: str) -> None:
    opened = await open_backend(url)
    async with asyncio.timeout(2), opened.watch("x") as watch:
        await watch.wait(0.01)
    async with asyncio.timeout(2), opened.watch("y") as watch:
        await watch.wait(0.01)
    await opened.close()


async def waiting_for_tasks(url: str) -> None:
    opened = await open_backend(url)
    await opened.call(register())
    await opened.wait_for_tasks(0, WORKER, BOTH, timedelta(milliseconds=10))
    await opened.close()


async def waiting_for_replicas(url: str) -> None:
    async with AsyncClient(url, hub="safe", options=ClientOptions(durable_within=timedelta(milliseconds=1))) as client:
        with pytest.raises(NotDurable, match="0 of 1 replicas had it"):
            await client.start("any")


NEEDED: dict[str, Callable[[str], Awaitable[None]]] = {
    "eval": opening,
    "info": opening,
    "hgetall": opening,
    "sadd": opening,
    "evalsha": loading,
    "script|load": loading,
    "subscribe": listening,
    "wait": waiting_for_replicas,
    "xreadgroup": waiting_for_tasks,
}
BESIDES = {"asking", "client|setname", "cluster|slots", "ping", "unsubscribe"}
"""Needed in a cluster, on connections that were idle, when a waiter leaves, or for people who read CLIENT LIST."""


def test_every_right_outside_of_scripts_is_tried() -> None:
    """Here, or it is known why not."""
    assert {*NEEDED, *BESIDES} == {*CLIENTS, *WORKERS}


@pytest.mark.parametrize("right", sorted(NEEDED))
async def test_a_right_that_is_taken_away_is_missed(redis_server: EmbeddedServer, right: str) -> None:
    """What works with it fails without it: nothing stands in the file for nothing."""
    create_hub(redis_server.url, "safe", durability="replica:1")
    await NEEDED[right](grant(redis_server, "worker"))
    with redis.Redis.from_url(redis_server.url) as other:
        other.script_flush()
        other.srem("rqflow:hubs", "fresh")
        other.delete(key("fresh", 0, "meta"))
    with pytest.raises((BackendError, TimeoutError, AssertionError)):
        await NEEDED[right](grant(redis_server, "worker", right))


async def test_a_worker_serves_a_cluster_as_its_user(cluster: Cluster) -> None:
    """Rights are each node's own; the map of the slots is read with them too [F16]."""
    urls = [grant(node, "worker") for node in cluster.nodes]
    async with AsyncClient(urls[0]) as client:
        handle = await client.start("any", request_id="r")
        assert (await client.describe(handle.id)).status == "running"
        await client.terminate(handle.id)
        await client.purge(handle.id)


def test_it_boots_every_kind(server: EmbeddedServer) -> None:
    """Redis 6.2 and 7, and Valkey, know every command that the file names [F16]."""
    with Client(url_of(server.url, "worker")) as client:
        client.start("any", id="x", result_type=None)
        assert [row.instance for row in client.list()] == ["x"]
