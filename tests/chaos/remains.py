"""Remains: what a hub has left in Redis when everything has ended and everybody has left."""

from __future__ import annotations

from tests.promises.evidence import PERMANENT, Store

QUEUES = ("workflows:default", "activities:default")
"""Empty streams with their group: they stay for the next task."""


def remains(url: str, hub: str, partitions: int) -> list[str]:
    """Each key, entry or consumer that should be gone."""
    store = Store(url, hub, partitions)
    try:
        kept = PERMANENT | set(QUEUES)
        # What is about to end by itself, the answer to a query for a minute, is no remains.
        left = [(at, name) for at, name in store.names() if name not in kept and store.lasts(at, name)]
        problems = [f"key {name} of partition {at} is left" for at, name in left]
        for check in (store.check_tasks, store.check_idle):
            try:
                check()
            except AssertionError as error:
                problems.append(str(error))
        return problems
    finally:
        store.close()
