"""Stepping: one news event applied to a run, and its code run until it waits again or ends."""

from __future__ import annotations

from typing import Final

from rqflow.core.applying import apply
from rqflow.core.closing import close_of_error, close_of_task, wish_to_continue
from rqflow.core.commands import Close
from rqflow.core.events import News, Payload, WorkflowStarted
from rqflow.core.failure import clean
from rqflow.core.live_run import LiveRun
from rqflow.core.loop import Inside
from rqflow.core.run import WorkflowDefinition
from rqflow.errors import LimitReached

MAX_WARNING: Final = 500
"""Characters of an exception that a warning quotes."""


def take_step(run: LiveRun, definition: WorkflowDefinition, event: News, limit: int) -> Close | None:
    """Apply one event. How the run ended, None if it goes on. Raises ReplayError."""
    loop = run.loop
    try:
        with Inside(loop):
            if type(event) is WorkflowStarted and not run.news:
                _begin(run, definition, event.payload)
            else:
                apply(run, event)
            run.news += 1
            _run_until_quiet(run, limit)
    except LimitReached as error:
        return close_of_error(run, error)
    if run.mismatch is not None:
        raise run.mismatch
    if run.begin_error is not None:
        return close_of_error(run, run.begin_error)
    if loop.main is not None and loop.main.done():
        return close_of_task(run, loop.main)
    return None


def close_of_lost(run: LiveRun, lost: list[tuple[str, BaseException]]) -> Close | None:
    """Continue-as-new may be asked for in a signal handler or a task that nobody awaits, too."""
    for _, error in lost:
        if wish_to_continue(error) is not None:
            return close_of_error(run, error)
    return None


def warning_of(run: LiveRun, where: str, error: BaseException) -> str:
    """A lost exception in a line for humans."""
    try:
        said = str(error)
    except Exception as broken:  # a user's __str__ may do anything
        said = f"<its text cannot be had: {type(broken).__name__}>"
    return clean(f"{run.started.workflow}: {where} raised {type(error).__name__}: {said[:MAX_WARNING]}")


def _begin(run: LiveRun, definition: WorkflowDefinition, payload: Payload) -> None:
    try:
        coroutine = run.context.run(definition.begin, payload)
    except Exception as error:
        run.begin_error = error
        run.loop.stopped = True
        return
    run.loop.main = run.loop.create_task(coroutine, name="main", context=run.context)


def _run_until_quiet(run: LiveRun, limit: int) -> None:
    if run.loop.stopped:
        return
    left = limit - run.loop.run_until_quiet(limit)
    while run.predicates and not run.loop.stopped and run.fire_predicate():
        left -= 1 + run.loop.run_until_quiet(left)
    if run.updates is not None and not run.loop.stopped:
        run.updates.refuse_unknown()
