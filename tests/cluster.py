"""Cluster: three redis-servers that form a Redis Cluster of their own, for tests."""

from __future__ import annotations

import random
import socket
import time
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from rqflow.backend.redis.address import parse_address
from rqflow.backend.redis.blocking import BlockingConnection
from rqflow.backend.redis.embedded import EmbeddedServer
from rqflow.backend.redis.resp import RedisCommand, text_of
from rqflow.backend.redis.sockets import Timeouts

SLOTS = 16_384
NODES = 3
BUS = 10_000
"""A node's bus listens on its port plus this."""


def is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def bus_port() -> int:
    """A free port whose bus port is free too."""
    while True:
        port = random.SystemRandom().randrange(20_000, 30_000)
        if is_free(port) and is_free(port + BUS):
            return port


class Cluster:
    """Three masters that share all slots."""

    def __init__(self) -> None:
        self.nodes: list[EmbeddedServer] = []
        self._stack = ExitStack()

    @property
    def url(self) -> str:
        """Of one node, as a plain URL."""
        return self.nodes[0].url

    def ask(self, node: EmbeddedServer, *command: str | int) -> Any:
        """One command to one node."""
        address = parse_address(node.url)
        connection = BlockingConnection(address, address.endpoints[0], Timeouts())
        try:
            request: RedisCommand = command
            (reply,) = connection.request([request])
        finally:
            connection.close()
        if isinstance(reply, Exception):
            raise reply
        return reply

    def start(self) -> Self:
        options = {"cluster-enabled": "yes", "cluster-node-timeout": "2000", "appendonly": "no"}
        for _ in range(NODES):
            self.nodes.append(self._stack.enter_context(EmbeddedServer(port=bus_port(), options=options)))
        share = -(-SLOTS // NODES)
        for number, node in enumerate(self.nodes):
            self.ask(node, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            self.ask(node, "CLUSTER", "ADDSLOTS", *range(number * share, min(SLOTS, (number + 1) * share)))
        for node in self.nodes[1:]:
            self.ask(node, "CLUSTER", "MEET", "127.0.0.1", int(self.url.rpartition(":")[2]))
        deadline = time.monotonic() + 30
        while not all(self.is_whole(node) for node in self.nodes):
            assert time.monotonic() < deadline, "the cluster did not form"
            time.sleep(0.05)
        return self

    def is_whole(self, node: EmbeddedServer) -> bool:
        """Whether this node knows all others and all slots."""
        info = text_of(self.ask(node, "CLUSTER", "INFO"))
        return "cluster_state:ok" in info and len(self.ask(node, "CLUSTER", "SLOTS")) == NODES

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self._stack.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
