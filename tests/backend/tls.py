"""TLS: a front that speaks it for a server that does not, since not every redis-server is built with it."""

from __future__ import annotations

import asyncio
import ssl
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from rqflow.backend.redis.address import parse_address
from rqflow.backend.redis.embedded import EmbeddedServer


class TlsFront:
    """Passes bytes on, in a thread with a loop of its own."""

    def __init__(self, server: EmbeddedServer, certificates: Path) -> None:
        self._target = parse_address(server.url).endpoints[0]
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificates / "cert.pem", certificates / "key.pem")
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.port = 0

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._pass_on, "127.0.0.1", 0, ssl=self._context)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        running = asyncio.all_tasks() - {asyncio.current_task()}
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection(self._target.host, self._target.port)
        try:
            with suppress(ConnectionError, ssl.SSLError):
                await asyncio.wait(
                    {
                        asyncio.ensure_future(self._pump(reader, inner_writer)),
                        asyncio.ensure_future(self._pump(inner_reader, writer)),
                    },
                    return_when=asyncio.FIRST_COMPLETED,
                )
        finally:
            for one in (inner_writer, writer):
                one.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, ssl.SSLError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
