"""Limits: who passes one, in workflow code or through a client, is told which, and nobody else is touched."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import fields
from pathlib import Path

import pytest

from rqflow.backend.calls.hubs import Limits
from rqflow.backend.opening import open_backend, open_sync_backend
from rqflow.client.asynchronous import AsyncClient
from rqflow.client.options import ClientOptions
from rqflow.errors import BadInput, InstanceNotFound, LimitReached, PayloadTooLarge, QueryFailed, WorkflowFailed
from rqflow.worker.options import WorkerOptions
from rqflow.worker.worker import Worker
from tests.client import greedy as samples
from tests.client.conftest import Place
from tests.client.greedy import BIG, beating, greedy, talkative

ROOT = Path(__file__).parents[2]
TIGHT = Limits(
    payload_bytes=2_000, id_bytes=100, name_bytes=50, inbox_events=5, history_events=30, history_bytes=6_000,
    outstanding=5, attributes=3, children=2,
)  # fmt: skip


SAYS = {
    "events": "LimitReached: events in one history: the limit is 30",
    "bytes": "LimitReached: bytes in one history: the limit is 6,000",
    "outstanding": "LimitReached: activities, timers and children .* waits for: the limit is 5",
    "children": "LimitReached: open children of .*: the limit is 2",
    "status": "PayloadTooLarge: SetStatus: value: the encoded value is 3,002 bytes, the limit is 2,000",
    "result": "PayloadTooLarge: workflow greedy: result: .* the limit is 2,000",
    "arguments": "PayloadTooLarge: activity echo: arguments: .* the limit is 2,000",
    "attributes": "LimitReached: attributes of an instance: the limit is 3",
    "attribute": "BadInput: attribute a is 300 bytes long, the limit is 256",
    "child id": "BadInput: workflow kid: child id must be text of 1 to 512 bytes",
    "name": "BadInput: activity name has 300 characters, the limit is 200",
}


@pytest.fixture
async def client(redis_place: Place) -> AsyncIterator[AsyncClient]:
    """Of a hub with near limits."""
    async with AsyncClient(redis_place.url, hub=redis_place.hub, options=ClientOptions(limits=TIGHT)) as made:
        yield made


@pytest.fixture
async def worker(redis_place: Place) -> AsyncIterator[Worker]:
    """It has the same limits."""
    backend = await open_backend(redis_place.url, redis_place.hub, limits=TIGHT)
    leases = open_sync_backend(redis_place.url, redis_place.hub, limits=TIGHT)
    async with Worker(samples.registry(), backend=backend, leases=leases, options=WorkerOptions(seed=1)) as serving:
        yield serving
    await backend.close()
    leases.close()


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("what", [*SAYS])
async def test_p10_workflow_code_that_passes_a_limit_fails_and_says_which(client: AsyncClient, what: str) -> None:
    """[P10] The run ends with the limit's name and number; what it had asked for in that turn is not done."""
    handle = await client.start(greedy, what)
    with pytest.raises(WorkflowFailed, match=SAYS[what]):
        await handle.result(20)
    row = await handle.describe()
    assert (row.status, row.timers, row.pending) == ("failed", 0, ())
    assert await _count(client, "kid", "running") == 0


@pytest.mark.usefixtures("worker")
async def test_an_activity_that_returns_too_much_fails_and_its_workflow_may_go_on(client: AsyncClient) -> None:
    """[P10] It is not tried again: another try would not be smaller. Too long a heartbeat is the activity's error."""
    assert "activity echo, result" in await (await client.start(greedy, "answer")).result(20)
    assert "PayloadTooLarge: activity beat: heartbeat details" in await (await client.start(beating)).result(20)


@pytest.mark.usefixtures("worker")
async def test_an_answer_that_is_too_long_is_refused_to_whoever_asked(client: AsyncClient) -> None:
    """[P10] The instance goes on."""
    handle = await client.start(talkative)
    with pytest.raises(QueryFailed, match="query much: answer"):
        await handle.query("much")
    await handle.signal("go", "on")
    assert await handle.result(20) == "on"


async def test_p10_clients_are_refused_before_or_without_anything_being_written(client: AsyncClient) -> None:
    """[P10] Payloads, ids, names, attributes; and an inbox that is full, for whoever sends one more."""
    handle = await client.start("waiting", id="order")
    for arguments, options, error in (
        ((BIG,), {}, PayloadTooLarge), ((), {"id": "i" * 101}, BadInput), ((), {"queue": "q" * 51}, BadInput),
        ((), {"attributes": {f"a{n}": n for n in range(4)}}, BadInput),
        ((), {"attributes": {"a": "v" * 300}}, BadInput),
    ):  # fmt: skip
        with pytest.raises(error):
            await client.start("waiting", *arguments, **options)
    with pytest.raises(PayloadTooLarge):
        await handle.signal("note", BIG)
    with pytest.raises(BadInput):
        await handle.signal("n" * 51)
    for _ in range(4):
        await handle.signal("note")
    with pytest.raises(LimitReached, match="news that wait for order: the limit is 5") as refused:
        await handle.signal("note")
    assert refused.value.limit == 5
    assert (await handle.describe()).inbox_length == 5
    assert [row.instance async for row in client.list()] == ["order"]
    with pytest.raises(InstanceNotFound):
        await client.describe("i")


async def _count(client: AsyncClient, workflow: str, status: str) -> int:
    return len([row async for row in client.list(workflow=workflow, status=status)])


def test_the_page_of_limits_tells_each_limit_and_its_default() -> None:
    """A limit that is added, or a default that is changed, is missed here."""
    page = (ROOT / "docs" / "limits.md").read_text(encoding="utf-8")
    for field in fields(Limits):
        [line] = [line for line in page.splitlines() if line.startswith(f"| `{field.name}`")]
        assert f"{getattr(Limits(), field.name):,}" in line, line
