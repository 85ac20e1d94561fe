"""Stand-ins: tiny servers that speak RESP and answer what a test wants, for what no real Redis does on demand."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

import hiredis

Answerer = Callable[[list[bytes]], bytes | None]
"""A command to the bytes of its reply; None hangs up."""

INFO = "redis_version:{version}\r\nrole:{role}\r\ncluster_enabled:0\r\nmaxmemory_policy:noeviction\r\n"


def bulk(text: str) -> bytes:
    """A RESP string."""
    return b"$%d\r\n%s\r\n" % (len(text.encode()), text.encode())


def info(version: str = "7.0.0", role: str = "master") -> bytes:
    """An INFO reply."""
    return bulk(INFO.format(version=version, role=role))


class StandIn:
    """Listens on a loopback port, one thread for each connection; ends with its context."""

    def __init__(self, answer: Answerer) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self.asked: list[list[bytes]] = []

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            self._begin(self._serve, connection)

    def _begin(self, target: Callable[..., None], *arguments: socket.socket) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _serve(self, connection: socket.socket) -> None:
        reader = hiredis.Reader()
        try:
            while data := connection.recv(65_536):
                reader.feed(data)
                while (command := reader.gets()) is not False:
                    self.asked.append(command)
                    reply = b"+OK\r\n" if command[0] == b"CLIENT" else self._answer(command)
                    if reply is None:
                        return
                    connection.sendall(reply)
        except OSError:
            return
        finally:
            connection.close()

    def __enter__(self) -> Self:
        self._begin(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        for thread in self._threads:
            thread.join(5)
