"""Connection: one asyncio connection to Redis that many callers share, and its lines that reconnect.

Replies come in the order of the commands, so callers need not wait for each other: what they ask in the same moment
leaves in one packet. A caller that is canceled just does not look at its replies.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import hiredis
from redis.asyncio import connection as wires
from redis.exceptions import ConnectionError as ConnectionBroken
from redis.exceptions import InvalidResponse, RedisError

from rqflow.backend.redis.address import Address, Endpoint
from rqflow.backend.redis.refusals import lost
from rqflow.backend.redis.resp import RedisCommand, ServerError, error_reply, pack
from rqflow.backend.redis.sockets import INTRODUCTION, Timeouts, cause_of, not_let_in, wire_settings
from rqflow.errors import BackendUnavailable

_NOTHING: Final = object()
"""The parser has no whole reply."""


def _refusal(text: str) -> ServerError:
    """An error reply, read as the client reads it. Raises ValueError over a redirection to nowhere."""
    reply = error_reply(wires.DefaultParser.parse_error(text))  # type: ignore[no-untyped-call]
    assert reply is not None, "what the client makes of an error reply is one"
    return reply


class _Replies(asyncio.Protocol):
    """What comes from Redis, handed on in the turn of the loop in which it comes."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._reader = hiredis.Reader(protocolError=InvalidResponse, replyError=_refusal, notEnoughData=_NOTHING)
        self._time = asyncio.get_running_loop().time
        self.heard_at = 0.0
        """When bytes came last, on the loop's clock."""

    def data_received(self, data: bytes) -> None:
        self.heard_at = self._time()
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not _NOTHING:
                self._connection.on_reply(reply)
        except (RedisError, ValueError) as error:
            self._connection.close(cause_of(error))

    def connection_lost(self, error: Exception | None) -> None:
        self._connection.close(cause_of(error or ConnectionBroken("Connection closed by server.")))


@dataclass(slots=True)
class _Waiter:
    """One caller: how many replies it is owed, and those that came."""

    owed: int
    replies: list[Any]
    future: asyncio.Future[list[Any]]


class Connection:
    """A connection that was made; made by `connect`."""

    def __init__(self, endpoint: Endpoint, wire: wires.AbstractConnection, quiet: float) -> None:
        self._endpoint = endpoint
        self._wire = wire
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
        # The client has made the connection, and its part in it is over: through its streams a reply takes three times
        # the time, and a turn of the loop more. To disconnect politely would mean to wait for a server that may take
        # nothing any more.
        assert wire._writer is not None
        self._transport = wire._writer.transport
        self._replies = _Replies(self)
        self._transport.set_protocol(self._replies)
        self._corked = False
        """Something left in this turn of the loop already; the rest leaves together at its end."""
        self._guard = self._loop.create_task(self._stay())

    @property
    def heard_at(self) -> float:
        """When Redis last said something, on the loop's clock."""
        return self._replies.heard_at

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
        """Send, at once if it is the first in this turn of the loop; what comes later in it leaves together."""
        if self.closed.is_set():
            return
        if self._corked:
            self._outgoing.append(data)
            return
        self._corked = True
        self._loop.call_soon(self._uncork)
        self._transport.write(data)

    def close(self, reason: str = "the connection was closed") -> None:
        """At once; whoever waits gets BackendUnavailable."""
        if self.closed.is_set():
            return
        self._reason = reason
        self.closed.set()
        self._transport.abort()
        self._wire._close()  # type: ignore[no-untyped-call]
        self._outgoing.clear()
        if self._watchdog is not None:
            self._watchdog.cancel()
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.future.done():
                waiter.future.set_exception(lost(self._endpoint, reason))

    async def _stay(self) -> None:
        """A loop that ends cancels what runs on it, and so takes the connection along."""
        try:
            await self.closed.wait()
        finally:
            self.close()

    def _uncork(self) -> None:
        # Not by the client's coroutine, which waits until the server has taken it: nobody here waits for that.
        self._corked = False
        if self._outgoing:
            self._transport.write(b"".join(self._outgoing))
            self._outgoing.clear()

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
    wire = _wire(address, endpoint, timeouts)
    connection: Connection | None = None
    try:
        async with asyncio.timeout(timeouts.connect):
            await wire.connect()  # type: ignore[no-untyped-call]
            connection = Connection(endpoint, wire, timeouts.answer)
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


def _wire(address: Address, endpoint: Endpoint, timeouts: Timeouts) -> wires.AbstractConnection:
    kind: Callable[..., wires.AbstractConnection] = wires.Connection
    if endpoint.path:
        kind = wires.UnixDomainSocketConnection
    elif address.encryption:
        kind = wires.SSLConnection
    # Silence is looked at by the watchdog, for all who wait at once.
    return kind(**wire_settings(address, endpoint, timeouts), socket_timeout=None)


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
