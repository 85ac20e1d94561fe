"""DBOS: workflows in the client's process, steps by call, durable in SQLite or PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

from benchmarks.stage import Act, Place, stepped

DISTRIBUTION = "dbos"
library: Any = import_module("dbos")


@asynccontextmanager
async def acts(place: Place) -> AsyncIterator[Mapping[str, Act]]:
    """What it can do: asynchronous workflows, as it advises for many at a time."""
    dbos = library.DBOS
    url = f"sqlite:///{Path(place.folder) / 'dbos.sqlite'}" if place.variant == "sqlite" else place.url
    schema = f"bench_{uuid4().hex[:8]}"
    dbos(config={"name": "peer", "system_database_url": url, "log_level": "WARNING", "dbos_system_schema": schema})

    async def echo(value: int) -> int:
        return value

    step = dbos.step()(echo)

    async def sequence(steps: int) -> int:
        for number in range(steps):
            await step(number)
        return steps

    async def fan_out(width: int) -> int:
        return len(await asyncio.gather(*(step(number) for number in range(width))))

    sequences, fans = dbos.workflow()(sequence), dbos.workflow()(fan_out)
    dbos.launch()

    async def run(workflow: Any, size: int) -> None:
        await (await dbos.start_workflow_async(workflow, size)).get_result()

    try:
        yield stepped(partial(run, sequences), partial(run, fans))
    finally:
        dbos.destroy()
        if place.variant == "postgres":
            with import_module("psycopg").connect(place.url) as database:
                database.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")


def work(place: Place) -> None:
    """Its client works itself."""
    raise NotImplementedError
