"""Connection: one asyncio connection to Redis that many callers share, and its lines that reconnect.

Replies come in the order of the commands, so callers need not wait for each other: what they ask in the same moment
leaves in one packet. A caller that is canceled just does not look at its replies.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import connection as wires
from redis.exceptions import InvalidResponse, RedisError

from rqflow.backend.redis.address import Address, Endpoint
from rqflow.backend.redis.refusals import lost
from rqflow.backend.redis.resp import RedisCommand, ServerError, error_reply, pack
from rqflow.backend.redis.sockets import INTRODUCTION, READ_BYTES, Timeouts, cause_of, not_let_in, wire_settings
from rqflow.errors import BackendUnavailable


class _Parser(wires.DefaultParser):  # type: ignore[misc, valid-type]  # which class it is, is found out at import
    """The client's parser of replies, which also keeps when bytes came last, on the loop's clock."""

    heard_at = 0.0

    async def read_from_socket(self) -> bool:
        await super().read_from_socket()
        self.heard_at = asyncio.get_running_loop().time()
        return True


@dataclass(slots=True)
class _Waiter:
    """One caller: how many replies it is owed, and those that came."""

    owed: int
    replies: list[Any]
    future: asyncio.Future[list[Any]]


def _read(error: RedisError) -> ServerError:
    """An error reply, which the parser returns or raises. Raises what is none."""
    reply = error_reply(error)
    if reply is None:
        raise error
    return reply


class Connection:
    """A connection that was made; made by `connect`."""

    def __init__(self, endpoint: Endpoint, wire: wires.AbstractConnection, parser: _Parser, quiet: float) -> None:
        self._endpoint = endpoint
        self._wire = wire
        self._parser = parser
        self._quiet = quiet
        self._loop = asyncio.get_running_loop()
        self._waiters: deque[_Waiter] = deque()
        self._outgoing: list[bytes] = []
        self._watchdog: asyncio.TimerHandle | None = None
        self._owing_since = 0.0
        """When the first of those replies was asked for that are owed now."""
        self._reason = "the connection was closed"
        self.closed = asyncio.Event()
        self.on_reply: Callable[[Any], None] = self._answer
        """Is handed each reply."""
        # To disconnect politely would mean to wait for a server that may take nothing any more.
        assert wire._writer is not None
        self._transport = wire._writer.transport
        # It is canceled by `close`: when nobody knows this connection any more, nobody knows it either.
        self._reader = self._loop.create_task(self._read())

    @property
    def heard_at(self) -> float:
        """When Redis last said something, on the loop's clock."""
        return self._parser.heard_at

    async def request(self, commands: Sequence[RedisCommand], quiet: float | None = None) -> list[Any]:
        """The replies, error replies as ServerError values. Raises BackendUnavailable if the connection breaks."""
        if self.closed.is_set():
            raise lost(self._endpoint, self._reason)
        data = pack(commands)
        waiter = _Waiter(len(commands), [], self._loop.create_future())
        if not self._waiters:
            self._owing_since = self._loop.time()
        self._waiters.append(waiter)
        self.write(data)
        if self._watchdog is None:
            self._watch(self._quiet if quiet is None else quiet)
        return await waiter.future

    def write(self, data: bytes) -> None:
        """Send; what is written in one turn of the loop leaves together."""
        if self.closed.is_set():
            return
        if not self._outgoing:
            self._loop.call_soon(self._send)
        self._outgoing.append(data)

    def close(self, reason: str = "the connection was closed") -> None:
        """At once; whoever waits gets BackendUnavailable."""
        if self.closed.is_set():
            return
        self._reason = reason
        self.closed.set()
        self._transport.abort()
        self._outgoing.clear()
        self._reader.cancel()
        if self._watchdog is not None:
            self._watchdog.cancel()
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.future.done():
                waiter.future.set_exception(lost(self._endpoint, reason))

    def _send(self) -> None:
        # Not by the client's coroutine, which waits until the server has taken it: nobody here waits for that.
        if self._outgoing:
            self._transport.write(b"".join(self._outgoing))
            self._outgoing.clear()

    async def _read(self) -> None:
        try:
            while True:
                # From the client's parser and not through its connection, which does the same for four times the time.
                try:
                    reply: Any = await self._parser.read_response(disable_decoding=True)
                except RedisError as error:
                    reply = error
                self.on_reply(_read(reply) if isinstance(reply, RedisError) else reply)
        except (RedisError, OSError, ValueError) as error:
            self.close(cause_of(error))
        finally:
            self.close()
            await self._wire.disconnect(nowait=True)

    def _answer(self, reply: Any) -> None:
        if not self._waiters:
            raise InvalidResponse("a reply that nobody asked for")
        waiter = self._waiters[0]
        waiter.replies.append(reply)
        if len(waiter.replies) == waiter.owed:
            self._waiters.popleft()
            if not waiter.future.done():
                waiter.future.set_result(waiter.replies)

    def _watch(self, quiet: float) -> None:
        """Give the server up when it owes replies and says nothing for `quiet` seconds."""
        self._watchdog = self._loop.call_later(quiet, self._look, quiet)

    def _look(self, quiet: float) -> None:
        self._watchdog = None
        if not self._waiters:
            return
        # What was heard before anything was owed says nothing about the server's silence.
        left = max(self.heard_at, self._owing_since) + quiet - self._loop.time()
        if left <= 0:
            self.close(f"nothing was heard for {quiet:g} seconds")
        else:
            self._watchdog = self._loop.call_later(left, self._look, quiet)


