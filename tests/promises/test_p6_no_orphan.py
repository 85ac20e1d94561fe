"""P6: an instance with news always has exactly one task; nothing stays stuck that any worker could do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from rqflow.backend.calls.tasks import GiveBack, Stall, WorkflowTask
from rqflow.client.handle import AsyncHandle
from rqflow.errors import Conflict, LeaseLost
from tests.promises.ghost import Ghost
from tests.promises.verbs import collecting
from tests.promises.yard import Yard

SIGNALS = 12
"""That an instance waits for."""


class Chaos:
    """A hub to which everything happens in an order that nobody has thought of."""

    def __init__(self, yard: Yard, seed: int) -> None:
        self.yard = yard
        self.random = Random(seed)
        self.handles: list[AsyncHandle[list[int]]] = []
        self.sent: list[int] = []
        """How many signals each instance has been sent."""
        self.ghosts: list[Ghost] = []
        self.held: list[tuple[Ghost, WorkflowTask]] = []
        self._count = 0

    async def begin(self) -> Chaos:
        for _ in range(3):
            self.handles.append(await self.yard.client.start(collecting, SIGNALS, 5, []))
            self.sent.append(0)
        for _ in range(2):
            await self.new_ghost()
        return self

    async def step(self) -> str:
        """Something happens; what."""
        verbs: list[Callable[[], Awaitable[None]]] = [
            self.signal, self.signal, self.take, self.take, self.turn, self.turn, self.part_of_a_turn, self.give_back,
            self.give_back_for_later, self.stall, self.suspend, self.resume, self.die, self.wait_for_tasks,
        ]  # fmt: skip
        verb = self.random.choice(verbs)
        await verb()
        return verb.__name__

    def any_handle(self) -> AsyncHandle[list[int]]:
        return self.random.choice(self.handles)

    def any_held(self) -> tuple[Ghost, WorkflowTask] | None:
        """A task that some ghost has, or once had: nothing keeps it from using it twice."""
        return self.random.choice(self.held) if self.held else None

    async def new_ghost(self) -> None:
        self._count += 1
        self.ghosts.append(await Ghost(self.yard, f"ghost-{self._count}", build=f"build-{self._count}").register())

    async def signal(self) -> None:
        at = self.random.randrange(len(self.handles))
        if self.sent[at] < SIGNALS:
            try:
                await self.handles[at].signal("number", self.sent[at])
            except Conflict:
                return
            self.sent[at] += 1

    async def take(self) -> None:
        ghost = self.random.choice(self.ghosts)
        found = await ghost.take(room=self.random.randint(1, 3), again=self.random.random() < 0.3)
        self.held += [(ghost, task) for task in found if isinstance(task, WorkflowTask)]
        del self.held[:-6]

    async def wait_for_tasks(self) -> None:
        """A blocked read that brings something which its worker never sees: it dies or asks again."""
        ghost, at = self.random.choice(self.ghosts), self.random.choice(self.ghosts[0].partitions)
        take = ghost.take_call(at)
        await self.yard.backend.wait_for_tasks(at, ghost.id, take.subscription, timedelta(milliseconds=1))

    async def turn(self) -> None:
        if held := self.any_held():
            await held[0].turn(held[1])

    async def part_of_a_turn(self) -> None:
        if held := self.any_held():
            # A resumed instance has a turn even if it has no news.
            news = len(held[1].inbox)
            await held[0].turn(held[1], min(news, self.random.randint(1, max(1, news))))

    async def _give_back(self, delay: timedelta) -> None:
        if held := self.any_held():
            ghost, task = held
            call = GiveBack(
                partition=task.partition, instance=task.instance, run=task.run, token=task.token, delay=delay
            )
            await ghost.send(call)

    async def give_back(self) -> None:
        await self._give_back(timedelta(0))

    async def give_back_for_later(self) -> None:
        await self._give_back(timedelta(milliseconds=self.random.randint(1, 200)))

    async def stall(self) -> None:
        if held := self.any_held():
            ghost, task = held
            await ghost.send(
                Stall(
                    partition=task.partition, instance=task.instance, run=task.run, token=task.token, reason="chaos",
                    build=ghost.build,
                )
            )  # fmt: skip

    async def suspend(self) -> None:
        await self._quietly(self.any_handle().suspend("chaos"))

    async def resume(self) -> None:
        await self._quietly(self.any_handle().resume("chaos"))

    async def _quietly(self, doing: Awaitable[Any]) -> None:
        try:
            await doing
        except Conflict:
            return

    async def die(self) -> None:
        victim = self.ghosts.pop(self.random.randrange(len(self.ghosts)))
        await self.new_ghost()
        await self.ghosts[-1].succeed(victim)


@pytest.mark.parametrize("seed", [1, 2])
async def test_p6_whatever_happens_news_have_one_task_and_all_ends(ground: Yard, seed: int) -> None:
    """[P6, P2, P8] [A4] Signals, turns, half turns, stale turns, tasks given back, stalls, suspensions and deaths,
    in random order: after each, every instance with news has exactly one task; then one worker ends them all."""
    chaos = await Chaos(ground, seed + ground.cache_size).begin()
    for number in range(100):
        what = await chaos.step()
        try:
            ground.store.check()
        except AssertionError as error:
            error.add_note(f"seed {seed}, step {number}: {what}")
            raise
    for at, handle in enumerate(chaos.handles):
        await chaos._quietly(handle.resume("enough"))
        while chaos.sent[at] < SIGNALS:
            await handle.signal("number", chaos.sent[at])
            chaos.sent[at] += 1
    for ghost in chaos.ghosts:
        await ghost.register(timedelta(milliseconds=1))
    async with ground.worker(sweep=timedelta(milliseconds=50), max_losses=1_000):
        assert await ground.results(chaos.handles) == [list(range(SIGNALS))] * len(chaos.handles)
    await ground.check(chaos.handles)


async def test_p6_no_worker_is_told_of_what_it_must_not_do(ground: Yard) -> None:
    """[P6, P3] After a death the old holder's turn is refused and the new one's counts: still one task."""
    first, second = await Ghost(ground, "first").register(), await Ghost(ground, "second").register()
    handle = await ground.client.start(collecting, 2, 2, [])
    [old] = [task for task in await first.take() if isinstance(task, WorkflowTask)]
    await second.succeed(first)
    await handle.signal("number", 1)
    [new] = [task for task in await second.take() if isinstance(task, WorkflowTask)]
    assert (len(old.inbox), len(new.inbox), new.deliveries) == (1, 2, 2)
    assert isinstance(await first.turn(old), LeaseLost)
    ground.store.check()
    assert not isinstance(await second.turn(new), Exception)
    ground.store.check()
