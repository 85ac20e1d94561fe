"""Opening: `memory://name` stores, which all of one process share by their names."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Final

from rqflow.backend.calls.hubs import Limits
from rqflow.backend.memory.backend import MemoryBackend, SyncMemoryBackend
from rqflow.backend.memory.store import MemoryStore
from rqflow.errors import HubMismatch

_lock: Final = threading.Lock()
_stores: Final[dict[tuple[str, str], MemoryStore]] = {}


def memory_store(
    name: str,
    hub: str,
    *,
    partitions: int | None = None,
    retention: timedelta | None = None,
    limits: Limits | None = None,
) -> MemoryStore:
    """The store of this name and hub, made if there is none. Raises HubMismatch if it has other partitions."""
    with _lock:
        store = _stores.get((name, hub))
        if store is None:
            store = MemoryStore(
                hub=hub, partitions=partitions or 1, retention=retention or timedelta(days=7), limits=limits
            )
            _stores[name, hub] = store
    if partitions is not None and partitions != store.hub.partitions:
        raise HubMismatch(f"hub {hub!r} of memory://{name} has {store.hub.partitions} partitions, not {partitions}")
    return store


def open_memory(name: str, hub: str, *, partitions: int | None = None) -> MemoryBackend:
    """A backend on a named store."""
    return MemoryBackend(memory_store(name, hub, partitions=partitions))


def open_memory_sync(name: str, hub: str, *, partitions: int | None = None) -> SyncMemoryBackend:
    """A blocking backend on a named store."""
    return SyncMemoryBackend(memory_store(name, hub, partitions=partitions))


def forget_memory(name: str, hub: str) -> None:
    """Let go of a named store: whoever opens the name next gets an empty one."""
    with _lock:
        _stores.pop((name, hub), None)
