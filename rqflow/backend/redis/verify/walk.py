"""Walk: through all keys of a hub, in pages, each page looked at by what its keys are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from rqflow.backend.redis.hubs import SCAN_COUNT, Errand
from rqflow.backend.redis.keys import prefix, suffix
from rqflow.backend.redis.refusals import explain
from rqflow.backend.redis.resp import ServerError, text_of
from rqflow.backend.redis.verify.claims import Claim, read_claims, settle
from rqflow.backend.redis.verify.events import Seen, check_earlier_run, check_events
from rqflow.backend.redis.verify.kinds import INDEXES, STREAMS, TYPE_OF, kind_of
from rqflow.backend.redis.verify.looks import Looks, read_findings
from rqflow.backend.redis.verify.violations import Finding
from rqflow.core.states import CLOSED, INSTANCE_STATUSES

BATCH: Final = 100
"""Instances that one script looks at: about a millisecond of Redis' time."""
MOST_LEFT: Final = 10_000
_BEGINNING: Final = b"0"
_LOOSE: Final = "answers_loose"


class Walk:
    """All keys of a hub, once."""

    def __init__(self, looks: Looks) -> None:
        self.looks = looks
        self.left: list[Claim] = []
        """What cannot be settled while messages are under way."""
        self._loose: dict[int, set[str]] = {}
        """Runs that have answers and no history."""
        self._prefixes = {
            prefix(looks.hub.name, partition).encode(): partition for partition in range(looks.hub.partitions)
        }

    def all(self) -> Errand[None]:
        """Partitions first, then every key."""
        yield from check_partitions(self.looks)
        for endpoint in self.looks.routes.nodes:
            cursor = _BEGINNING
            while True:
                pattern = f"rqflow:{{{self.looks.hub.name}.*}}:*"
                reply = (yield {endpoint: [("SCAN", cursor, "MATCH", pattern, "COUNT", SCAN_COUNT)]})[endpoint][0]
                if isinstance(reply, ServerError):
                    raise explain(reply, endpoint, doing="SCAN")
                cursor, found = reply
                yield from self._page(found)
                if cursor == _BEGINNING:
                    break
        yield from self._check_loose()

    def _page(self, found: Sequence[bytes]) -> Errand[None]:
        by_partition: dict[int, list[bytes]] = {}
        for name in found:
            before, sign, rest = name.partition(b"}:")
            partition = self._prefixes.get(before + sign)
            if partition is not None:
                by_partition.setdefault(partition, []).append(rest)
        for partition, names in by_partition.items():
            self.looks.keys += len(names)
            yield from self._names(partition, names)

    def _names(self, partition: int, names: Sequence[bytes]) -> Errand[None]:
        known, instances = list[tuple[bytes, str, bytes, str]](), list[bytes]()
        for name in names:
            kind, argument = kind_of(name)
            if not kind:
                self.looks.add(partition, [Finding("key_unknown", text_of(name), "", "")])
                continue
            known.append((name, kind, argument, TYPE_OF[kind]))
            if kind == "instance":
                instances.append(argument)
        for first in range(0, len(known), BATCH):
            yield from self._owners(partition, known[first : first + BATCH])
        yield from self._instances(partition, instances)
        for _, kind, argument, _ in known:
            if kind in INDEXES:
                yield from self._pages(partition, "look_index", kind=kind, argument=argument)
            elif kind in STREAMS:
                yield from check_stream(self.looks, partition, suffix(kind, text_of(argument)))
            elif kind == "due":
                yield from self._pages(partition, "look_due")
            elif kind == "history":
                yield from check_earlier_run(self.looks, partition, argument)

    def _owners(self, partition: int, names: Sequence[tuple[bytes | str, str, bytes | str, str]]) -> Errand[None]:
        found = read_findings((yield from self.looks.run(partition, "look_keys", names=names)))
        for finding in found:
            if finding.word == _LOOSE and len(self._loose.setdefault(partition, set())) < MOST_LEFT:
                self._loose[partition].add(finding.detail)
        self.looks.add(partition, (finding for finding in found if finding.word != _LOOSE))

    def _check_loose(self) -> Errand[None]:
        """Answers whose run is nobody's, if they are there before and after all instances were asked."""
        for partition, runs in self._loose.items():
            names = [(suffix("answers", run), "answers", run, TYPE_OF["answers"]) for run in sorted(runs)]
            left = yield from self._still_loose(partition, names)
            cursor = _BEGINNING if left else None
            while cursor is not None:
                cursor, current = yield from self.looks.run(partition, "look_runs", cursor=cursor, runs=sorted(left))
                left -= set(map(text_of, current))
                cursor = None if cursor == _BEGINNING else cursor
            left &= yield from self._still_loose(partition, names)
            self.looks.add(partition, (Finding("key_extra", suffix("answers", run), "", "answers") for run in left))

    def _still_loose(self, partition: int, names: Sequence[tuple[str, str, str, str]]) -> Errand[set[str]]:
        found = set[str]()
        for first in range(0, len(names), BATCH):
            reply = yield from self.looks.run(partition, "look_keys", names=names[first : first + BATCH])
            found |= {finding.detail for finding in read_findings(reply) if finding.word == _LOOSE}
        return found

    def _pages(self, partition: int, script: str, **arguments: Any) -> Errand[None]:
        cursor = _BEGINNING
        while True:
            found, cursor = yield from self.looks.run(partition, script, cursor=cursor, **arguments)
            self.looks.add(partition, read_findings(found))
            if cursor == _BEGINNING:
                return

    def _instances(self, partition: int, instances: Sequence[bytes]) -> Errand[None]:
        at = 0
        while at < len(instances):
            reply = yield from self.looks.run(partition, "look_instances", instances=instances[at : at + BATCH])
            found, claims, seen, looked = reply
            at += looked
            self.looks.add(partition, read_findings(found))
            unsettled = read_claims(partition, claims)
            for one in (Seen(*facts) for facts in seen):
                yield from check_events(self.looks, partition, one)
                unsettled += yield from self._waits(partition, one)
            left = yield from settle(self.looks, unsettled)
            self.left += left[: MOST_LEFT - len(self.left)]
            self.looks.tell(looked)

    def _waits(self, partition: int, seen: Seen) -> Errand[list[Claim]]:
        """What an instance waits for beyond the first page."""
        claims, waits, children = list[Claim](), seen.waits, seen.children
        while waits != _BEGINNING or children != _BEGINNING:
            reply = yield from self.looks.run(
                partition, "look_waits", instance=seen.instance, run=seen.run, waits=waits, children=children
            )
            found, claimed, waits, children = reply
            self.looks.add(partition, read_findings(found))
            claims += read_claims(partition, claimed)
        return claims


