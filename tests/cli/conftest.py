"""Fixtures of the command line: a shell on a fresh hub, and one with a worker for the orders module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rqflow.backend.opening import create_hub, delete_hub
from rqflow.backend.redis.embedded import EmbeddedServer
from tests.cli.shell import RQFLOW, Shell, running, until
from tests.conftest import fresh_name


@pytest.fixture
def shell(redis_url: str) -> Iterator[Shell]:
    """Commands against a fresh hub of two partitions; nobody works there."""
    made = create_hub(redis_url, fresh_name("shell"), partitions=2)
    yield Shell(redis_url, made.name)
    delete_hub(redis_url, made.name, force=True)


@pytest.fixture(scope="module")
def shop(shared_server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """Commands against a hub of two partitions where a worker serves workers.orders, for all tests of a module."""
    made = create_hub(shared_server.url, fresh_name("shop"), partitions=2)
    shell = Shell(shared_server.url, made.name)
    log: Path = tmp_path_factory.mktemp("shop") / "worker.log"
    command = (*RQFLOW, "worker", "workers.orders", "-u", shared_server.url, "--hub", made.name)
    with running(log, *command) as worker:
        until(lambda: shell("stats", "--json").json["workers"], 30, worker.said)
        yield shell
    delete_hub(shared_server.url, made.name, force=True)
