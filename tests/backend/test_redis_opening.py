"""Opening: servers that would refuse or lose our data are told apart at once, each by one clear error."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from rqflow.backend.calls.hubs import Limits
from rqflow.backend.calls.instances import Deliver, ReadOutcome
from rqflow.backend.opening import create_hub, open_backend, open_sync_backend
from rqflow.backend.redis.address import parse_address
from rqflow.backend.redis.embedded import EmbeddedServer, find_server
from rqflow.backend.redis.sockets import Timeouts
from rqflow.core.events import SignalReceived
from rqflow.core.wire import encode
from rqflow.errors import BackendFull, BackendRefused, BackendUnavailable, BadInput, RqflowError
from tests.backend.orders import start, until
from tests.backend.stand_in import StandIn, bulk, info
from tests.backend.tls import TlsFront

SECRET = "hunter2"


async def refused(url: str, kind: type[RqflowError], says: str, **options: bool) -> None:
    """Both faces give the same error, and it does not show the password."""
    with pytest.raises(kind, match=says) as caught:
        await open_backend(url, **options)  # type: ignore[arg-type]
    with pytest.raises(kind, match=says) as caught_sync:
        open_sync_backend(url, **options)  # type: ignore[arg-type]
    assert str(caught.value) == str(caught_sync.value)
    assert SECRET not in str(caught.value)


@pytest.fixture
def guarded() -> Iterator[EmbeddedServer]:
    """A server that wants a password."""
    with EmbeddedServer(options={"requirepass": "right"}) as server:
        yield server


async def test_a_wrong_or_missing_password_is_refused(guarded: EmbeddedServer) -> None:
    """The error says which of the two it was."""
    bare = guarded.url.replace(":right@", "")
    await refused(bare, BackendRefused, "wants a password")
    await refused(bare.replace("unix://", f"unix://:{SECRET}@"), BackendRefused, "does not accept this user")
    await refused(bare.replace("unix://", f"unix://ann:{SECRET}@"), BackendRefused, "does not accept")
    await (await open_backend(guarded.url)).close()


async def test_a_password_that_nobody_asked_for_is_refused(redis_url: str) -> None:
    """A server without a password says so: the URL is probably another server's."""
    await refused(redis_url.replace("unix://", f"unix://:{SECRET}@"), BackendRefused, "does not accept")


async def test_a_database_that_is_not_there_is_an_error(redis_url: str) -> None:
    """SELECT is part of being let in."""
    await refused(f"{redis_url}?db=999", RqflowError, "SELECT")
    opened = await open_backend(f"{redis_url}?db=3")
    await opened.close()
    with redis.Redis.from_url(f"{redis_url}?db=3") as other:
        assert other.exists("rqflow:{default.0}:meta")
        other.flushdb()


async def test_a_replica_is_refused(redis_server: EmbeddedServer) -> None:
    """What it could not write would be noticed too late."""
    with redis.Redis.from_url(redis_server.url) as other:
        other.replicaof("127.0.0.1", "1")
        await refused(redis_server.url, BackendRefused, "read-only replica")


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl", "allkeys-random"])
async def test_a_server_that_may_evict_is_refused_unless_allowed(redis_server: EmbeddedServer, policy: str) -> None:
    """Workflows are not a cache: who wants it all the same must say so."""
    with redis.Redis.from_url(redis_server.url) as other:
        other.config_set("maxmemory-policy", policy)
    await refused(redis_server.url, BackendRefused, policy)
    await (await open_backend(redis_server.url, allow_eviction=True)).close()
    open_sync_backend(redis_server.url, allow_eviction=True).close()


@pytest.mark.parametrize("version", ["6.0.16", "5.0.3", "2.8", "", "x.y"])
async def test_a_server_that_is_too_old_is_refused(version: str) -> None:
    """The error names both versions."""
    with StandIn(lambda command: info(version)) as old:
        await refused(old.url, BackendRefused, f"version {version or 'unknown'}; rqflow needs 6.2")


async def test_a_server_of_the_wheel_is_new_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """6.2 is the oldest that serves, and it serves."""
    monkeypatch.setenv("PATH", "")
    carried = find_server()
    monkeypatch.undo()
    with EmbeddedServer(program=carried) as server:
        opened = await open_backend(server.url)
        await opened.call(start("x"))
        assert (await opened.call(ReadOutcome(partition=0, instance="x"))).status == "running"
        await opened.close()


async def test_a_server_that_is_loading_is_unavailable() -> None:
    """It will serve in a moment: worth another try, unlike a refusal."""
    with StandIn(lambda command: b"-LOADING Redis is loading the dataset in memory\r\n") as loading:
        await refused(loading.url, BackendUnavailable, "loading its data")


async def test_a_user_who_may_not_ask_for_info_is_refused(redis_server: EmbeddedServer) -> None:
    """Without it we cannot know whether data are safe there."""
    with redis.Redis.from_url(redis_server.url) as other:
        rights = {"keys": ["*"], "categories": ["+@all"], "commands": ["-info"]}
        other.acl_setuser("temp", enabled=True, passwords=[f"+{SECRET}"], **rights)
    url = redis_server.url.replace("unix://", f"unix://temp:{SECRET}@")
    await refused(url, BackendRefused, "asked for INFO")


