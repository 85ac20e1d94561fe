"""Bad input: each mistake gets one clear error and the right exit code, and nothing is lost."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from rqflow.backend.protocol import partition_of
from rqflow.backend.redis.embedded import EmbeddedServer
from rqflow.backend.redis.keys import key
from rqflow.core import wire
from tests.cli.shell import Ran, Shell, really

PENDING = ("--delay", "1h")


def refused(ran: Ran, code: int, *said: str) -> None:
    """One message on standard error, nothing on standard output, no traceback."""
    assert ran.code == code, ran
    assert ran.out == "", ran
    assert "Traceback" not in ran.err
    for text in said:
        assert text in ran.err, ran.err


@pytest.mark.parametrize(
    "words",
    [
        ("show", "X"), ("history", "X"), ("signal", "X", "go"), ("query", "X", "what"), ("update", "X", "what"),
        ("cancel", "X"), ("terminate", "X"), ("suspend", "X"), ("resume", "X"), ("purge", "X"), ("result", "X"),
        ("watch", "X"),
    ],
    ids=lambda words: words[0],
)  # fmt: skip
def test_an_unknown_instance_is_not_found(shell: Shell, words: tuple[str, ...]) -> None:
    """Exit code 3 from every door."""
    refused(shell(*words), 3, "no instance 'X'")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("list", "--status", "sleeping"), "'sleeping' is not one of"),
        (("list", "--cursor", "nonsense"), "cursor"),
        (("list", "--limit", "0"), "0 is not in the range"),
        (("list", "--created-after", "yesterday"), "expected a time"),
        (("list", "--attribute", "plain"), "expected name=text or name:=json"),
        (("show",), "Missing argument 'ID'"),
        (("shwo", "x"), "No such command 'shwo'"),
        (("show", "x", "--jsn"), "No such option"),
        (("start", "w", "a:=nonsense"), "not JSON"),
        (("start", "w", "--input", "/nonexistent"), "No such file"),
        (("start", "w", "a=1", "x", "--id", "i"), "by position"),
        (("start", "w", "--delay=-1s"), "expected a duration"),
        (("start", "w", "--delay", "4000d"), "more than ten years"),
        (("start", "w", "--timeout", "0s"), "must be more than zero"),
        (("start", "w", "--at", "soon"), "expected a time"),
        (("start", "w", "--at", "1h", "--delay", "1h"), "not both"),
        (("start", "w", "--retention", "-1d"), "expected a duration"),
        (("start", "w", "--id", "x" * 10_240), "the limit is 512"),
        (("start", "w", "--id", ""), "instance id is empty"),
        (("start", "w" * 300,), "the limit is 200"),
        (("start", "w", "--attribute", "a:=[1]"), "attribute a must be str"),
        (("start", "w", f"a={'x' * 100_000}", *(f"b{n}={'x' * 100_000}" for n in range(12))), "the limit is 1,048,576"),
        (("start", "w", "-m", "workers.absent"), "module 'workers.absent' not found"),
        (("start", "w", "-m", "workers/orders.py"), "give the module's name: workers.orders"),
        (("worker",), "name the modules"),
        (("worker", "workers.absent"), "module 'workers.absent' not found"),
        (("worker", "workers.orders", "--workflows-only", "--activities-only"), "nothing to do"),
        (("worker", "workers.orders", "--lease", "1ms"), "at least 100 ms"),
        (("worker", "workers.orders", "-q", "a", "-q", "a"), "named twice"),
        (("worker", "workers.orders", "--concurrency", "0"), "0 is not in the range"),
        (("dev",), "name the modules"),
        (("dev", "absent_module"), "module 'absent_module' not found"),
        (("demo", "/nonexistent"), "does not exist"),
        (("demo", "--workers", "1"), "nobody could take over"),
        (("hub", "create", "a b"), "letters, digits"),
        (("hub", "create", "x", "--partitions", "0"), "0 is not in the range"),
        (("stats", "--config", "absent.toml"), "no settings file 'absent.toml'"),
        (("stats", "-u", "http://x"), "a Redis URL begins with one of redis://"),
    ],
)  # fmt: skip
def test_wrong_words_are_told(shell: Shell, words: tuple[str, ...], said: str) -> None:
    """Exit code 2, and what was expected instead."""
    refused(shell(*words), 2, said)


@pytest.mark.parametrize("id", ["order 42", "注文-42", "Ünï/cødé?#%", "🛒", " ", "a" * 512])
def test_an_id_may_be_any_text(shell: Shell, id: str) -> None:
    """Spaces, any language, anything up to the limit."""
    shell("start", "w", "--id", id, *PENDING).ok()
    assert shell("show", id, "--json").ok().json["id"] == id
    assert [row["id"] for row in shell("list", "--id-prefix", id, "--json").json["instances"]] == [id]
    shell("terminate", id).ok()


def test_an_id_that_is_no_text_is_refused(redis_url: str) -> None:
    """Bytes that are no UTF-8, as a shell may pass them."""
    command: list[str | bytes] = [sys.executable, "-m", "rqflow.cli.main", "show", b"\xff\xfe", "-u", redis_url]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ran.returncode == 2
    assert "Traceback" not in ran.stderr


def test_states_forbid(shell: Shell) -> None:
    """Taken ids, ended instances, open ones: exit code 4."""
    shell("start", "w", "--id", "one", *PENDING).ok()
    refused(shell("start", "w", "--id", "one"), 4, "exists already", "on_conflict")
    refused(shell("purge", "one"), 4, "needs an instance that has ended")
    shell("terminate", "one").ok()
    for words in (("signal", "one", "go"), ("cancel", "one"), ("suspend", "one"), ("resume", "one")):
        refused(shell(*words), 4, "has ended (terminated)")
    refused(shell("start", "w", "--id", "one", "--on-reuse", "reject"), 4, "exists already")


def test_waits_end(shell: Shell) -> None:
    """Nobody works here: exit code 6, and the message says that the instance goes on."""
    shell("start", "w", "--id", "one").ok()
    refused(shell("result", "one", "--timeout", "0.1s"), 6, "it goes on")
    refused(shell("query", "one", "what", "--timeout", "0.1s"), 6, "no worker answered")
    refused(shell("update", "one", "what", "--timeout", "0.1s"), 6, "no worker answered")


def test_a_hub_that_was_never_made(shell: Shell) -> None:
    """Exit code 3 and the command that makes it."""
    refused(shell("list", "--hub", "nowhere"), 3, "rqflow hub create nowhere")
    refused(shell("worker", "workers.orders", "--hub", "nowhere"), 3, "no hub 'nowhere'")


@pytest.mark.parametrize("command", [("list",), ("worker", "workers.orders"), ("hub", "list"), ("stats",)])
def test_redis_is_down(shell: Shell, tmp_path: Path, command: tuple[str, ...]) -> None:
    """Exit code 5, which address, and where it came from."""
    refused(shell(*command, "-u", f"unix://{tmp_path}/none.sock"), 5, str(tmp_path), "The address is from --url")
    ran = shell(*command, RQFLOW_REDIS_URL="", RQ_REDIS_URL="redis://127.0.0.1:1")
    refused(ran, 5, "127.0.0.1:1", "The address is from RQ_REDIS_URL")


def test_redis_wants_a_password() -> None:
    """None, a wrong one, the right one; a password is never shown."""
    with EmbeddedServer(port=0, options={"requirepass": "s3cret"}) as server:
        bare = server.url.replace(":s3cret@", "")
        refused(Shell(bare)("list"), 5, "password")
        ran = Shell(server.url.replace("s3cret", "wr0ng"))("list")
        refused(ran, 5, "password")
        assert "wr0ng" not in ran.err
        Shell(server.url)("list").ok()


@pytest.fixture
def full(redis_server: EmbeddedServer) -> Iterator[EmbeddedServer]:
    """A server whose memory is used up."""
    Shell(redis_server.url)("start", "w", "--id", "before", *PENDING).ok()
    with redis.Redis.from_url(redis_server.url) as client:
        client.config_set("maxmemory", "1")
        yield redis_server
        client.config_set("maxmemory", "0")


def test_redis_is_out_of_memory(full: EmbeddedServer) -> None:
    """What is written is refused with exit code 5, what was there can still be read."""
    shell = Shell(full.url)
    refused(shell("start", "w", "--id", "one"), 5, "memory")
    refused(shell("signal", "before", "go"), 5, "memory")
    shell("show", "before").ok()
    refused(shell("show", "one"), 3)


def test_redis_is_a_replica(redis_server: EmbeddedServer) -> None:
    """It would take no writes."""
    with redis.Redis.from_url(redis_server.url) as client:
        client.replicaof("127.0.0.1", "1")
    refused(Shell(redis_server.url)("start", "w"), 5, "replica")


def test_redis_may_evict(redis_server: EmbeddedServer) -> None:
    """Refused, because workflows could vanish; taken if someone says that they know."""
    with redis.Redis.from_url(redis_server.url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
    shell = Shell(redis_server.url)
    refused(shell("start", "w", "--id", "one", *PENDING), 5, "allkeys-lru", "noeviction")
    refused(shell("worker", "workers.orders", "--burst"), 5, "allkeys-lru")
    shell("start", "w", "--id", "one", *PENDING, RQFLOW_ALLOW_EVICTION="yes").ok()


def test_a_module_that_does_not_import(shell: Shell, tmp_path: Path) -> None:
    """Which, where and why; for a worker, a start and dev."""
    (tmp_path / "broken_shop.py").write_text("import rqflow\n\n1 / 0\n")
    for words in (("worker", "broken_shop"), ("start", "w", "-m", "broken_shop")):
        ran = really(*words, cwd=tmp_path, environment=shell.environment)
        refused(ran, 2, "module 'broken_shop' cannot be imported", "broken_shop.py:3", "division by zero")


def test_history_of_a_newer_version_and_a_corrupt_event(shell: Shell, redis_url: str) -> None:
    """What is readable is shown, the rest is told; other instances are not harmed."""
    for id in ("newer", "corrupt", "sound"):
        shell("start", "w", "--id", id).ok()
    with redis.Redis.from_url(redis_url) as client:
        for id, event in (("newer", b'[99,"Thing"]'), ("corrupt", b"nonsense")):
            run = shell("show", id, "--json").json["run"]
            partition = partition_of(id, shell("stats", "--json").json["partitions"])
            at = int(time.time() * 1000)
            client.rpush(key(shell.environment["RQFLOW_HUB"], partition, "history", run), wire.stored(at, "r", event))
    refused(shell("history", "newer"), 1, "wire version 99", "run workers of the version that wrote it")
    refused(shell("history", "corrupt"), 1, "no JSON")
    assert shell("history", "sound").code == 0


def test_a_reader_that_leaves_is_no_error(shell: Shell) -> None:
    """`rqflow list | head -1` ends quietly."""
    for number in range(20):
        shell("start", "w", "--id", f"{number:03}" + "x" * 500, *PENDING).ok()
    environment = {**os.environ, **shell.environment}
    command = f"{sys.executable} -m rqflow.cli.main list | head -c 10"
    ran = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, env=environment, timeout=30, check=False
    )
    assert ran.stderr == ""
