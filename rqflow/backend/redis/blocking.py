"""Blocking connections: for code without an event loop, and the pool that threads share."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeout

from rqflow.backend.redis.address import Address, Endpoint
from rqflow.backend.redis.refusals import crowded, lost
from rqflow.backend.redis.resp import RedisCommand, error_reply, pack
from rqflow.backend.redis.sockets import INTRODUCTION, Timeouts, cause_of, not_let_in, wire_settings
from rqflow.errors import BackendUnavailable

POOL_SIZE: Final = 16
"""Connections to one server at most; further threads wait for one."""


class BlockingConnection:
    """One connection of the Redis client, used by one thread at a time."""

    def __init__(self, address: Address, endpoint: Endpoint, timeouts: Timeouts) -> None:
        """Connect. Raises BackendUnavailable, BackendRefused."""
        self._endpoint = endpoint
        self._quiet = timeouts.answer
        self.heard_at = time.monotonic()
        self._wire = _wire(address, endpoint, timeouts)
        try:
            self._wire.connect()
            self._wire.update_current_socket_timeout(timeouts.answer)
            self.request([INTRODUCTION])
        except RedisError as error:
            raise not_let_in(endpoint, error, timeouts) from error
        except BaseException:
            self.close()
            raise

    def request(self, commands: Sequence[RedisCommand]) -> list[Any]:
        """The replies, error replies as ServerError values. Raises BackendUnavailable; the connection is then dead."""
        self.write(commands)
        return [self.read() for _ in commands]

    def write(self, commands: Sequence[RedisCommand]) -> None:
        """Send, without waiting for replies."""
        if not self._wire.is_connected:
            # It would connect anew, and know nothing of what was said before.
            raise lost(self._endpoint, "the connection was closed")
        try:
            self._wire.send_packed_command([pack(commands)], check_health=False)
        except RedisError as error:
            raise lost(self._endpoint, cause_of(error)) from error

    def read(self) -> Any:
        """The next reply."""
        try:
            return self._next()
        except RedisTimeout as error:
            raise lost(self._endpoint, f"nothing was heard for {self._quiet:g} seconds") from error

    def read_within(self, seconds: float) -> Any:
        """The next reply, None if it takes longer: for replies that are never null."""
        try:
            return self._next(timeout=seconds)
        except RedisTimeout:
            return None

    def _next(self, **timeout: float) -> Any:
        try:
            reply = self._wire.read_response(disable_decoding=True, disconnect_on_error=False, **timeout)
        except RedisTimeout:
            raise
        except (RedisError, ValueError) as error:
            reply = error_reply(error)
            if reply is None:
                raise lost(self._endpoint, cause_of(error)) from error
        self.heard_at = time.monotonic()
        return reply

    def is_quiet(self) -> bool:
        """Whether there is nothing to read: no reply that nobody asked for, and no end of the connection."""
        try:
            return not self._wire.can_read(0)
        except RedisError:
            return False

    def close(self) -> None:
        """At once. Called from another thread, it ends the wait of the one that reads."""
        self._wire.disconnect()


def _wire(address: Address, endpoint: Endpoint, timeouts: Timeouts) -> Any:
    kind: Any = Connection
    if endpoint.path:
        kind = UnixDomainSocketConnection
    elif address.encryption:
        kind = SSLConnection
    return kind(**wire_settings(address, endpoint, timeouts), socket_timeout=timeouts.connect)


class Pool:
    """Connections to one server, shared by threads, started anew in a forked child."""

    def __init__(self, address: Address, endpoint: Endpoint, timeouts: Timeouts, patience: float | None = None) -> None:
        """`patience`: seconds to wait for a connection, when all are in use. None: until there is one."""
        self._address = address
        self._endpoint = endpoint
        self._timeouts = timeouts
        self._patience = patience
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
        room = self._room
        if not room.acquire(timeout=self._patience):
            raise crowded(self._endpoint, POOL_SIZE, self._patience or 0)
        try:
            connection = self._usable() or BlockingConnection(self._address, self._endpoint, self._timeouts)
            try:
                yield connection
            except BaseException:
                connection.close()
                raise
            self._idle.append(connection)
            if self._closed:
                self.drop_idle()
        finally:
            room.release()

    def _usable(self) -> BlockingConnection | None:
        """An idle connection that is not known to be dead; list operations are atomic, so no lock is needed."""
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if connection.is_quiet() and (
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
