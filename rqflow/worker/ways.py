"""Ways: what an open turn asks of those who take turns, and of the worker that keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from rqflow.backend.calls.tasks import Commit, WorkflowTask
from rqflow.core.commands import Decision, ScheduleActivity
from rqflow.core.events import Stamped
from rqflow.core.executor import Executor
from rqflow.errors import RqflowError
from rqflow.worker.item import Outlet
from rqflow.worker.local_job import Caller, LocalJob


class Ways(Protocol):
    """What all turns have in common, open or not."""

    def advance(
        self, executor: Executor, task: WorkflowTask, outlet: Outlet, events: Sequence[bytes | Stamped], *, length: int
    ) -> Decision | None:
        """What the code wants now. None: it cannot be followed; the instance was set aside, and the executor closed."""
        ...

    def commit_of(
        self,
        task: WorkflowTask,
        decision: Decision,
        consumed: int,
        *,
        records: tuple[bytes, ...] | None = None,
        keep: bool = False,
    ) -> Commit:
        """The commit, or that of a run which has passed a limit."""
        ...

    def offer(self, commit: Commit, task: WorkflowTask, outlet: Outlet, executor: Executor | None) -> None:
        """Tell how the turn ends."""
        ...

    def refused(self, commit: Commit, error: RqflowError, task: WorkflowTask, outlet: Outlet, *, first: bool) -> None:
        """The store will not have this: the run fails, or the instance is set aside."""
        ...


class Home(Protocol):
    """Where a worker keeps its open turns."""

    @property
    def draining(self) -> bool:
        """The worker leaves: what is not begun is for others."""
        ...

    @property
    def most_news(self) -> int:
        """Of one step from the store to the code."""
        ...

    def job_of(self, command: ScheduleActivity, turn: Caller) -> LocalJob | None:
        """A local activity. None: this worker does not know its name."""
        ...

    def begin(self, job: LocalJob) -> None:
        """Run its code."""
        ...

    def drop(self, job: LocalJob) -> None:
        """Nobody waits for it any more."""
        ...

    def over(self, turn: Caller) -> None:
        """It is not open any more."""
        ...

    def release(self, turn: Caller) -> None:
        """Its task is not ours any more."""
        ...

    def give_back(self, turn: Caller, unknown: str) -> None:
        """Another worker shall go on: one that knows this activity, if one is named."""
        ...