async def connect(
    address: Address,
    endpoint: Endpoint,
    timeouts: Timeouts,
    *,
    on_reply: Callable[[Any], None] | None = None,
) -> Connection:
    """A connection that has been let in. Raises BackendUnavailable, BackendRefused."""
    parser = _Parser(READ_BYTES)
    wire = _wire(address, endpoint, timeouts, parser)
    connection: Connection | None = None
    try:
        async with asyncio.timeout(timeouts.connect):
            await wire.connect()  # type: ignore[no-untyped-call]
            connection = Connection(endpoint, wire, parser, timeouts.answer)
            await connection.request([INTRODUCTION])
    except BaseException as error:
        if connection is not None:
            connection.close()
        await wire.disconnect(nowait=True)
        if isinstance(error, RedisError | TimeoutError):
            raise not_let_in(endpoint, error, timeouts) from error
        raise
    if on_reply is not None:
        connection.on_reply = on_reply
    return connection


def _wire(address: Address, endpoint: Endpoint, timeouts: Timeouts, parser: _Parser) -> wires.AbstractConnection:
    kind: Callable[..., wires.AbstractConnection] = wires.Connection
    if endpoint.path:
        kind = wires.UnixDomainSocketConnection
    elif address.encryption:
        kind = wires.SSLConnection
    # Silence is looked at by the watchdog, for all who wait at once.
    return kind(
        **wire_settings(address, endpoint, timeouts),
        socket_timeout=None,
        parser_class=lambda socket_read_size: parser,
    )


class Line:
    """The shared connection to one server: made when it is needed, and made anew when it broke."""

    def __init__(self, address: Address, endpoint: Endpoint, timeouts: Timeouts) -> None:
        self._address = address
        self._endpoint = endpoint
        self._timeouts = timeouts
        self._connection: Connection | None = None
        self._connecting = asyncio.Lock()

    async def request(self, commands: Sequence[RedisCommand]) -> list[Any]:
        """As Connection.request. As long as nothing has been sent, a broken connection is replaced unseen."""
        connection = self._connection
        if connection is None or connection.closed.is_set() or self._is_stale(connection):
            connection = await self._ready()
        return await connection.request(commands)

    def _is_stale(self, connection: Connection) -> bool:
        """Silent for so long that a firewall may have forgotten it."""
        return asyncio.get_running_loop().time() - connection.heard_at > self._timeouts.idle

    async def _ready(self) -> Connection:
        async with self._connecting:
            connection = self._connection
            if connection is None or not await self._trusted(connection):
                self.close()
                connection = self._connection = await connect(self._address, self._endpoint, self._timeouts)
            return connection

    async def _trusted(self, connection: Connection) -> bool:
        if connection.closed.is_set():
            return False
        if not self._is_stale(connection):
            return True
        try:
            async with asyncio.timeout(self._timeouts.connect):
                await connection.request([("PING",)])
        except (BackendUnavailable, TimeoutError):
            return False
        return True

    def close(self) -> None:
        """Drop the connection; the next request makes another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
