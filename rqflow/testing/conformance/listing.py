"""Listing: which instances each filter finds, newest first, in pages that stay put."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from rqflow.backend.calls.instances import Description, Filter, InstancePage, ListInstances, Purge
from rqflow.core.commands import SetAttributes
from rqflow.testing.conformance.bench import LONG, Bench
from rqflow.testing.conformance.deeds import child, finish, suspend, worker
from rqflow.testing.conformance.moving import BLINK
from rqflow.testing.conformance.standing import Standing


async def page(bench: Bench, below: int | None, limit: int, **where: Any) -> InstancePage:
    """A page of the first partition."""
    return await bench.call(ListInstances(partition=0, where=Filter(**where), below=below, limit=limit))


def ids(rows: list[Description]) -> list[str]:
    return sorted(row.instance for row in rows)


async def town(bench: Bench) -> None:
    """Five instances that differ in all that a filter asks for."""
    actor = await worker(bench, queues=("main", "side"))
    await bench.start("a-1", workflow="checkout", attributes={"city": "Bern", "size": 1})
    await bench.start("a-2", workflow="checkout", queue="side", attributes={"city": "Bern", "size": 2})
    await bench.start("b-1", workflow="refund", attributes={"city": "Basel", "vip": True})
    await bench.start("b-2", workflow="refund", delay=LONG)
    await actor.commit((await actor.turns())["a-1"], child("kid", "run-kid"))
    await bench.terminate("a-2")
    await suspend(bench, "b-1")


class TestListing(Standing):
    """What filters find [B11]."""

    @pytest.mark.parametrize(
        ("where", "found"),
        [
            ({}, ["a-1", "a-2", "b-1", "b-2", "kid"]),
            ({"workflow": "checkout"}, ["a-1", "a-2"]),
            ({"workflow": "nothing"}, []),
            ({"status": "running"}, ["a-1", "kid"]),
            ({"status": "terminated"}, ["a-2"]),
            ({"status": "suspended"}, ["b-1"]),
            ({"status": "pending"}, ["b-2"]),
            ({"queue": "side"}, ["a-2"]),
            ({"parent": "a-1"}, ["kid"]),
            ({"attributes": {"city": "Bern"}}, ["a-1", "a-2"]),
            ({"attributes": {"city": "Bern", "size": 2}}, ["a-2"]),
            ({"attributes": {"vip": True}}, ["b-1"]),
            ({"attributes": {"vip": 1}}, []),
            ({"attributes": {"size": "1"}}, []),
            ({"id_prefix": "b-"}, ["b-1", "b-2"]),
            ({"id_prefix": "b"}, ["b-1", "b-2"]),
            ({"id_prefix": "zzz"}, []),
            ({"workflow": "checkout", "status": "running", "queue": "main", "id_prefix": "a"}, ["a-1"]),
            ({"workflow": "refund", "attributes": {"city": "Basel"}, "status": "suspended"}, ["b-1"]),
        ],
    )
    async def test_each_filter_finds_what_it_says(self, bench: Bench, where: dict[str, Any], found: list[str]) -> None:
        """All given conditions hold; values keep their types."""
        await town(bench)
        assert ids(await bench.listing(**where)) == found

    async def test_times_are_ranges(self, bench: Bench) -> None:
        """Created and closed, after and before."""
        await bench.start("old")
        await bench.clock.pass_by(BLINK)
        await bench.start("new")
        rows = {row.instance: row for row in await bench.listing()}
        between = rows["old"].created_at + (rows["new"].created_at - rows["old"].created_at) / 2
        assert ids(await bench.listing(created_after=between)) == ["new"]
        assert ids(await bench.listing(created_before=between)) == ["old"]
        assert ids(await bench.listing(created_after=between, created_before=between)) == []
        assert ids(await bench.listing(closed_after=between - timedelta(days=1))) == []
        await bench.terminate("old")
        await bench.clock.pass_by(BLINK)
        await bench.terminate("new")
        rows = {row.instance: row for row in await bench.listing()}
        old, new = rows["old"].closed_at, rows["new"].closed_at
        assert old is not None
        assert new is not None
        between = old + (new - old) / 2
        assert ids(await bench.listing(closed_after=between)) == ["new"]
        assert ids(await bench.listing(closed_before=between)) == ["old"]
        assert ids(await bench.listing(closed_after=old - BLINK, closed_before=new + BLINK)) == ["new", "old"]
        assert ids(await bench.listing(closed_after=between, status="terminated", id_prefix="o")) == []

    async def test_rows_tell_what_describe_tells(self, bench: Bench) -> None:
        """But for what costs a look elsewhere."""
        await town(bench)
        for row in await bench.listing():
            whole = await bench.describe(row.instance)
            assert row.pending == ()
            for name in (
                "run",
                "workflow",
                "status",
                "queue",
                "created_at",
                "closed_at",
                "attributes",
                "order",
                "parent",
            ):
                assert getattr(row, name) == getattr(whole, name), name


class TestPaging(Standing):
    """Pages of a listing [B11]."""

    async def test_newest_come_first(self, bench: Bench) -> None:
        """Within a partition, by creation; that is what `order` says."""
        for number in range(30):
            await bench.start(f"order-{number}")
        rows = (await page(bench, None, 100)).rows
        assert [row.order for row in rows] == sorted((row.order for row in rows), reverse=True)
        numbers = [int(row.instance.removeprefix("order-")) for row in rows]
        assert numbers == sorted(numbers, reverse=True)
        assert all(row.order > 0 for row in rows)

    async def test_pages_stay_put_while_rows_change_and_come(self, bench: Bench) -> None:
        """Each row that was there at the beginning is seen once, whatever happens between pages."""
        actor = await worker(bench)
        mine = [f"o-{n}" for n in range(400) if bench.at(f"o-{n}") == 0][:25]
        for instance in mine:
            await bench.start(instance)
        seen: list[str] = []
        below: int | None = None
        for turn in range(100):
            found = await page(bench, below, 4)
            assert len(found.rows) <= 4
            seen += [row.instance for row in found.rows]
            below = found.cursor
            if below is None:
                break
            await bench.start(f"later-{turn}")
            await bench.terminate(seen[-1])
            for task in (await actor.turns()).values():
                await actor.commit(task, SetAttributes(id=1, changes={"city": "Bern"}, payload=b"{}"))
        assert [one for one in seen if one.startswith("o-")] == list(reversed(mine))
        assert [one for one in seen if one.startswith("later-")] == []

    async def test_pages_of_a_filter_end(self, bench: Bench) -> None:
        """Few matches among many rows: a page may be short, but the cursor leads to the end."""
        for number in range(40):
            await bench.start(
                f"order-{number}", attributes={"city": ("Bern", "Basel")[number % 2]}, workflow="checkout"
            )
        for where in (
            {"attributes": {"city": "Bern"}},
            {"id_prefix": "order-1"},
            {"workflow": "checkout", "queue": "main"},
        ):
            seen: list[str] = []
            for partition in range(bench.partitions):
                below: int | None = None
                for _ in range(100):
                    call = ListInstances(partition=partition, where=Filter(**where), below=below, limit=3)
                    found = await bench.call(call)
                    assert len(found.rows) <= 3
                    seen += [row.instance for row in found.rows]
                    below = found.cursor
                    if below is None:
                        break
            assert sorted(seen) == ids(await bench.listing(**where))
            assert len(seen) == len(set(seen)) > 0

    async def test_indexes_follow_what_a_run_does(self, bench: Bench) -> None:
        """Changed and removed attributes, ends and purges: nothing is found where it is no more."""
        actor = await worker(bench)
        await bench.start("order", attributes={"city": "Bern", "old": 1})
        await actor.commit(
            await actor.turn(), SetAttributes(id=1, changes={"city": "Basel"}, removed=("old", "never"), payload=b"{}")
        )
        assert await bench.listing(attributes={"city": "Bern"}) == []
        assert await bench.listing(attributes={"old": 1}) == []
        assert ids(await bench.listing(attributes={"city": "Basel"})) == ["order"]
        await bench.signal("order")
        await finish(actor)
        assert await bench.listing(status="running") == []
        assert ids(await bench.listing(status="completed", attributes={"city": "Basel"})) == ["order"]
        await bench.call(Purge(partition=bench.at("order"), instance="order"))
        assert await bench.listing() == []
        assert await bench.listing(status="completed") == []
        assert await bench.listing(attributes={"city": "Basel"}) == []

    async def test_attribute_values_keep_their_types(self, bench: Bench) -> None:
        """Text, whole and broken numbers, true and false; as they were given."""
        attributes = {"text": 'ä "q" 1', "int": 9007199254740993, "float": 2.5, "yes": True, "no": False, "empty": ""}
        await bench.start("order", attributes=attributes)
        row = await bench.describe()
        assert row.attributes == attributes
        assert [type(row.attributes[name]) for name in attributes] == [type(value) for value in attributes.values()]
        for name, value in attributes.items():
            assert ids(await bench.listing(attributes={name: value})) == ["order"]
