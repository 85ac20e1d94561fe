"""Doctor: each finding on a real server that is set that way; what it risks, the line to change, the exit code."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from rqflow.backend.opening import create_hub, diagnose
from rqflow.backend.redis.doctor import safety
from rqflow.backend.redis.doctor.findings import Finding
from rqflow.backend.redis.doctor.rights import roles
from rqflow.backend.redis.embedded import EmbeddedServer
from rqflow.backend.redis.keys import key
from rqflow.backend.redis.scripts import load
from rqflow.errors import BadInput
from tests.backend.stand_in import StandIn, bulk, info
from tests.cli.shell import Shell, until
from tests.servers.cluster import Cluster
from tests.servers.programs import redis_6, valkey
from tests.servers.replicas import Replicated, frozen

SECRET = "v3ry-s3cret"


@pytest.fixture
def other(redis_server: EmbeddedServer) -> Iterator[redis.Redis]:
    """Another client of that server, that is not ours."""
    with redis.Redis.from_url(redis_server.url) as client:
        yield client


def found(url: str, subject: str, **clocks: Callable[[], float]) -> list[Finding]:
    """What is said about a subject. Everything that is said has its parts."""
    findings = diagnose(url, **clocks).findings
    assert all(one.server and one.what and one.risk and one.line for one in findings)
    return [one for one in findings if one.subject == subject]


def test_a_healthy_server_is_safe(redis_server: EmbeddedServer, other: redis.Redis) -> None:
    """Nothing at risk: exit code 0; in JSON all that was seen of each server [F15]."""
    create_hub(redis_server.url, "shop")
    other.config_set("maxmemory", "1gb")
    assert not found(redis_server.url, "memory")
    ran = Shell(redis_server.url)("doctor", "--json").ok().json
    assert ran["safe"] is True
    (server,) = ran["servers"]
    assert (server["kind"], server["role"], server["mode"]) == ("redis", "master", "standalone")
    assert server["persistence"] == "append-only file, fsync always"
    assert ran["hubs"] == [{"name": "shop", "durability": "memory"}]
    assert {one["severity"] for one in ran["findings"]} <= {"advice"}
    plain = Shell(redis_server.url)("doctor").ok()
    assert "0 at risk" in plain.out


def test_a_valkey_is_known_as_such() -> None:
    """With its own version [F16]."""
    with EmbeddedServer(program=valkey()) as server:
        (summary,) = diagnose(server.url).servers
        assert summary.kind == "valkey"
        assert not summary.version.startswith("7.")


@pytest.mark.parametrize(
    ("setting", "value", "subject", "severity", "what", "line"),
    [
        ("appendonly", "no", "persistence", "risk", "neither", "appendonly yes"),
        ("appendfsync", "no", "persistence", "risk", "appendfsync no", "appendfsync everysec"),
        ("no-appendfsync-on-rewrite", "yes", "persistence", "risk", "on-rewrite yes", "no-appendfsync-on-rewrite no"),
        ("maxmemory-policy", "allkeys-lru", "memory", "risk", "allkeys-lru", "maxmemory-policy noeviction"),
        ("maxmemory", "1mb", "memory", "risk", "of maxmemory is in use", "raise maxmemory"),
        ("maxmemory", "0", "memory", "advice", "no maxmemory", "maxmemory 2gb"),
        ("lua-time-limit", "50", "scripts", "risk", "50 ms", "lua-time-limit 5000"),
        ("stream-node-max-entries", "0", "streams", "advice", "stream-node-max-entries 0", "stream-node-max-entries 1"),
        ("stream-node-max-bytes", "1mb", "streams", "advice", "max-bytes 1048576", "stream-node-max-bytes 4096"),
        ("slowlog-log-slower-than", "-1", "slow log", "advice", "is off", "slowlog-log-slower-than 10000"),
        ("timeout", "300", "clients", "advice", "timeout 300", "timeout 0"),
        ("maxclients", "2", "clients", "risk", "of 2 connections", "maxclients 10000"),
    ],
)
def test_a_setting_is_found_with_its_risk(
    redis_server: EmbeddedServer,
    other: redis.Redis,
    *,
    setting: str,
    value: str,
    subject: str,
    severity: str,
    what: str,
    line: str,
) -> None:
    """Each as it would stand in redis.conf [F15]."""
    assert not [one for one in found(redis_server.url, subject) if one.severity == "risk"]
    other.config_set(setting, value)
    finding = next(one for one in found(redis_server.url, subject) if what in one.what)
    assert finding.severity == severity
    assert line in finding.line
    assert Shell(redis_server.url)("doctor").code == (1 if severity == "risk" else 0)


def test_snapshots_alone_are_a_risk(redis_server: EmbeddedServer, other: redis.Redis) -> None:
    """What was accepted since the last one is lost by a restart."""
    other.config_set("appendonly", "no")
    other.config_set("save", "3600 1")
    (finding,) = found(redis_server.url, "persistence")
    assert "since the last snapshot" in finding.risk
    assert diagnose(redis_server.url).servers[0].persistence == "snapshots only"
    other.config_set("save", "")
    assert diagnose(redis_server.url).servers[0].persistence == "none"


def test_a_disk_that_takes_nothing_is_a_risk(tmp_path: Path) -> None:
    """A snapshot that could not be written is told."""
    # A folder of that name stands where the file would go.
    (tmp_path / "taken").mkdir()
    with EmbeddedServer(tmp_path, options={"dbfilename": "taken"}) as server:
        with redis.Redis.from_url(server.url) as other:
            other.set("x", "y")
            other.bgsave()
        until(lambda: found(server.url, "persistence"))
        assert [one.what for one in found(server.url, "persistence")] == ["rdb_last_bgsave_status is err"]


@pytest.fixture
def old() -> Iterator[EmbeddedServer]:
    """A Redis 6.2 with an append-only file."""
    with EmbeddedServer(program=redis_6(), options={"appendfsync": "always"}) as server:
        yield server


def test_a_promise_that_the_server_cannot_keep_is_a_risk(old: EmbeddedServer) -> None:
    """Of each hub: no file, no replicas, too old; and an eager flush is advised where the file was promised."""
    with redis.Redis.from_url(old.url) as other:
        promised_too_much(old.url, other)


def promised_too_much(url: str, other: redis.Redis) -> None:
    for name, durability in (("disk", "fsync"), ("two", "replica:2"), ("old", "fsync")):
        create_hub(url, name, durability=durability)
    assert not found(url, "durability")
    assert [one.what for one in found(url, "replicas") if one.severity == "risk"] == [
        "0 replicas that keep up, and durability two asks for 2"
    ]
    assert not found(url, "persistence")
    other.config_set("appendfsync", "everysec")
    assert [one.severity for one in found(url, "persistence")] == ["advice"]
    other.hset(key("old", 0, "meta"), "durability", "fsync-replica")
    assert [one.what for one in found(url, "durability")] == [
        "hub old has durability fsync-replica, and this server has version 6.2.14"
    ]
    other.config_set("appendonly", "no")
    whats = [one.what for one in found(url, "durability")]
    assert len(whats) == 2
    assert "hub disk has durability fsync, and this server has no append-only file" in whats


def test_replicas_are_looked_after(monkeypatch: pytest.MonkeyPatch) -> None:
    """One is advised to be asked for; one that lags is told; a replica itself is no address for rqflow [F15]."""
    monkeypatch.setattr(safety, "REPLICA_LAG", 1)
    with Replicated() as servers:
        create_hub(servers.url, "safe", durability="replica:1")
        until(lambda: len(found(servers.url, "replicas")) == 1, 40)  # it may lag a second in the beginning
        (finding,) = found(servers.url, "replicas")
        assert finding.line == "min-replicas-to-write 1"
        servers.on(servers.master).config_set("min-replicas-to-write", "1")
        until(lambda: not found(servers.url, "replicas"), 40)
        (role,) = found(servers.replicas[0].url, "role")
        assert role.severity == "risk"
        assert Shell(servers.replicas[0].url)("doctor").code == 1
        with frozen(servers.replicas[0]):
            until(lambda: found(servers.url, "replicas"), 40)
            (late,) = found(servers.url, "replicas")
            assert late.what == "0 replicas that keep up, and durability safe asks for 1"
            servers.on(servers.master).hset(key("safe", 0, "meta"), "durability", "memory")
            (late,) = found(servers.url, "replicas")
            assert late.what == "1 of 1 replicas lag or are not in step"


def test_a_slow_script_is_named_and_nothing_of_its_arguments(redis_server: EmbeddedServer, other: redis.Redis) -> None:
    """The slow log's entries of ours, by script; others' are not ours to judge."""
    create_hub(redis_server.url, "shop")
    shell = Shell(redis_server.url, "shop")
    other.config_set("slowlog-log-slower-than", "0")
    shell("start", "any", f"secret={SECRET}", "--id", "x").ok()
    other.config_set("slowlog-log-slower-than", "10000")
    names = {one.what.split()[1] for one in found(redis_server.url, "slow log")}
    assert "start" in names
    ran = Shell(redis_server.url)("doctor", "--json").ok()
    assert SECRET not in ran.out


def test_a_server_far_away_is_told(redis_server: EmbeddedServer) -> None:
    """A round trip that takes long, by the clock that it is measured with."""
    ticks = itertools.count(0, 0.02)
    (finding,) = found(redis_server.url, "latency", steady=lambda: next(ticks))
    assert finding.what == "a round trip takes 20.0 ms (median), 20.0 ms at worst"
    assert not found(redis_server.url, "latency", steady=lambda: 0.0)


@pytest.mark.parametrize(("hours", "word"), [(2, "behind"), (-2, "ahead of")])
def test_clocks_that_differ_are_told(redis_server: EmbeddedServer, hours: int, word: str) -> None:
    """Ours is hours off: what we mean by a time is not what Redis means."""
    (finding,) = found(redis_server.url, "clock", now=lambda: time.time() + hours * 3_600)
    assert finding.severity == "advice"
    assert f"7200.0 s {word}" in finding.what


def test_a_clock_that_jumps_is_a_risk(redis_server: EmbeddedServer) -> None:
    """While we looked, its clock ran otherwise than one that only runs forward."""
    ticks = itertools.count(0, 1.0)
    (finding,) = found(redis_server.url, "clock", steady=lambda: next(ticks))
    assert finding.severity == "risk"
    assert "its clock moved -4" in finding.what


def test_an_old_server_is_a_risk() -> None:
    """Before 6.2 rqflow refuses; what such a server cannot tell is said to be unknown [F16]."""

    def answer(command: list[bytes]) -> bytes:
        match command[0].upper():
            case b"INFO":
                return info("6.0.16")
            case b"PING":
                return b"+PONG\r\n"
            case b"TIME":
                return b"*2\r\n" + bulk(str(int(time.time()))) + bulk("0")
        return b"-ERR unknown command\r\n"

    with StandIn(answer) as server:
        (finding,) = found(server.url, "version")
        assert finding.what == "version 6.0.16"
        assert [one.severity for one in found(server.url, "rights")] == ["unknown"] * 3
        assert [one.severity for one in found(server.url, "hubs")] == ["unknown"]


def test_a_server_of_6_2_says_that_rights_are_not_known(old: EmbeddedServer) -> None:
    """Its scripts cannot ask: what is not known is said, and breaks no build [F16]."""
    assert [one.severity for one in found(old.url, "rights")] == ["unknown"]
    assert Shell(old.url)("doctor").code == 0


def user(server: EmbeddedServer, other: redis.Redis, *rules: str) -> str:
    """The URL of a user with these rights."""
    command: Any = other.execute_command
    command("ACL", "SETUSER", "temp", "reset", "on", f">{SECRET}", "~rqflow:*", "&rqflow:*", *rules)
    return server.url.replace("unix://", f"unix://temp:{SECRET}@")


def test_rights_that_are_missing_are_named(redis_server: EmbeddedServer, other: redis.Redis) -> None:
    """By what the user is for; keys and channels count too; the password is nowhere [F15] [F16]."""
    worker = [f"+{command}" for command in roles()["worker"]]
    client = [f"+{command}" for command in roles()["client"]]
    told = found(user(redis_server, other, *client), "rights")
    lacking = ", ".join(sorted({*roles()["worker"]} - {*roles()["client"]}))
    advice = [one.what for one in told if one.severity == "advice"]
    assert advice == [f"this user may be a client, not a worker: it lacks {lacking}"]
    unread = found(user(redis_server, other, *worker), "rights")
    assert {one.severity for one in unread} == {"unknown"}
    assert {one.what.partition(" is")[0] for one in unread} == {"CONFIG GET", "SLOWLOG GET"}
    for rules, missing in (
        ((*worker, "-xadd"), "lacks xadd"),
        ((*worker, "-evalsha"), "lacks evalsha"),
        ((*worker, "resetchannels"), "lacks publish, subscribe"),
        ((*worker, "resetkeys", "~other:*"), "lacks ~rqflow:*"),
        ((*worker, "-eval"), "lacks eval"),
    ):
        url = user(redis_server, other, *rules)
        risk = next(one for one in found(url, "rights") if one.severity == "risk")
        assert missing in risk.what
        ran = Shell(url)("doctor")
        assert ran.code == 1
        assert SECRET not in ran.out + ran.err
    blind = found(user(redis_server, other, *worker, "-info"), "rights")
    assert [one.what for one in blind if one.severity == "risk"][1:] == ["INFO is refused"]
    assert diagnose(user(redis_server, other, *worker, "-info")).servers[0].persistence == "unknown"


def test_a_clock_that_cannot_be_read_is_no_finding(redis_server: EmbeddedServer, other: redis.Redis) -> None:
    """Nothing is said about what was not seen; that TIME is missing is."""
    rules = [f"+{command}" for command in roles()["operator"]]
    told = diagnose(user(redis_server, other, *rules, "-time"), now=lambda: 0.0).findings
    assert not [one for one in told if one.subject == "clock"]
    assert "lacks time" in next(one.what for one in told if one.subject == "rights")


def test_hubs_that_cannot_be_listed_are_said_to_be_unknown(redis_server: EmbeddedServer, other: redis.Redis) -> None:
    """The servers are looked at all the same."""
    rules = [f"+{command}" for command in (*roles()["operator"], "time")]
    (finding,) = found(user(redis_server, other, *rules, "-smembers"), "hubs")
    assert finding.severity == "unknown"
    create_hub(redis_server.url, "spoiled")
    other.hdel(key("spoiled", 0, "meta"), "partitions")
    (finding,) = found(redis_server.url, "hubs")
    assert "spoiled" in finding.what


def test_every_node_of_a_cluster_is_looked_at(cluster: Cluster) -> None:
    """By the URL of any of them; each has its own findings [F16]."""
    for url in (cluster.url, cluster.url.replace("redis://", "redis+cluster://")):
        told = diagnose(url)
        assert {one.server for one in told.servers} == {node.url.removeprefix("redis://") for node in cluster.nodes}
        assert {one.mode for one in told.servers} == {"cluster"}
        assert len([one for one in told.findings if one.subject == "persistence"]) == 3
        assert not [one for one in told.findings if one.subject in ("cluster", "rights")]


def test_the_master_that_sentinels_name_is_looked_at() -> None:
    """And said to have been found by them [F16]."""
    with EmbeddedServer(port=0) as server:
        port = server.url.rpartition(":")[2]
        with StandIn(lambda _: b"*2\r\n%s%s" % (bulk("127.0.0.1"), bulk(port))) as sentinel:
            told = diagnose(f"redis+sentinel://127.0.0.1:{sentinel.port}/main")
    assert [(one.mode, one.server) for one in told.servers] == [("sentinel", f"127.0.0.1:{port}")]


def test_a_cluster_with_a_hole_is_a_risk() -> None:
    """Slots that nobody serves: what lives there stands still."""
    with Cluster() as broken:
        broken.ask(broken.nodes[0], "CLUSTER", "DELSLOTS", 0)
        until(lambda: found(broken.url, "cluster"), 40)
        told = found(broken.url, "cluster")
        assert told[0].what.startswith("cluster_state is fail")


def test_what_is_no_server_is_told_in_a_sentence(redis_server: EmbeddedServer) -> None:
    """Exit code 5 where nobody answers, 2 for a URL that is none or has no server."""
    with pytest.raises(BadInput, match="no server to look at"):
        diagnose("memory://x")
    assert Shell("memory://x")("doctor").code == 2
    assert Shell("http://x")("doctor").code == 2
    redis_server.kill()
    gone = Shell(redis_server.url)("doctor", "--json")
    assert (gone.code, gone.out) == (5, "")
    assert "does not answer" in gone.err


def test_the_doctor_changes_nothing(redis_server: EmbeddedServer, other: redis.Redis) -> None:
    """No key comes or goes, and no hub is made."""
    before = other.dbsize(), load("check_rights").sha
    diagnose(redis_server.url)
    assert (other.dbsize(), load("check_rights").sha) == before
