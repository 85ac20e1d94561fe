"""Questions: query tasks answered from a live executor or from history; they change nothing."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from rqflow.authoring.registry import Registry
from rqflow.backend.calls.hubs import Limits
from rqflow.backend.calls.instances import Answer
from rqflow.backend.calls.tasks import AnswerQuery, QueryTask
from rqflow.core.executor import Executor
from rqflow.core.failure import failure_of
from rqflow.core.wire import decode_stored, encode_failure
from rqflow.errors import PayloadTooLarge, QueryFailed, UnknownName
from rqflow.worker.cache import ExecutorCache
from rqflow.worker.item import Item, Outlet
from rqflow.worker.pulse import Pulse
from rqflow.worker.standing import Standing
from rqflow.worker.turns import NeedsHistory, ignore

logger = logging.getLogger("rqflow.worker")


class Questions:
    """One question: executor → answer. Whatever the handler raises is the answer."""

    def __init__(
        self, *, registry: Registry, cache: ExecutorCache, limits: Limits, standing: Standing, pulse: Pulse
    ) -> None:
        self._registry = registry
        self._cache = cache
        self._limits = limits
        self._standing = standing
        self._pulse = pulse

    def answer(self, task: QueryTask, outlet: Outlet, history: Sequence[bytes] | None) -> None:
        """Offer the answer. Raises NeedsHistory (never if it is given)."""
        try:
            payload = self._ask(task, history)
            if len(payload) > self._limits.payload_bytes:
                raise PayloadTooLarge(f"query {task.name}: answer", len(payload), self._limits.payload_bytes)
            answer = Answer(accepted=True, payload=payload)
        except NeedsHistory:
            raise
        except Exception as error:
            logger.info("instance %r: query %r was not answered: %s", task.instance, task.name, type(error).__name__)
            answer = refused(error)
        self.reply(task, outlet, answer)

    def reply(self, task: QueryTask, outlet: Outlet, answer: Answer) -> None:
        """Offer this answer."""
        call = AnswerQuery(
            partition=task.partition,
            worker=self._standing.id,
            instance=task.instance,
            query=task.query,
            token=task.token,
            answer=answer,
        )
        outlet.offer(Item(call, answered=ignore, weight=len(answer.payload), token=task.token))

    def _ask(self, task: QueryTask, history: Sequence[bytes] | None) -> bytes:
        definition = self._registry.workflows.get(task.workflow)
        if definition is None:
            raise UnknownName("workflow", task.workflow, tuple(sorted(self._registry.workflows)))
        if task.inbox:
            raise NeedsHistory
        executor = self._cache.take(task.run, task.history_length)
        if executor is None:
            if history is None:
                raise NeedsHistory
            if not task.history_length:
                raise QueryFailed(f"instance {task.instance!r} has not begun yet")
            executor = Executor(definition)
        self._pulse.begin("query %r of instance %r (%s)", task.name, task.instance, task.workflow)
        keep = False
        try:
            if history is not None and executor.length == 0:
                executor.advance([decode_stored(stored) for stored in history], replayed=len(history))
            payload = executor.query(task.name, task.payload)
            keep = history is None
            return payload
        finally:
            self._pulse.end()
            if keep:
                self._cache.put(task.run, executor)
            else:
                executor.close()


def refused(error: BaseException) -> Answer:
    """The answer that says why there is none."""
    return Answer(accepted=False, payload=encode_failure(failure_of(error)))
