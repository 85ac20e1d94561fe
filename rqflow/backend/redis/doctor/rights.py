"""Rights: what a Redis user must be allowed, by what it is for. config/users.acl says the same."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final

from rqflow.backend.redis.keys import HUBS, prefix
from rqflow.backend.redis.scripts import LUA, load

_CALLED: Final = re.compile(r"\bp?call\('(\w+)'")

WORKERS_SCRIPTS: Final = frozenset({
    "answer_query", "begin_turn", "commit", "complete_activity", "create_groups", "fire_due", "give_back", "register",
    "renew", "retry_activity", "stall", "sweep", "take", "take_due", "unregister",
})  # fmt: skip
"""Clients and schedulers never send them."""
OPERATORS_SCRIPTS: Final = re.compile(r"change_hub|look_\w+")
"""Only `rqflow hub` sends them."""

CLIENTS: Final = (
    "asking", "client|setname", "cluster|slots", "eval", "evalsha", "hgetall", "info", "ping", "sadd", "script|load",
    "subscribe", "unsubscribe", "wait",
)  # fmt: skip
"""Outside of scripts: run and load them, keep connections, find a hub, be told of changes, follow a cluster, wait for
replicas. Where a hub waits for disks, `waitaof` too, which servers before 7.2 lack."""
WORKERS: Final = ("xreadgroup",)
"""Outside of scripts: wait for tasks. A worker's activities may be clients, so it may all that those may."""
OPERATORS: Final = (
    "cluster|info", "config|get", "hset", "scan", "slowlog|get", "smembers", "srem", "time", "unlink", "zcard",
    "zcount",
)  # fmt: skip
"""Outside of scripts: `rqflow hub` and `rqflow doctor`. An operator may all that a worker may."""


def script_commands(names: Iterable[str]) -> frozenset[str]:
    """What these scripts run, in small letters."""
    return frozenset(word.lower() for name in names for word in _CALLED.findall(load(name).source))


def script_names() -> frozenset[str]:
    """All scripts that there are."""
    return frozenset(file.name.removesuffix(".lua") for file in LUA.iterdir() if file.name.endswith(".lua"))


@cache
def roles() -> Mapping[str, tuple[str, ...]]:
    """What each kind of user needs, sorted. A scheduler is a client."""
    operators = {name for name in script_names() if OPERATORS_SCRIPTS.fullmatch(name)}
    client = {*CLIENTS, *script_commands(script_names() - operators - WORKERS_SCRIPTS)}
    worker = client | {*WORKERS, *script_commands(WORKERS_SCRIPTS)}
    operator = worker | {*OPERATORS, *script_commands(operators)}
    needed = {"client": client, "worker": worker, "operator": operator}
    return {role: tuple(sorted(commands)) for role, commands in needed.items()}


def sample(command: str, hub: str) -> str:
    """An example of a command, for the server to say whether it would be allowed."""
    key, words = f"{prefix(hub, 0)}meta", command.split("|")
    match words[0]:
        case "evalsha" | "eval":
            rest = ["x", "1", key]
        case "xreadgroup":
            rest = ["group", "g", "c", "streams", key, ">"]
        case "xgroup":
            rest = ["create", key, "g", "0"]
        case "xinfo":
            rest = ["stream", key]
        case "rename":
            rest = [key, key]
        case "ping" | "info" | "script" | "client" | "cluster" | "config" | "slowlog" | "time" | "asking" | "wait":
            rest = ["1"]
        case "smembers" | "srem" | "sadd":
            rest = [HUBS]
        case "scan":
            rest = ["0"]
        case _:
            # A channel too begins as keys do.
            rest = [key]
    return " ".join((*words, *rest))
