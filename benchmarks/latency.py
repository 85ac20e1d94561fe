"""Latency: how late a timer is, how soon a one-activity workflow answers, and what both cost, on an idle system.

    python benchmarks/latency.py [URL]

Without a URL a private redis-server is started. Prints medians; asserts nothing.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from uuid import uuid4

from rqflow.authoring.activity_face import activity
from rqflow.authoring.registry import Registry
from rqflow.authoring.workflow_face import workflow
from rqflow.backend.opening import create_hub, delete_hub, open_backend, open_sync_backend
from rqflow.backend.redis.embedded import EmbeddedServer
from rqflow.client.asynchronous import AsyncClient
from rqflow.worker.options import WorkerOptions
from rqflow.worker.worker import Worker

ROUNDS = 100
DELAY = 0.05


@activity
async def echo(value: int) -> int:
    return value


@workflow
async def one_activity(value: int) -> int:
    return await echo(value)


@workflow
async def timer() -> float:
    before = workflow.now()
    await asyncio.sleep(DELAY)
    return (workflow.now() - before).total_seconds()


async def measure(url: str) -> None:
    """Start, await and time each instance by itself."""
    hub = f"latency-{uuid4().hex[:8]}"
    create_hub(url, hub)
    backend, leases = await open_backend(url, hub), open_sync_backend(url, hub)
    client = AsyncClient(url, hub=hub)
    try:
        async with Worker(
            Registry([one_activity, timer, echo]), backend=backend, leases=leases, options=WorkerOptions()
        ):
            answers: list[float] = []
            late: list[float] = []
            for number in range(ROUNDS + 5):
                begun = time.perf_counter()
                await (await client.start(one_activity, number)).result(timeout=10)
                answers.append((time.perf_counter() - begun) * 1000)
            for _ in range(ROUNDS // 4):
                waited: float = await (await client.start(timer)).result(timeout=10)
                late.append((waited - DELAY) * 1000)
        answers = answers[5:]
        show("one-activity workflow, start to result", answers)
        show(f"timer of {DELAY * 1000:.0f} ms, lateness", late)
    finally:
        await client.close()
        leases.close()
        await backend.close()
        delete_hub(url, hub, force=True)


def show(what: str, values: list[float]) -> None:
    """A line of the report."""
    worst = statistics.quantiles(values, n=20)[-1]
    print(f"{what}: median {statistics.median(values):.2f} ms, 95 % within {worst:.2f} ms ({len(values)} rounds)")


def main() -> None:
    if len(sys.argv) > 1:
        asyncio.run(measure(sys.argv[1]))
        return
    with EmbeddedServer() as server:
        asyncio.run(measure(server.url))


if __name__ == "__main__":
    main()
