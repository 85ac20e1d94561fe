"""What may have killed a worker is tried apart: turns one at a time, activities in processes of their own (P7)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from rqflow.authoring.registry import load_modules
from rqflow.backend.calls.suspects import BeginTurn
from rqflow.backend.calls.tasks import ActivityTask, CompleteActivity, GiveBack, RetryActivity, WorkflowTask
from rqflow.core.options import ActivityOptions
from rqflow.core.wire import encode_options
from rqflow.errors import LeaseLost
from rqflow.worker.activities import Activities
from rqflow.worker.containing import mode_of
from rqflow.worker.item import Item, Outlet
from rqflow.worker.options import WorkerOptions
from rqflow.worker.standing import Standing
from rqflow.worker.trials import Trials
from rqflow.worker.unknown import UnknownNames
from tests.promises.poisons import die_in_loop
from tests.promises.verbs import DEADLY, effects

TURN = WorkflowTask(
    partition=0, instance="order", run="run", token="1-0@workflows:default", workflow="checkout", queue="default",
    history_length=0, history_bytes=0, history=(), history_from=0, inbox=(b"1 i x",), deliveries=2, build="",
)  # fmt: skip


class Noted:
    """An outlet that keeps what it is offered."""

    partition = 0

    def __init__(self) -> None:
        self.items: list[Item] = []
        self._more = asyncio.Event()

    def offer(self, item: Item) -> None:
        self.items.append(item)
        self._more.set()

    def relay_soon(self) -> None: ...

    async def next(self) -> Any:
        """The call offered last, once there is a new one."""
        async with asyncio.timeout(30):
            await self._more.wait()
        self._more.clear()
        return self.items[-1].call


def attempt(folder: Path, losses: int, id: int = 1) -> ActivityTask:
    """An attempt of a deadly activity."""
    return ActivityTask(
        partition=0, instance="order", run="run", id=id, token=f"{id}-0@1@run", name="die_in_loop", queue="default",
        workflow="checkout", payload=die_in_loop.encode_call((str(folder), "exit"), {}), attempt=losses + 1,
        losses=losses, options=encode_options(ActivityOptions()), scheduled_at_ms=0, started_at_ms=0, details=b"",
    )  # fmt: skip


def activities(**options: Any) -> Activities:
    registry, chosen = load_modules(["tests.promises.poisons"]), WorkerOptions(**options)
    return Activities(
        registry=registry, options=chosen, standing=Standing(registry, chosen, "b"), payload_limit=1_000,
        unknown=UnknownNames(), release=lambda partition, token: None, changed=lambda: None, random=Random(1),
    )  # fmt: skip


async def test_p7_a_contained_attempt_ends_nobody_but_itself(tmp_path: Path) -> None:
    """It is a loss more, until there are too many; an async function is contained like any other."""
    (tmp_path / DEADLY).touch()
    outlet = Noted()
    parts = activities(max_losses=3)
    parts.accept(attempt(tmp_path, 2), outlet)
    told = await outlet.next()
    assert isinstance(told, RetryActivity)
    assert told.lost
    assert told.delay.total_seconds() > 0
    parts.accept(attempt(tmp_path, 3), outlet)
    told = await outlet.next()
    assert isinstance(told, CompleteActivity)
    assert b"die_in_loop was lost with 4 workers" in told.event
    assert b"exit code 3" in told.event
    (tmp_path / DEADLY).unlink()
    parts.accept(attempt(tmp_path, 2), outlet)
    assert b"survived" in (await outlet.next()).event
    assert len({effect.pid for effect in effects(tmp_path)}) == 3
    await parts.close()


async def test_p10_contained_attempts_have_the_processes_that_there_are(tmp_path: Path) -> None:
    """What finds none free goes back, and takes no slot from those that need no process."""
    outlet = Noted()
    parts = activities(processes=1)
    parts.accept(attempt(tmp_path, 2), outlet)
    parts.accept(attempt(tmp_path, 2, id=2), outlet)
    back = await outlet.next()
    assert isinstance(back, GiveBack)
    assert (back.activity, back.delay.total_seconds()) == (2, 1.0)
    assert b"survived" in (await outlet.next()).event
    await parts.close()


def test_an_activity_that_no_other_process_can_find_stays_where_it_is(tmp_path: Path) -> None:
    """One made inside a function, say. And a first loss contains nobody, unless there is only one to spend."""
    registry = load_modules(["tests.promises.poisons"])
    die, task = registry.activities["die_in_loop"], attempt(tmp_path, 2)
    assert mode_of(die, task, WorkerOptions()) == "process"
    assert mode_of(die.options(), task, WorkerOptions()) == "async"
    assert mode_of(die, replace(task, losses=1), WorkerOptions()) == "async"
    assert mode_of(die, replace(task, losses=9), WorkerOptions(contain_after=0)) == "async"
    assert mode_of(die, replace(task, losses=1), WorkerOptions(max_losses=1)) == "process"


async def test_p7_suspect_turns_are_tried_one_at_a_time_the_least_suspect_first() -> None:
    """The next begins when the store has heard of the one before; one that is another's by now is left to that one."""
    outlet, begun, ended = Noted(), list[tuple[WorkflowTask, Outlet]](), list[bool]()
    trials = Trials(lambda task, at: begun.append((task, at)), lambda partition, taken: ended.append(taken))
    first, third, second = (replace(TURN, token=f"{n}-0@w", deliveries=deliveries) for n, deliveries in
                            ((1, 3), (2, 5), (3, 2)))  # fmt: skip
    for task in (first, third, second):
        trials.add(task, outlet)
    for task in (first, second):
        [item] = outlet.items
        assert item.call == BeginTurn(partition=0, instance="order", run="run", token=task.token)
        outlet.items.clear()
        item.answered(None)
        assert trials.is_current(begun[-1][0])
        assert begun[-1][0] is task
        begun[-1][1].offer(Item(item.call, lambda answer: None))
        outlet.items.pop().answered(None)
    [item] = outlet.items
    outlet.items.clear()
    item.answered(LeaseLost(third.token))
    assert isinstance(outlet.items[-1].call, GiveBack)
    outlet.items[-1].answered(LeaseLost(third.token))
    assert ended == [True, True, False]
    assert not trials
    trials.add(first, outlet)
    trials.reset()
    outlet.items[-1].answered(LeaseLost(first.token))
    assert not trials
