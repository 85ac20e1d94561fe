"""Check: a whole hub verified, beside live traffic: what may mend itself is looked at again before it is named."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol, TypeVar

from rqflow.backend.calls.hubs import HubInfo
from rqflow.backend.redis.hubs import Errand
from rqflow.backend.redis.routing import Routes
from rqflow.backend.redis.verify.claims import settle
from rqflow.backend.redis.verify.looks import Looks
from rqflow.backend.redis.verify.violations import Violation, explain
from rqflow.backend.redis.verify.walk import Walk, check_stream

R = TypeVar("R")
ROUNDS: Final = 10
"""How often claims are looked at again that messages under way may bear on."""
_PASSING: Final = "consumer_extra"
"""A blocked read that outlives its worker's lease leads to it; the next sweeps put an end to it."""


class Servers(Protocol):
    """What drives errands: BlockingServers."""

    @property
    def routes(self) -> Routes: ...

    def drive(self, work: Errand[R]) -> R: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a check came to."""

    hub: str
    partitions: int
    instances: int
    """That were looked at."""
    keys: int
    violations: tuple[Violation, ...]
    """At most a thousand."""
    found: int
    """How many there are in all."""
    undecided: int
    """Children and signals that could not be told from live traffic: messages were under way at every look."""


def quiet(_done: int, _of: int) -> None:
    """Tells nobody."""


def check_hub(
    servers: Servers,
    hub: HubInfo,
    *,
    progress: Callable[[int, int], None] = quiet,
    patience: timedelta = timedelta(seconds=2),
) -> Report:
    """Read all keys of a hub and name what is wrong. Writes nothing. Raises BackendUnavailable, BackendRefused.

    `patience`: how long what workers mend by themselves is given before it counts. `progress` is told of instances
    looked at, and of how many there are.
    """
    looks = Looks(servers.routes, hub, progress)
    walk = Walk(looks)
    servers.drive(walk.all())
    for _ in range(ROUNDS):
        if not walk.left:
            break
        time.sleep(patience.total_seconds() / ROUNDS)
        walk.left = servers.drive(settle(looks, walk.left))
    _look_again(servers, looks, patience)
    return Report(
        hub=hub.name,
        partitions=hub.partitions,
        instances=looks.instances,
        keys=looks.keys,
        violations=tuple(explain(finding, partition) for partition, finding in looks.found),
        found=looks.count,
        undecided=len(walk.left),
    )


def _look_again(servers: Servers, looks: Looks, patience: timedelta) -> None:
    """Leave out what has passed by itself."""
    passing = [(partition, finding) for partition, finding in looks.found if finding.word == _PASSING]
    if not passing:
        return
    time.sleep(patience.total_seconds())
    again = Looks(servers.routes, looks.hub, quiet)
    for partition, name in dict.fromkeys((partition, finding.key) for partition, finding in passing):
        servers.drive(check_stream(again, partition, name))
    for one in passing:
        if one not in again.found:
            del looks.found[one]
            looks.count -= 1
