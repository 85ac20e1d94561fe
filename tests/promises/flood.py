"""Flood: a client that signals one instance without end, and how the others fare meanwhile.

`python -m tests.promises.flood [--signals 1000000] [--url redis://…]` starts a Redis of its own unless it is given one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import redis.asyncio

from rqflow.backend.calls.instances import Deliver
from rqflow.backend.opening import open_backend
from rqflow.backend.protocol import Backend, partition_of
from rqflow.backend.redis.embedded import EmbeddedServer
from rqflow.client.asynchronous import AsyncClient
from rqflow.core.events import SignalReceived
from rqflow.core.wire import encode
from rqflow.errors import InstanceClosed, LimitReached
from tests.promises.processes import WorkerProcess
from tests.promises.verbs import napping, single

BATCH = 500
"""Signals in one packet."""


@dataclass(frozen=True)
class Flood:
    """What came of it."""

    signals: int
    accepted: int
    refused: int
    seconds: float
    others: int
    """Instances that others started and that completed meanwhile."""
    quiet_ms: float
    """The median of a start and its result before the flood."""
    median_ms: float
    """And while it lasts."""
    worst_ms: float
    status: str
    """Of the flooded instance, at the end."""
    inbox: int
    memory_bytes: int
    """By which Redis grew."""


async def pour(backend: Backend, instance: str, signals: int) -> Counter[str]:
    """Send so many signals to one instance, as quickly as one connection carries them."""
    came = Counter[str]()
    event, at = encode(SignalReceived(name="flood", payload=b'"drop"')), partition_of(instance, backend.hub.partitions)
    for first in range(0, signals, BATCH):
        calls = [
            Deliver(partition=at, instance=instance, event=event, request=f"drop-{number}")
            for number in range(first, min(first + BATCH, signals))
        ]
        for answer in await backend.send(calls):
            assert answer is None or isinstance(answer, LimitReached | InstanceClosed), answer
            came["accepted" if answer is None else "refused"] += 1
    return came


async def watch_others(client: AsyncClient, over: asyncio.Event, least: int) -> list[float]:
    """Milliseconds of one start and its result after another, until the flood is over."""
    took: list[float] = []
    while not over.is_set() or len(took) < least:
        before = time.perf_counter()
        assert await (await client.start(single, len(took))).result(30) == len(took)
        took.append((time.perf_counter() - before) * 1_000)
    return took


async def flood(url: str, hub: str, signals: int, *, served: bool) -> Flood:
    """Flood an instance while a worker serves others: one that nobody serves, or one whose code takes no signal."""
    backend, client = await open_backend(url, hub), AsyncClient(url, hub=hub)
    queue = "default" if served else "elsewhere"
    victim = await client.start(napping, 3_600.0, id=f"victim-{queue}", queue=queue)
    ended = asyncio.Event()
    ended.set()
    quiet = await watch_others(client, ended, 30)
    before = await _memory(url)
    over, began = asyncio.Event(), time.perf_counter()
    others = asyncio.create_task(watch_others(client, over, 30))
    try:
        came = await pour(backend, victim.id, signals)
    finally:
        over.set()
    seconds = time.perf_counter() - began
    took = await others
    row = await victim.describe()
    found = Flood(
        signals=signals, accepted=came["accepted"], refused=came["refused"], seconds=round(seconds, 2),
        others=len(took), quiet_ms=round(statistics.median(quiet), 2), median_ms=round(statistics.median(took), 2),
        worst_ms=round(max(took), 2), status=row.status,
        inbox=row.inbox_length, memory_bytes=await _memory(url) - before,
    )  # fmt: skip
    await client.close()
    await backend.close()
    return found


async def _memory(url: str) -> int:
    async with redis.asyncio.Redis.from_url(url) as connection:
        return int((await connection.info("memory"))["used_memory"])


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--signals", type=int, default=1_000_000)
    parser.add_argument("--url")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = None if options.url else EmbeddedServer(Path(folder) / "redis").start()
        url = options.url or server.url  # type: ignore[union-attr]
        worker = WorkerProcess(url, "default", Path(folder) / "log", lease=5.0)
        try:
            for served in (False, True):
                found = asyncio.run(flood(url, "default", options.signals, served=served))
                sys.stdout.write(json.dumps(asdict(found), indent=2) + "\n")
        finally:
            worker.remove()
            if server is not None:
                server.stop()


if __name__ == "__main__":
    main()
