"""Clock changes: each policy over the days on which clocks change, against a walk through every minute."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import islice
from typing import get_args
from zoneinfo import ZoneInfo

import pytest

from rqflow.schedules.slots import slots_after
from rqflow.schedules.timetable import OnGap, OnOverlap, Timetable
from tests.schedules.walking import utc, walk

CHANGES = [
    ("Europe/Berlin", utc(2026, 3, 29, 1)),
    ("Europe/Berlin", utc(2026, 10, 25, 1)),
    ("Europe/Dublin", utc(2026, 10, 25, 1)),  # its winter time is the exception, by law
    ("America/New_York", utc(2026, 3, 8, 7)),
    ("America/New_York", utc(2026, 11, 1, 6)),
    ("Australia/Lord_Howe", utc(2026, 4, 4, 15)),  # half an hour
    ("Australia/Lord_Howe", utc(2026, 10, 3, 15, 30)),
    ("America/Sao_Paulo", utc(2018, 2, 18, 2)),  # at midnight, back into the day before
    ("America/Sao_Paulo", utc(2018, 11, 4, 3)),  # a day without its first hour
    ("Asia/Kolkata", utc(2026, 3, 29, 1)),  # none, and half an hour off
    ("Africa/Casablanca", utc(2026, 2, 15, 2)),  # by the moon
    ("Africa/Casablanca", utc(2026, 3, 22, 2)),
    ("Pacific/Apia", utc(2011, 12, 30, 10)),  # a day that never was
    ("Pacific/Apia", utc(2012, 3, 31, 14)),
    ("UTC", utc(2026, 3, 29, 1)),
    ("America/St_Johns", utc(2010, 11, 7, 2, 31)),  # one minute past midnight, back into the day before
    ("Antarctica/Troll", utc(2026, 3, 29, 1)),  # two hours
    ("Asia/Tehran", utc(2021, 9, 21, 19, 30)),
]
SPECS: dict[str, Callable[[datetime], bool]] = {
    "30 2 * * *": lambda wall: (wall.hour, wall.minute) == (2, 30),
    "0 2,3 * * *": lambda wall: wall.hour in (2, 3) and wall.minute == 0,
    "15 0 * * *": lambda wall: (wall.hour, wall.minute) == (0, 15),
    "45 23 * * *": lambda wall: (wall.hour, wall.minute) == (23, 45),
    "0 12 * * *": lambda wall: (wall.hour, wall.minute) == (12, 0),
    "*/15 * * * *": lambda wall: wall.minute % 15 == 0,
    "5,35 * * * *": lambda wall: wall.minute in (5, 35),
    "0 */2 * * *": lambda wall: wall.hour % 2 == 0 and wall.minute == 0,
    "*/20 1-3 * * *": lambda wall: 1 <= wall.hour <= 3 and wall.minute % 20 == 0,
    "* 2 * * *": lambda wall: wall.hour == 2,
}
AROUND = timedelta(hours=27)


@pytest.mark.parametrize(("zone", "change"), CHANGES, ids=lambda part: str(part)[:16])
def test_every_policy_holds_over_every_clock_change(zone: str, change: datetime) -> None:
    """What a spec names is fired, moved or left out as the policies say, to the minute, in twelve zones. Where nothing
    is chosen: skip and both for specs that fire in every hour, shift and first for those that name hours."""
    start, end = change - AROUND, change + AROUND
    for spec, meets in SPECS.items():
        walked = {
            (on_gap, on_overlap): walk(zone, start, end, meets, on_gap, on_overlap)
            for on_gap in get_args(OnGap)[1:]
            for on_overlap in get_args(OnOverlap)[1:]
        }
        for (on_gap, on_overlap), expected in walked.items():
            timetable = Timetable(cron=(spec,), zone=zone, on_gap=on_gap, on_overlap=on_overlap)
            assert fired(timetable, start, end) == expected, (spec, on_gap, on_overlap)
        usual = ("skip", "both") if spec.split()[1] == "*" else ("shift", "first")
        assert fired(Timetable(cron=(spec,), zone=zone), start, end) == walked[usual], spec


def test_the_clocks_of_the_table_do_change() -> None:
    """Each moment of the table but those of the two zones without changes is one at which an offset changes."""
    second = timedelta(seconds=1)
    for zone, change in CHANGES:
        offsets = {
            (change - second).astimezone(ZoneInfo(zone)).utcoffset(),
            change.astimezone(ZoneInfo(zone)).utcoffset(),
        }
        assert len(offsets) == (1 if zone in ("UTC", "Asia/Kolkata") else 2), zone


def test_a_search_may_begin_anywhere_around_a_change() -> None:
    """From each quarter of an hour around a change on, the rest of the slots is found, in the same order."""
    for zone, change in CHANGES:
        for spec in ("*/15 * * * *", "30 2 * * *"):
            timetable = Timetable(cron=(spec,), zone=zone, on_gap="shift", on_overlap="both")
            whole = fired(timetable, change - timedelta(days=1), change + timedelta(days=12))[:240]
            for quarter in (-8, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 8):
                moment = change + quarter * timedelta(minutes=15)
                rest = [slot.at for slot in islice(slots_after(timetable, "s", moment), 10)]
                assert rest == [at for at in whole if at > moment][:10], (zone, spec, quarter)


def test_a_slot_says_which_rule_touched_it() -> None:
    """shifted, first, second; and how many times were left out before it."""
    berlin = Timetable(cron=("30 2 * * *",), zone="Europe/Berlin", on_overlap="both")
    spring = next(slots_after(berlin, "s", utc(2026, 3, 28, 12)))
    assert (spring.at, spring.rule, spring.wall) == (utc(2026, 3, 29, 1), "shifted", datetime(2026, 3, 29, 2, 30))  # noqa: DTZ001
    autumn = slots_after(berlin, "s", utc(2026, 10, 24, 12))
    assert [(next(autumn).at, rule) for rule in ("first", "second")] == [
        (utc(2026, 10, 25, 0, 30), "first"),
        (utc(2026, 10, 25, 1, 30), "second"),
    ]
    hourly = Timetable(cron=("0,30 * * * *",), zone="Europe/Berlin")
    after_gap = next(slots_after(hourly, "s", utc(2026, 3, 29, 0, 30)))
    assert (after_gap.at, after_gap.rule, after_gap.left_out) == (utc(2026, 3, 29, 1), "", 2)


def fired(timetable: Timetable, start: datetime, end: datetime) -> list[datetime]:
    """The slots from start to before end."""
    found: list[datetime] = []
    for slot in slots_after(timetable, "s", start - timedelta(microseconds=1)):
        if slot.at >= end:
            return found
        found.append(slot.at)
    return found
