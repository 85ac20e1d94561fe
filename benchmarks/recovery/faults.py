"""Faults: one function each, which does it to a scene and says for how many seconds work stood still."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from redis import Redis

from benchmarks.recovery.scene import HUB, Scene, kill, send
from benchmarks.recovery.work import after_signal, one_step, one_turn, steps
from rqflow.backend.redis.embedded import EmbeddedServer
from rqflow.backend.redis.keys import key
from rqflow.backend.redis.routing import slot_of
from tests.chaos.proxy import Proxy
from tests.servers.cluster import Cluster
from tests.servers.kinds import Served
from tests.servers.watched import Watched

PAUSE = 1.0
"""Seconds that a pause or a cut lasts; its end is when the clock of recovery begins."""


def single() -> EmbeddedServer:
    """One server, that keeps each write on disk before it answers."""
    return EmbeddedServer(port=0, options={"appendfsync": "always"})


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

    server: Callable[[], Served] = single

    async def run(self, folder: Path, seed: int) -> float:
        """One trial on a scene of its own."""
        async with Scene(folder, seed, self.server()) as scene:
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


# ---- while steps run, one after the other


Under = Callable[[Scene], Awaitable[float]]
"""Does something, and says when it was over."""


def while_steps_run(harm: Under) -> Callable[[Scene], Awaitable[float]]:
    """From the moment that `harm` says to the second step that begins after it: a whole turn and a whole activity."""

    async def trial(scene: Scene) -> float:
        await scene.worker()
        await scene.start(steps, 100_000)
        await scene.begun("step")
        healed = await harm(scene)
        first = await scene.begun("step", after=healed)
        return await scene.begun("step", after=first) - healed

    return trial


def told(*command: str, lasts: float = 0.0) -> Under:
    """Redis is told something, which has its effect for so many seconds."""

    async def harm(scene: Scene) -> float:
        with Redis.from_url(scene.server.url) as client:
            client.execute_command(*command)
        return time.monotonic() + lasts

    return harm


async def redis_killed(scene: Scene) -> float:
    """Redis is killed, and started again: until it answers."""
    server = _embedded(scene)
    await asyncio.to_thread(server.kill)
    await asyncio.sleep(PAUSE)
    await asyncio.to_thread(server.start)
    return time.monotonic()


async def redis_frozen(scene: Scene) -> float:
    """The process of Redis stands still for a while."""
    pid = _embedded(scene).pid
    os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(PAUSE)
    os.kill(pid, signal.SIGCONT)
    return time.monotonic()


async def memory_full(scene: Scene) -> float:
    """Redis refuses writes for lack of memory."""
    with Redis.from_url(scene.server.url) as client:
        client.config_set("maxmemory", "1mb")
        await asyncio.sleep(PAUSE)
        client.config_set("maxmemory", "0")
    return time.monotonic()


async def master_killed(scene: Scene) -> float:
    """The master is killed; sentinels or its cluster put a replica in its place."""
    fleet = scene.server
    if isinstance(fleet, Watched):
        master = await asyncio.to_thread(fleet.master)
    else:
        assert isinstance(fleet, Cluster)
        master = await asyncio.to_thread(fleet.owner, slot_of(key(HUB, 0, "meta")))
    await asyncio.to_thread(master.kill)
    return time.monotonic()


async def slot_moved(scene: Scene) -> float:
    """The partition's slot goes to another master, key by key."""
    assert isinstance(scene.server, Cluster)
    await asyncio.to_thread(scene.server.move, slot_of(key(HUB, 0, "meta")), keys_at_a_time=1, pause=0.01)
    return time.monotonic()


def _embedded(scene: Scene) -> EmbeddedServer:
    assert isinstance(scene.server, EmbeddedServer)
    return scene.server


def on_a_road(harm: Callable[[Proxy], None], seconds: float) -> Callable[[Scene], Awaitable[float]]:
    """The worker comes by a proxy, which does something for a while: from its end to the second next step."""

    async def spoil(scene: Scene, proxy: Proxy) -> float:
        harm(proxy)
        await asyncio.sleep(seconds)
        proxy.heal()
        return time.monotonic()

    async def trial(scene: Scene) -> float:
        host, _, port = scene.server.url.removeprefix("redis://").partition(":")
        proxy = Proxy(host, int(port), Random(1))
        await asyncio.to_thread(proxy.start)
        scene.road = f"redis://127.0.0.1:{proxy.port}"
        try:
            return await while_steps_run(lambda _: spoil(scene, proxy))(scene)
        finally:
            await asyncio.to_thread(proxy.stop)

    return trial


def hold(proxy: Proxy) -> None:
    """Nothing passes, and nobody is told."""
    proxy.holds_requests = proxy.holds_replies = True


def cut_in_reply(proxy: Proxy) -> None:
    """Connections end in the middle of a reply."""
    proxy.cut_in_reply = True


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
    "redis-killed": Fault(
        "Redis killed and started again", "first answer → second next step", while_steps_run(redis_killed), 2
    ),
    "redis-frozen": Fault("Redis frozen for a second", "thaw → second next step", while_steps_run(redis_frozen), 2),
    "redis-paused": Fault(
        "`CLIENT PAUSE` for a second", "end → second next step",
        while_steps_run(told("CLIENT", "PAUSE", str(int(PAUSE * 1000)), "ALL", lasts=PAUSE)), 2,
    ),
    "memory-full": Fault("memory full for a second", "memory → second next step", while_steps_run(memory_full), 2),
    "connections-killed": Fault(
        "`CLIENT KILL` of all connections", "kill → second next step",
        while_steps_run(told("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")),
    ),
    "scripts-flushed": Fault("`SCRIPT FLUSH`", "flush → second next step", while_steps_run(told("SCRIPT", "FLUSH"))),
    "road-cut": Fault(
        "connections cut in mid-reply for a second", "healed → second next step", on_a_road(cut_in_reply, PAUSE), 2
    ),
    "road-held": Fault(
        "network that swallows everything for 5 seconds", "healed → second next step", on_a_road(hold, 5 * PAUSE), 2
    ),
    "sentinel-failover": Fault(
        "master killed, Sentinel (notices after 1 s)", "kill → second next step", while_steps_run(master_killed),
        beside=4, server=Watched,
    ),
    "cluster-failover": Fault(
        "master killed, Cluster (node timeout 2 s)", "kill → second next step", while_steps_run(master_killed),
        beside=4, server=lambda: Cluster(replicas=1),
    ),
    "slot-moved": Fault(
        "slot moved to another node", "moved → second next step", while_steps_run(slot_moved), beside=4, server=Cluster
    ),
}  # fmt: skip
