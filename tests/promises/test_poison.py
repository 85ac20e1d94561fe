"""P7: what ends its worker's process is tried its share, is shown, and takes nobody with it."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from rqflow.client.handle import AsyncHandle
from rqflow.errors import ResultTimeout, WorkflowFailed
from tests.promises.poisons import COMPANY, WAYS, bad_question, bad_step, bad_turn, good, quick
from tests.promises.verbs import DEADLY, effects
from tests.promises.yard import Yard

POISONS = "tests.promises.poisons"
STRICT = {"lease": 0.5, "max_losses": 1, "modules": POISONS, "processes": 3}
"""Whoever is lost twice is given up: an innocent that is counted with the deadly even once too often is seen."""


async def failure_of(handle: AsyncHandle[str]) -> str:
    """What an instance failed with."""
    with pytest.raises(WorkflowFailed) as caught:
        async with asyncio.timeout(40):
            await handle.result()
    return str(caught.value)


async def stalled(yard: Yard) -> dict[str, str]:
    """Reasons of the stalled instances, by id, as a client lists them."""
    return {row.instance: row.reason async for row in yard.client.list(status="stalled")}


async def test_p7_deadly_workflows_among_two_hundred_others_harm_none(yard: Yard) -> None:
    """[P7] Their turns end in a segmentation fault, `os._exit` and a kill for memory. They are tried apart from all
    others and stall, listed with the reason; the others, which shared a worker with them, complete. A stalled one
    costs nothing while it waits, and goes on when it is mended."""
    yard.hold(DEADLY)
    innocents = [await yard.client.start(quick, number) for number in range(100)]
    deadly = [await yard.client.start(bad_turn, yard.folder, way, id=f"deadly-{way}") for way in WAYS]
    innocents += [await yard.client.start(quick, number) for number in range(100, 200)]
    yard.process(**STRICT)
    assert await yard.results(innocents) == list(range(200))

    async def all_stalled() -> bool:
        return len(await stalled(yard)) == len(WAYS)

    await yard.until(all_stalled)
    assert all("lost with 2 workers" in reason for reason in (await stalled(yard)).values())
    tried = Counter(effect.what for effect in effects(yard.folder))
    assert all(1 <= tried[f"turn {way}"] <= 2 for way in WAYS), tried
    for handle in deadly:
        at = yard.store.at(handle.id)
        assert yard.store.redis.hget(yard.store.key(at, "instance", handle.id), "task") == b""
    yard.store.check()
    yard.release(DEADLY)
    for handle in deadly:
        await handle.resume()
    assert await yard.results(deadly) == ["survived"] * len(WAYS)


async def test_p7_deadly_activities_fail_their_steps_and_no_others(yard: Yard) -> None:
    """[P7] In the loop, in a thread and in a process of their own. Each step fails with an error that says so; those
    that ran beside them are lost with their workers at most once, and complete."""
    yard.hold(DEADLY)
    yard.hold(COMPANY)
    handles: dict[str, AsyncHandle[str]] = {}
    innocents: list[AsyncHandle[list[str]]] = []
    for place, way in (("thread", "segfault"), ("loop", "exit"), ("thread", "memory"), ("process", "segfault")):
        innocents.append(await yard.client.start(good, yard.folder))
        handles[f"{place} {way}"] = await yard.client.start(bad_step, yard.folder, place, way)
    yard.process(**STRICT)
    together = {"thread segfault", "loop exit", "thread memory"}
    await yard.until(lambda: together <= {effect.what for effect in effects(yard.folder)})
    yard.release(COMPANY)
    assert await yard.results(innocents) == [["done", "done"]] * len(innocents)
    said = {name: await failure_of(handle) for name, handle in handles.items()}
    assert "die_in_thread was lost with 2 workers" in said["thread segfault"]
    assert "die_in_loop was lost with 2 workers" in said["loop exit"]
    assert "exit code 3" in said["loop exit"]
    assert "die_in_thread was lost with 2 workers" in said["thread memory"]
    assert "SIGKILL" in said["thread memory"]
    assert "SIGSEGV" in said["process segfault"]
    tried = Counter(effect.what for effect in effects(yard.folder))
    # One in a process of its own fails by itself, twice as its policy says, and may be lost beside a deadly one before.
    assert all(tried[name] <= (3 if name.startswith("process") else 2) for name in handles), tried
    assert tried["process segfault"] == 2, "what runs in a process of its own has the attempts of its policy"


async def test_p7_a_question_that_kills_its_worker_is_given_up(yard: Yard) -> None:
    """[P7] It is asked of a second worker, not of a third; whoever asked learns that there is no answer."""
    yard.hold(DEADLY)
    yard.process(**STRICT)
    assert await yard.results([await yard.client.start(quick, 1)]) == [1], "the worker is there before it is asked"
    handle = await yard.client.start(bad_question, yard.folder)
    with pytest.raises(ResultTimeout):
        await handle.query("deadly", timeout=5)
    assert 1 <= len(effects(yard.folder, "question")) <= 2
    yard.release(DEADLY)
    await handle.signal("go", "on")
    assert await yard.results([handle]) == ["on"]
