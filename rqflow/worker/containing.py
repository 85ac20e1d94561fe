"""Containing: an activity whose workers died is tried in a process of its own, where it can harm nobody (P7)."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import timedelta
from typing import Any

from rqflow.authoring.activities import Activity, Mode
from rqflow.backend.calls.tasks import ActivityTask, CompleteActivity, GiveBack, RetryActivity
from rqflow.core.failure import failure_of
from rqflow.core.wire import encode_failure
from rqflow.errors import ProcessDied
from rqflow.worker.options import WorkerOptions
from rqflow.worker.reports import final
from rqflow.worker.running import Running

LATER = timedelta(seconds=1)
"""After which an attempt is offered again that found no process free."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0


def mode_of(activity: Activity[..., Any], task: ActivityTask, options: WorkerOptions) -> Mode:
    """Where an attempt runs: as its activity says, or apart from all others if it may be what kills its workers."""
    suspect = options.contain_after and task.losses >= min(options.contain_after, options.max_losses)
    return "process" if suspect and _can_be_contained(activity) else activity.mode


def _can_be_contained(activity: Activity[..., Any]) -> bool:
    """Another process can find it: it stands at the top of a module that can be imported."""
    module = sys.modules.get(activity.fn.__module__)
    if module is None or module.__name__ == "__main__":
        return False
    return any(found is activity for found in vars(module).values())


def later(task: ActivityTask) -> GiveBack:
    """All processes are busy: anyone may have it, a little later."""
    return GiveBack(
        partition=task.partition, instance=task.instance, run=task.run, token=task.token, activity=task.id, delay=LATER
    )


def lost(running: Running, error: ProcessDied, most: int) -> CompleteActivity | RetryActivity:
    """Its own process died as its workers had: one loss more, until there are too many."""
    task, losses = running.task, running.task.losses + 1
    if losses > most:
        message = f"the activity {task.name} was lost with {losses} workers; the last was a process of its own: {error}"
        failure = replace(failure_of(error), type="rqflow.errors.ActivityFailed", message=message, kind="worker_lost")
        return final(running, failure)
    pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(losses, 10))
    return RetryActivity(
        partition=task.partition,
        instance=task.instance,
        run=task.run,
        id=task.id,
        token=task.token,
        delay=timedelta(seconds=pause),
        failure=encode_failure(failure_of(error)),
        lost=True,
    )
