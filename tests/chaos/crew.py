"""Crew: workers of two builds and schedulers, replaced when they are gone, as whoever runs them would do."""

from __future__ import annotations

import asyncio
import subprocess
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

from tests.chaos.clock import PROGRAM
from tests.chaos.flows import BUILDS, NAME
from tests.chaos.ground import Deed
from tests.chaos.timekeepers import PROGRAM as TIMEKEEPER
from tests.promises.processes import WorkerProcess

LEASE: Final = 1.5
CLOCKS: Final = (0.0, 0.0, 5 * 3600.0, -7 * 3600.0, 400 * 86400.0)
"""By how many seconds the wall clocks of those are off that are hired."""
WORKER: Final = "tests.promises.processes"
SCHEDULER: Final = "scheduler"
TIMEKEEPERS: Final = 2
"""Schedulers beside the workers."""
MARK: Final = "RQFLOW_CHAOS"
"""Name in the environment of all that belong to a play, with its folder."""
LINGERING: Final = 20
"""Half seconds that processes have to notice that their worker is gone."""
EXCUSES: Final = ("BackendUnavailable", "BackendRefused", "BackendFull")
"""A worker that cannot begin because the store is away says so and ends; its service manager tries again."""


@dataclass
class Member:
    """One worker process."""

    process: WorkerProcess
    build: str
    versatile: bool = True
    """It serves workflows and activities."""
    many: bool = False
    """It is a supervisor with processes of its own."""
    dismissed: bool = False
    """It was killed or asked to leave."""
    frozen: bool = False


