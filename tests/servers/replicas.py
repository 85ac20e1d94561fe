"""Replicas: a master with replicas of its own, for tests that freeze, lose or promote them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any, Self

import redis

from rqflow.backend.redis.embedded import EmbeddedServer
from tests.cli.shell import until

QUICK = {"repl-diskless-sync": "yes", "repl-diskless-sync-delay": "0", "appendfsync": "always"}


class Replicated:
    """A master and its replicas, each with an append-only file."""

    def __init__(self, replicas: int = 1, *, program: str | None = None) -> None:
        self._stack = ExitStack()
        self.master = EmbeddedServer(port=0, options=QUICK, program=program)
        self.replicas = [EmbeddedServer(port=0, options=QUICK, program=program) for _ in range(replicas)]

    @property
    def url(self) -> str:
        return self.master.url

    def on(self, server: EmbeddedServer) -> redis.Redis:
        """Another client, that is not ours."""
        client: redis.Redis = self._stack.enter_context(redis.Redis.from_url(server.url))
        return client

    def follow(self, replica: EmbeddedServer, master: EmbeddedServer) -> None:
        """Until the replica follows."""
        client = self.on(replica)
        client.replicaof("127.0.0.1", master.url.rpartition(":")[2])

        def follows() -> bool:
            facts: Any = client.info("replication")
            return bool(facts.get("master_link_status") == "up")

        until(follows, 30)

    def __enter__(self) -> Self:
        try:
            for server in (self.master, *self.replicas):
                self._stack.enter_context(server)
            for replica in self.replicas:
                self.follow(replica, self.master)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


@contextmanager
def frozen(server: EmbeddedServer) -> Iterator[None]:
    """A server that does nothing meanwhile, and does not know it."""
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)
