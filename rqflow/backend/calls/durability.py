"""Durability: how safe what a client was told must be before it is told so."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from rqflow.errors import BadInput

MEMORY: Final = "memory"
MAX_REPLICAS: Final = 16
_REPLICA: Final = re.compile(r"replica:([1-9][0-9]?)\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Durability:
    """What a hub's `durability` asks of its servers."""

    text: str
    replicas: int = 0
    """So many replicas must have it before the client is answered."""
    on_disk: bool = False
    """The master must keep an append-only file."""
    flushed: bool = False
    """And the disks of master and replicas must have it before the client is answered (WAITAOF)."""


def read_durability(text: str) -> Durability:
    """What `memory`, `fsync`, `replica:N` or `fsync-replica` asks for. Raises BadInput."""
    match text:
        case "memory":
            return Durability(text=text)
        case "fsync":
            return Durability(text=text, on_disk=True)
        case "fsync-replica":
            return Durability(text=text, replicas=1, on_disk=True, flushed=True)
    found = _REPLICA.match(text)
    if found is None or int(found[1]) > MAX_REPLICAS:
        raise BadInput(
            f"durability is memory, fsync, replica:N (N from 1 to {MAX_REPLICAS}) or fsync-replica, not {text[:40]!r}"
        )
    return Durability(text=text, replicas=int(found[1]))