async def test_a_full_server_refuses_writes_and_still_answers(redis_server: EmbeddedServer) -> None:
    """Out of memory: one clear error for each write, nothing half written, and reads go on."""
    opened = await open_backend(redis_server.url)
    await opened.call(start("x"))
    with redis.Redis.from_url(redis_server.url) as other:
        other.config_set("maxmemory", "1")
        signal = Deliver(partition=0, instance="x", event=encode(SignalReceived(name="s", payload=b"1")), request="r")
        for call in (start("y"), signal):
            with pytest.raises(BackendFull, match="out of memory"):
                await opened.call(call)
        keys = set(other.keys("*"))
        assert not [found for found in keys if b":y" in bytes(found)]
        assert (await opened.call(ReadOutcome(partition=0, instance="x"))).status == "running"
        other.config_set("maxmemory", "0")
    await opened.call(signal)
    await opened.close()


async def test_limits_are_the_backends_own(redis_url: str) -> None:
    """Whoever opens may ask for other limits."""
    blocked = open_sync_backend(redis_url, limits=Limits(id_bytes=3))
    opened = await open_backend(redis_url, limits=Limits(id_bytes=3))
    assert blocked.limits.id_bytes == opened.limits.id_bytes == 3
    blocked.close()
    await opened.close()


async def test_a_foreign_url_is_refused_before_anything_is_sent() -> None:
    """A typo in the scheme is the caller's."""
    for url in ("http://localhost", "localhost"):
        with pytest.raises(BadInput, match="begins with one of"):
            await open_backend(url)
        with pytest.raises(BadInput, match="begins with one of"):
            create_hub(url, "x")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
            "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key.pem", "-out", folder / "cert.pem",
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return folder


async def test_tls_is_spoken_with_who_is_certified(certificates: Path) -> None:
    """`rediss://` serves calls and watchers; a certificate that is not believed is one clear error."""
    with EmbeddedServer(port=0) as server, TlsFront(server, certificates) as front:
        url = f"rediss://127.0.0.1:{front.port}?ssl_ca_certs={certificates / 'cert.pem'}"
        opened = await open_backend(url)
        blocked = open_sync_backend(url)
        await opened.call(start("x", status=b'"' + b"x" * 300_000 + b'"'))
        async with opened.watch("x") as watch:
            with blocked.watch("x") as thread_watch:
                assert blocked.call(ReadOutcome(partition=0, instance="x")).status == "running"
                signal = Deliver(partition=0, instance="x", event=encode(SignalReceived(name="s")), request="r")
                await opened.call(signal)
                with redis.Redis.from_url(server.url) as other:
                    other.publish("rqflow:{default.0}:changed:x", "")
                assert await watch.wait(20)
                assert await asyncio.to_thread(thread_watch.wait, 20)
        blocked.close()
        await opened.close()
        await refused(f"rediss://127.0.0.1:{front.port}", BackendUnavailable, "certificate verify failed")


async def test_sentinels_lead_to_the_master_and_to_its_successor(tmp_path: Path) -> None:
    """After a failover the same backend finds the new master by itself."""
    with (
        EmbeddedServer(port=0) as first,
        EmbeddedServer(port=0, options={"replica-priority": "1"}) as second,
        EmbeddedServer(port=0) as sentinel,
    ):
        # A plain server that plays the sentinel: it answers the one question from a key that the test sets.
        ports = {server: int(server.url.rpartition(":")[2]) for server in (first, second)}
        current = {"master": first}

        def answer(command: list[bytes]) -> bytes:
            assert command == [b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", b"main"]
            return b"*2\r\n%s%s" % (bulk("127.0.0.1"), bulk(str(ports[current["master"]])))

        with StandIn(answer) as guide:
            url = f"redis+sentinel://127.0.0.1:{int(sentinel.url.rpartition(':')[2])},127.0.0.1:{guide.port}/main"
            opened = await open_backend(url, timeouts=Timeouts(connect=5, answer=10))
            blocked = open_sync_backend(url, timeouts=Timeouts(connect=5, answer=10))
            await opened.call(start("x"))
            with redis.Redis.from_url(second.url) as other:
                other.replicaof("127.0.0.1", str(ports[first]))
                await until(lambda: other.info("replication")["master_link_status"] == "up")
                await until(lambda: bool(other.exists("rqflow:{default.0}:instance:x")))
                first.kill()
                other.replicaof("NO", "ONE")
            current["master"] = second
            with pytest.raises(BackendUnavailable):
                await opened.call(ReadOutcome(partition=0, instance="x"))
            with pytest.raises(BackendUnavailable):
                blocked.call(ReadOutcome(partition=0, instance="x"))
            assert (await opened.call(ReadOutcome(partition=0, instance="x"))).status == "running"
            assert blocked.call(ReadOutcome(partition=0, instance="x")).status == "running"
            async with opened.watch("x") as watch:
                with blocked.watch("x") as thread_watch:
                    current["master"] = first
                    first.start()
                    second.kill()
                    # The watchers find their way by themselves, and are told that they may have missed something.
                    assert await watch.wait(20)
                    assert await asyncio.to_thread(thread_watch.wait, 20)
            blocked.close()
            await opened.close()
        with pytest.raises(BackendUnavailable, match="names a master"):
            await open_backend(url, timeouts=Timeouts(connect=5, answer=5))
        with pytest.raises(BackendUnavailable, match="names a master"):
            open_sync_backend(url, timeouts=Timeouts(connect=5, answer=5))


def test_certificates_of_ours_are_shown_when_they_are_asked_for(certificates: Path) -> None:
    """A client certificate is part of the URL."""
    url = f"rediss://h?ssl_certfile={certificates / 'cert.pem'}&ssl_keyfile={certificates / 'key.pem'}"
    encryption = parse_address(url).encryption
    assert encryption is not None
    assert isinstance(encryption.context(), ssl.SSLContext)
