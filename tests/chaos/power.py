"""Power: a server loses what had not reached its disk, as a machine does whose power fails."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from random import Random

from rqflow.backend.redis.embedded import EmbeddedServer

WINDOW = 1.0
"""Seconds of writes that appendfsync everysec may lose."""


class PowerCut:
    """Of a server with `appendfsync everysec`: killed, its file cut back to what it was a moment ago, started again."""

    def __init__(self, server: EmbeddedServer) -> None:
        self._server = server
        self.lost = 0
        """Bytes, in all."""

    def _file(self) -> Path:
        folder = self._server.log.parent
        files = [*folder.glob("appendonlydir/*.incr.aof"), *folder.glob("appendonly.aof")]
        return max(files, key=lambda file: file.stat().st_mtime)

    async def cut(self, chance: Random) -> None:
        """As a deed."""
        file = self._file()
        size = file.stat().st_size
        await asyncio.sleep(chance.uniform(0, WINDOW))
        await asyncio.to_thread(self._server.kill)
        try:
            if self._file() == file:
                self.lost += file.stat().st_size - size
                os.truncate(file, size)
            await asyncio.sleep(chance.uniform(0, 1))
        finally:
            await asyncio.to_thread(self._server.start)
