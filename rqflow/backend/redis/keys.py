"""Keys: the one home of every key name in Redis, for Python and (through the script loader) for Lua.

All keys of a partition begin with the same hash tag, so they live in one slot and one script may touch them all.
A script is given one key, `meta` of its partition, and builds the others as `key.<name>(argument)`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

GROUP: Final = "rqflow"
"""The one consumer group of every stream; consumers are worker ids."""

HUBS: Final = "rqflow:hubs"
"""Set of the names of all hubs on a server: the one key that belongs to no hub."""

TEMPLATES: Final[Mapping[str, str]] = {
    # the partition's own, for ever
    "meta": "meta",  # hash: how the hub was created (hubs.py)
    "counters": "counters",  # hash: order, closed (last given numbers), self (messages on their way to ourselves)
    "queues": "queues",  # set: "w:<queue>" and "a:<queue>", the streams that ever got a task or a worker
    "received": "received",  # hash: source partition -> last message id that was delivered
    "events": "events",  # stream, capped: lifecycle events
    "broken": "broken",  # list, capped: due members and messages that could not be handled
    # work
    "workflows": "workflows:{}",  # stream of a queue: workflow tasks, questions, wake entries
    "activities": "activities:{}",  # stream of a queue: activity tasks with their input
    "worker": "worker:{}",  # stream of a worker: sticky workflow tasks, questions, wake entries
    "notices": "notices:{}",  # list of a worker: tokens of activities that are not wanted any more
    "workers": "workers",  # zset: worker -> end of its lease in ms; 0: declared dead, being taken over
    "worker_info": "worker-info:{}",  # hash: record, stats, taken
    "unknown": "unknown:{}",  # zset of a queue: tasks that a worker gave back as unknown; expires
    "due": "due",  # zset: what happens at a time, see rows.py -> ms
    "outbox": "outbox",  # stream: messages to other partitions; stays when empty, so that no id comes twice
    # schedules
    "schedules": "schedules",  # zset: ids, all scores 0
    "schedules_due": "schedules-due",  # zset: schedule -> when a scheduler looks at it, in ms
    "schedule": "schedule:{}",  # hash: its row, see rows.py
    "schedule_ends": "schedule-ends:{}",  # list: ends of what it started that its state does not know of
    "schedulers": "schedulers",  # zset: scheduler -> until when it counts as alive, in ms; expires
    # an instance
    "instance": "instance:{}",  # hash: its row, see rows.py
    "inbox": "inbox:{}",  # list: stored events that no turn has consumed
    "requests": "requests:{}",  # zset: the last 1,000 request ids
    "children": "children:{}",  # hash: an open child's first run -> packed link
    "runs": "runs:{}",  # list: earlier runs of it whose history may still be there
    "query": "query:{}",  # string: a question's answer, for a minute
    # a run
    "history": "history:{}",  # list: stored events
    "outstanding": "outstanding:{}",  # hash: what the run waits for, see rows.py
    "attempts": "attempts:{}",  # hash: what outlives an attempt of an activity, see rows.py
    "answers": "answers:{}",  # hash: update -> "1" or "0" and the payload
    # indexes: zsets of instance ids, scored by creation order unless said otherwise
    "created": "created",
    "closed": "closed",  # scored by closing order
    "ids": "ids",  # all scores 0: by id
    "status": "status:{}",
    "workflow": "workflow:{}",
    "queue": "queue:{}",
    "parent": "parent:{}",
    "attribute": "attribute:{}",  # "<name>=<JSON value>"
    "nowhere": "nowhere:{}",  # never there: see lua/parts/steady.lua
    # pub/sub
    "schedules_changed": "schedules-changed",  # channel: a schedule is due sooner than any was
    "changed": "changed:{}",  # channel of an instance: something a waiter may care for, see notices.py
}


CHANNELS: Final = frozenset({"schedules_changed", "changed"})
"""Which of them are no keys. The databases of a server share them, so that they say which one they are of."""

_CALL: Final = re.compile(r"\bkey\.(\w+)\(")


def prefix(hub: str, partition: int) -> str:
    """What every key of a partition begins with."""
    return f"rqflow:{{{hub}.{partition}}}:"


def key(hub: str, partition: int, name: str, argument: str = "") -> str:
    """A key by its name in TEMPLATES."""
    return prefix(hub, partition) + TEMPLATES[name].format(argument)


@lru_cache(maxsize=4_096)
def meta(hub: str, partition: int) -> tuple[str]:
    """The one key that each script of a partition is given."""
    return (key(hub, partition, "meta"),)


def channel(hub: str, partition: int, database: int, name: str, argument: str = "") -> str:
    """A channel by its name in TEMPLATES, for hubs in this database of their server."""
    return prefix(hub, partition) + of_database(database) + TEMPLATES[name].format(argument)


def of_database(database: int) -> str:
    """What stands in the names of channels before all else; nothing for the one that nearly everybody has."""
    return f"db{database}:" if database else ""


def suffix(name: str, argument: str = "") -> str:
    """A key without its partition's prefix: how tokens and entries name streams."""
    return TEMPLATES[name].format(argument)


def lua_prologue() -> str:
    """Lua that finds out which partition a script runs in."""
    return (
        f"local prefix = string.sub(KEYS[1], 1, -{len(TEMPLATES['meta']) + 1})\n"
        "local partition = tonumber(string.match(prefix, '%.(%d+)}:$'))\n"
        f"local group = '{GROUP}'\n"
    )


def write_out(source: str, database: int = 0) -> str:
    """Lua in which each `key.<name>(argument)` is replaced by the key it names. Raises KeyError for an unknown name.

    Done here and not by functions in Lua, which would be made anew each time a script runs.
    """
    written, at = [], 0
    for call in _CALL.finditer(source):
        if call.start() < at:  # within the argument of another
            continue
        end = _closing(source, call.end())
        argument = write_out(source[call.end() : end], database)
        template = TEMPLATES[call[1]]
        name = template.removesuffix("{}")
        of = f" .. ({argument})" if name != template else ""
        name = of_database(database) + name if call[1] in CHANNELS else name
        written += [source[at : call.start()], f"(prefix .. '{name}'{of})"]
        at = end + 1
    return "".join(written) + source[at:]


def _closing(source: str, start: int) -> int:
    """Where the parenthesis ends that was opened just before `start`."""
    depth = 1
    for at in range(start, len(source)):
        depth += {"(": 1, ")": -1}.get(source[at], 0)
        if depth == 0:
            return at
    raise ValueError(f"a parenthesis stays open: {source[start : start + 60]!r}")
