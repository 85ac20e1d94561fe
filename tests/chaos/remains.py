"""Remains: what a hub has left in Redis when everything has ended and everybody has left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, Final, cast

import redis

from rqflow.backend.opening import verify_hub
from rqflow.backend.redis.keys import prefix
from tests.promises.evidence import PERMANENT

QUEUES: Final = ("workflows:default", "activities:default")
"""Empty streams with their group: they stay for the next task."""


def remains(masters: Sequence[str], hub: str, partitions: int) -> list[str]:
    """Each key, entry or consumer that should be gone."""
    found = list[str]()
    for url in masters:
        with redis.Redis.from_url(url) as client:
            for partition in range(partitions):
                start = prefix(hub, partition)
                for key in client.scan_iter(match=start + "*", count=1_000):
                    name = key.decode().removeprefix(start)
                    found += [f"{problem} in partition {partition}" for problem in _problems(client, key, name)]
    return sorted(found)


def _problems(client: Any, key: bytes, name: str) -> Iterator[str]:
    if name not in PERMANENT and name not in QUEUES:
        # What is about to end by itself, the answer to a query for a minute, is no remains.
        if client.ttl(key) == -1:
            yield f"key {name} is left"
    elif name == "outbox" or name in QUEUES:
        if length := client.xlen(key):
            yield f"stream {name} has {length} entries"
        for group in cast(Any, client.xinfo_groups(key)):
            if group["consumers"] or group["pending"]:
                yield f"stream {name} has {group['consumers']} consumers, {group['pending']} entries are leased"


def audit(url: str, hub: str) -> list[str]:
    """What a reader of all keys finds wrong, beside live traffic too: as `rqflow hub verify`. Raises BackendError."""
    found = verify_hub(url, hub, patience=timedelta(seconds=3)).violations
    return [f"{each.promise} {each.key} of partition {each.partition}: {each.word}, {each.wrong}" for each in found]
