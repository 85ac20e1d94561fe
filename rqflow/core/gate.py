"""Gate: whether workflow code may ask for anything just now, and the two exceptions that end it from within.

Both derive from BaseException, so that `except Exception` in user code lets them pass.
"""

from __future__ import annotations

from rqflow.core.events import Payload
from rqflow.errors import NotDeterministic


class RunDropped(BaseException):
    """The worker has let go of this run's executor: cleanup code that still runs can do nothing durable."""


class ContinueAsNew(BaseException):
    """The code asked to end this run and go on in the next one."""

    def __init__(self, workflow: str | None, payload: Payload) -> None:
        super().__init__("this run ends here and goes on as a new one")
        self.workflow = workflow
        self.payload = payload


class Gate:
    """Shared by all parts of one run; open while a step is taken."""

    __slots__ = ("closed", "reading", "refused")

    def __init__(self) -> None:
        self.closed = False
        self.reading = ""
        """What runs instead of a step and may only look (`a query handler`); empty in a step."""
        self.refused: NotDeterministic | None = None
        """What a read-only piece tried to do last; user code may have swallowed it."""

    def check(self, what: str) -> None:
        """Let `what` pass. Raises RunDropped after the run was let go, NotDeterministic inside a read-only piece."""
        if self.closed:
            raise RunDropped(f"{what}: the run was let go")
        if self.reading:
            self.refused = NotDeterministic(
                f"{what} is not possible inside {self.reading}: it may look at the run's state but not change it, "
                "wait or draw; do this in the workflow function or in a signal or update handler"
            )
            raise self.refused
