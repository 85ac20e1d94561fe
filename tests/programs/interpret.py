"""Interpret: the one workflow that runs any program, in the words that users write, and its activities."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Any

from rqflow.authoring.activity_face import activity
from rqflow.authoring.children import ChildHandle
from rqflow.authoring.workflow_face import workflow
from rqflow.core.options import Retry
from rqflow.errors import ActivityFailed, ChildFailed, SignalFailed
from tests.programs.language import (
    Child,
    Count,
    Draw,
    Echo,
    Gather,
    Group,
    Hear,
    Leave,
    Nap,
    Node,
    Note,
    Nowhere,
    Oops,
    Program,
    Race,
    Seq,
    Shield,
    Step,
    Try,
    Within,
    from_json,
    to_json,
)

UNIT = 10.0
"""Seconds of a unit, where time is virtual."""
chance = Random(4711)
"""What a side effect draws from: another value each time, were it drawn again."""


faults: list[str] = []
"""What went wrong in a way that the program itself could hide; any run of this process, replays too."""


class Raised(Exception):
    """What a program raises."""


@activity
async def step(tag: int, failures: int) -> int:
    """Fails so often, attempts that were lost with their worker not counted."""
    return _attempt(tag, failures)


@activity
def step_in_thread(tag: int, failures: int) -> int:
    """As `step`, in a thread."""
    return _attempt(tag, failures)


def _attempt(tag: int, failures: int) -> int:
    info = activity.info()
    if info.attempt - info.losses <= failures:
        raise ValueError(f"step {tag}")
    return tag


@activity
async def same(value: Any) -> Any:
    """Gives back what it was given."""
    return value


@workflow
async def run_program(program: Any, unit: float, number: int, values: list[Any], counts: dict[str, int]) -> Any:
    """Run number `number` of a program: earlier runs gave `values`, and took so many updates and signals."""
    parsed: Program = from_json(program)
    telling = Interpreter(unit, Counter(counts))
    telling.listen()
    try:
        values.append(await telling.run(parsed.runs[number]))
    except Exception as error:
        raise Raised(described(error)) from error
    if number + 1 < len(parsed.runs):
        run_program.continue_as_new(program, unit, number + 1, values, dict(telling.counts))
    return values


def described(error: BaseException) -> str:
    """What the reference calls it."""
    match error:
        case Raised():
            return str(error)
        case ActivityFailed(failure=failure) | ChildFailed(failure=failure) if failure is not None:
            if failure.kind == "canceled":
                return "child canceled"
            return failure.message if isinstance(error, ActivityFailed) else f"child {failure.message}"
        case SignalFailed():
            return "nowhere"
        case TimeoutError():
            return "timeout"
        case BaseExceptionGroup():
            return f"group[{', '.join(sorted(map(described, error.exceptions)))}]"
        case _:
            return f"unexpected {type(error).__name__}: {error}"


class Interpreter:
    """One run of a program."""

    def __init__(self, unit: float, counts: Counter[str]) -> None:
        self._unit = unit
        self.counts = counts
        """Updates (`/update`) and signals, by their names."""

    def listen(self) -> None:
        """Count updates."""

        @workflow.on_update("count")
        def count() -> int:
            self.counts["/update"] += 1
            return self.counts["/update"]

    def listen_late(self) -> None:
        """Have a handler take the signals that wait already, and those that come."""

        @workflow.on_signal("handled")
        def handle(value: int) -> None:
            self._took("handled", value)

    def _took(self, name: str, value: int) -> int:
        """[P8] A signal was taken: it must be the next of its name."""
        if value != self.counts[name]:
            faults.append(f"signal {name} number {value} came as number {self.counts[name]}")
        self.counts[name] += 1
        return value

    async def run(self, node: Node) -> Any:
        """What a node gives, or raises."""
        match node:
            case Nap(units=units, named=named, tag=tag):
                seconds = units * self._unit
                await (workflow.sleep(seconds, name=f"nap {tag}") if named else asyncio.sleep(seconds))
                return tag
            case Hear(name=name):
                return self._took(name or "trunk", await workflow.receive(name or "trunk", int))
            case Count(what=what, least=least, tag=tag):
                counted = "/update" if what == "updates" else what
                if what == "handled":
                    self.listen_late()
                if least:
                    await workflow.wait_until(lambda: self.counts[counted] >= least)
                return tag
            case Seq(parts=parts):
                return [await self.run(part) for part in parts]
            case Within(units=units, body=body):
                async with asyncio.timeout(units * self._unit):
                    return await self.run(body)
            case Try():
                return await self._try(node)
            case Gather() | Group() | Race() | Shield():
                return await self._many(node)
            case Child() | Leave():
                return await self._child(node)
            case Oops(tag=tag):
                raise Raised(f"oops {tag}")
            case _:
                return await self._plain(node)

    async def _plain(self, node: Step | Draw | Note | Echo | Nowhere) -> Any:
        match node:
            case Step(failures=failures, attempts=attempts, delay=delay, thread=thread, local=local, tag=tag):
                chosen = step_in_thread if thread else step
                if local:
                    chosen = chosen.options(local="durable" if local == "durable" else True)
                wait = timedelta(seconds=0 if local else delay * self._unit)
                retry = Retry(max_attempts=attempts, initial=wait, coefficient=1.0, max_interval=wait, jitter=0.0)
                return await chosen.options(retry=retry)(tag, failures)
            case Draw(what=what):
                drawn = _draw(what)
                return await same(drawn) == drawn
            case Note(what=what, tag=tag):
                _note(what, tag)
                return tag
            case Echo(tag=tag):
                await workflow.signal(workflow.info().instance, f"echo-{tag}", tag)
                return await workflow.receive(f"echo-{tag}", int)
            case Nowhere():
                return await workflow.signal("no such instance", "anything")

    async def _try(self, node: Try) -> Any:
        try:
            try:
                return ["fine", await self.run(node.body)]
            except Exception as error:
                if node.rescue is None:
                    raise
                return ["rescued", described(error), await self.run(node.rescue)]
        finally:
            if node.cleanup is not None:
                await self.run(node.cleanup)

    async def _many(self, node: Gather | Group | Race | Shield) -> Any:
        match node:
            case Gather(parts=parts, collect=False):
                return await asyncio.gather(*map(self.run, parts))
            case Gather(parts=parts):
                ended = await asyncio.gather(*map(self.run, parts), return_exceptions=True)
                return [["bad", described(end)] if isinstance(end, BaseException) else ["good", end] for end in ended]
            case Group(parts=parts):
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(self.run(part)) for part in parts]
                return [task.result() for task in tasks]
            case Race(parts=parts):
                return await _race([asyncio.create_task(self.run(part)) for part in parts])
            case Shield(body=body):
                return await workflow.shield(asyncio.create_task(self.run(body)))

    async def _child(self, node: Child | Leave) -> Any:
        program = to_json(Program(runs=(node.body,)))
        if isinstance(node, Leave):
            name = f"{workflow.info().instance}.{node.tag}"
            left = run_program.options(id=name, parent_close=node.policy)
            await workflow.start_child(left, program, self._unit, 0, [], {}).started()
            return node.tag
        if not node.handle:
            [value] = await run_program(program, self._unit, 0, [], {})
        else:
            [value] = await self._steer(workflow.start_child(run_program, program, self._unit, 0, [], {}), node)
        return ["child", value]

    async def _steer(self, handle: ChildHandle[Any], node: Child) -> Any:
        # Nobody minds whether the child is still there to hear it.
        told: list[asyncio.Future[None]] = [handle.signal("trunk", number) for number in range(node.signals)]
        if told:
            await asyncio.wait(told)
        if node.cancel_after >= 0:
            await asyncio.sleep(node.cancel_after * self._unit)
            told.append(handle.cancel("enough"))
            await asyncio.wait(told)
        for each in told:
            each.exception()
        return await handle.result()


async def _race(tasks: list[asyncio.Task[Any]]) -> Any:
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        # A set, as users would walk it: its order must be the same at each replay.
        winner = done.pop()
        return [tasks.index(winner), winner.result()]
    finally:
        for loser in set(tasks):
            loser.cancel()
        await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled():
                task.exception()  # seen


def _draw(what: str) -> Any:
    draws: dict[str, Callable[[], Any]] = {
        "effect": lambda: workflow.side_effect(chance.random),
        "random": lambda: workflow.random().random(),
        "uuid": lambda: str(workflow.uuid4()),
        "now": lambda: workflow.now().isoformat(),
    }
    return draws[what]()


def _note(what: str, tag: int) -> None:
    match what:
        case "status":
            workflow.set_status(tag)
        case "attribute":
            workflow.set_attributes(tag=tag)
        case _:
            workflow.emit("noted", tag)
