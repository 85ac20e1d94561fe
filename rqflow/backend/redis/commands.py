"""Commands: a call as it goes to Redis: one script, its key and arguments, and how its reply is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeAlias, TypeVar

from rqflow.backend.calls.call import Call
from rqflow.backend.calls.hubs import HubInfo, Limits
from rqflow.backend.redis.keys import meta
from rqflow.backend.redis.scripts import Argument, Script, load
from rqflow.errors import (
    BackendRefused,
    InstanceClosed,
    InstanceExists,
    InstanceNotClosed,
    InstanceNotFound,
    LeaseLost,
    LimitReached,
    RqflowError,
    RunNotFound,
    ScheduleChanged,
    ScheduleExists,
    ScheduleNotFound,
)
from rqflow.values import dataclass

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Command(Generic[R]):
    """What the transport sends, and the reader of what comes back."""

    script: Script
    keys: tuple[str, ...]
    arguments: Sequence[Argument]
    parse: Callable[[Any], R]
    """Reads a reply that is no refusal."""

    def read(self, reply: Any) -> R | RqflowError:
        """The answer, or the error that the script answered with (a list `err, kind, …`)."""
        if isinstance(reply, list) and reply and reply[0] == b"err":
            return refusal(reply)
        return self.parse(reply)


@dataclass(frozen=True, slots=True)
class Place:
    """Where calls go: the hub and what it allows."""

    hub: HubInfo
    limits: Limits
    cluster: bool = False
    """Whether slots may move."""
    database: int = 0
    """Of the server."""

    def command(self, call: Call[R], name: str, parse: Callable[[Any], R], /, **arguments: Any) -> Command[R]:
        """The command that runs script `name` in the call's partition."""
        script = load(name, self.cluster, self.database)
        return Command(script, meta(self.hub.name, call.partition), script.pack(**arguments), parse)


Translator: TypeAlias = Callable[[Any, Place], Command[Any]]
"""Makes the command of a call. Raises the RqflowError of a call that cannot be sent at all."""


def nothing(_: Any) -> None:
    """Reads the reply of a call that answers nothing."""


def yes_or_no(reply: Any) -> bool:
    """Reads 1 and 0."""
    return bool(reply == 1)


def number(reply: Any) -> int:
    """Reads a number."""
    return int(reply)


def refusal(reply: Sequence[bytes | int]) -> RqflowError:
    """The error that a script answered with."""
    words = [part.decode(errors="replace") if isinstance(part, bytes) else str(part) for part in reply[1:]]
    match words:
        case ["missing", instance]:
            return InstanceNotFound(instance)
        case ["closed", instance, status]:
            return InstanceClosed(instance, status)
        case ["open", instance, status]:
            return InstanceNotClosed(instance, status)
        case ["exists", instance, status]:
            return InstanceExists(instance, status)
        case ["run", instance, run]:
            return RunNotFound(instance, run)
        case ["limit", what, limit, hint]:
            return LimitReached(what, int(limit), hint)
        case ["no_schedule", schedule]:
            return ScheduleNotFound(schedule)
        case ["schedule_exists", schedule]:
            return ScheduleExists(schedule)
        case ["schedule_changed", schedule]:
            return ScheduleChanged(schedule)
        case ["lease", task]:
            return LeaseLost(task)
        case _:
            return BackendRefused(f"a script answered with an error this rqflow does not know: {' '.join(words)[:200]}")
