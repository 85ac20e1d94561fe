"""Options: how a client behaves, and how it starts an instance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any, Final, TypedDict

from rqflow.backend.calls.hubs import Limits
from rqflow.core.options import Attributes, ConflictPolicy, ReusePolicy
from rqflow.errors import BadInput

DEFAULT_URL: Final = "redis://localhost:6379"

Span = timedelta | float
"""A length of time: a timedelta, or a number of seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """How a client treats its store."""

    retry_for: timedelta = timedelta(seconds=10)
    """How long a call whose connection broke is tried again before BackendUnavailable is raised. Each call carries an
    id that makes a repeat the same wish, so this is safe. 0: never."""
    poll: timedelta = timedelta(seconds=5)
    """Those who wait are told by the store; this often they also look by themselves, in case a notice was lost."""
    query_timeout: timedelta = timedelta(seconds=10)
    """How long a query or an update waits for its answer unless it says otherwise."""
    batch_calls: int = 500
    """start_many and purge_many send at most so many calls at once."""
    batch_bytes: int = 8 * 1_048_576
    """And start_many no more bytes than these, one item apart."""
    limits: Limits | None = None
    """What the hub holds at most. None: the usual. Give the same ones to its workers."""
    durable_within: timedelta = timedelta(seconds=5)
    """How long replicas may take to have what a hub of durability replica:N or fsync-replica promises; NotDurable is
    raised after it."""
    allow_eviction: bool = False
    """Put up with a Redis that may throw keys away when its memory is short: instances can be lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartOptions:
    """How one instance is started. None or empty: as the workflow's definition says, else as the hub does."""

    id: str | None = None
    """The instance's id. None: a new one is drawn, or derived from `request_id` if that is given."""
    queue: str | None = None
    """Queue of its workflow tasks. None: the definition's, else "default"."""
    on_conflict: ConflictPolicy | None = None
    """What to do when an unfinished instance has the id. None: fail; use_existing where a signal or an update is sent
    along."""
    on_reuse: ReusePolicy = "allow"
    """What to do when an ended instance has the id."""
    request_id: str | None = None
    """Names this wish, so that a start repeated with the same id and request_id, from anywhere, is the same start."""
    delay: Span | None = None
    """Pending for so long first."""
    at: datetime | None = None
    """Or: pending until this time (with its time zone)."""
    timeout: Span | None = None
    """The run's deadline, counted from its start."""
    retention: Span | None = None
    """How long everything of it is kept after its end."""
    attributes: Attributes = field(default_factory=dict)
    """Indexed values to list it by."""
    priority: int = 0
    """Carried with its tasks; higher is sooner where a queue honours it."""
    lane: str = ""
    """Carried with its tasks; work of one lane runs in order where a queue honours it."""
    headers: tuple[tuple[str, str], ...] = ()
    """Trace context and the like, carried along unread."""


_KNOWN: Final = tuple(item.name for item in fields(StartOptions))


class StartKeywords(TypedDict, total=False):
    """StartOptions as keyword arguments of `start`."""

    id: str | None
    queue: str | None
    on_conflict: ConflictPolicy | None
    on_reuse: ReusePolicy
    request_id: str | None
    delay: Span | None
    at: datetime | None
    timeout: Span | None
    retention: Span | None
    attributes: Attributes
    priority: int
    lane: str
    headers: tuple[tuple[str, str], ...]


class RerunKeywords(TypedDict, total=False):
    """Options of `rerun`; without any the instance begins again from its start, under its own id, with what it had."""

    from_event: int | None
    """Keep what stands before the end of this step (its number in the history), and do it and what follows again."""
    failed: bool
    """Keep what came to a good end, and do again what failed."""
    new_id: str | None
    """Leave the instance as it is, and begin another one."""
    args: Sequence[Any] | None
    """Other arguments by position, for the workflow or the step of `from_event`."""
    kwargs: Mapping[str, Any] | None
    """Or by name."""


def start_options(keywords: dict[str, Any]) -> StartOptions:
    """The options in keyword arguments. Raises BadInput for a keyword that is none."""
    for name in keywords:
        if name not in _KNOWN:
            raise BadInput(
                f"start has no option {name!r} (it has: {', '.join(_KNOWN)}); a workflow's own keyword arguments go "
                f"through client.with_options(…).start(workflow, {name}=…)"
            )
    return StartOptions(**keywords)
