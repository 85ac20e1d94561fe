"""Looks: the read-only scripts that a check consists of, sent to a partition, and what they have found so far."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from rqflow.backend.calls.hubs import HubInfo
from rqflow.backend.redis.hubs import Errand, ask
from rqflow.backend.redis.keys import key
from rqflow.backend.redis.resp import text_of
from rqflow.backend.redis.routing import Routes
from rqflow.backend.redis.scripts import load
from rqflow.backend.redis.verify.violations import Finding

MOST: Final = 1_000
"""Findings that are kept: a hub that is beyond hope must not fill our memory."""


class Looks:
    """One check of one hub."""

    def __init__(self, routes: Routes, hub: HubInfo, progress: Callable[[int, int], None]) -> None:
        self.routes = routes
        self.hub = hub
        self.instances = 0
        self.keys = 0
        self.total = 0
        self.found: dict[tuple[int, Finding], None] = {}
        self.count = 0
        self._progress = progress

    def run(self, partition: int, name: str, **arguments: Any) -> Errand[Any]:
        """A script's reply. All that it reads in one run it reads at one moment.

        Raises BackendUnavailable while the partition's slot moves: half of its keys are elsewhere then.
        """
        script, meta = load(name, cluster=self.routes.cluster), key(self.hub.name, partition, "meta")
        (reply,) = yield from ask(self.routes, meta, ("EVAL", script.source, 1, meta, *script.pack(**arguments)))
        return reply

    def add(self, partition: int, findings: Iterable[Finding]) -> None:
        """Keep what was found. A key may be looked at twice: SCAN says so."""
        for finding in findings:
            if (partition, finding) not in self.found:
                self.count += 1
                if len(self.found) < MOST:
                    self.found[partition, finding] = None

    def tell(self, instances: int) -> None:
        """So many instances more have been looked at."""
        self.instances += instances
        self._progress(self.instances, max(self.total, self.instances))


def read_findings(reply: Sequence[Sequence[bytes]]) -> list[Finding]:
    """Findings as scripts answer them."""
    return [Finding(*map(text_of, one)) for one in reply]
