"""Reserve: connections apart from the shared one, for requests whose answer waits for other servers.

On the shared connection a request that Redis holds back would hold back all that came behind it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from rqflow.backend.redis.address import Address, Endpoint
from rqflow.backend.redis.connection import Connection, connect
from rqflow.backend.redis.refusals import crowded
from rqflow.backend.redis.resp import RedisCommand
from rqflow.backend.redis.sockets import Timeouts

RESERVE_SIZE: Final = 32
"""Connections to one server at most; further callers wait for one."""


class Reserve:
    """Connections to one server, each used by one caller at a time."""

    def __init__(self, address: Address, endpoint: Endpoint, timeouts: Timeouts) -> None:
        self._address = address
        self._endpoint = endpoint
        self._timeouts = timeouts.waiting_for_replicas()
        self._patience = timeouts.durable
        self._room = asyncio.Semaphore(RESERVE_SIZE)
        self._idle: list[Connection] = []
        self._all: set[Connection] = set()

    async def request(self, commands: Sequence[RedisCommand]) -> list[Any]:
        """As Connection.request. Raises BackendUnavailable too if no connection is free in time: nothing was sent."""
        async with self._borrowed() as connection:
            return await connection.request(commands)

    @asynccontextmanager
    async def _borrowed(self) -> AsyncIterator[Connection]:
        try:
            async with asyncio.timeout(self._patience):
                await self._room.acquire()
        except TimeoutError:
            raise crowded(self._endpoint, RESERVE_SIZE, self._patience) from None
        try:
            connection = self._usable() or await connect(self._address, self._endpoint, self._timeouts)
            self._all.add(connection)
            try:
                yield connection
            except BaseException:
                # Replies may still come that nobody waits for.
                self._all.discard(connection)
                connection.close()
                raise
            self._idle.append(connection)
        finally:
            self._room.release()

    def _usable(self) -> Connection | None:
        """An idle connection that is open and was heard of not long ago."""
        now = asyncio.get_running_loop().time()
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed.is_set() and now - connection.heard_at < self._timeouts.idle:
                return connection
            self._all.discard(connection)
            connection.close()
        return None

    def close(self) -> None:
        """Drop all connections; the next request makes another."""
        self._idle.clear()
        while self._all:
            self._all.pop().close()
