"""Servers: the shared connections of a backend to the one, or the many, servers of its address."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import suppress
from typing import Any, Final, TypeAlias, TypeVar

from rqflow.backend.redis.address import Address, Endpoint
from rqflow.backend.redis.blocking import Pool
from rqflow.backend.redis.connection import Connection, Line, connect
from rqflow.backend.redis.delivery import Pipelines, Replies
from rqflow.backend.redis.reserve import Reserve
from rqflow.backend.redis.resp import RedisCommand
from rqflow.backend.redis.routing import Routes
from rqflow.backend.redis.sockets import Timeouts
from rqflow.errors import BackendError, BackendUnavailable

R = TypeVar("R")
Request: TypeAlias = Callable[[Endpoint, Sequence[RedisCommand]], Awaitable[list[Any]]]
_CLOSED: Final = "this backend was closed"
TURNS: Final = 4
"""Of the loop, until all is gone that was closed; TLS takes the most."""


class Servers:
    """For one event loop."""

    def __init__(self, address: Address, timeouts: Timeouts) -> None:
        self.address = address
        self.timeouts = timeouts
        self.routes = Routes(address)
        self._lines: dict[Endpoint, Line] = {}
        self._reserves: dict[Endpoint, Reserve] = {}
        self._searching = asyncio.Lock()
        self._closed = False

    async def drive(self, work: Generator[Pipelines, Replies, R], *, apart: bool = False) -> R:
        """Do what `work` asks for, until it has its result. Raises BackendUnavailable, BackendRefused.

        `apart`: on connections of its own, because Redis may hold its answers back.
        """
        replies: Replies | None = None
        while True:
            if self.routes.stale:
                await self.search()
            try:
                pipelines = next(work) if replies is None else work.send(replies)
            except StopIteration as stop:
                result: R = stop.value
                return result
            finally:
                for endpoint in self.routes.take_doubted():
                    self._line(endpoint).close()
                    self._reserve(endpoint).close()
            replies = await self._round(pipelines, self._request_apart if apart else self.request)

    async def _round(self, pipelines: Pipelines, request: Request) -> Replies:
        if len(pipelines) == 1:
            ((endpoint, commands),) = pipelines.items()
            return {endpoint: await request(endpoint, commands)}
        found = await asyncio.gather(
            *(request(endpoint, commands) for endpoint, commands in pipelines.items()), return_exceptions=True
        )
        for one in found:
            if isinstance(one, BaseException):
                raise one
        return dict(zip(pipelines, found, strict=True))  # type: ignore[arg-type]

    async def request(self, endpoint: Endpoint, commands: Sequence[RedisCommand]) -> list[Any]:
        """Send to one server, on the connection that all share."""
        try:
            return await self._line(endpoint).request(commands)
        except BackendUnavailable:
            self.routes.suspect()
            raise

    async def _request_apart(self, endpoint: Endpoint, commands: Sequence[RedisCommand]) -> list[Any]:
        try:
            return await self._reserve(endpoint).request(commands)
        except BackendUnavailable:
            self.routes.suspect()
            raise

    async def connect(self, slot: int) -> tuple[Endpoint, Connection]:
        """A connection of one's own to the server that owns a slot."""
        if self.routes.stale:
            await self.search()
        endpoint = self.routes.owner(slot)
        try:
            return endpoint, await connect(self.address, endpoint, self.timeouts)
        except BackendUnavailable:
            self.routes.suspect()
            raise

    def _line(self, endpoint: Endpoint) -> Line:
        if self._closed:
            raise BackendUnavailable(_CLOSED)
        line = self._lines.get(endpoint)
        if line is None:
            line = self._lines[endpoint] = Line(self.address, endpoint, self.timeouts)
        return line

    def _reserve(self, endpoint: Endpoint) -> Reserve:
        if self._closed:
            raise BackendUnavailable(_CLOSED)
        found = self._reserves.get(endpoint)
        if found is None:
            found = self._reserves[endpoint] = Reserve(self.address, endpoint, self.timeouts)
        return found

    async def search(self) -> None:
        """Find out who owns what, once for all who want to know."""
        async with self._searching:
            if not self.routes.stale:
                return
            search = self.routes.search()
            try:
                endpoint, command = next(search)
                while True:
                    endpoint, command = search.send(await self._ask(endpoint, command))
            except StopIteration:
                self._forget_absent()

    async def _ask(self, endpoint: Endpoint, command: RedisCommand) -> Any | BackendError:
        try:
            if self.address.service:
                return await self._ask_sentinel(endpoint, command)
            return (await self._line(endpoint).request([command]))[0]
        except BackendError as error:
            return error

    async def _ask_sentinel(self, endpoint: Endpoint, command: RedisCommand) -> Any:
        connection = await connect(Address(endpoints=(endpoint,)), endpoint, self.timeouts)
        try:
            return (await connection.request([command]))[0]
        finally:
            connection.close()

    def _forget_absent(self) -> None:
        known = {*self.routes.nodes, *self.address.endpoints}
        for endpoint in set(self._lines) - known:
            self._lines.pop(endpoint).close()
        for endpoint in set(self._reserves) - known:
            self._reserves.pop(endpoint).close()

    async def close(self) -> None:
        """Drop all connections; whoever waits gets BackendUnavailable."""
        self._closed = True
        for line in self._lines.values():
            line.close()
        for reserve in self._reserves.values():
            reserve.close()
        self._lines.clear()
        self._reserves.clear()
        # Transports close at the loop's next turn, and their readers end at the one after it.
        for _ in range(TURNS):
            await asyncio.sleep(0)


