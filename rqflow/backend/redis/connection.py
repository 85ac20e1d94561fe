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

from rqflow.backend.redis.address import Address, Endpoint
from rqflow.backend.redis.refusals import explain, lost
from rqflow.backend.redis.resp import NOTHING, BrokenReply, RedisCommand, ServerError, new_reader, pack
from rqflow.backend.redis.sockets import Timeouts, greeting, keep_alive
from rqflow.errors import BackendUnavailable

WRITE_AT_ONCE: Final = 64 * 1024
"""Bytes waiting to leave, past which they are not held back to the end of the loop's turn."""


@dataclass(slots=True)
class _Waiter:
    """One caller: how many replies it is owed, and those that came."""

    owed: int
    replies: list[Any]
    future: asyncio.Future[list[Any]]


class Connection(asyncio.Protocol):
    """A connection that was made; made by `connect`."""

    def __init__(self, endpoint: Endpoint, quiet: float, on_reply: Callable[[Any], None] | None = None) -> None:
        self._endpoint = endpoint
        self._quiet = quiet
        self._on_reply = on_reply or self._answer
        self._loop = asyncio.get_running_loop()
        self._reader = new_reader()
        self._waiters: deque[_Waiter] = deque()
        self._outgoing: list[bytes] = []
        self._outgoing_bytes = 0
        self._transport: asyncio.Transport | None = None
        self._watchdog: asyncio.TimerHandle | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._reason: BaseException | str = "the connection was closed"
        self.closed = asyncio.Event()
        self.heard_at = self._loop.time()
        """When Redis last said something, on the loop's clock."""
        self._owing_since = self.heard_at
        """When the first of those replies was asked for that are owed now."""

    async def request(self, commands: Sequence[RedisCommand], quiet: float | None = None) -> list[Any]:
        """The replies, error replies as ServerError values. Raises BackendUnavailable if the connection breaks."""
        if not self._writable.is_set():
            await self._writable.wait()
        if self.closed.is_set():
            raise lost(self._endpoint, self._reason)
        waiter = _Waiter(len(commands), [], self._loop.create_future())
        if not self._waiters:
            self._owing_since = self._loop.time()
        self._waiters.append(waiter)
        self.write(pack(commands))
        if self._watchdog is None:
            self._watch(self._quiet if quiet is None else quiet)
        return await waiter.future

    def write(self, data: bytes) -> None:
        """Send; what is written in one turn of the loop leaves together."""
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append(data)
        self._outgoing_bytes += len(data)
        if self._outgoing_bytes > WRITE_AT_ONCE:
            self._flush()

    def close(self, reason: BaseException | str = "the connection was closed") -> None:
        """At once; whoever waits gets BackendUnavailable."""
        if not self.closed.is_set():
            self._reason = reason
            if self._transport is not None:
                self._transport.abort()
            self._end()

    def _flush(self) -> None:
        if self._outgoing and self._transport is not None and not self.closed.is_set():
            data = b"".join(self._outgoing)
            self._outgoing.clear()
            self._outgoing_bytes = 0
            self._transport.write(data)

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

    def _answer(self, reply: Any) -> None:
        if not self._waiters:
            raise BrokenReply("a reply that nobody asked for")
        waiter = self._waiters[0]
        waiter.replies.append(reply)
        if len(waiter.replies) == waiter.owed:
            self._waiters.popleft()
            if not waiter.future.done():
                waiter.future.set_result(waiter.replies)

    def _end(self) -> None:
        self.closed.set()
        self._writable.set()
        if self._watchdog is not None:
            self._watchdog.cancel()
            self._watchdog = None
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.future.done():
                waiter.future.set_exception(lost(self._endpoint, self._reason))

    # what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        keep_alive(transport.get_extra_info("socket"))

    def data_received(self, data: bytes) -> None:
        self.heard_at = self._loop.time()
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not NOTHING:
                self._on_reply(reply)
        except BrokenReply as error:
            self.close(f"it does not speak as Redis does ({error})")

    def eof_received(self) -> None:
        # Now, not at the loop's next turn: nothing more may be sent on it.
        self.close("it closed the connection")

    def connection_lost(self, error: Exception | None) -> None:
        if not self.closed.is_set():
            self._reason = error or "it closed the connection"
            self._end()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()


async def connect(
    address: Address,
    endpoint: Endpoint,
    timeouts: Timeouts,
    *,
    on_reply: Callable[[Any], None] | None = None,
) -> Connection:
    """A connection that has been let in. Raises BackendUnavailable, BackendRefused."""
    greeter = Connection(endpoint, timeouts.answer)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeouts.connect):
            if endpoint.path:
                await loop.create_unix_connection(lambda: greeter, endpoint.path)
            else:
                context = address.encryption.context() if address.encryption else None
                await loop.create_connection(lambda: greeter, endpoint.host, endpoint.port, ssl=context)
            await _greet(greeter, address, endpoint)
    except TimeoutError:
        greeter.close()
        raise lost(endpoint, f"no connection within {timeouts.connect:g} seconds") from None
    except BackendUnavailable:
        greeter.close()
        raise
    except OSError as error:
        greeter.close()
        raise lost(endpoint, error) from error
    except BaseException:
        greeter.close()
        raise
    if on_reply is not None:
        greeter._on_reply = on_reply
    return greeter


async def _greet(connection: Connection, address: Address, endpoint: Endpoint) -> None:
    commands = greeting(address)
    for command, reply in zip(commands, await connection.request(commands), strict=True):
        if isinstance(reply, ServerError) and command[0] != "CLIENT":
            raise explain(reply, endpoint, doing=str(command[0]))


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
