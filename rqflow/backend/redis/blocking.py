"""Blocking connections: a socket to Redis for code without an event loop, and the pool that threads share."""

from __future__ import annotations

import os
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

from rqflow.backend.redis.address import Address, Endpoint
from rqflow.backend.redis.refusals import explain, lost
from rqflow.backend.redis.resp import NOTHING, BrokenReply, RedisCommand, ServerError, new_reader, pack
from rqflow.backend.redis.sockets import Timeouts, greeting, keep_alive
from rqflow.errors import BackendUnavailable

READ_BYTES: Final = 256 * 1024
POOL_SIZE: Final = 16
"""Connections to one server at most; further threads wait for one."""


class BlockingConnection:
    """One socket, used by one thread at a time."""

    def __init__(self, address: Address, endpoint: Endpoint, timeouts: Timeouts) -> None:
        """Connect. Raises BackendUnavailable, BackendRefused."""
        self._endpoint = endpoint
        self._reader = new_reader()
        self._socket = _dial(address, endpoint, timeouts)
        self.heard_at = time.monotonic()
        try:
            self._socket.settimeout(timeouts.answer)
            keep_alive(self._socket)
            commands = greeting(address)
            for command, reply in zip(commands, self.request(commands), strict=True):
                if isinstance(reply, ServerError) and command[0] != "CLIENT":
                    raise explain(reply, endpoint, doing=str(command[0]))
        except BaseException:
            self.close()
            raise

    def request(self, commands: Sequence[RedisCommand]) -> list[Any]:
        """The replies, error replies as ServerError values. Raises BackendUnavailable; the connection is then dead."""
        self.write(commands)
        return [self.read() for _ in commands]

    def write(self, commands: Sequence[RedisCommand]) -> None:
        """Send, without waiting for replies."""
        try:
            self._socket.sendall(pack(commands))
        except OSError as error:
            raise lost(self._endpoint, error) from error

    def read(self) -> Any:
        """The next reply."""
        try:
            while (reply := self._reader.gets()) is NOTHING:
                data = self._socket.recv(READ_BYTES)
                if not data:
                    raise lost(self._endpoint, "it closed the connection")
                self.heard_at = time.monotonic()
                self._reader.feed(data)
        except TimeoutError as error:
            raise lost(self._endpoint, f"nothing was heard for {self._socket.gettimeout():g} seconds") from error
        except BrokenReply as error:
            raise lost(self._endpoint, f"it does not speak as Redis does ({error})") from error
        except BackendUnavailable:
            raise
        except OSError as error:
            raise lost(self._endpoint, error) from error
        return reply

    def readable(self, seconds: float) -> bool:
        """Whether a reply, or the end of the connection, can be read within that time."""
        if self._reader.has_data() or (isinstance(self._socket, ssl.SSLSocket) and self._socket.pending()):
            return True
        watcher = select.poll()
        watcher.register(self._socket, select.POLLIN)
        return bool(watcher.poll(seconds * 1_000))

    def hang_up(self) -> None:
        """From another thread: whoever reads or waits hears at once that it is over, and closes."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._socket.close()


def _dial(address: Address, endpoint: Endpoint, timeouts: Timeouts) -> socket.socket:
    try:
        if endpoint.path:
            made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            made.settimeout(timeouts.connect)
            try:
                made.connect(endpoint.path)
            except BaseException:
                made.close()
                raise
            return made
        made = socket.create_connection((endpoint.host, endpoint.port), timeouts.connect)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if address.encryption is None:
            return made
        try:
            return address.encryption.context().wrap_socket(made, server_hostname=endpoint.host)
        except BaseException:
            made.close()
            raise
    except TimeoutError:
        raise lost(endpoint, f"no connection within {timeouts.connect:g} seconds") from None
    except OSError as error:
        raise lost(endpoint, error) from error


class Pool:
    """Connections to one server, shared by threads, started anew in a forked child."""

    def __init__(self, address: Address, endpoint: Endpoint, timeouts: Timeouts) -> None:
        self._address = address
        self._endpoint = endpoint
        self._timeouts = timeouts
        self._closed = False
        self._idle: list[BlockingConnection] = []
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self.drop_idle()
        self._room = threading.BoundedSemaphore(POOL_SIZE)

    def request(self, commands: Sequence[RedisCommand]) -> list[Any]:
        """One pipeline. As long as nothing has been sent, a broken connection is replaced unseen."""
        with self._borrowed() as connection:
            return connection.request(commands)

    @contextmanager
    def _borrowed(self) -> Iterator[BlockingConnection]:
        if os.getpid() != self._pid:
            # A socket that parent and child both write to gives each the other's replies. Closing the child's
            # descriptor says nothing to the server, and a lock may have been forked while it was held.
            self._begin()
        with self._room:
            connection = self._usable() or BlockingConnection(self._address, self._endpoint, self._timeouts)
            try:
                yield connection
            except BaseException:
                connection.close()
                raise
            self._idle.append(connection)
            if self._closed:
                self.drop_idle()

    def _usable(self) -> BlockingConnection | None:
        """An idle connection that is not known to be dead; list operations are atomic, so no lock is needed."""
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if not connection.readable(0) and (
                time.monotonic() - connection.heard_at < self._timeouts.idle or _answers_ping(connection)
            ):
                return connection
            connection.close()

    def close(self) -> None:
        """Drop what is idle at once, and what is in use after its use."""
        self._closed = True
        self.drop_idle()

    def drop_idle(self) -> None:
        """Close the connections that nobody uses."""
        with suppress(IndexError):
            while True:
                self._idle.pop().close()


def _answers_ping(connection: BlockingConnection) -> bool:
    try:
        connection.request([("PING",)])
    except BackendUnavailable:
        return False
    return True
