"""durabletask: its worker and its in-memory server, both in the client's process."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Generator, Mapping
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

from benchmarks.stage import Act, Order, Place, Told, windowed

DISTRIBUTION = "durabletask"
clients: Any = import_module("durabletask.client")
tasks: Any = import_module("durabletask.task")
servers: Any = import_module("durabletask.testing")
workers: Any = import_module("durabletask.worker")
LONG = 600
"""Seconds that a result may take."""


def echo(_: Any, value: int) -> int:
    """Does nothing."""
    return value


def sequence(context: Any, steps: int) -> Generator[Any, Any, int]:
    """So many activities, one after the other."""
    for number in range(steps):
        yield context.call_activity(echo, input=number)
    return steps


def fan_out(context: Any, width: int) -> Generator[Any, Any, int]:
    """So many activities at a time."""
    done = yield tasks.when_all([context.call_activity(echo, input=number) for number in range(width)])
    return len(done)


@asynccontextmanager
async def acts(place: Place) -> AsyncIterator[Mapping[str, Act]]:
    """What it can do."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = servers.create_test_backend(port=port)
    address = f"127.0.0.1:{port}"
    worker = workers.TaskHubGrpcWorker(host_address=address)
    worker.add_activity(echo)
    worker.add_orchestrator(sequence)
    worker.add_orchestrator(fan_out)
    worker.start()
    client = clients.TaskHubGrpcClient(host_address=address)

    def finish(id: str) -> None:
        state = client.wait_for_orchestration_completion(id, timeout=LONG)
        state.raise_if_failed()

    def each(length: int) -> Act:
        def start(_: int) -> Any:
            return client.schedule_new_orchestration(sequence, input=length)

        return lambda order: asyncio.to_thread(windowed, start, finish, order)

    async def one_wide(order: Order) -> Told:
        await asyncio.to_thread(lambda: finish(client.schedule_new_orchestration(fan_out, input=order.count)))
        return {}

    async def one_long(order: Order) -> Told:
        await asyncio.to_thread(lambda: finish(client.schedule_new_orchestration(sequence, input=order.count)))
        return {}

    try:
        yield {"one": each(1), "sequence of 10": each(10), "fan-out": one_wide, "long sequence": one_long}
    finally:
        worker.stop()
        server.stop()


def work(place: Place) -> None:
    """Its client works itself."""
    raise NotImplementedError
