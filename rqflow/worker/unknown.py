"""Unknown names: tasks for code that this worker does not have go back, and wait longer each time."""

from __future__ import annotations

import logging
from collections import OrderedDict
from datetime import timedelta

from rqflow.backend.calls.tasks import ActivityTask, GiveBack, WorkflowTask

logger = logging.getLogger("rqflow.worker")

FIRST_DELAY = 0.1
LONGEST_DELAY = 5.0
REMEMBERED = 1_000
"""Names whose count is kept; the store may hold any number."""


class UnknownNames:
    """They stay for a worker that knows them, and are visible: the store keeps the name, the log says it once."""

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[str, str], int] = OrderedDict()

    def give_back(self, task: WorkflowTask | ActivityTask, *, local: str = "") -> GiveBack:
        """The task as it goes back; of a turn that knows its workflow, but not the activity that it should run."""
        if isinstance(task, ActivityTask):
            kind, name, activity = "activity", task.name, task.id
        else:
            kind, name, activity = "local activity" if local else "workflow", local or task.workflow, 0
        count = self._seen.pop((kind, name), 0)
        self._seen[kind, name] = count + 1
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        if count == 0:
            logger.warning(
                "%s %r is not known to this worker; its tasks on queue %r wait for one that knows it",
                kind,
                name,
                task.queue,
            )
        return GiveBack(
            partition=task.partition,
            instance=task.instance,
            run=task.run,
            token=task.token,
            activity=activity,
            delay=timedelta(seconds=min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(count, 10))),
            unknown=f"{name} (local)" if local else name,  # no workflow has such a name
        )
