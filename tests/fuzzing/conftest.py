"""Fixtures: a shell on a hub of its own, for all that is tried in a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rqflow.backend.opening import create_hub, delete_hub
from rqflow.backend.redis.embedded import EmbeddedServer
from tests.cli.shell import Shell
from tests.conftest import fresh_name


@pytest.fixture(scope="module")
def shell(shared_server: EmbeddedServer) -> Iterator[Shell]:
    """Commands against a hub of two partitions; nobody works there."""
    made = create_hub(shared_server.url, fresh_name("fuzz"), partitions=2)
    yield Shell(shared_server.url, made.name)
    delete_hub(shared_server.url, made.name, force=True)
