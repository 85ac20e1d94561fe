"""Stage: how a player is driven: an order is a line of JSON, and is answered by a line that says how it went.

    python -m benchmarks.stage work|drive MODULE PLACE

Standard library alone: a peer may run under another Python, which has no rqflow. An empty line asks it to
leave. A process is killed when its standard input ends, so nothing outlives the command that started it.
"""

from __future__ import annotations

import asyncio
import json
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, Protocol, cast

TICKS = "ticks"
"""A file in the folder of a run: every no-op job makes it longer by a byte, which costs 2 µs and no Redis."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a player plays."""

    url: str
    """Of the Redis."""
    folder: str
    """Files of this run."""
    variant: str = ""
    """Which of its ways."""
    workers: int = 1
    """How many processes work."""
    cache: int = 1_000
    """Live executors that a worker of ours keeps."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What to do."""

    act: str
    count: int
    at_once: int = 1
    """How many may be under way at a time."""


Told = dict[str, Any]
"""What an act tells beside its seconds: single numbers by name, and under `ms` the milliseconds of each."""
Act = Callable[[Order], Awaitable[Told]]


class Player(Protocol):
    """What the module of a player has."""

    DISTRIBUTION: str
    """Its name on PyPI."""

    def work(self, place: Place) -> None:
        """Be a worker until killed. Not called for those whose client works itself."""

    def acts(self, place: Place) -> AbstractAsyncContextManager[Mapping[str, Act]]:
        """All it can do, by name."""


# ---- pieces of acts


async def in_flight(one: Callable[[int], Awaitable[Any]], order: Order) -> Told:
    """`one` for each number, so many at once: the milliseconds of each."""
    numbers = iter(range(order.count))
    taken: list[float] = []

    async def lane() -> None:
        for number in numbers:
            begun = time.perf_counter()
            await one(number)
            taken.append((time.perf_counter() - begun) * 1_000)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(order.at_once, order.count)):
            group.create_task(lane())
    return {"ms": taken}


def stepped(sequence: Callable[[int], Awaitable[Any]], fan_out: Callable[[int], Awaitable[Any]]) -> dict[str, Act]:
    """The acts of one who runs a workflow of so many steps, one after the other or all at a time, to its end."""

    def each(length: int) -> Act:
        return lambda order: in_flight(lambda _: sequence(length), order)

    def single(run: Callable[[int], Awaitable[Any]]) -> Act:
        return lambda order: in_flight(lambda _: run(order.count), Order(act=order.act, count=1))

    return {"one": each(1), "sequence of 10": each(10), "fan-out": single(fan_out), "long sequence": single(sequence)}


async def until(look: Callable[[], bool | Awaitable[bool]], *, every: float) -> None:
    """Look each so many seconds; whoever gave the order knows when it takes too long."""
    while True:
        found = look()
        if found if isinstance(found, bool) else await found:
            return
        await asyncio.sleep(every)


def windowed(start: Callable[[int], Any], finish: Callable[[Any], Any], order: Order) -> Told:
    """The same for those who block: start, and await the oldest when so many are under way."""
    under_way: list[tuple[float, Any]] = []
    taken: list[float] = []

    def end() -> None:
        begun, what = under_way.pop(0)
        finish(what)
        taken.append((time.perf_counter() - begun) * 1_000)

    for number in range(order.count):
        if len(under_way) >= order.at_once:
            end()
        under_way.append((time.perf_counter(), start(number)))
    while under_way:
        end()
    return {"ms": taken}


class Ticks:
    """Counts no-op jobs, whoever does them, in whatever process."""

    def __init__(self, place: Place) -> None:
        self._file = os.open(Path(place.folder) / TICKS, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def tick(self) -> None:
        """One more."""
        os.write(self._file, b".")

    @property
    def count(self) -> int:
        """So many until now."""
        return os.fstat(self._file).st_size

    def flood(self, enqueue: Callable[[int], Awaitable[None]]) -> Act:
        """An act: enqueue so many, and wait until all have run."""

        async def act(order: Order) -> Told:
            wanted = self.count + order.count
            begun = time.perf_counter()
            await enqueue(order.count)
            enqueued = time.perf_counter() - begun
            await until(lambda: self.count >= wanted, every=0.001)
            return {"enqueued in s": enqueued}

        return act


# ---- the process


def main() -> None:
    """Work, or drive."""
    role, name, text = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    orders: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(orders,), daemon=True).start()
    place = Place(**json.loads(text))
    try:
        player = cast(Player, import_module(name))
    except ImportError as error:
        _say(answers, {"missing": str(error)})
        return
    if role == "work":
        player.work(place)
        return
    try:
        asyncio.run(_drive(player, place, orders, answers))
    except Exception as error:
        _say(answers, {"failed": _first_of(error)})
        raise


async def _drive(player: Player, place: Place, orders: queue.SimpleQueue[str], answers: Any) -> None:
    _say(answers, {"version": metadata.version(player.DISTRIBUTION)})
    async with player.acts(place) as acts:
        _say(answers, {"acts": list(acts)})
        while line := await asyncio.to_thread(orders.get):
            order = Order(**json.loads(line))
            begun = time.perf_counter()
            told = await acts[order.act](order)
            _say(answers, {"seconds": time.perf_counter() - begun, "told": told})


def _listen(orders: queue.SimpleQueue[str]) -> None:
    """Read from the bare file: the lock of `sys.stdin`, held here, would hang those who fork and close theirs."""
    rest = b""
    while read := os.read(0, 65_536):
        *lines, rest = (rest + read).split(b"\n")
        for line in lines:
            orders.put(line.decode())
    os.killpg(0, signal.SIGKILL)  # each process of a run leads a group of its own


def _first_of(error: BaseException) -> str:
    """What was the first to go wrong of what went wrong together."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"


def _say(answers: Any, what: Mapping[str, Any]) -> None:
    answers.write(json.dumps(what) + "\n")
    answers.flush()


def command(role: str, module: str, place: Place, *, python: str) -> list[str]:
    """How a process of a player is started."""
    return [python, "-m", "benchmarks.stage", role, module, json.dumps(asdict(place))]


if __name__ == "__main__":
    main()
