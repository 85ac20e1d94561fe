"""Choosing: a hub's durability is written down, shown, changed, and refused where a server cannot keep it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import redis

from rqflow.backend.calls.durability import read_durability
from rqflow.backend.opening import change_hub, create_hub, describe_hub, open_backend, open_sync_backend
from rqflow.backend.redis.embedded import EmbeddedServer
from rqflow.backend.redis.keys import key
from rqflow.client.options import ClientOptions
from rqflow.client.sync import Client
from rqflow.errors import BackendRefused, BadInput, HubExists, HubNotFound
from tests.cli.shell import Shell
from tests.conftest import fresh_name
from tests.servers.programs import redis_6, valkey


@pytest.fixture
def other(redis_server: EmbeddedServer) -> Iterator[redis.Redis]:
    """Another client of that server, that is not ours."""
    with redis.Redis.from_url(redis_server.url) as client:
        yield client


def test_a_durability_is_one_of_four() -> None:
    """What it asks for: replicas, a file, flushed disks [F15]."""
    assert read_durability("memory").replicas == 0
    assert read_durability("fsync").on_disk
    assert read_durability("replica:16").replicas == 16
    both = read_durability("fsync-replica")
    assert (both.replicas, both.on_disk, both.flushed) == (1, True, True)
    for text in ("", "disk", "replica", "replica:", "replica:0", "replica:-1", "replica:17", "replica:1\n", "Memory"):
        with pytest.raises(BadInput, match="durability is memory, fsync"):
            read_durability(text)


def test_a_hub_has_a_durability(redis_server: EmbeddedServer, other: redis.Redis) -> None:
    """It is memory unless chosen, stands in every partition's record, and is changed by saying so."""
    url = redis_server.url
    assert create_hub(url, "plain").durability == "memory"
    assert create_hub(url, "safe", partitions=2, durability="replica:2").durability == "replica:2"
    assert create_hub(url, "safe", partitions=2, durability="replica:2") == describe_hub(url, "safe")
    with pytest.raises(HubExists, match="rqflow hub set safe --durability memory"):
        create_hub(url, "safe", partitions=2)
    changed = change_hub(url, "safe", durability="fsync")
    assert changed == describe_hub(url, "safe")
    assert changed.durability == "fsync"
    assert {other.hget(key("safe", partition, "meta"), "durability") for partition in (0, 1)} == {b"fsync"}
    with pytest.raises(BadInput, match="durability is"):
        change_hub(url, "safe", durability="sure")
    with pytest.raises(HubNotFound):
        change_hub(url, "none", durability="fsync")
    assert not other.exists(key("none", 0, "meta"))


def test_a_hub_that_goes_while_it_is_changed_stays_gone(redis_server: EmbeddedServer, other: redis.Redis) -> None:
    """A record that is being removed is not brought back as a torso."""
    create_hub(redis_server.url, "going")
    other.hset(key("going", 0, "meta"), "deleting", "1")
    with pytest.raises(HubNotFound):
        change_hub(redis_server.url, "going", durability="fsync")


def test_a_hub_of_before_has_durability_memory(redis_server: EmbeddedServer, other: redis.Redis) -> None:
    """Its record does not say."""
    made = create_hub(redis_server.url, "old")
    other.hdel(key("old", 0, "meta"), "durability")
    assert describe_hub(redis_server.url, "old") == made


async def test_fsync_is_refused_without_an_append_only_file(redis_server: EmbeddedServer, other: redis.Redis) -> None:
    """When it is created, changed and opened; the error names the line to change [F15]."""
    url = redis_server.url
    create_hub(url, "disk", durability="fsync")
    create_hub(url, "plain")
    with Client(url, hub="disk") as client:
        client.start("any", id="x", result_type=None)
    other.config_set("appendonly", "no")
    line = "set appendonly yes, or choose another durability: rqflow hub set disk --durability memory"
    with pytest.raises(BackendRefused, match=line):
        create_hub(url, "disk", durability="fsync")
    with pytest.raises(BackendRefused, match=line):
        await open_backend(url, "disk")
    with pytest.raises(BackendRefused, match=line):
        open_sync_backend(url, "disk")
    with pytest.raises(BackendRefused, match="keeps no append-only file"):
        change_hub(url, "plain", durability="fsync")
    change_hub(url, "disk", durability="memory")
    open_sync_backend(url, "disk").close()


def test_fsync_replica_needs_a_server_that_can_wait_for_disks() -> None:
    """Redis 6.2 has no WAITAOF: said when the hub is created, not at the first start. A Valkey has it [F15] [F16]."""
    with EmbeddedServer(program=redis_6()) as old:
        with pytest.raises(BackendRefused, match=r"it needs 7\.2 or newer, or Valkey"):
            create_hub(old.url, "both", durability="fsync-replica")
        shell = Shell(old.url)
        shell("hub", "create", "shop").ok()
        assert shell("hub", "set", "shop", "--durability", "fsync-replica").code == 5
    with EmbeddedServer(program=valkey()) as modern:
        assert create_hub(modern.url, "both", durability="fsync-replica").durability == "fsync-replica"
        open_sync_backend(modern.url, "both").close()


def test_memory_keeps_nothing_and_says_so() -> None:
    """A store in memory has nothing to promise with."""
    name = fresh_name("memory")
    assert create_hub(f"memory://{name}", "default", durability="memory").durability == "memory"
    with pytest.raises(BadInput, match="keeps nothing"):
        create_hub(f"memory://{name}", "default", durability="replica:1")


def test_durable_within_is_checked(redis_url: str) -> None:
    """Zero would mean for ever to Redis."""
    options = ClientOptions(durable_within=timedelta(0))
    with Client(redis_url, options=options) as client, pytest.raises(BadInput, match="durable_within"):
        client.start("any", result_type=None)


def test_the_command_line_creates_shows_and_changes_it(redis_server: EmbeddedServer) -> None:
    """`hub create --durability`, `hub set`, `hub show`, `hub list`; a bad one is the caller's fault [F15]."""
    shell = Shell(redis_server.url)
    assert "durability replica:1" in shell("hub", "create", "shop", "--durability", "replica:1").ok().out
    assert shell("hub", "show", "shop", "--json").ok().json["durability"] == "replica:1"
    assert "durability fsync" in shell("hub", "set", "shop", "--durability", "fsync").ok().out
    assert shell("hub", "set", "shop", "--durability", "fsync", "--json").ok().json["durability"] == "fsync"
    assert "fsync" in shell("hub", "show", "shop").ok().out
    assert "fsync" in shell("hub", "list").ok().out
    bad = shell("hub", "set", "shop", "--durability", "safe")
    assert bad.code == 2
    assert "durability is memory, fsync, replica:N" in bad.err
    assert shell("hub", "set", "none", "--durability", "fsync").code == 3
