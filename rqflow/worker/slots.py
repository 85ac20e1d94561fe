"""Slots: how many more activities may come, by what runs and by what was promised to takes under way."""

from __future__ import annotations

from rqflow.authoring.activities import Mode
from rqflow.authoring.registry import Registry
from rqflow.worker.options import WorkerOptions


class Slots:
    """Places for attempts: of all kinds together, and of those that need a thread or a process."""

    def __init__(self, registry: Registry, options: WorkerOptions) -> None:
        self._total = options.activity_slots if options.activities else 0
        known = {activity.mode for activity in registry.activities.values()}
        by_mode: dict[Mode, int] = {"thread": options.threads, "process": options.processes}
        self._limits = {mode: limit for mode, limit in by_mode.items() if mode in known}
        self._processes = options.processes
        self._used: dict[Mode, int] = {"async": 0, "thread": 0, "process": 0}
        self.used = 0
        """Attempts whose code has not returned."""
        self._promised = 0
        self._starved = False

    @property
    def process_is_free(self) -> bool:
        """Whether one more may run in a process of its own."""
        return self._used["process"] < self._processes

    @property
    def room(self) -> int:
        """How many may come. The store does not know of which kind a task is, so the scarcest place counts."""
        room = self._total - self.used
        for mode, limit in self._limits.items():
            room = min(room, limit - self._used[mode])
        if 0 < room <= self._promised:
            self._starved = True
        return max(0, room - self._promised)

    def promise(self, room: int) -> None:
        """A Take asks for so many."""
        self._promised += room

    def keep(self, room: int) -> bool:
        """The Take was answered. True: somebody found no room because of the promise, and should look again."""
        self._promised -= room
        starved, self._starved = self._starved, False
        return starved

    def occupy(self, mode: Mode) -> None:
        """An attempt begins."""
        self._used[mode] += 1
        self.used += 1

    def free(self, mode: Mode) -> None:
        """Its code has returned."""
        self._used[mode] -= 1
        self.used -= 1
