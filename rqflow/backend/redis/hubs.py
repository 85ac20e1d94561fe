"""Hubs: how a hub is written down on a server, found, created and removed. No I/O: generators that servers drive.

Each partition's `meta` hash holds the hub's record; partition 0's is the one that counts, and is found without
knowing how many there are. The set HUBS holds the names.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias, TypeVar

from rqflow.backend.calls.durability import MEMORY, read_durability
from rqflow.backend.calls.hubs import HubInfo
from rqflow.backend.redis.address import Endpoint
from rqflow.backend.redis.delivery import Pipelines, Replies
from rqflow.backend.redis.keys import HUBS, key, prefix
from rqflow.backend.redis.refusals import explain
from rqflow.backend.redis.resp import RedisCommand, ServerError, text_of
from rqflow.backend.redis.routing import Routes, redirection, slot_of
from rqflow.backend.redis.scripts import load
from rqflow.core.states import OPEN
from rqflow.errors import BackendError, BadInput, Conflict, HubExists, HubMismatch, HubNotFound

R = TypeVar("R")
Errand: TypeAlias = Generator[Pipelines, Replies, R]
"""Some requests, one after another, and what they come to: servers drive it."""

LAYOUT: Final = 1
"""Version of the key layout. A hub of a newer one is left alone."""
MAX_PARTITIONS: Final = 1_024
DEFAULT_RETENTION: Final = timedelta(days=7)
SCAN_COUNT: Final = 1_000
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")
_TRIES: Final = 5


def check_name(name: str) -> str:
    """The name, if a hub may have it. Raises BadInput."""
    if not _NAME.match(name):
        raise BadInput(f"a hub's name is 1 to 64 letters, digits, '_', '.' or '-', not {name[:80]!r}")
    return name


def ask(routes: Routes, about: str, *commands: RedisCommand) -> Errand[list[Any]]:
    """The replies of the server that owns the key `about`. Raises what an error reply means."""
    slot = slot_of(about)
    detour: Endpoint | None = None
    for _ in range(_TRIES):
        endpoint = detour or routes.owner(slot)
        sent = [each for command in commands for each in (("ASKING",), command)] if detour else commands
        replies = list((yield {endpoint: sent})[endpoint])
        replies, detour = replies[1::2] if detour else replies, None
        error = next((reply for reply in replies if isinstance(reply, ServerError)), None)
        if error is None:
            return replies
        match error.word:
            case "MOVED":
                routes.learn(*redirection(error, endpoint))
            case "ASK":
                _, detour = redirection(error, endpoint)
            case _:
                raise explain(error, endpoint, doing=str(commands[0][0]))
    raise BackendError(f"the servers of {routes.address} send us in circles for {about}")


def read_hub(routes: Routes, name: str) -> Errand[HubInfo]:
    """The hub's record. Raises HubNotFound, HubMismatch."""
    meta = key(check_name(name), 0, "meta")
    (reply,) = yield from ask(routes, meta, ("HGETALL", meta))
    record = _record(reply)
    if not record or "deleting" in record:
        raise HubNotFound(name)
    return _info(name, record)


def create_hub(
    routes: Routes, name: str, partitions: int, retention: timedelta, durability: str = MEMORY
) -> Errand[HubInfo]:
    """Create a hub, or find it there with the same settings. Raises HubExists, BadInput."""
    check_name(name)
    read_durability(durability)
    if not 1 <= partitions <= MAX_PARTITIONS:
        raise BadInput(f"a hub has 1 to {MAX_PARTITIONS:,} partitions, not {partitions}")
    if retention < timedelta(0):
        raise BadInput(f"retention must not be negative: {retention}")
    retention_ms = retention // timedelta(milliseconds=1)
    script = load("create_hub")
    arguments = script.pack(
        name=name, partitions=partitions, version=LAYOUT, retention_ms=retention_ms, durability=durability
    )
    for partition in range(partitions):
        # Partition 0 decides who was first; the others only repeat its record.
        meta = key(name, partition, "meta")
        (reply,) = yield from ask(routes, meta, ("EVAL", script.source, 1, meta, *arguments))
        if partition == 0:
            info = _info(name, _agreed(name, _record(reply), partitions, retention_ms, durability))
    yield from ask(routes, HUBS, ("SADD", HUBS, name))
    return info


def change_hub(routes: Routes, name: str, durability: str) -> Errand[HubInfo]:
    """Give a hub another durability. Those who have it open go on with the old one. Raises HubNotFound, BadInput."""
    read_durability(durability)
    check_name(name)
    script = load("change_hub")
    partition, found = 0, None
    while found is None or partition < found.partitions:
        meta = key(name, partition, "meta")
        (reply,) = yield from ask(routes, meta, ("EVAL", script.source, 1, meta, *script.pack(durability=durability)))
        record = _record(reply)
        if not record or "deleting" in record:
            raise HubNotFound(name)
        found = found or _info(name, record)
        partition += 1
    return found