class Crew:
    """So many workers, and the deeds that hit them."""

    def __init__(
        self, roads: Sequence[str], hub: str, folder: Path, *, size: int, chance: Random, cache: int | None
    ) -> None:
        self.size = size
        self.members: list[Member] = []
        self.faults: list[str] = []
        """Workers that ended by themselves without an excuse."""
        self.engaged = Counter[str]()
        self._roads = roads
        self._hub = hub
        self._folder = folder
        self._chance = chance
        self._cache = cache
        self._hires = 0

    # ---- comings and goings

    def hire(self, build: str = "", *, calm: bool = False) -> Member:
        """A new worker. `calm`: on the straight road, with the right time."""
        chance, self._hires = self._chance, self._hires + 1
        build = build or chance.choice(sorted(BUILDS))
        options: dict[str, Any] = {
            "build": build,
            "lease": LEASE,
            "sweep": 0.3,
            "max_losses": 1_000,  # who dies here did not fall ill by what it ran
            "cache_size": chance.choice([0, 1, 1_000]) if self._cache is None else self._cache,
            "activity_slots": chance.choice([3, 20]),
            "workflow_slots": chance.choice([1, 100]),
            "max_turn_events": chance.choice([1, 3, 1_000]),
            "batch_items": chance.choice([1, 5, 200]),
            "drain_timeout": 2.0,
        }
        # One of each build does everything; the others may serve one kind of task alone.
        if any(each.versatile and each.build == build and not each.dismissed for each in self.members) and not calm:
            options |= chance.choice([{}, {}, {"workflows": False}, {"activities": False}])
        processes = 1 if calm else chance.choice([1, 1, 1, 2])
        shift = 0.0 if calm else chance.choice(CLOCKS)
        process = WorkerProcess(
            self._roads[0] if calm else chance.choice(self._roads),
            self._hub,
            self._folder / f"worker-{self._hires}-{build}.log",
            modules=f"{NAME} {BUILDS[build]}",
            program=[PROGRAM, str(shift), WORKER],
            environment={MARK: str(self._folder)},
            processes=processes,
            **options,
        )
        versatile = "workflows" not in options and "activities" not in options
        member = Member(process, build, versatile=versatile, many=processes > 1)
        self.members.append(member)
        self.engaged[build] += 1
        if shift:
            self.engaged["with a clock that is off"] += 1
        return member

    def hire_timekeeper(self, *, calm: bool = False) -> None:
        """A new scheduler."""
        chance, self._hires = self._chance, self._hires + 1
        shift = 0.0 if calm else chance.choice(CLOCKS)
        process = WorkerProcess(
            self._roads[0] if calm else chance.choice(self._roads),
            self._hub,
            self._folder / f"scheduler-{self._hires}.log",
            program=[PROGRAM, str(shift), TIMEKEEPER],
            environment={MARK: str(self._folder)},
        )
        self.members.append(Member(process, SCHEDULER, versatile=False))
        self.engaged[SCHEDULER] += 1

    def fill(self) -> None:
        """Replace those that are gone."""
        for member in [each for each in self.members if each.process.code is not None]:
            self.members.remove(member)
            self._judge(member, member.process.code)
            member.process.remove()
        while self._count(SCHEDULER) < TIMEKEEPERS:
            self.hire_timekeeper()
        while self._count(*BUILDS) < self.size:
            # Both builds are always there, with one at least who can do everything; beyond that chance decides.
            able = Counter(each.build for each in self.members if not each.dismissed and each.versatile)
            self.hire(next((build for build in sorted(BUILDS) if not able[build]), ""))

    def _ask_to_leave(self, members: Sequence[Member]) -> None:
        """Once: the second time would mean at once."""
        for member in members:
            if not member.dismissed and member.process.code is None:
                member.process.ask_to_leave()
            member.dismissed = True

    def _judge(self, member: Member, code: int | None) -> None:
        # Who is asked to leave before it has begun, ends as any program does.
        begun = "serves hub" in member.process.said and not member.many
        ends = (0, -9) if begun else (0, -9, -15, 128 + 15)
        if member.dismissed and code in ends:
            return
        said = member.process.said if member.many else member.process.said[-4_000:]
        if not any(excuse in said for excuse in EXCUSES):
            asked = "was asked to leave and " if member.dismissed else ""
            self.faults.append(f"{member.process.log.name} {asked}ended with {code}")

    def _count(self, *builds: str) -> int:
        return len([each for each in self.members if each.build in builds and not each.dismissed])

    async def look_after(self) -> None:
        """For ever."""
        while True:
            self.fill()
            await asyncio.sleep(0.2)

    async def peace(self) -> None:
        """All who lived through it leave, in good order, for two calm workers of each build."""
        old = list(self.members)
        for member in old:
            if member.frozen:
                member.process.thaw()
        self.hire_timekeeper(calm=True)
        for build in sorted(BUILDS):
            self.hire(build, calm=True)
            self.hire(build, calm=True)
        self._ask_to_leave(old)

    async def left_behind(self) -> list[str]:
        """Processes of workers that are gone."""
        left = list[str]()
        for _ in range(LINGERING):
            left = [f"a process is left: {what}" for what in await asyncio.to_thread(_processes_of, self._folder)]
            if not left:
                break
            await asyncio.sleep(0.5)
        return left

    async def leave(self) -> None:
        """Everybody, in good order."""
        self._ask_to_leave(self.members)
        for member in self.members:
            try:
                code = await asyncio.to_thread(member.process.end)
            except subprocess.TimeoutExpired:
                self.faults.append(f"{member.process.log.name} did not leave when it was asked to")
            else:
                self._judge(member, code)
            member.process.remove()
        self.members.clear()

    def remove(self) -> None:
        for member in self.members:
            member.process.remove()

    # ---- deeds

    @property
    def deeds(self) -> Sequence[Deed]:
        return [
            Deed("worker killed", self._kill, 20),
            Deed("all workers killed", self._kill_all, 3),
            Deed("worker frozen past its lease", self._freeze, 15),
            Deed("worker frozen shortly", self._freeze_shortly, 5),
            Deed("worker asked to leave", self._dismiss),
            Deed("rolling deploy", self._roll, 5),
        ]

    def _awake(self) -> list[Member]:
        return [each for each in self.members if not each.dismissed and not each.frozen and each.process.code is None]

    async def _kill(self, chance: Random) -> None:
        if awake := self._awake():
            await self._end(chance.choice(awake))

    async def _kill_all(self, chance: Random) -> None:
        for member in self._awake():
            await self._end(member)

    async def _end(self, member: Member) -> None:
        member.dismissed = True
        await asyncio.to_thread(member.process.kill)

    async def _freeze(self, chance: Random) -> None:
        await self._frozen(chance, LEASE * chance.uniform(1.2, 3))

    async def _freeze_shortly(self, chance: Random) -> None:
        await self._frozen(chance, LEASE * chance.uniform(0.1, 0.8))

    async def _frozen(self, chance: Random, seconds: float) -> None:
        members = chance.sample(awake, min(len(awake), chance.choice([1, 1, 2]))) if (awake := self._awake()) else []
        for member in members:
            member.frozen = True
            member.process.freeze()
        try:
            await asyncio.sleep(seconds)
        finally:
            for member in members:
                member.process.thaw()
                member.frozen = False

    async def _dismiss(self, chance: Random) -> None:
        if awake := self._awake():
            self._ask_to_leave([chance.choice(awake)])

    async def _roll(self, chance: Random) -> None:
        """One after the other is replaced by one of the other build."""
        to = chance.choice(sorted(BUILDS))
        for member in [each for each in self._awake() if each.build not in (to, SCHEDULER)]:
            self.hire(to)
            self._ask_to_leave([member])
            await asyncio.sleep(chance.uniform(0.2, 1))


def _processes_of(folder: Path) -> list[str]:
    """Processes with our mark, where the system shows it: those that workers start inherit it."""
    found, mark = list[str](), f"{MARK}={folder}".encode()
    for each in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark in (each / "environ").read_bytes().split(b"\0"):
                found.append((each / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:200])
    return found
