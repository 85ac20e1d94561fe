"""Local jobs: those of one open turn: asked for, begun, ended, given up."""

from __future__ import annotations

from collections import deque

from rqflow.core.commands import ScheduleActivity
from rqflow.core.events import ActivityCompleted, ActivityFailed
from rqflow.worker.local_job import Caller, LocalJob
from rqflow.worker.ways import Home


class LocalJobs:
    """Each is told once at most, and only while the turn wants it (P5)."""

    def __init__(self, home: Home, turn: Caller) -> None:
        self._home = home
        self._turn = turn
        self._wanted: dict[int, LocalJob] = {}
        self._ready: list[LocalJob] = []
        """Those of them that are not begun."""
        self._arrived: deque[tuple[LocalJob, ActivityCompleted | ActivityFailed]] = deque()
        self.unknown = ""
        """An activity that this worker does not know: another one shall go on."""

    def __bool__(self) -> bool:
        """Whether the turn must wait for something."""
        return bool(self._wanted or self.unknown)

    @property
    def leaving(self) -> bool:
        """Nothing more is begun here."""
        return bool(self.unknown) or self._home.draining

    @property
    def left(self) -> bool:
        """Nothing more is begun, and nothing that was begun still runs or is to be told."""
        return self.leaving and not self._arrived and all(job.running is None for job in self._wanted.values())

    def add(self, command: ScheduleActivity) -> None:
        """One more is wanted."""
        job = self._home.job_of(command, self._turn)
        if job is None:
            self.unknown = command.name
        else:
            self._wanted[command.id] = job
            self._ready.append(job)

    def begin(self) -> None:
        """Run what is not begun."""
        ready, self._ready = self._ready, []
        for job in ready:
            self._home.begin(job)

    def give_up(self, id: int) -> bool:
        """It is not wanted any more. False: it is none of these."""
        job = self._wanted.pop(id, None)
        if job is not None:
            self._home.drop(job)
        return job is not None

    def arrive(self, job: LocalJob, event: ActivityCompleted | ActivityFailed) -> None:
        """It has come to its end."""
        self._arrived.append((job, event))

    def next_end(self) -> tuple[ScheduleActivity, ActivityCompleted | ActivityFailed] | None:
        """The next end that is still wanted."""
        while self._arrived:
            job, event = self._arrived.popleft()
            if self._wanted.pop(job.command.id, None) is not None:
                return job.command, event
        return None

    def stop(self) -> None:
        """Give up all."""
        for id in list(self._wanted):
            self.give_up(id)