def check_stream(looks: Looks, partition: int, name: str) -> Errand[None]:
    """All entries and leases of a task stream."""
    entries = leases = b""
    while (entries, leases) != (b"-", b"-"):
        found, entries, leases = yield from looks.run(
            partition, "look_stream", stream=name, entries=entries, leases=leases
        )
        looks.add(partition, read_findings(found))


def check_partitions(looks: Looks) -> Errand[None]:
    """What each partition says of itself, and of the others."""
    received, posted = dict[tuple[int, int], bytes](), dict[int, bytes]()
    closed = sorted(CLOSED)
    for partition in range(looks.hub.partitions):
        found, count, record, last, _ = yield from looks.run(
            partition, "look_partition", statuses=INSTANCE_STATUSES, closed=closed
        )
        looks.total += count
        looks.add(partition, [*read_findings(found), *_record(looks, record)])
        received |= {(partition, int(source)): id for source, id in zip(last[::2], last[1::2], strict=True)}
    # What was received was posted before: so the outboxes are looked at after all that was received.
    for partition in range(looks.hub.partitions):
        *_, posted[partition] = yield from looks.run(
            partition, "look_partition", statuses=INSTANCE_STATUSES, closed=closed
        )
    for (partition, source), id in received.items():
        if _parts(posted.get(source, b"0-0")) < _parts(id):
            detail = f"{text_of(id)} from partition {source}, which is at {text_of(posted.get(source, b'0-0'))}"
            looks.add(partition, [Finding("received", suffix("received"), "", detail)])


def _record(looks: Looks, flat: Sequence[bytes]) -> list[Finding]:
    record = dict(zip(map(text_of, flat[::2]), map(text_of, flat[1::2]), strict=True))
    wanted = {"name": looks.hub.name, "partitions": str(looks.hub.partitions), "version": str(looks.hub.version)}
    if all(record.get(name) == value for name, value in wanted.items()):
        return []
    return [Finding("meta", suffix("meta"), "", "another one" if record else "missing")]


def _parts(id: bytes) -> tuple[int, ...]:
    return tuple(map(int, id.split(b"-")))
