"""Turns: workflow tasks and questions in, commits and answers out, one after the other on the loop's thread."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from rqflow.authoring.registry import Registry
from rqflow.backend.calls.hubs import Limits
from rqflow.backend.calls.tasks import Commit, Committed, WorkflowTask
from rqflow.core.commands import Decision
from rqflow.core.events import Stamped
from rqflow.core.executor import Executor
from rqflow.core.wire import decode_stored
from rqflow.errors import BadInput, CorruptEvent, LeaseLost, LimitReached, NotFound, ReplayError, RqflowError
from rqflow.worker.cache import ExecutorCache
from rqflow.worker.decisions import commit_of, failed_by, stall_of
from rqflow.worker.item import Item, Outlet
from rqflow.worker.open_turns import OpenTurns, has_local
from rqflow.worker.options import WorkerOptions
from rqflow.worker.pulse import Pulse
from rqflow.worker.standing import Standing
from rqflow.worker.unknown import UnknownNames

logger = logging.getLogger("rqflow.worker")


class NeedsHistory(Exception):
    """The task did not bring the history, and no live executor stands where it begins."""


class Turns:
    """One turn: events → executor → commit. Whatever the code does, the worker lives and the task is answered."""

    def __init__(
        self,
        *,
        registry: Registry,
        cache: ExecutorCache,
        limits: Limits,
        standing: Standing,
        options: WorkerOptions,
        pulse: Pulse,
        unknown: UnknownNames,
        open_turns: OpenTurns,
    ) -> None:
        self._registry = registry
        self._cache = cache
        self._limits = limits
        self._standing = standing
        self._options = options
        self._pulse = pulse
        self._unknown = unknown
        self._open = open_turns
        self.turned = 0

    def turn(self, task: WorkflowTask, outlet: Outlet, history: Sequence[bytes] | None) -> None:
        """Offer what the task comes to. Raises NeedsHistory (never if it is given)."""
        definition = self._registry.workflows.get(task.workflow)
        if definition is None:
            outlet.offer(Item(self._unknown.give_back(task), answered=ignore, token=task.token))
            return
        executor = self._cache.take(task.run, task.history_length) if history is None else None
        if executor is None and history is None:
            if task.history_from != 0 or len(task.history) != task.history_length:
                raise NeedsHistory
            history = task.history
        inbox = task.inbox[: self._options.max_turn_events]
        executor = executor or Executor(definition)
        old = history or ()
        decision = self.advance(executor, task, outlet, (*old, *inbox), length=task.history_length, replayed=len(old))
        if decision is None:
            return
        self.turned += 1
        if has_local(decision, executor, replayed=bool(old)):
            self._open.open(task, executor, outlet, self, decision=decision, consumed=len(inbox))
        else:
            self.offer(self.commit_of(task, decision, len(inbox)), task, outlet, executor)

    def advance(
        self,
        executor: Executor,
        task: WorkflowTask,
        outlet: Outlet,
        events: Sequence[bytes | Stamped],
        *,
        length: int,
        replayed: int = 0,
    ) -> Decision | None:
        """What the code wants now, after these events of which the first so many are of a history that is so long.
        None: it cannot be followed; the instance was set aside, and the executor closed."""
        self._pulse.begin("instance %r (%s)", task.instance, task.workflow)
        try:
            stamped = [each if isinstance(each, Stamped) else decode_stored(each) for each in events]
            decision = executor.advance(stamped, replayed=replayed)
            told = len(events) - replayed + len(decision.commands) + (decision.close is not None)
            if executor.length != length + told:
                # P2: nobody goes on from a history that has a gap.
                raise CorruptEvent(f"the store counts {length} events, and has {executor.length - told}")
        except ReplayError as error:
            self._stall(task, outlet, executor, str(error))
            return None
        except Exception as error:
            logger.exception("instance %r (%s): the engine failed in a turn", task.instance, task.workflow)
            self._stall(task, outlet, executor, f"a fault of the engine: {type(error).__name__}: {error}")
            return None
        finally:
            self._pulse.end()
        for warning in decision.warnings:
            logger.warning("instance %r (%s): %s", task.instance, task.workflow, warning)
        return decision

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
        return commit_of(
            task,
            decision,
            consumed=consumed,
            limits=self._limits,
            worker=self._standing.id,
            sticky=self._options.cache_size > 0 and not self._standing.draining,
            build=self._standing.build,
            records=records,
            keep=keep,
        )

    def offer(self, commit: Commit, task: WorkflowTask, outlet: Outlet, executor: Executor | None) -> None:
        """Tell how the turn ends."""

        def answered(answer: Any) -> None:
            if isinstance(answer, Committed):
                if executor is not None:
                    if answer.closed or not commit.sticky:
                        executor.close()
                    else:
                        self._cache.put(task.run, executor)
                if answer.outbox:
                    outlet.relay_soon()
                return
            if executor is not None:
                executor.close()
            if not isinstance(answer, LeaseLost):
                self.refused(commit, answer, task, outlet, first=executor is not None)

        outlet.offer(Item(commit, answered, weight=sum(map(len, commit.records)), token=task.token))

    def refused(self, commit: Commit, error: RqflowError, task: WorkflowTask, outlet: Outlet, *, first: bool) -> None:
        """The store will not have this decision: the run fails with the reason; if not even that is had, it stalls."""
        if first and isinstance(error, LimitReached | BadInput):
            logger.warning("instance %r (%s) fails: %s", task.instance, task.workflow, error)
            self.offer(self.commit_of(task, failed_by(error), commit.consumed), task, outlet, None)
            return
        logger.error("instance %r (%s): its turn cannot be committed: %s", task.instance, task.workflow, error)
        self._stall(task, outlet, None, f"the turn cannot be committed: {error}")

    def _stall(self, task: WorkflowTask, outlet: Outlet, executor: Executor | None, reason: str) -> None:
        if executor is not None:
            executor.close()
        logger.error("instance %r (%s) is stalled: %s", task.instance, task.workflow, reason)
        outlet.offer(Item(stall_of(task, reason, self._standing.build), answered=ignore, token=task.token))

    def cannot_load(self, task: WorkflowTask, outlet: Outlet, error: BaseException) -> None:
        """The run is gone, or its history cannot be had."""
        if isinstance(error, NotFound):
            outlet.offer(Item(stall_of(task, str(error), self._standing.build), answered=ignore, token=task.token))
        else:
            self._stall(task, outlet, None, f"the history cannot be read: {error}")


def ignore(answer: Any) -> None:
    """Nothing follows from the answer."""
