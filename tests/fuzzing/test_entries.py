"""Whatever somebody writes into the streams and sets of a hub: it is set aside, and others are served as before."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rqflow.core.wire import encode, stored
from tests.core.test_wire import any_event
from tests.fuzzing.targets import BOMB
from tests.promises.conftest import ground  # noqa: F401 (a fixture)
from tests.promises.verbs import single, waiting
from tests.promises.yard import Yard

NAMES = [
    b"kind", b"instance", b"run", b"id", b"name", b"payload", b"attempt", b"losses", b"options", b"scheduled_ms",
    b"workflow", b"query", b"expires_ms", b"lost", b"body", b"to",
]  # fmt: skip
VALUES = [
    b"task", b"activity", b"query", b"wake", b"cancel", b"victim", b"1", b"-1", b"nan", b"1e400", b"", b"\xff\xfe",
    b"99999999999999999999", b"0-0", BOMB, b"\xc1", b"\x81\xa4kind", b"{}", b"x" * 70_000,
]  # fmt: skip
KINDS = [b"timer", b"retry", b"wait", b"total", b"queued", b"start", b"deadline", b"retention"]
ROW = [b"length", b"bytes", b"task", b"losses", b"sticky", b"trial"]
PLACES = ["workflows:default", "activities:default", "outbox", "worker:nobody", "events"]

values = st.sampled_from(VALUES) | st.binary(max_size=40)
entries = st.dictionaries(st.sampled_from(NAMES) | st.binary(min_size=1, max_size=8), values, min_size=1, max_size=9)
victims = st.just(b"victim") | values
members = st.binary(max_size=40) | st.tuples(st.sampled_from(KINDS), values, values, victims).map(b" ".join)
news = st.one_of(st.binary(max_size=60), any_event.map(lambda event: stored(5, "r", encode(event))), values)


@dataclass(frozen=True)
class Attack:
    """What is written."""

    entries: list[tuple[str, dict[bytes, bytes]]]
    members: list[bytes]
    said: list[bytes]
    news: list[bytes]
    row: dict[bytes, bytes]


attacks = st.builds(
    Attack,
    entries=st.lists(st.tuples(st.sampled_from(PLACES), entries), max_size=8),
    members=st.lists(members, max_size=4),
    said=st.lists(values, max_size=3),
    news=st.lists(news, max_size=3),
    row=st.dictionaries(st.sampled_from(ROW), values, max_size=2),
)  # fmt: skip


@pytest.fixture
def cache_size() -> int:
    """Workers keep their executors."""
    return 1_000


def carry_out(yard: Yard, attack: Attack, victim: str) -> None:
    """Write it, into each partition; what has the shape of a key that is there, only that."""
    store: Any = yard.store
    for at in range(yard.backend.hub.partitions):
        prefix = store.key(at, "meta").removesuffix("meta")
        for place, fields in attack.entries:
            store.redis.xadd(prefix + place, fields)
        for member in attack.members:
            store.redis.zadd(store.key(at, "due"), {member: 1})
        for said in attack.said:
            store.redis.publish(store.key(at, "changed", victim), said)
            store.redis.publish(prefix + said.decode(errors="replace")[:50], said)
    at = store.at(victim)
    if attack.news:
        store.redis.rpush(store.key(at, "inbox", victim), *attack.news)
    if attack.row:
        store.redis.hset(store.key(at, "instance", victim), mapping=attack.row)


def entry(place: str, **fields: bytes) -> Attack:
    """One entry of a stream."""
    return Attack([(place, {name.encode(): value for name, value in fields.items()})], [], [], [], {})


@given(attack=attacks)
@example(entry("workflows:default", kind=b"query", instance=b"victim", expires_ms=b"1e400"))
@example(Attack([], [b"timer 1 run victim", b"\x00"], [BOMB], [BOMB], {b"losses": b"nan"}))
@example(entry("outbox", to=b"1", body=BOMB))
@example(entry("outbox", nothing=b"x"))
@example(entry("outbox", to=b"nan", body=b""))
@settings(max_examples=12, deadline=None, suppress_health_check=[*HealthCheck])
@pytest.mark.timeout(240)
async def test_p7_whatever_is_written_into_a_hub_harms_nobody_else(ground: Yard, attack: Attack) -> None:  # noqa: F811
    """[P7] Entries of streams, members of what is due, messages of the outbox, notices, news and rows of one instance:
    that one may be lost; another, with its activity, its timer and its signal, comes to its end beside it."""
    async with ground.worker(sweep=timedelta(milliseconds=50)):
        victim = await ground.client.start(waiting, ground.folder)
        beside = await ground.client.start(waiting, ground.folder)
        carry_out(ground, attack, victim.id)
        # The store may refuse the signal: it is the victim's.
        await asyncio.gather(victim.signal("go", "on"), return_exceptions=True)
        await beside.signal("go", "on")
        async with asyncio.timeout(20):
            assert await beside.result() == "on"
            assert await (await ground.client.start(single, 7)).result() == 7
        await asyncio.gather(ground.client.purge(victim.id, force=True), return_exceptions=True)
