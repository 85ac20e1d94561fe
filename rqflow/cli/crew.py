"""Crew: the demo's worker processes, the one of them that is killed, and who took over what it held."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rqflow.backend.calls.instances import Description
from rqflow.cli.children import Child
from rqflow.client.sync import Client
from rqflow.core.states import CLOSED
from rqflow.errors import BackendUnavailable, InstanceNotFound

_LOOKED_AT = 100
"""Instances that are looked at, at a time, to find out what a worker holds."""
_LOOK_SECONDS = 0.3
"""A stopped worker's lease runs: looking must not take long."""
_START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Held:
    """Something that a worker had in work: an instance's turn, or one of its activities."""

    instance: str
    activity: int
    """0: the instance itself."""


@dataclass(slots=True)
class Takeover:
    """A worker that was killed, and what became of its work."""

    name: str
    pid: int
    worker: str
    """Its id in the store."""
    held: set[Held]
    killed_at: float
    left: set[Held]
    """What nobody has taken over yet."""
    successors: set[str] = field(default_factory=set)
    seconds: float | None = None
    """From the kill until the last of it was with another worker."""


class Crew:
    """Worker processes with names of their own. A context manager."""

    def __init__(self, size: int, arguments: Sequence[str], *, folder: Path, logs: Path) -> None:
        self._names: dict[int, str] = {}
        self._children: dict[str, Child] = {}
        for number in range(1, size + 1):
            name = f"worker-{number}"
            child = Child(
                ["worker", *arguments, "--name", name, "--until-eof"],
                folder=folder,
                log=logs / f"{name}.log",
                # The tree may be Python's own: nothing is to be written into it while it is counted.
                environment={"PYTHONDONTWRITEBYTECODE": "1"},
            )
            self._children[name] = child
            self._names[child.pid] = name
        self.killed: set[str] = set()
        self._cursor: str | None = None

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        for child in self._children.values():
            child.send(signal.SIGCONT)
            child.send(signal.SIGTERM)
        for child in self._children.values():
            child.stop(5.0)
            child.kill()

    @property
    def survivors(self) -> list[str]:
        """The names of those that were not killed."""
        return [name for name in self._children if name not in self.killed]

    def await_all(self, client: Client) -> None:
        """Until each has told the store that it is there. Raises BackendUnavailable with the log of one that is not."""
        until = time.monotonic() + _START_SECONDS
        while len(client.stats().workers) < len(self._children):
            self.check()
            if time.monotonic() > until:
                raise BackendUnavailable(f"the workers did not start within {_START_SECONDS:g} s:\n{self.logs()}")
            time.sleep(0.05)

    def check(self) -> None:
        """Raises BackendUnavailable if one ended that nobody has killed."""
        for name, child in self._children.items():
            if child.code is not None and name not in self.killed:
                raise BackendUnavailable(f"{name} ended with exit code {child.code}:\n{child.tail()}")

    def logs(self) -> str:
        """The ends of the workers' logs."""
        return "\n".join(f"{name}: {child.tail(5)}" for name, child in self._children.items())

    def kill_busy(self, client: Client, workflow: str, *, choosy: bool) -> Takeover | None:
        """Kill a worker that has work in hand. None: no one has, at this moment.

        It is stopped while we look, so that what we see is what it holds when it dies. If we are `choosy` it must be
        in the middle of an activity.
        """
        workers = {self._names.get(found.record.pid, ""): found.record.id for found in client.stats().workers}
        for name, child in self._children.items():
            id = workers.get(name)
            if id is None or child.code is not None:
                continue
            child.send(signal.SIGSTOP)
            held = self._held(client, workflow, id)
            if any(one.activity or not choosy for one in held):
                self.killed.add(name)
                child.kill()
                return Takeover(name, child.pid, id, held, time.monotonic(), set(held))
            child.send(signal.SIGCONT)
        return None

    def _held(self, client: Client, workflow: str, worker: str) -> set[Held]:
        """What a worker has in work, of some running instances; the next call looks at the next ones."""
        until = time.monotonic() + _LOOK_SECONDS
        page = client.list_page(workflow=workflow, status="running", limit=_LOOKED_AT, cursor=self._cursor)
        self._cursor = page.cursor
        found: set[Held] = set()
        for row in page.rows:
            if time.monotonic() > until:
                break
            try:
                found |= _of(client.describe(row.instance), worker)
            except InstanceNotFound:
                continue
        return found

    def follow(self, client: Client, takeover: Takeover) -> None:
        """Look who has taken over what, until all of it is with others or done."""
        if not takeover.left:
            return
        names = {found.record.id: found.record.name for found in client.stats().workers}
        for instance in {held.instance for held in takeover.left}:
            try:
                row = client.describe(instance)
            except InstanceNotFound:
                continue
            mine = {held for held in takeover.left if held.instance == instance}
            still = _of(row, takeover.worker) & mine
            takeover.left -= mine - still
            wanted = {held.activity for held in mine}
            holders = {pending.worker for pending in row.pending if pending.id in wanted}
            holders |= {row.worker} if not still else set()
            holders.discard(takeover.worker)
            takeover.successors |= {names[holder] for holder in holders if holder in names}
        if not takeover.left:
            takeover.seconds = time.monotonic() - takeover.killed_at


def _of(row: Description, worker: str) -> set[Held]:
    """What a worker holds of an instance."""
    if row.status in CLOSED:
        return set()
    found = {Held(row.instance, pending.id) for pending in row.pending if pending.worker == worker}
    if row.worker == worker and row.task == "leased":
        found.add(Held(row.instance, 0))
    return found
