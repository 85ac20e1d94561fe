"""Crash points: where a worker, the keeper of its leases, or a client can die, each with a name to ask for it again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from rqflow.errors import BadInput
from rqflow.testing.fates import Counting, Death, Line

Who: TypeAlias = Literal["worker", "keeper", "client"]
WHO: Final[tuple[Who, ...]] = ("worker", "keeper", "client")
_NAME: Final = re.compile(r"(worker|keeper|client) ([1-9]\d*) (before|after)")


@dataclass(frozen=True, slots=True)
class CrashPoint:
    """One death: `worker 7 before` is that of the worker before its seventh call reaches the store."""

    who: Who
    """worker: what its event loop says; keeper: the thread that keeps its leases; client: who plays the script."""
    number: int
    """Of the call, from 1."""
    when: Literal["before", "after"]
    """before: the call never reaches the store. after: it was carried out, and its answer is not heard."""
    call: str = ""
    """What was said there in the undisturbed run."""

    @property
    def name(self) -> str:
        """What `CrashOptions.only` takes."""
        return f"{self.who} {self.number} {self.when}"

    def __str__(self) -> str:
        return f"{self.name} ({self.call})" if self.call else self.name

    def death(self) -> Death:
        """The fate of whoever dies here."""
        line: Line = "renewal" if self.who == "keeper" else "call"
        return Death(self.number, carried_out=self.when == "after", line=line)


def parse_point(name: str) -> CrashPoint:
    """A point by its name. Raises BadInput."""
    found = _NAME.fullmatch(name.strip())
    if found is None:
        raise BadInput(f"{name!r} is no crash point; one is named like 'worker 7 before' or 'client 2 after'")
    who, number, when = found.groups()
    return CrashPoint(who, int(number), when)  # type: ignore[arg-type]


def points_of(worker: Counting, client: Counting) -> list[CrashPoint]:
    """All deaths that an undisturbed run has room for, that of each call before and after.

    Of calls that travel together `after 3` is `before 4`: such are named once.
    """
    return [
        *_points("worker", worker, "call"),
        *_points("keeper", worker, "renewal"),
        *_points("client", client, "call"),
    ]


def _points(who: Who, fate: Counting, line: Line) -> Iterator[CrashPoint]:
    for number, call in enumerate(fate.said[line], 1):
        yield CrashPoint(who, number, "before", call)
        if number in fate.last[line]:
            yield CrashPoint(who, number, "after", call)
