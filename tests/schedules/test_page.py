"""Page: the tables of docs/schedules.md, cell by cell, against a walk through every minute and against our slots."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from rqflow.schedules.keywords import KEYWORDS
from rqflow.schedules.slots import slots_after
from rqflow.schedules.timetable import Timetable
from tests.schedules.walking import utc, walk

PAGE = (Path(__file__).parents[2] / "docs" / "schedules.md").read_text(encoding="utf-8")
GAPS = [
    ("Europe/Berlin", "2026-03-29", "30 2 * * *"),
    ("America/New_York", "2026-03-08", "30 2 * * *"),
    ("Australia/Lord_Howe", "2026-10-04", "15 2 * * *"),
    ("America/Sao_Paulo", "2018-11-04", "0 0 * * *"),
    ("Africa/Casablanca", "2026-03-22", "30 2 * * *"),
    ("Pacific/Apia", "2011-12-30", "0 12 * * *"),
    ("Asia/Kolkata", "2026-03-29", "30 2 * * *"),
    ("UTC", "2026-03-29", "30 2 * * *"),
]
OVERLAPS = [
    ("Europe/Berlin", "2026-10-25", "30 2 * * *"),
    ("America/New_York", "2026-11-01", "30 1 * * *"),
    ("Australia/Lord_Howe", "2026-04-05", "45 1 * * *"),
    ("America/Sao_Paulo", "2018-02-17", "30 23 * * *"),
    ("Africa/Casablanca", "2026-02-15", "30 2 * * *"),
    ("Pacific/Apia", "2012-04-01", "30 3 * * *"),
    ("Asia/Kolkata", "2026-10-25", "30 2 * * *"),
    ("UTC", "2026-10-25", "30 2 * * *"),
]


def row(zone: str, day: str, spec: str, policies: list[tuple[str, str]]) -> str:
    """A line of a table: what fires on a day and in the night after it, under each policy, by a walk."""
    minute, hour = (int(part) for part in spec.split()[:2])
    start = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone)).astimezone(utc(1970, 1, 1).tzinfo)
    end = start + timedelta(hours=25)

    def meets(wall: datetime) -> bool:
        return (wall.hour, wall.minute) == (hour, minute) and f"{wall:%Y-%m-%d}" == day

    cells = []
    for on_gap, on_overlap in policies:
        walked = walk(zone, start - timedelta(hours=2), end, meets, on_gap, on_overlap)
        timetable = Timetable(cron=(spec,), zone=zone, on_gap=on_gap, on_overlap=on_overlap)  # type: ignore[arg-type]
        slots = [slot for slot in takes(timetable, start - timedelta(hours=2), end) if f"{slot.wall:%Y-%m-%d}" == day]
        assert [slot.at for slot in slots] == walked
        cells.append(" and ".join(shown(at, zone, day) for at in walked) or "—")
    return f"| {zone} | {day} | `{spec}` | {' | '.join(cells)} |"


def takes(timetable: Timetable, start: datetime, end: datetime) -> Iterator:  # type: ignore[type-arg]
    for slot in slots_after(timetable, "s", start - timedelta(seconds=1)):
        if slot.at >= end:
            return
        yield slot


def shown(at: datetime, zone: str, day: str) -> str:
    """Local time and offset, with the date if it is another day."""
    local = at.astimezone(ZoneInfo(zone))
    offset = re.sub(r"(:00)$", "", f"{local:%z}"[:3] + ":" + f"{local:%z}"[3:])
    return (f"{local:%H:%M}" if f"{local:%Y-%m-%d}" == day else f"{local:%d %b %H:%M}") + f" ({offset})"


@pytest.mark.parametrize(("zone", "day", "spec"), GAPS)
def test_the_table_of_left_out_times_is_true(zone: str, day: str, spec: str) -> None:
    """Eight zones, both policies."""
    line = row(zone, day, spec, [("shift", "first"), ("skip", "first")])
    assert line in PAGE, line


@pytest.mark.parametrize(("zone", "day", "spec"), OVERLAPS)
def test_the_table_of_repeated_times_is_true(zone: str, day: str, spec: str) -> None:
    """Eight zones, three policies."""
    line = row(zone, day, spec, [("shift", "first"), ("shift", "second"), ("shift", "both")])
    assert line in PAGE, line


def test_the_page_explains_every_option() -> None:
    """Each has a line that begins with its name."""
    for name in KEYWORDS:
        assert re.search(rf"^\| (`\w+`, )*`{name}`", PAGE, re.MULTILINE), name
