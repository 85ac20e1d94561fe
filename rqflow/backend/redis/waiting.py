"""Waiting: a worker with nothing to do blocks on its streams, on connections of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from rqflow.backend.calls.tasks import Entry, Subscription
from rqflow.backend.redis.address import Endpoint
from rqflow.backend.redis.connection import Connection
from rqflow.backend.redis.keys import GROUP, key, prefix, suffix
from rqflow.backend.redis.refusals import explain
from rqflow.backend.redis.resp import RedisCommand, ServerError
from rqflow.backend.redis.routing import redirection, slot_of
from rqflow.backend.redis.scripts import load
from rqflow.backend.redis.servers import Servers
from rqflow.errors import BackendUnavailable

MARGIN: Final = 5.0
"""Seconds that a reply may come later than the block that was asked for."""
PAUSE: Final = 1.0
"""Seconds that a worker is kept from asking again when it is not registered: its next renewal tells it."""
_GONE: Final = "no longer exists"
"""How a reply ends that says that a stream, or its group, went while it was read from."""
IDLE: Final = 8
"""Connections kept for the next wait."""


class Waiting:
    """The blocking reads of one backend."""

    def __init__(self, servers: Servers, hub: str) -> None:
        self._servers = servers
        self._hub = hub
        self._idle: list[tuple[Endpoint, Connection]] = []
        self._busy: set[Connection] = set()

    async def wait(
        self, partition: int, worker: str, subscription: Subscription, timeout: timedelta
    ) -> Sequence[Entry]:
        """As Backend.wait_for_tasks."""
        names = [suffix("worker", worker)]
        names += [suffix("workflows", queue) for queue in subscription.workflow_queues]
        names += [suffix("activities", queue) for queue in subscription.activity_queues]
        block_ms = max(1, timeout // timedelta(milliseconds=1))
        before = prefix(self._hub, partition)
        command: RedisCommand = (
            "XREADGROUP", "GROUP", GROUP, worker, "COUNT", 1, "BLOCK", block_ms,
            "STREAMS", *(before + name for name in names), *(">" for _ in names),
        )  # fmt: skip
        endpoint, reply = await self._ask(partition, command, block_ms)
        if isinstance(reply, ServerError):
            await self._recover(reply, endpoint, partition=partition, worker=worker, queues=names[1:], timeout=timeout)
            return ()
        return [
            Entry(partition=partition, stream=stream.decode(), id=id.decode(), fields=_pairs(fields))
            for stream, entries in reply or ()
            for id, fields in entries
            if fields
        ]

    async def _ask(self, partition: int, command: RedisCommand, block_ms: int) -> tuple[Endpoint, Any]:
        """The reply to a blocking command. A canceled wait hangs up, so that Redis forgets it too."""
        endpoint, connection = await self._borrow(slot_of(key(self._hub, partition, "meta")))
        self._busy.add(connection)
        try:
            (reply,) = await connection.request([command], quiet=block_ms / 1_000 + MARGIN)
        except BaseException:
            connection.close("the wait was canceled")
            raise
        finally:
            self._busy.discard(connection)
        if len(self._idle) < IDLE:
            self._idle.append((endpoint, connection))
        else:
            connection.close()
        return endpoint, reply

    async def _borrow(self, slot: int) -> tuple[Endpoint, Connection]:
        wanted = self._servers.routes.owner(slot)
        for index in range(len(self._idle) - 1, -1, -1):
            endpoint, connection = self._idle[index]
            if connection.closed.is_set():
                del self._idle[index]
            elif endpoint == wanted:
                del self._idle[index]
                return endpoint, connection
        return await self._servers.connect(slot)

    async def _recover(
        self,
        error: ServerError,
        endpoint: Endpoint,
        *,
        partition: int,
        worker: str,
        queues: Sequence[str],
        timeout: timedelta,
    ) -> None:
        """Make good what made the read fail, or raise."""
        # Redis 7.0 has a word of its own for a stream that goes while it is read from: that is no failover.
        gone = error.text.endswith(_GONE)
        match "NOGROUP" if gone else error.word:
            case "MOVED":
                self._servers.routes.learn(*redirection(error, endpoint))
            case "NOGROUP":
                # The streams are gone: Redis lost its data, or this worker was declared dead and swept.
                if not await self._create_groups(partition, worker, queues, endpoint):
                    await asyncio.sleep(min(PAUSE, timeout.total_seconds()))
            case "READONLY" | "UNBLOCKED":
                self._servers.routes.doubt(endpoint)
                self.hang_up()
                raise BackendUnavailable(f"Redis at {endpoint} is no master any more; the next try looks for it")
            case _:
                raise explain(error, endpoint, doing="XREADGROUP")

    async def _create_groups(self, partition: int, worker: str, queues: Sequence[str], endpoint: Endpoint) -> bool:
        """Give a registered worker its streams again; False for one that is not, whose stream must not come back."""
        script = load("create_groups", cluster=self._servers.routes.cluster)
        arguments = script.pack(worker=worker, streams=queues)
        meta = key(self._hub, partition, "meta")
        (reply,) = await self._servers.request(endpoint, [("EVAL", script.source, 1, meta, *arguments)])
        if isinstance(reply, ServerError):
            raise explain(reply, endpoint, doing="create_groups.lua")
        return bool(reply)

    def hang_up(self) -> None:
        """Close the connections that wait for the next wait."""
        while self._idle:
            self._idle.pop()[1].close()

    def close(self) -> None:
        """End all waits."""
        for connection in tuple(self._busy):
            connection.close("this backend was closed")
        self.hang_up()


def _pairs(fields: Sequence[bytes]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple(zip(fields[::2], fields[1::2], strict=True))
