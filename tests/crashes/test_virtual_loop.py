"""The virtual loop: time that jumps, and the things for which it does not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import pytest

from rqflow.testing.clock import VirtualClock
from rqflow.testing.virtual_loop import VirtualLoop


def run(main: Coroutine[Any, Any, Any]) -> Any:
    """On a virtual loop of its own."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(VirtualClock())) as runner:
        return runner.run(main)


def test_timers_come_in_their_order_and_at_their_times() -> None:
    """[A8] Days pass at once; what was set for earlier comes earlier."""

    async def main() -> list[tuple[str, float]]:
        loop, seen = asyncio.get_running_loop(), list[tuple[str, float]]()

        async def one(name: str, seconds: float) -> None:
            await asyncio.sleep(seconds)
            seen.append((name, loop.time()))

        await asyncio.gather(one("day", 86_400), one("second", 1), one("week", 7 * 86_400), one("hour", 3_600))
        return seen

    begun = time.monotonic()
    assert run(main()) == [("second", 1.0), ("hour", 3_600.0), ("day", 86_400.0), ("week", 604_800.0)]
    assert time.monotonic() - begun < 5


def test_a_thread_is_waited_for_in_real_time() -> None:
    """A limit of an hour does not pass while a thread works for a moment."""

    async def main() -> str:
        async with asyncio.timeout(3_600):
            await asyncio.to_thread(time.sleep, 0.12)
        assert asyncio.get_running_loop().time() < 60
        return "in time"

    assert run(main()) == "in time"


def test_a_loop_on_which_nothing_can_happen_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """All tasks wait, and no timer is set: a test that would hang fails."""
    monkeypatch.setattr("rqflow.testing.virtual_loop.PATIENCE", 0.05)

    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    loop = VirtualLoop(VirtualClock())
    waiting = main()
    with pytest.raises(RuntimeError, match="nothing more can happen"):
        loop.run_until_complete(waiting)
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
