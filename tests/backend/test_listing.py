"""Listing: every filter finds exactly what it says, newest first, in both stores, page by page."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from rqflow.backend.calls.instances import Description, Filter, ListInstances, Purge
from rqflow.backend.protocol import Backend, partition_of
from rqflow.errors import BadInput
from tests.backend.orders import complete, start


async def listed(backend: Backend, where: Filter, *, limit: int = 100) -> list[Description]:
    """All rows of all partitions, by pages."""
    found: list[Description] = []
    for partition in range(backend.hub.partitions):
        below: int | None = None
        while True:
            call = ListInstances(partition=partition, where=where, below=below, limit=limit)
            page = await backend.call(call)
            assert len(page.rows) <= limit
            found += page.rows
            if page.cursor is None:
                break
            assert below is None or page.cursor < below, "a cursor goes down, or a listing never ends"
            below = page.cursor
    return found


def ids(rows: list[Description]) -> set[str]:
    return {row.instance for row in rows}


async def populated(backend: Backend) -> list[Description]:
    """Some sixty instances of all kinds."""
    chance = random.Random(7)
    for number in range(6):
        await complete(backend, f"closed-{number}")
    for number in range(60):
        id = f"{chance.choice(('order', 'invoice', 'order-eu'))}-{number}"
        await backend.call(
            start(
                id,
                backend.hub.partitions,
                workflow=chance.choice(("checkout", "refund")),
                queue=chance.choice(("default", "eu")),
                attributes={"tier": chance.choice(("gold", "tin")), "size": chance.randrange(3)},
            )
        )
    return await listed(backend, Filter())


def meets(row: Description, where: Filter) -> bool:
    """What a filter means, said plainly."""
    closed_range = where.closed_after is not None or where.closed_before is not None
    return (
        where.workflow in ("", row.workflow)
        and where.status in ("", row.status)
        and where.queue in ("", row.queue)
        and where.parent in ("", row.parent)
        and row.instance.startswith(where.id_prefix)
        and all(row.attributes.get(name) == value for name, value in (where.attributes or {}).items())
        and (where.created_after is None or row.created_at >= where.created_after)
        and (where.created_before is None or row.created_at < where.created_before)
        and (not closed_range or row.closed_at is not None)
        and (where.closed_after is None or row.closed_at is None or row.closed_at >= where.closed_after)
        and (where.closed_before is None or row.closed_at is None or row.closed_at < where.closed_before)
    )


def random_filter(chance: random.Random, rows: list[Description]) -> Filter:
    """Each condition stands in about a quarter of them; times are taken from rows, where they cut."""
    moments = [row.created_at for row in rows] + [row.closed_at for row in rows if row.closed_at]
    conditions: dict[str, Any] = {}
    possible: dict[str, Sequence[Any]] = {
        "workflow": ("checkout", "refund", "greet", "nothing"),
        "status": ("running", "completed", "failed"),
        "queue": ("default", "eu"),
        "attributes": ({"tier": "gold"}, {"size": 1, "tier": "tin"}, {"size": 2.5}),
        "id_prefix": ("order", "order-eu-", "closed-", "z"),
        "created_after": moments,
        "created_before": moments,
        "closed_after": moments,
        "closed_before": moments,
    }
    for name, choices in possible.items():
        if chance.random() < 0.25:
            conditions[name] = chance.choice(choices)
    return Filter(**conditions)


async def test_random_filters_find_what_they_say(any_backend: Backend) -> None:
    """Whatever index is chosen, the rows are those that meet all conditions, whatever the page size."""
    rows = await populated(any_backend)
    assert len(rows) == 66
    chance = random.Random(11)
    for _ in range(150):
        where = random_filter(chance, rows)
        found = await listed(any_backend, where, limit=chance.choice((1, 3, 100)))
        assert ids(found) == {row.instance for row in rows if meets(row, where)}, where
        assert len(found) == len(ids(found))


async def test_a_listing_is_newest_first(any_backend: Backend) -> None:
    """In each partition the order is that of creation, backwards."""
    names = [f"n-{number}" for number in range(30)]
    for name in names:
        await any_backend.call(start(name, any_backend.hub.partitions))
    for where in (Filter(), Filter(id_prefix="n-"), Filter(workflow="greet")):
        for partition in range(any_backend.hub.partitions):
            page = await any_backend.call(ListInstances(partition=partition, where=where))
            expected = [one for one in reversed(names) if partition_of(one, any_backend.hub.partitions) == partition]
            assert [row.instance for row in page.rows] == expected
            assert page.cursor is None


async def test_pages_are_stable_while_instances_come_and_go(any_backend: Backend) -> None:
    """What starts, ends or is purged between two pages makes no row come twice or be left out."""
    names = {f"s-{number}" for number in range(40)}
    for name in sorted(names):
        await any_backend.call(start(name, any_backend.hub.partitions))
    for partition in range(any_backend.hub.partitions):
        mine = {name for name in names if partition_of(name, any_backend.hub.partitions) == partition}
        seen: list[str] = []
        below: int | None = None
        for number in range(100):
            page = await any_backend.call(
                ListInstances(partition=partition, where=Filter(id_prefix="s-"), below=below, limit=3)
            )
            seen += [row.instance for row in page.rows]
            if page.cursor is None:
                break
            below = page.cursor
            await any_backend.call(start(f"s-new-{partition}-{number}", any_backend.hub.partitions))
            await any_backend.call(Purge(partition=partition, instance=seen[-1], force=True))
        assert {name for name in seen if "new" not in name} == mine
        assert len(seen) == len(set(seen))


async def test_a_row_of_a_listing_is_the_row_of_its_description(any_backend: Backend) -> None:
    """Nothing is told in a listing that a description would tell otherwise."""
    await any_backend.call(start("same", any_backend.hub.partitions, attributes={"a": "ü"}, lane="l", priority=2))
    (row,) = await listed(any_backend, Filter())
    assert (row.instance, row.attributes, row.lane, row.priority, row.task) == ("same", {"a": "ü"}, "l", 2, "queued")


async def test_children_are_listed_by_their_parent_only_if_they_have_one(any_backend: Backend) -> None:
    """A filter by a parent that has no children finds nothing."""
    await any_backend.call(start("alone", any_backend.hub.partitions))
    assert await listed(any_backend, Filter(parent="alone")) == []


@pytest.mark.parametrize("id", ["a*b", "[x]", "(y", "ü€𝄞", "a b\nc", "\\", "{z}"])
async def test_strange_ids_are_found_by_their_prefix(any_backend: Backend, id: str) -> None:
    """No sign in an id means anything to the search."""
    await any_backend.call(start(id, any_backend.hub.partitions, run=f"run-{id.encode().hex()}"))
    assert ids(await listed(any_backend, Filter(id_prefix=id))) == {id}
    assert ids(await listed(any_backend, Filter(id_prefix=id[:1]))) == {id}
    assert await listed(any_backend, Filter(id_prefix=id + "x")) == []


async def test_one_call_looks_at_a_thousand_rows_at_most(backend: Backend) -> None:
    """A filter that few rows meet gives short pages with a cursor, never a long script [P10]."""
    wanted = partition_of("needle", backend.hub.partitions)
    await backend.call(start("needle", backend.hub.partitions, attributes={"a": 1}))
    others = [f"hay-{n}" for n in range(20_000) if partition_of(f"hay-{n}", backend.hub.partitions) == wanted][:2_500]
    for at in range(0, len(others), 500):
        await backend.send([start(name, backend.hub.partitions) for name in others[at : at + 500]])
    oldest = (await listed(backend, Filter(attributes={"a": 1})))[0]
    # Every index that holds the needle holds the hay too: only the time tells them apart.
    where = Filter(workflow="greet", created_before=oldest.created_at + timedelta(milliseconds=1))
    below: int | None = None
    calls = 0
    found: list[str] = []
    while True:
        page = await backend.call(ListInstances(partition=wanted, where=where, below=below))
        calls += 1
        found += [row.instance for row in page.rows]
        if page.cursor is None:
            break
        below = page.cursor
    assert "needle" in found
    assert calls >= 2
    prefix = await listed(backend, Filter(id_prefix="hay-", attributes={"a": 1}))
    assert prefix == []
    assert len(await listed(backend, Filter(id_prefix="hay-"), limit=1_000)) == 2_500


async def test_a_page_of_large_rows_is_cut_short(backend: Backend) -> None:
    """Rows with results of half a megabyte come few at a time, and all of them come [P10]."""
    names = [f"big-{n}" for n in range(400) if partition_of(f"big-{n}", backend.hub.partitions) == 0][:6]
    for name in names:
        await backend.call(start(name, backend.hub.partitions, status=b'"' + b"x" * 500_000 + b'"'))
    page = await backend.call(ListInstances(partition=0, where=Filter()))
    assert len(page.rows) < 6
    assert page.cursor is not None
    assert ids(await listed(backend, Filter())) == set(names)


async def test_a_page_of_no_rows_is_refused(backend: Backend) -> None:
    """A limit below one would never get anywhere."""
    with pytest.raises(BadInput, match="at least one"):
        await backend.call(ListInstances(partition=0, where=Filter(), limit=0))


async def test_a_moment_between_two_milliseconds_counts_from_the_next(any_backend: Backend) -> None:
    """Rows have whole milliseconds: what lies behind the comma neither hides nor shows one wrongly."""
    await any_backend.call(start("edge", any_backend.hub.partitions))
    (row,) = await listed(any_backend, Filter())
    part = timedelta(microseconds=300)
    assert await listed(any_backend, Filter(created_after=row.created_at + part)) == []
    assert ids(await listed(any_backend, Filter(created_after=row.created_at - part))) == {"edge"}
    assert ids(await listed(any_backend, Filter(created_before=row.created_at + part))) == {"edge"}
    assert await listed(any_backend, Filter(created_before=row.created_at - part)) == []
