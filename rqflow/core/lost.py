"""Lost: exceptions of a run that nobody has read, found at the end of a step and not whenever Python collects them."""

from __future__ import annotations

from typing import Any, Final

from rqflow.core.futures import RunTask

MAX_UNREAD: Final = 100
"""Failed tasks that somebody waited on but nobody read, kept until the run's end; older ones are let go."""


class Lost:
    """What was raised where nobody listens."""

    __slots__ = ("_forgotten", "_unread", "errors")

    def __init__(self) -> None:
        self.errors: list[BaseException] = []
        """What plain callbacks raised in this step."""
        self._forgotten: list[RunTask[Any]] = []
        self._unread: list[RunTask[Any]] = []

    def note(self, task: RunTask[Any]) -> None:
        """A task has ended. One that somebody waits for is that one's to read, until the run's end."""
        if not task.cancelled() and task._log_traceback:
            (self._unread if task.watchers else self._forgotten).append(task)

    def clear(self) -> None:
        """Nobody will ask any more."""
        self.errors.clear()
        self._forgotten.clear()
        self._unread.clear()

    def take(self, *, last: bool) -> list[tuple[str, BaseException]]:
        """The exceptions that nobody has read and nobody waits for, each with the place it came from, each once.

        At the run's end (`last`) also those that somebody waited on without reading them.
        """
        if not (self.errors or self._forgotten or self._unread):
            return []
        lost: list[tuple[str, BaseException]] = [("a callback", error) for error in self.errors]
        lost += [
            (f"task {task.get_name()!r}, which nobody awaited,", error)
            for task in (self._forgotten + self._unread if last else self._forgotten)
            if task._log_traceback and (error := task.exception()) is not None
        ]
        self.errors, self._forgotten = [], []
        self._unread = [task for task in self._unread if task._log_traceback][-MAX_UNREAD:]
        return lost
