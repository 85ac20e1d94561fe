"""Listing: filters, order, and pages that are stable while rows change."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rqflow.errors import BadInput
from tests.client.face import Face


async def test_a_listing_is_newest_first_over_all_partitions(face: Face) -> None:
    """[B11] The partitions' shares are merged by the time of creation."""
    for number in range(40):
        await face.start("checkout", id=f"order-{number}")
    rows = await face.do("list")
    created = [row.created_at for row in rows]
    assert created == sorted(created, reverse=True)
    assert len({row.instance for row in rows}) == 40
    assert len(await face.do("list", limit=7)) == 7


async def test_filters_hold_together(face: Face) -> None:
    """[B11] Workflow, status, queue, attribute, id prefix, times."""
    begun = datetime.now(UTC) - timedelta(minutes=1)
    for number in range(12):
        await face.start(
            f"flow-{number % 2}",
            id=f"{'ab'[number % 3 == 0]}-{number}",
            queue=f"queue-{number % 4}",
            attributes={"third": number % 3 == 0, "number": number},
        )
    await face.do("terminate", "b-6")

    async def ids(**where: Any) -> set[str]:
        return {row.instance for row in await face.do("list", **where)}

    assert await ids(workflow="flow-0", id_prefix="b-") == {"b-0", "b-6"}
    assert await ids(status="terminated") == {"b-6"}
    assert await ids(queue="queue-1", attributes={"third": True}) == {"b-9"}
    assert await ids(attributes={"number": 4}) == {"a-4"}
    assert await ids(created_before=begun) == set()
    assert len(await ids(created_after=begun)) == 12
    assert await ids(closed_after=begun) == {"b-6"}


async def test_b11_pages_are_stable_while_rows_change(face: Face) -> None:
    """[B11] New instances, ends and purges between two pages: what was there throughout comes exactly once."""
    chance = random.Random(11)
    for number in range(60):
        await face.start("checkout", id=f"old-{number}")
    kept = {f"old-{number}" for number in range(60)}
    seen: list[str] = []
    cursor: str | None = None
    for turn in range(100):
        page = await face.do("list_page", limit=7, cursor=cursor)
        seen += [row.instance for row in page.rows]
        cursor = page.cursor
        if cursor is None:
            break
        await face.start("checkout", id=f"new-{turn}")
        gone = f"old-{chance.randrange(60)}"
        if gone in kept:
            kept.discard(gone)
            await face.do("purge", gone, force=True)
        await face.do("terminate", chance.choice(sorted(kept)))
    assert len(seen) == len(set(seen)), "nothing twice"
    assert kept <= set(seen), "nothing missed"
    assert not [instance for instance in seen if instance.startswith("new-")], "what came later is not in it"


async def test_a_filter_that_finds_little_reads_on(face: Face) -> None:
    """[B11] One match among many rows is found, and the end is told."""
    for number in range(150):
        await face.start("needle" if number == 3 else "hay", id=f"order-{number}")
    assert [row.instance for row in await face.do("list", workflow="needle")] == ["order-3"]
    page = await face.do("list_page", workflow="needle", limit=5)
    assert ([row.instance for row in page.rows], page.cursor) == (["order-3"], None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cursor": "nonsense"}, "cursor is none that list_page"),
        ({"cursor": "é"}, "cursor is none that list_page"),
        ({"cursor": "WzEsIngiLFsiYSJdXQ"}, "cursor is none that list_page"),
        ({"limit": 0}, "limit is 0"),
        ({"limit": "5"}, "limit must be a whole number"),
        ({"status": "finished"}, "status is 'finished'"),
        ({"created_after": datetime(2027, 1, 1)}, "no time zone"),  # noqa: DTZ001
        ({"colour": "red"}, "no filter named 'colour'"),
        ({"attributes": {"a": object()}}, "attribute a"),
        ({"id_prefix": "a\nb"}, "control character"),
    ],
)
async def test_a_bad_listing_is_refused(caller: Face, options: dict[str, Any], message: str) -> None:
    """One clear error for each."""
    with pytest.raises(BadInput) as caught:
        await caller.do("list_page", **options)
    assert message in str(caught.value)


async def test_a_cursor_goes_on_with_the_same_filter_only(face: Face) -> None:
    """Another filter would skip and repeat rows without a word."""
    for number in range(5):
        await face.start("checkout", id=f"order-{number}")
    page = await face.do("list_page", limit=2)
    with pytest.raises(BadInput, match="other filters"):
        await face.do("list_page", limit=2, cursor=page.cursor, workflow="checkout")


async def test_stats_put_the_partitions_together(face: Face) -> None:
    """[A6] Each queue once, with the sums."""
    for number in range(20):
        await face.start("checkout", id=f"order-{number}", queue=f"queue-{number % 2}")
    await face.do("terminate", "order-3")
    await face.start("checkout", id="later", delay=3_600)
    stats = await face.do("stats")
    assert stats.statuses == {"running": 19, "terminated": 1, "pending": 1}
    queued = {queue.name: queue.workflows_queued for queue in stats.queues}
    assert queued["queue-0"] == 10
    assert sum(queued.values()) in (19, 20)
    assert stats.due >= 1
    assert abs(stats.now - datetime.now(UTC)) < timedelta(minutes=1)
