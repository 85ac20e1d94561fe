"""Kinds: what a key of a partition is, told from its name, and the type it must have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rqflow.backend.redis.keys import TEMPLATES

TYPES: Final[Mapping[str, tuple[str, ...]]] = {
    "hash": (
        "meta", "counters", "received", "worker_info", "instance", "children", "outstanding", "attempts", "answers",
        "schedule",
    ),
    "set": ("queues",),
    "stream": ("events", "workflows", "activities", "worker", "outbox"),
    "list": ("broken", "notices", "inbox", "runs", "history", "schedule_ends"),
    "zset": (
        "workers", "unknown", "due", "requests", "created", "closed", "ids", "status", "workflow", "queue", "parent",
        "attribute", "schedules", "schedules_due", "schedulers",
    ),
    "string": ("query",),
}  # fmt: skip
"""The kinds of keys by their type in Redis: all of TEMPLATES but channels."""
INDEXES: Final = frozenset(TYPES["zset"]) - {"workers", "unknown", "due", "requests", "schedulers"}
STREAMS: Final = frozenset({"workflows", "activities", "worker"})

TYPE_OF: Final = {kind: type for type, kinds in TYPES.items() for kind in kinds}
_KINDS: Final = {TEMPLATES[kind].removesuffix("{}").encode(): kind for kind in TYPE_OF}


def kind_of(name: bytes) -> tuple[str, bytes]:
    """Kind and argument of a key without its partition's prefix; an empty kind if there is none such."""
    head, colon, argument = name.partition(b":")
    return _KINDS.get(head + colon, ""), argument
