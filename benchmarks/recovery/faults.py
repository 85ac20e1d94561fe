"""Faults: one function each, which does it to a scene and says for how many seconds work stood still."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.recovery.scene import Scene, kill, send
from benchmarks.recovery.work import after_signal, one_step, one_turn, steps

PAUSE = 1.0
"""Seconds that a pause or a cut lasts; its end is when the clock of recovery begins."""


@dataclass(frozen=True)
class Fault:
    """What is done, and from when to when is measured."""

    title: str
    since: str
    trial: Callable[[Scene], Awaitable[float]]
    target: float | None = None
    """Seconds that were promised."""
    beside: int = 1
    """So many trials run beside each other: those that mostly wait may."""

    async def run(self, folder: Path, seed: int) -> float:
        """One trial on a scene of its own."""
        async with Scene(folder, seed) as scene:
            return await self.trial(scene)


async def activity_lost(scene: Scene, *options: str, how: signal.Signals = signal.SIGKILL) -> float:
    """A worker gets a signal in the middle of an activity: until the next attempt begins elsewhere."""
    scene.hold()
    first = await scene.worker(*options)
    handle = await scene.start(one_step)
    await scene.begun("step", by=first.pid)
    second = await scene.worker(*options)
    await scene.some_moment()
    hurt = send(first, how)
    again = await scene.begun("step", by=second.pid)
    scene.release()
    await handle.result(timeout=30)
    if how is signal.SIGSTOP:
        # Thawed, it must not be heard: the instance has ended, with one result.
        send(first, signal.SIGCONT)
        await handle.result(timeout=30)
    return again - hurt


async def turn_lost(scene: Scene, *options: str) -> float:
    """SIGKILL in the middle of a turn: until another worker begins it."""
    scene.hold()
    first = await scene.worker(*options)
    handle = await scene.start(one_turn)
    await scene.begun("turn", by=first.pid)
    second = await scene.worker(*options)
    await scene.some_moment()
    hurt = kill(first)
    again = await scene.begun("turn", by=second.pid)
    scene.release()
    await handle.result(timeout=30)
    return again - hurt


async def cached_lost(scene: Scene, *options: str, how: signal.Signals = signal.SIGKILL) -> float:
    """The worker that caches an instance gets a signal, then the instance gets news: until they have their effect."""
    first = await scene.worker(*options)
    handle = await scene.start(after_signal)
    await scene.begun("before", by=first.pid)
    await scene.worker(*options)
    await scene.some_moment()
    hurt = send(first, how)
    await handle.signal("go", "on")
    again = await scene.begun("step")
    await handle.result(timeout=30)
    return again - hurt


async def redis_killed(scene: Scene) -> float:
    """Redis is killed while steps run, and started again: from its first answer to the next step."""
    await scene.worker()
    handle = await scene.start(steps, 100_000)
    await scene.begun("step")
    await asyncio.to_thread(scene.server.kill)
    await asyncio.sleep(PAUSE)
    await asyncio.to_thread(scene.server.start)
    return await _next_step(scene, handle, time.monotonic())


async def connections_killed(scene: Scene) -> float:
    """CLIENT KILL of every connection."""
    return await _told(scene, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


async def scripts_flushed(scene: Scene) -> float:
    """SCRIPT FLUSH."""
    return await _told(scene, "SCRIPT", "FLUSH")


async def paused(scene: Scene) -> float:
    """CLIENT PAUSE: from its end to the next step."""
    return await _told(scene, "CLIENT", "PAUSE", str(int(PAUSE * 1000)), "ALL", lasts=PAUSE)


async def frozen_redis(scene: Scene) -> float:
    """The redis-server process is stopped for a while: from its thaw to the next step."""
    await scene.worker()
    handle = await scene.start(steps, 100_000)
    await scene.begun("step")
    pid = scene.server.pid
    await asyncio.to_thread(_freeze, pid)
    return await _next_step(scene, handle, time.monotonic())


async def memory_full(scene: Scene) -> float:
    """Redis refuses writes for lack of memory: from the moment that it takes them again to the next step."""
    await scene.worker()
    handle = await scene.start(steps, 100_000)
    await scene.begun("step")
    scene.redis.config_set("maxmemory", "1mb")
    await asyncio.sleep(PAUSE)
    scene.redis.config_set("maxmemory", "0")
    return await _next_step(scene, handle, time.monotonic())


def _freeze(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)
    time.sleep(PAUSE)
    os.kill(pid, signal.SIGCONT)


async def _told(scene: Scene, *command: str, lasts: float = 0.0) -> float:
    await scene.worker()
    handle = await scene.start(steps, 100_000)
    await scene.begun("step")
    healed = time.monotonic() + lasts
    scene.command(*command)
    return await _next_step(scene, handle, max(healed, time.monotonic()) if not lasts else healed)


async def _next_step(scene: Scene, handle: object, since: float) -> float:
    # The step that was under way does not count: the second one proves a turn and an activity.
    first = await scene.begun("step", after=since)
    second = await scene.begun("step", after=first)
    return second - since


SHORT = ("--lease", "2s")
FAULTS = {
    "activity-killed": Fault(
        "SIGKILL of a worker in mid-activity", "kill → next attempt elsewhere", activity_lost, 10, 5
    ),
    "turn-killed": Fault("SIGKILL of a worker in mid-turn", "kill → the turn begins elsewhere", turn_lost, 10, 5),
    "cached-killed": Fault(
        "SIGKILL of the worker that caches an instance", "kill → a signal has its effect", cached_lost, 10, 5
    ),
    "frozen": Fault(
        "SIGSTOP of a worker in mid-activity", "stop → next attempt elsewhere",
        lambda scene: activity_lost(scene, how=signal.SIGSTOP), 10, 5,
    ),
    "activity-killed-2s": Fault(
        "SIGKILL in mid-activity, `--lease 2s`", "kill → next attempt elsewhere",
        lambda scene: activity_lost(scene, *SHORT), 2, 3,
    ),
    "turn-killed-2s": Fault(
        "SIGKILL in mid-turn, `--lease 2s`", "kill → the turn begins elsewhere",
        lambda scene: turn_lost(scene, *SHORT), 2, 3,
    ),
    "cached-killed-2s": Fault(
        "SIGKILL of the caching worker, `--lease 2s`", "kill → a signal has its effect",
        lambda scene: cached_lost(scene, *SHORT), 2, 3,
    ),
    "cached-term": Fault(
        "SIGTERM of the worker that caches an instance", "SIGTERM → a signal has its effect",
        lambda scene: cached_lost(scene, how=signal.SIGTERM), 0.1,
    ),
    "activity-term": Fault(
        "SIGTERM in mid-activity, `--drain 0s`", "SIGTERM → next attempt elsewhere",
        lambda scene: activity_lost(scene, "--drain", "0s", how=signal.SIGTERM), 0.1,
    ),
    "redis-killed": Fault("Redis killed and started again", "first answer → second next step", redis_killed, 2),
    "redis-frozen": Fault("Redis frozen for a second", "thaw → second next step", frozen_redis, 2),
    "redis-paused": Fault("CLIENT PAUSE for a second", "end → second next step", paused, 2),
    "connections-killed": Fault("CLIENT KILL of all connections", "kill → second next step", connections_killed),
    "scripts-flushed": Fault("SCRIPT FLUSH", "flush → second next step", scripts_flushed),
    "memory-full": Fault("memory full for a second", "memory → second next step", memory_full, 2),
}  # fmt: skip
