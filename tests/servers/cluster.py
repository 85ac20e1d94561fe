"""Cluster: redis-servers that form a Redis Cluster: masters, replicas, slots that move, masters that die."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import Any, Self

from rqflow.backend.redis.address import parse_address
from rqflow.backend.redis.blocking import BlockingConnection
from rqflow.backend.redis.embedded import EmbeddedServer
from rqflow.backend.redis.resp import RedisCommand, ServerError, text_of
from rqflow.backend.redis.sockets import Timeouts
from rqflow.errors import BackendError, BackendUnavailable

SLOTS = 16_384
BUS = 10_000
"""A node's bus listens on its port plus this."""
PATIENCE = 60.0
"""Seconds until a cluster that does not come round is given up."""


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


def port_of(node: EmbeddedServer) -> int:
    """Where it listens."""
    return int(node.url.rpartition(":")[2])


class Cluster:
    """Masters that share all slots, each with so many replicas; a context manager."""

    def __init__(self, *, masters: int = 3, replicas: int = 0, options: Mapping[str, str] | None = None) -> None:
        """`options` are as in redis.conf, for every node."""
        self.nodes: list[EmbeddedServer] = []
        """Masters first, as it was formed."""
        self._masters = masters
        self._replicas = replicas
        self._options = {
            "cluster-enabled": "yes", "cluster-node-timeout": "2000", "repl-diskless-sync-delay": "0",
            "appendonly": "no", **(options or {}),
        }  # fmt: skip
        self._stack = ExitStack()

    @property
    def url(self) -> str:
        """Of one node, as a plain URL; of all nodes where some may die."""
        if not self._replicas:
            return self.nodes[0].url
        return "redis+cluster://" + ",".join(f"127.0.0.1:{port_of(node)}" for node in self.nodes)

    def ask(self, node: EmbeddedServer, *command: str | int) -> Any:
        """One command to one node."""
        address = parse_address(node.url)
        connection = BlockingConnection(address, address.endpoints[0], Timeouts())
        try:
            request: RedisCommand = command
            (reply,) = connection.request([request])
        finally:
            connection.close()
        if isinstance(reply, ServerError):
            # A node that was just started may answer before it has its data.
            raise BackendUnavailable(reply.text) if reply.word == "LOADING" else reply
        return reply

    # ---- forming

    def start(self) -> Self:
        for _ in range(self._masters * (1 + self._replicas)):
            self.nodes.append(self._stack.enter_context(EmbeddedServer(port=bus_port(), options=self._options)))
        masters, rest = self.nodes[: self._masters], self.nodes[self._masters :]
        share = -(-SLOTS // self._masters)
        for number, node in enumerate(self.nodes):
            self.ask(node, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for number, node in enumerate(masters):
            self.ask(node, "CLUSTER", "ADDSLOTS", *range(number * share, min(SLOTS, (number + 1) * share)))
        for node in self.nodes[1:]:
            self.ask(node, "CLUSTER", "MEET", "127.0.0.1", port_of(self.nodes[0]))
        self._until(lambda: all(self._knows(node, len(self.nodes)) for node in self.nodes), "the nodes did not meet")
        for number, node in enumerate(rest):
            follow = partial(self._replicates, node, masters[number % self._masters])
            self._until(follow, "a replica did not follow")
        self.await_whole()
        return self

    def _knows(self, node: EmbeddedServer, count: int) -> bool:
        return f"cluster_known_nodes:{count}" in text_of(self.ask(node, "CLUSTER", "INFO"))

    def _replicates(self, node: EmbeddedServer, master: EmbeddedServer) -> bool:
        try:
            self.ask(node, "CLUSTER", "REPLICATE", self.id_of(master))
        except Exception as error:
            if "Unknown node" not in str(error):
                raise
            return False
        return True

    def await_whole(self) -> None:
        """Until all slots are served, by masters that have their replicas."""
        self._until(lambda: all(self.is_whole(node) for node in self.nodes), "the cluster did not form")

    def is_whole(self, node: EmbeddedServer) -> bool:
        """Whether this node knows all slots, and who serves them."""
        info = text_of(self.ask(node, "CLUSTER", "INFO"))
        if "cluster_state:ok" not in info or f"cluster_size:{self._masters}" not in info:
            return False
        followers = [len(place) - 3 for place in self.ask(node, "CLUSTER", "SLOTS")]
        return min(followers) >= self._replicas

    def _until(self, look: Callable[[], bool], otherwise: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                if look():
                    return
            except BackendError:
                pass  # a node that was just started
            assert time.monotonic() < deadline, otherwise
            time.sleep(0.05)

    # ---- moving and killing

    def id_of(self, node: EmbeddedServer) -> str:
        """Its name in the cluster."""
        return text_of(self.ask(node, "CLUSTER", "MYID"))

    def owner(self, slot: int) -> EmbeddedServer:
        """The node that serves a slot now."""
        for node in self.nodes:
            try:
                places = self.ask(node, "CLUSTER", "SLOTS")
            except BackendError:
                continue
            for first, last, master, *_ in places:
                if int(first) <= slot <= int(last):
                    return next(each for each in self.nodes if port_of(each) == int(master[1]))
        raise AssertionError(f"nobody serves slot {slot}")

    def masters(self) -> list[EmbeddedServer]:
        """All that serve slots now."""
        for node in self.nodes:
            try:
                places = self.ask(node, "CLUSTER", "SLOTS")
            except BackendError:
                continue
            ports = {int(master[1]) for _, _, master, *_ in places}
            return [each for each in self.nodes if port_of(each) in ports]
        raise AssertionError("no node answers")

    def others(self, owner: EmbeddedServer) -> list[EmbeddedServer]:
        """The other masters."""
        return [node for node in self.masters() if node is not owner]

    def move(self, slot: int, *, keys_at_a_time: int = 5, pause: float = 0.0) -> None:
        """Give a slot to another master, key by key, as `redis-cli --cluster reshard` does, while it is in use."""
        source = self.owner(slot)
        target = self.others(source)[0]
        self.ask(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", self.id_of(source))
        self.ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", self.id_of(target))
        while True:
            keys = self.ask(source, "CLUSTER", "GETKEYSINSLOT", slot, keys_at_a_time)
            if not keys:
                break
            self.ask(source, "MIGRATE", "127.0.0.1", port_of(target), "", 0, 5_000, "KEYS", *keys)
            time.sleep(pause)
        for node in (target, source, *self.others(source)):
            self.ask(node, "CLUSTER", "SETSLOT", slot, "NODE", self.id_of(target))

    def kill_owner(self, slot: int) -> EmbeddedServer:
        """Kill the master of a slot: a replica takes its place. To be started again by the caller."""
        node = self.owner(slot)
        node.kill()
        return node

    def await_other(self, slot: int, node: EmbeddedServer) -> None:
        """Until another serves the slot."""
        self._until(lambda: self.owner(slot) is not node, "no replica took the master's place")

    def stop(self) -> None:
        """All of them."""
        self._stack.close()

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
