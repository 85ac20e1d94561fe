"""Turns: workflow tasks and questions in, commits and answers out, one after the other on the loop's thread."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from rqflow.authoring.registry import Registry
from rqflow.backend.calls.hubs import Limits
from rqflow.backend.calls.tasks import Commit, Committed, WorkflowTask
from rqflow.core.commands import Decision
from rqflow.core.executor import Executor
from rqflow.core.wire import decode_stored
from rqflow.errors import BadInput, CorruptEvent, LeaseLost, LimitReached, NotFound, ReplayError, RqflowError
from rqflow.worker.cache import ExecutorCache
from rqflow.worker.decisions import commit_of, failed_by, stall_of
from rqflow.worker.item import Item, Outlet
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
    ) -> None:
        self._registry = registry
        self._cache = cache
        self._limits = limits
        self._standing = standing
        self._options = options
        self._pulse = pulse
        self._unknown = unknown
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
        try:
            decision = self._advance(executor, task, history or (), inbox)
        except ReplayError as error:
            self._stall(task, outlet, executor, str(error))
            return
        except Exception as error:
            logger.exception("instance %r (%s): the engine failed in a turn", task.instance, task.workflow)
            self._stall(task, outlet, executor, f"a fault of the engine: {type(error).__name__}: {error}")
            return
        self.turned += 1
        for warning in decision.warnings:
            logger.warning("instance %r (%s): %s", task.instance, task.workflow, warning)
        commit = self._commit_of(task, decision, len(inbox))
        self._offer(commit, task, outlet, executor)

    def _advance(
        self, executor: Executor, task: WorkflowTask, history: Sequence[bytes], inbox: Sequence[bytes]
    ) -> Decision:
        events = [decode_stored(stored) for stored in (*history, *inbox)]
        self._pulse.begin(f"instance {task.instance!r} ({task.workflow})")
        try:
            decision = executor.advance(events, replayed=len(history))
        finally:
            self._pulse.end()
        told = len(inbox) + len(decision.commands) + (decision.close is not None)
        if executor.length != task.history_length + told:
            # P2: nobody goes on from a history that has a gap.
            raise CorruptEvent(f"the store counts {task.history_length} events, and has {executor.length - told}")
        return decision

    def _commit_of(self, task: WorkflowTask, decision: Decision, consumed: int) -> Commit:
        return commit_of(
            task,
            decision,
            consumed=consumed,
            limits=self._limits,
            worker=self._standing.id,
            sticky=self._options.cache_size > 0 and not self._standing.draining,
            build=self._standing.build,
        )

    def _offer(self, commit: Commit, task: WorkflowTask, outlet: Outlet, executor: Executor | None) -> None:
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
                self._refused(commit, answer, task, outlet, first=executor is not None)

        outlet.offer(Item(commit, answered, weight=sum(map(len, commit.records)), token=task.token))

    def _refused(self, commit: Commit, error: RqflowError, task: WorkflowTask, outlet: Outlet, *, first: bool) -> None:
        """The store will not have this decision: the run fails with the reason; if not even that is had, it stalls."""
        if first and isinstance(error, LimitReached | BadInput):
            logger.warning("instance %r (%s) fails: %s", task.instance, task.workflow, error)
            self._offer(self._commit_of(task, failed_by(error), commit.consumed), task, outlet, None)
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
