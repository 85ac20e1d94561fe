"""Drivers: threads, forks, event loops, and what a client holds open."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from rqflow.backend.memory.opening import open_memory, open_memory_sync
from rqflow.client.asynchronous import AsyncClient
from rqflow.client.sync import Client
from rqflow.errors import BadInput, WorkflowTerminated
from tests.client.conftest import Place
from tests.client.face import Face


async def test_a_closed_client_says_so(face: Face) -> None:
    """It does not connect anew behind its owner's back."""
    await face.start("checkout")
    await face.close()
    with pytest.raises(BadInput, match="closed"):
        await face.start("checkout")


def test_a_backend_that_was_given_stays_open() -> None:
    """Who opened it closes it."""
    backend = open_memory_sync("given", "default")
    with Client(backend=backend) as client:
        client.start("checkout", id="order-1")
    assert Client(backend=backend).describe("order-1").instance == "order-1"


async def test_an_asynchronous_client_is_a_context_manager() -> None:
    """The twin of the blocking one."""
    async with AsyncClient(backend=open_memory("given too", "default")) as client:
        handle = await client.start("checkout")
        assert (await handle.describe()).status == "running"


def test_one_client_serves_fifty_threads(place: Place) -> None:
    """[F2] Starts, signals, waits and reads of all of them, through few connections."""
    gate = threading.Barrier(50)

    def work(number: int) -> str:
        gate.wait(30)
        handle = client.start("checkout", number, id=f"order-{number}")
        handle.signal("approve", number)
        handle.terminate("enough")
        with pytest.raises(WorkflowTerminated):
            handle.result(timeout=30)
        return handle.describe().status

    with Client(place.url, hub=place.hub) as client, ThreadPoolExecutor(50) as pool:
        assert list(pool.map(work, range(50))) == ["terminated"] * 50


FORKING = """
import os, sys
from rqflow.client.sync import Client
client = Client(sys.argv[1], hub=sys.argv[2])
client.start("checkout", id="before")
children = []
for number in range(4):
    child = os.fork()
    if not child:
        for turn in range(25):
            client.start("checkout", id=f"child-{number}-{turn}")
            assert client.describe(f"child-{number}-{turn}").instance == f"child-{number}-{turn}"
        os._exit(0)
    children.append(child)
for turn in range(25):
    client.start("checkout", id=f"parent-{turn}")
    assert client.describe(f"parent-{turn}").instance == f"parent-{turn}"
for child in children:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
print(len(list(client.list())))
"""


def test_a_client_may_be_used_on_both_sides_of_a_fork(redis_place: Place) -> None:
    """A child opens its own connection: nobody reads another's answers."""
    run = subprocess.run(
        [sys.executable, "-c", FORKING, redis_place.url, redis_place.hub],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (run.returncode, run.stdout.strip()) == (0, "126"), run.stderr


def test_an_asynchronous_client_follows_its_owner_into_the_next_event_loop() -> None:
    """asyncio.run twice, as scripts and test suites do."""
    client = AsyncClient("memory://two-loops")

    async def start() -> str:
        return (await client.start("checkout")).id

    first, second = asyncio.run(start()), asyncio.run(start())
    assert first != second


async def test_an_asynchronous_client_is_refused_to_a_second_live_loop() -> None:
    """Two loops cannot share a connection; the error says what to do."""
    client = AsyncClient("memory://live-loops")
    await client.start("checkout")

    def other() -> None:
        asyncio.run(_start(client))

    with pytest.raises(BadInput, match="one client for each loop"):
        await asyncio.to_thread(other)


async def _start(client: AsyncClient) -> None:
    await client.start("checkout")


async def test_an_iteration_that_is_broken_off_lets_go_of_its_watch(place: Place) -> None:
    """The client goes on as if nothing had been watched."""
    async with AsyncClient(place.url, hub=place.hub) as client:
        handle = await client.start("checkout")
        watching = handle.watch()
        assert (await anext(watching)).status == "running"
        await watching.aclose()
        assert await handle.terminate()


async def test_a_cancelled_wait_leaves_nothing_behind(place: Place) -> None:
    """asyncio.timeout around a wait is as good as its own timeout."""
    async with AsyncClient(place.url, hub=place.hub) as client:
        handle = await client.start("checkout")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await handle.result()
        assert await handle.terminate()


def test_help_shows_the_verbs_as_methods() -> None:
    """Docstring and parameters are the flow's, without what the client fills in."""
    assert Client.signal.__doc__ == AsyncClient.signal.__doc__
    assert "inbox" in (Client.signal.__doc__ or "")
