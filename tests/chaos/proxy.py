"""Proxy: a road to a server that a villain can make slow, cut in the middle of a reply, or let nothing through."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from random import Random
from typing import Final

FRAILTY: Final = 0.005
"""Share of all replies in whose middle a connection breaks, at any time: answers are lost as long as there is chaos."""


class Proxy:
    """Listens on a free port of the loopback address, in a thread with a loop of its own.

    What was sent before its sender hung up is still delivered, as on a real road: late, but it comes.
    """

    def __init__(self, host: str, port: int, chance: Random) -> None:
        self.port = 0
        self.delay = 0.0
        """Seconds, at most, by which each piece is late."""
        self.holds_requests = False
        self.holds_replies = False
        """What is held is kept, and goes on when the road heals."""
        self.cut_in_reply = False
        """Each connection breaks in the middle of its next reply."""
        self._target = (host, port)
        self._chance = chance
        self._loop = asyncio.new_event_loop()
        self._writers = set[asyncio.StreamWriter]()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._ready = threading.Event()

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(10), "the proxy does not listen"

    def stop(self) -> None:
        self._soon(self._loop.stop)
        self._thread.join(10)

    def heal(self) -> None:
        """As if nothing had been."""
        self.delay, self.holds_requests, self.holds_replies, self.cut_in_reply = 0.0, False, False, False

    def cut(self) -> None:
        """All connections break, now."""

        def abort() -> None:
            for writer in tuple(self._writers):
                writer.transport.abort()

        self._soon(abort)

    def _soon(self, do: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(do)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        try:
            self._loop.run_forever()
        finally:
            server.close()
            tasks = asyncio.all_tasks(self._loop)
            for task in tasks:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Streams would report that it was canceled, which it is when the proxy stops.
        with contextlib.suppress(asyncio.CancelledError):
            await self._carry(reader, writer)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        beyond: asyncio.StreamWriter | None = None
        try:
            back, beyond = await asyncio.open_connection(*self._target)
            self._writers.add(beyond)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, beyond, replies=False))
                group.create_task(self._pump(back, writer, replies=True))
        except* (OSError, EOFError):
            pass
        finally:
            for each in (writer, beyond):
                if each is not None:
                    self._writers.discard(each)
                    each.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, replies: bool) -> None:
        while data := await source.read(65_536):
            if self.delay:
                await asyncio.sleep(self._chance.uniform(0, self.delay))
            while self.holds_replies if replies else self.holds_requests:  # noqa: ASYNC110 (set by another thread)
                await asyncio.sleep(0.01)
            if replies and len(data) > 1 and (self.cut_in_reply or self._chance.random() < FRAILTY):
                sink.write(data[: self._chance.randrange(1, len(data))])
                with contextlib.suppress(OSError):
                    await sink.drain()
                raise EOFError("cut")
            sink.write(data)
            await sink.drain()
        raise EOFError("hung up")
