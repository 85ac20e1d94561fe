"""Attempt: what an activity's code may ask of the attempt it runs in, and how it finds it."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar, overload

from rqflow.converters.convert import DEFAULT
from rqflow.core.events import Payload
from rqflow.errors import NotInActivity

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityInfo:
    """What an attempt knows of itself."""

    workflow: str
    """Name of the workflow that called it."""
    instance: str
    run: str
    id: int
    """The number of the command that asked for it."""
    name: str
    queue: str
    attempt: int
    """1 at first."""
    losses: int = 0
    """How many attempts before this one ended with a lost worker."""
    idempotency_key: str
    """The same at each attempt: hand it to systems that can tell repeats by it."""
    scheduled_at: datetime
    """When the first attempt was asked for. UTC."""
    deadline: datetime | None = None
    """When this attempt is given up. UTC."""
    heartbeat: Payload = field(default=b"", repr=False)
    """What the attempt before this one left by its last heartbeat, encoded; `details()` decodes it."""

    @overload
    def details(self, type: type[T]) -> T | None: ...

    @overload
    def details(self, type: Any = Any) -> Any: ...

    def details(self, type: Any = Any) -> Any:
        """What the attempt before this one left by its last heartbeat; None if nothing. Raises BadValue."""
        if not self.heartbeat:
            return None
        return DEFAULT.decode(self.heartbeat, type, where=f"activity {self.name}, heartbeat details")


class Attempt(Protocol):
    """One attempt, seen from inside. Called from the event loop, a thread or a process of its own."""

    @property
    def info(self) -> ActivityInfo: ...

    def heartbeat(self, details: Payload) -> None:
        """The attempt lives; `details` is for the next one. Empty: as before. Never blocks."""
        ...

    def is_cancelled(self) -> bool:
        """Whether nobody needs the result any more."""
        ...


CURRENT_ATTEMPT: Final[ContextVar[Attempt]] = ContextVar("rqflow_attempt")
"""Set by the worker around the activity's code; threads get it with the context they are run in."""


def current_attempt() -> Attempt:
    """The attempt whose code runs here. Raises NotInActivity."""
    try:
        return CURRENT_ATTEMPT.get()
    except LookupError:
        raise NotInActivity("this works only inside a running activity") from None
