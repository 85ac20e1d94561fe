"""Watched: a master with replicas, and sentinels that put a replica in its place when it dies."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

import redis

from rqflow.backend.redis.embedded import EmbeddedServer, free_port
from rqflow.backend.redis.guarding import GuardedProcess
from tests.servers.cluster import PATIENCE, port_of
from tests.servers.programs import sentinel

SERVICE = "shop"
SENTINELS = 3
QUORUM = 2
DOWN_AFTER_MS = 1_000


class Watched:
    """A context manager: `url` names three sentinels and their service."""

    def __init__(self, *, replicas: int = 2, options: Mapping[str, str] | None = None) -> None:
        """`options` are as in redis.conf, for master and replicas."""
        self.nodes: list[EmbeddedServer] = []
        self._replicas = replicas
        self._options = dict(options or {})
        self._sentinel_ports = [free_port() for _ in range(SENTINELS)]
        self._sentinels: list[GuardedProcess] = []
        self._stack = ExitStack()

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{port}" for port in self._sentinel_ports)
        return f"redis+sentinel://{hosts}/{SERVICE}"

    def start(self) -> Self:
        folder = Path(self._stack.enter_context(TemporaryDirectory(prefix="rqflow-sentinels-")))
        self.nodes.append(self._node())
        for _ in range(self._replicas):
            self.nodes.append(self._node(replicaof=f"127.0.0.1 {port_of(self.nodes[0])}"))
        for port in self._sentinel_ports:
            self._sentinels.append(self._sentinel(folder, port))
        self._until(self._is_whole, "the sentinels did not find each other and the replicas")
        return self

    def _node(self, **more: str) -> EmbeddedServer:
        options = {"repl-diskless-sync-delay": "0", "repl-ping-replica-period": "1", **self._options, **more}
        return self._stack.enter_context(EmbeddedServer(port=free_port(), options=options))

    def _sentinel(self, folder: Path, port: int) -> GuardedProcess:
        file = folder / f"sentinel-{port}.conf"
        lines = (
            f"port {port}", "bind 127.0.0.1", f"dir {folder}", f"logfile {folder}/sentinel-{port}.log",
            f"sentinel monitor {SERVICE} 127.0.0.1 {port_of(self.nodes[0])} {QUORUM}",
            f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER_MS}",
            f"sentinel failover-timeout {SERVICE} 5000",
        )  # fmt: skip
        file.write_text("\n".join(lines) + "\n")
        return GuardedProcess([sentinel(), str(file), "--sentinel"])

    # ---- who is what

    def ask_sentinel(self, *command: str) -> Any:
        """The answer of the first sentinel that answers."""
        return self._ask(self._sentinel_ports[0], *command)

    @staticmethod
    def _ask(port: int, *command: str) -> Any:
        with redis.Redis(port=port, socket_timeout=2, decode_responses=True) as client:
            return client.execute_command(*command)

    def _is_whole(self) -> bool:
        for port in self._sentinel_ports:
            facts = self._ask(port, "SENTINEL", "MASTER", SERVICE)
            if int(facts["num-slaves"]) != self._replicas or int(facts["num-other-sentinels"]) != SENTINELS - 1:
                return False
        return True

    def master(self) -> EmbeddedServer:
        """The node that the sentinels name."""
        _, port = self.ask_sentinel("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
        return next(node for node in self.nodes if port_of(node) == int(port))

    def kill_master(self) -> EmbeddedServer:
        """Kill the master, and return it when another has its place. To be started again by the caller."""
        dead = self.master()
        dead.kill()
        self.await_other(dead)
        return dead

    def await_other(self, master: EmbeddedServer) -> None:
        """Until another has the master's place."""
        self._until(lambda: self.master() is not master, "nobody took the master's place")

    def await_whole(self) -> None:
        """Until the master has its replicas back."""

        def whole() -> bool:
            with redis.Redis.from_url(self.master().url) as client:
                facts = client.info("replication")
            online = [facts.get(f"slave{number}", {}).get("state") for number in range(self._replicas)]
            return facts["role"] == "master" and online == ["online"] * self._replicas

        self._until(whole, "the replicas did not come back")

    def _until(self, look: Callable[[], bool], otherwise: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                if look():
                    return
            except redis.RedisError:
                pass  # one that was just started, or killed
            assert time.monotonic() < deadline, otherwise
            time.sleep(0.05)

    def stop(self) -> None:
        """All of them."""
        for process in self._sentinels:
            process.end(signal.SIGKILL, 10)
        self._sentinels.clear()
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
