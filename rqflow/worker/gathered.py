"""Gathered: what an open turn has come to since its last commit, and the time that its steps have."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from rqflow.backend.calls.tasks import Commit, Committed, WorkflowTask
from rqflow.core.commands import Close, Command, Decision
from rqflow.worker.ways import Ways

MOST_EVENTS: Final = 500
MOST_BYTES: Final = 262_144
"""What is gathered at most; then it is committed, and nothing more is begun until that is answered."""


class Gathered:
    """Events and commands in the order in which a commit writes them: first the news that were consumed."""

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.records: list[bytes] = []
        self.weight = 0
        """Of the records, in bytes."""
        self.consumed = 0
        """News that stand before the records."""
        self.durable = False
        """A result must be committed before anything is begun."""
        self.urgent = False
        """The store has to act on something."""
        self.close: Close | None = None

    def __bool__(self) -> bool:
        return bool(self.records or self.consumed)

    @property
    def due(self) -> bool:
        """To be committed before anything more is begun."""
        return self.durable or len(self.records) >= MOST_EVENTS or self.weight >= MOST_BYTES

    def tell(self, events: Sequence[bytes]) -> None:
        """Encoded events."""
        self.records += events
        self.weight += sum(map(len, events))

    def commit(self, ways: Ways, task: WorkflowTask, *, keep: bool) -> Commit:
        """All of it, or the failure of a run that has passed a limit."""
        decision = Decision(commands=tuple(self.commands), close=self.close)
        return ways.commit_of(task, decision, self.consumed, records=tuple(self.records), keep=keep)


def after(task: WorkflowTask, commit: Commit, answer: Committed) -> WorkflowTask:
    """The task as the store has it when that commit has kept it."""
    weight = sum(map(len, commit.records)) + sum(map(len, task.inbox[: commit.consumed]))
    return replace(
        task,
        history_length=task.history_length + commit.consumed + len(commit.records),
        history_bytes=task.history_bytes + weight,
        inbox=answer.inbox,
    )


class TurnTime:
    """The time of the last news from the store, and what passed since on our own clock: never ahead of Redis'."""

    def __init__(self, loop: AbstractEventLoop, at_ms: int) -> None:
        self._loop = loop
        self._base_ms, self._base = at_ms, loop.time()

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return self._base_ms + int((self._loop.time() - self._base) * 1_000)

    def heard(self, at_ms: int) -> None:
        """News of that time came."""
        if at_ms > self.now_ms():
            self._base_ms, self._base = at_ms, self._loop.time()
