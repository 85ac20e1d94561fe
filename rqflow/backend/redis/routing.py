"""Routing: which server owns a partition: one, the master that sentinels name, or a node of a cluster. No I/O."""

from __future__ import annotations

import binascii
from collections.abc import Generator
from functools import lru_cache
from typing import Any, Final, TypeAlias

from rqflow.backend.redis.address import Address, Endpoint
from rqflow.backend.redis.refusals import explain
from rqflow.backend.redis.resp import RedisCommand, ServerError, text_of
from rqflow.errors import BackendError, BackendRefused, BackendUnavailable

SLOTS: Final = 16_384

Question: TypeAlias = tuple[Endpoint, RedisCommand]
Answered: TypeAlias = Any | BackendError
"""A reply, or why there is none."""
Search: TypeAlias = Generator[Question, Answered, None]
"""Asks servers, one after another, where things are; whoever drives it does the I/O."""


@lru_cache(maxsize=4_096)
def slot_of(key: str) -> int:
    """The cluster slot of a key: CRC-16 of its hash tag, or of all of it."""
    start = key.find("{")
    if start >= 0:
        end = key.find("}", start + 1)
        if end > start + 1:
            key = key[start + 1 : end]
    return binascii.crc_hqx(key.encode(), 0) % SLOTS


class Routes:
    """Where each slot is, as far as we know; found out by `search` and mended by redirections."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.cluster = address.cluster
        self._owners: dict[int, Endpoint] = {}
        self._nodes: tuple[Endpoint, ...] = address.endpoints
        self._stale = bool(address.service) or self.cluster
        self._doubted: set[Endpoint] = set()
        self._scripts: dict[Endpoint, set[str]] = {}

    @property
    def stale(self) -> bool:
        """Whether `search` should be driven before the next send."""
        return self._stale

    def become_cluster(self) -> None:
        """A plain URL turned out to name a node of a cluster."""
        self.cluster = True
        self._stale = True

    @property
    def nodes(self) -> tuple[Endpoint, ...]:
        """All servers that own something."""
        return tuple(dict.fromkeys(self._owners.values())) or self._nodes

    def owner(self, slot: int) -> Endpoint:
        """The server to ask about this slot. One that is not known is asked of any node, which then redirects."""
        return self._owners.get(slot, self._nodes[0])

    def learn(self, slot: int, endpoint: Endpoint) -> None:
        """A node said who owns this slot now; others have probably moved too."""
        self._owners[slot] = endpoint
        self._stale = True

    def suspect(self) -> None:
        """A server did not answer: others may have taken its place, or it comes back without its scripts."""
        self._stale = bool(self.address.service) or self.cluster
        self._scripts.clear()

    def has_run(self, endpoint: Endpoint, sha: str) -> bool:
        """Whether this server had this script, as far as we know."""
        return sha in self._scripts.get(endpoint, ())

    def ran(self, endpoint: Endpoint, sha: str) -> None:
        """A server carried out this script."""
        self._scripts.setdefault(endpoint, set()).add(sha)

    def lost_scripts(self, endpoint: Endpoint) -> None:
        """A server did not have a script that we thought it had: it may have none."""
        self._scripts.pop(endpoint, None)

    def doubt(self, endpoint: Endpoint) -> None:
        """A server is no master any more: connect anew, its name may lead elsewhere by now."""
        self.suspect()
        self._doubted.add(endpoint)

    def take_doubted(self) -> set[Endpoint]:
        """The servers whose connections should be dropped."""
        doubted, self._doubted = self._doubted, set()
        return doubted

    def search(self) -> Search:
        """Find out who owns what. Raises BackendUnavailable if nobody can tell."""
        if self.address.service:
            yield from self._search_master()
        elif self.cluster:
            yield from self._search_slots()
        self._stale = False

    def _search_master(self) -> Search:
        reasons: list[str] = []
        for sentinel in self.address.endpoints:
            reply = yield sentinel, ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.address.service)
            if isinstance(reply, list) and len(reply) == 2:
                self._nodes = (Endpoint(host=text_of(reply[0]), port=int(reply[1])),)
                return
            reasons.append(_reason(sentinel, reply, f"it knows no master {self.address.service!r}"))
        raise BackendUnavailable(f"no sentinel of {self.address} names a master: {'; '.join(reasons)}")

    def _search_slots(self) -> Search:
        reasons: list[str] = []
        for node in dict.fromkeys((*self._owners.values(), *self.address.endpoints)):
            reply = yield node, ("CLUSTER", "SLOTS")
            if isinstance(reply, list) and reply:
                self._owners = _owners(reply, node)
                return
            reasons.append(_reason(node, reply, "it knows no slots"))
        raise BackendUnavailable(f"no node of {self.address} tells who owns what: {'; '.join(reasons)}")


def _reason(endpoint: Endpoint, reply: Answered, otherwise: str) -> str:
    if isinstance(reply, ServerError):
        reply = explain(reply, endpoint)
    if isinstance(reply, BackendRefused):
        raise reply
    return str(reply) if isinstance(reply, BackendError) else f"{endpoint}: {otherwise}"


def _owners(reply: list[Any], asked: Endpoint) -> dict[int, Endpoint]:
    """CLUSTER SLOTS as a map. A node without a host is the one that was asked."""
    owners: dict[int, Endpoint] = {}
    for first, last, master, *_ in reply:
        host = text_of(master[0]) if master[0] else asked.host
        endpoint = Endpoint(host=asked.host if host == "?" else host, port=int(master[1]))
        owners.update(dict.fromkeys(range(int(first), int(last) + 1), endpoint))
    return owners


def redirection(error: ServerError, asked: Endpoint) -> tuple[int, Endpoint]:
    """The slot and the server that a MOVED or ASK reply names."""
    _, slot, where = error.text.split(" ", 2)
    host, _, port = where.rpartition(":")
    return int(slot), Endpoint(host=asked.host if host in ("", "?") else host.strip("[]"), port=int(port))
