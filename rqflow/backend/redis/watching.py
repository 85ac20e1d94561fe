"""Watching: one pub/sub connection for all who await news of instances, on asyncio."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Final

from rqflow.backend.calls.instances import Outcome
from rqflow.backend.redis.channels import Channels
from rqflow.backend.redis.connection import Connection, connect
from rqflow.backend.redis.notices import read_end
from rqflow.backend.redis.resp import RedisCommand, pack
from rqflow.backend.redis.servers import Servers
from rqflow.errors import BackendError, BackendUnavailable

BACKOFF: Final = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
"""Seconds between attempts to connect again; the last one repeats."""
PING_SECONDS: Final = 20.0
"""Silence after which the connection is tried; twice that, and it is taken for dead."""


class WatchOfInstance:
    """What `watch` gives: told whenever something may have happened, from when it is entered until it is left."""

    def __init__(self, watching: Watching, name: str) -> None:
        self._watching = watching
        self._name = name
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._noticed = False
        self._told: Any = b""
        self._confirmed: asyncio.Future[None] = self._loop.create_future()

    async def __aenter__(self) -> WatchOfInstance:
        self._watching.enter(self._name, self)
        try:
            await self._confirmed
        except BaseException:
            self._watching.leave(self._name, self)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._watching.leave(self._name, self)

    async def wait(self, timeout: float) -> bool:
        """Until the next notice, or False after `timeout` seconds."""
        if not self._noticed:
            timer = self._loop.call_later(timeout, self._news.set)
            try:
                await self._news.wait()
            finally:
                timer.cancel()
        self._news.clear()
        noticed, self._noticed = self._noticed, False
        return noticed

    @property
    def ended(self) -> Outcome | None:
        return read_end(self._told)

    def notice(self, message: Any) -> None:
        # An end is not forgotten for what came after it.
        self._told = message or self._told
        self._noticed = True
        self._news.set()

    def confirm(self) -> None:
        if not self._confirmed.done():
            # Nothing can have been missed before: whoever enters looks first, and waits then.
            self._noticed = False
            self._news.clear()
            self._confirmed.set_result(None)

    def give_up(self, error: BackendUnavailable) -> None:
        if not self._confirmed.done():
            self._confirmed.set_exception(error)


class Watching:
    """The connection, and who listens on it; connected while anyone listens, and again when it broke."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._channels: Channels[WatchOfInstance] = Channels()
        self._connection: Connection | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._closed = False

    def watch(self, name: str) -> WatchOfInstance:
        """Listen to a channel; entered when Redis has confirmed. Raises BackendUnavailable if it cannot be reached."""
        return WatchOfInstance(self, name)

    def enter(self, name: str, watch: WatchOfInstance) -> None:
        """Ask to be told, and connect if need be."""
        if self._closed:
            raise BackendUnavailable("this backend was closed")
        self._send(self._channels.enter(name, watch))
        if self._keeper is None or self._keeper.done():
            self._keeper = asyncio.create_task(self._keep())

    def leave(self, name: str, watch: WatchOfInstance) -> None:
        """Nothing need be told any more."""
        self._send(self._channels.leave(name, watch))

    def _send(self, command: RedisCommand | None) -> None:
        if command is not None and self._connection is not None:
            self._connection.write(pack([command]))

    async def _keep(self) -> None:
        """Hold a connection while anyone listens. Ends at `close`, or when Redis refuses us for good."""
        failures = 0
        while True:
            try:
                await self._connect()
            except BackendError as error:
                unavailable = error if isinstance(error, BackendUnavailable) else BackendUnavailable(str(error))
                unavailable.__cause__ = error
                self._channels.give_up(unavailable)
                if not self._channels:
                    return
                await asyncio.sleep(BACKOFF[min(failures, len(BACKOFF) - 1)])
                failures += 1
                continue
            failures = 0
            await self._held()

    async def _connect(self) -> None:
        if self._servers.routes.stale:
            await self._servers.search()
        # On a cluster a message reaches every node, so that any will do; another one is tried when one fails.
        error = BackendUnavailable(f"{self._servers.address} has no servers")
        for endpoint in self._servers.routes.nodes:
            try:
                connection = await connect(
                    self._servers.address, endpoint, self._servers.timeouts, on_reply=self._channels.heard
                )
            except BackendUnavailable as reason:
                self._servers.routes.suspect()
                error = reason
                continue
            self._connection = connection
            for command in self._channels.again():
                connection.write(pack([command]))
            return
        raise error

    async def _held(self) -> None:
        """Until the connection is lost; a PING now and then finds out whether it still lives."""
        connection = self._connection
        assert connection is not None
        try:
            while not connection.closed.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(PING_SECONDS):
                        await connection.closed.wait()
                        return
                silent = asyncio.get_running_loop().time() - connection.heard_at
                if silent > 2 * PING_SECONDS:
                    connection.close("it was silent too long")
                else:
                    self._send(self._channels.part())
                    connection.write(pack([("PING",)]))
        finally:
            self._connection = None
            connection.close()

    async def close(self) -> None:
        """Hang up; those who wait run into their own timeouts, new ones are refused."""
        self._closed = True
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper
        self._channels.give_up(BackendUnavailable("this backend was closed"))