class BlockingServers:
    """The twin for threads."""

    def __init__(self, address: Address, timeouts: Timeouts) -> None:
        self.address = address
        self.timeouts = timeouts
        self.routes = Routes(address)
        self._pools: dict[tuple[Endpoint, bool], Pool] = {}
        """By server, and whether their connections are kept apart for requests that Redis answers late."""
        self._closed = False

    def drive(self, work: Generator[Pipelines, Replies, R], *, apart: bool = False) -> R:
        """As Servers.drive."""
        replies: Replies | None = None
        while True:
            if self.routes.stale:
                self.search()
            try:
                pipelines = next(work) if replies is None else work.send(replies)
            except StopIteration as stop:
                result: R = stop.value
                return result
            finally:
                for endpoint in self.routes.take_doubted():
                    self._pool(endpoint, False).drop_idle()
                    self._pool(endpoint, True).drop_idle()
            replies = {endpoint: self.request(endpoint, commands, apart) for endpoint, commands in pipelines.items()}

    def request(self, endpoint: Endpoint, commands: Sequence[RedisCommand], apart: bool = False) -> list[Any]:
        """Send to one server, on a connection that no other thread uses meanwhile."""
        try:
            return self._pool(endpoint, apart).request(commands)
        except BackendUnavailable:
            self.routes.suspect()
            raise

    def _pool(self, endpoint: Endpoint, apart: bool) -> Pool:
        if self._closed:
            raise BackendUnavailable(_CLOSED)
        found = self._pools.get((endpoint, apart))
        if found is None:
            timeouts = self.timeouts.waiting_for_replicas() if apart else self.timeouts
            patience = self.timeouts.durable if apart else None
            # Two threads may make two pools at once; setdefault lets one win, and the other has no connection yet.
            found = self._pools.setdefault((endpoint, apart), Pool(self.address, endpoint, timeouts, patience))
        return found

    def search(self) -> None:
        """Find out who owns what."""
        search = self.routes.search()
        try:
            endpoint, command = next(search)
            while True:
                endpoint, command = search.send(self._ask(endpoint, command))
        except StopIteration:
            self._forget_absent()

    def _ask(self, endpoint: Endpoint, command: RedisCommand) -> Any | BackendError:
        try:
            if self.address.service:
                pool = Pool(Address(endpoints=(endpoint,)), endpoint, self.timeouts)
                try:
                    return pool.request([command])[0]
                finally:
                    pool.close()
            return self._pool(endpoint, False).request([command])[0]
        except BackendError as error:
            return error

    def _forget_absent(self) -> None:
        known = {*self.routes.nodes, *self.address.endpoints}
        for endpoint, apart in list(self._pools):
            if endpoint not in known:
                # Another thread may have looked at the same time, and forgotten it already.
                with suppress(KeyError):
                    self._pools.pop((endpoint, apart)).close()

    def close(self) -> None:
        """Drop all connections."""
        self._closed = True
        while self._pools:
            self._pools.popitem()[1].close()
