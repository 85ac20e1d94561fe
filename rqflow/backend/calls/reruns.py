"""Rerun calls: an instance begins again, with a part of what happened to it before."""

from __future__ import annotations

from typing import ClassVar

from rqflow.backend.calls.call import Call
from rqflow.backend.calls.instances import Started
from rqflow.core.events import Payload
from rqflow.core.options import Attributes
from rqflow.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rerun(Call[Started]):
    """Begin an instance with a history, in the place of an ended or stalled run, or under an id that nobody has.

    `run` is the request id as well: repeated with the same run it is the same rerun. Raises InstanceNotFound,
    InstanceNotClosed (neither ended nor stalled), InstanceExists (the id is taken, or `replaces` is not its run).
    """

    promises: ClassVar[bool] = True
    if_unsure: ClassVar[str] = (
        "look at its runs before asking again: each rerun is a wish of its own, and the next would begin it once more"
    )
    instance: str
    run: str
    replaces: str
    """The run in whose place it begins; empty: the id must be free."""
    workflow: str
    queue: str
    history: tuple[bytes, ...]
    """Stored events."""
    news: tuple[tuple[str, bytes], ...]
    """Scopes and encoded events that it gets at once, at least one."""
    timeout_ms: int | None
    """The run's deadline, from now."""
    retention_ms: int
    attributes: Attributes
    status: Payload = b""
    priority: int = 0
    lane: str = ""
    reason: str = ""
    """Of what it is a rerun, for humans."""