def _agreed(
    name: str, record: Mapping[str, str], partitions: int, retention_ms: int, durability: str
) -> Mapping[str, str]:
    if "deleting" in record:
        raise HubExists(f"hub {name!r} is being deleted; finish it with: rqflow hub delete {name}")
    if int(record["partitions"]) != partitions or int(record["retention_ms"]) != retention_ms:
        retention = timedelta(milliseconds=int(record["retention_ms"]))
        raise HubExists(
            f"hub {name!r} exists with {record['partitions']} partitions and retention {retention}; "
            "choose another name, or delete it first"
        )
    if record.get("durability", MEMORY) != durability:
        raise HubExists(
            f"hub {name!r} exists with durability {record.get('durability', MEMORY)}; change it with: "
            f"rqflow hub set {name} --durability {durability}"
        )
    return record


def list_hubs(routes: Routes) -> Errand[tuple[HubInfo, ...]]:
    """All hubs of the servers, by name; those being deleted are left out."""
    (names,) = yield from ask(routes, HUBS, ("SMEMBERS", HUBS))
    found = []
    for name in sorted(map(text_of, names)):
        try:
            found.append((yield from read_hub(routes, name)))
        except HubNotFound:
            continue
    return tuple(found)


def delete_hub(routes: Routes, name: str, *, force: bool) -> Errand[int]:
    """Remove a hub and every key of it; how many keys. Raises HubNotFound, Conflict (it is in use).

    Cut short, it can be called again: the record goes last.
    """
    meta = key(check_name(name), 0, "meta")
    (reply,) = yield from ask(routes, meta, ("HGETALL", meta))
    record = _record(reply)
    if not record:
        raise HubNotFound(name)
    info = _info(name, record)
    if not force:
        yield from _refuse_in_use(routes, info)
    for endpoint in routes.nodes:
        # Whoever may not look for the keys must not leave a hub behind that is half deleted.
        yield from _scan(endpoint, info, b"0", 1)
    yield from ask(routes, meta, ("HSET", meta, "deleting", "1"))
    removed = 0
    for endpoint in routes.nodes:
        cursor = b"0"
        while True:
            cursor, keys = yield from _scan(endpoint, info, cursor, SCAN_COUNT)
            for slot, batch in _by_slot(info, keys, meta).items():
                (count,) = yield from ask(routes, slot, ("UNLINK", *batch))
                removed += count
            if cursor == b"0":
                break
    yield from ask(routes, HUBS, ("SREM", HUBS, name))
    (count,) = yield from ask(routes, meta, ("UNLINK", meta))
    return removed + int(count)


def _scan(endpoint: Endpoint, info: HubInfo, cursor: bytes, count: int) -> Errand[tuple[bytes, list[bytes]]]:
    """The next of a server's keys that look like the hub's, and where to go on."""
    pattern = f"rqflow:{{{info.name}.*}}:*"
    reply = (yield {endpoint: [("SCAN", cursor, "MATCH", pattern, "COUNT", count)]})[endpoint][0]
    if isinstance(reply, ServerError):
        raise explain(reply, endpoint, doing="SCAN")
    return reply[0], reply[1]


def _by_slot(info: HubInfo, keys: list[bytes], spared: str) -> dict[str, list[bytes]]:
    """The keys that are the hub's, by partition: a hub named `a.1` has keys that look like those of hub `a`."""
    prefixes = {prefix(info.name, partition) for partition in range(info.partitions)}
    batches: dict[str, list[bytes]] = {}
    for found in keys:
        before = text_of(found).partition("}:")[0] + "}:"
        if before in prefixes and found != spared.encode():
            batches.setdefault(before, []).append(found)
    return batches


def _refuse_in_use(routes: Routes, info: HubInfo) -> Errand[None]:
    open_instances = workers = schedules = 0
    for partition in range(info.partitions):
        counts = yield from ask(
            routes,
            key(info.name, partition, "meta"),
            ("ZCOUNT", key(info.name, partition, "workers"), "(0", "+inf"),
            ("ZCARD", key(info.name, partition, "schedules")),
            *(("ZCARD", key(info.name, partition, "status", status)) for status in sorted(OPEN)),
        )
        workers += counts[0]
        schedules += counts[1]
        open_instances += sum(counts[2:])
    if open_instances or workers or schedules:
        raise Conflict(
            f"hub {info.name!r} has {open_instances:,} open instances, {workers:,} worker leases and {schedules:,} "
            "schedules; end them first, or delete it by force"
        )


def _record(reply: list[Any]) -> dict[str, str]:
    words = [text_of(word) for word in reply]
    return dict(zip(words[::2], words[1::2], strict=True))


def _info(name: str, record: Mapping[str, str]) -> HubInfo:
    try:
        version = int(record["version"])
        if version > LAYOUT:
            raise HubMismatch(
                f"hub {name!r} has key layout {version}, this rqflow serves up to {LAYOUT}; install a newer rqflow"
            )
        return HubInfo(
            name=name,
            partitions=int(record["partitions"]),
            version=version,
            created_at=datetime.fromtimestamp(int(record["created_ms"]) / 1_000, UTC),
            retention=timedelta(milliseconds=int(record["retention_ms"])),
            durability=read_durability(record.get("durability", MEMORY)).text,
        )
    except (KeyError, ValueError, OverflowError) as error:
        raise HubMismatch(
            f"the record of hub {name!r} cannot be read ({error!r}); was it written by rqflow?"
        ) from error
