"""Slots: ordered, each once, none lost, for any timetable and wherever a search begins."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import islice, pairwise
from random import Random
from time import process_time
from typing import get_args

import pytest

from rqflow.errors import BadSchedule
from rqflow.schedules.policy import Action, Policy
from rqflow.schedules.slots import Count, count_slots, moment_of, next_slot, slots_after
from rqflow.schedules.spec import ScheduleSpec, decode_spec, encode_spec
from rqflow.schedules.timetable import OnGap, OnOverlap, Slot, Timetable
from tests.schedules.walking import draw, utc, walk

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Africa/Casablanca")


@pytest.mark.parametrize("seed", range(8))
def test_random_specs_fire_as_a_walk_through_every_minute_says(seed: int) -> None:
    """Lists, ranges, steps, names, L, #, ? and star rules, in random zones and months, with and without exclusions."""
    random = Random(seed)
    zone = random.choice(ZONES)
    start = utc(2026, 1, 1) + timedelta(days=random.randrange(365), minutes=random.randrange(1440))
    end = start + timedelta(days=9)
    for _ in range(15):
        spec, closed = draw(random), draw(random)
        excluded = (closed.text,) if random.random() < 0.3 else ()
        gap, overlap = ("skip", "both") if spec.every_hour else ("shift", "first")
        timetable = Timetable(cron=(spec.text,), except_cron=excluded, zone=zone, end=end)

        def meets(wall: datetime) -> bool:
            return spec.meets(wall) and not (excluded and closed.meets(wall))  # noqa: B023

        expected = walk(zone, start, end, meets, gap, overlap)
        assert fired(timetable, start, end) == expected, (spec.text, excluded, zone, start)


@pytest.mark.parametrize("seed", range(8))
def test_no_slot_comes_twice_none_is_lost_and_order_is_kept_over_random_stops_and_starts(seed: int) -> None:
    """Whoever takes up the search at any slot, or between two, goes on with the same slots."""
    random = Random(seed)
    for _ in range(12):
        timetable = drawn_timetable(random)
        begin = utc(2026, 1, 1) + timedelta(hours=random.randrange(8_000))
        whole = list(islice(slots_after(timetable, "s", begin), 120))
        assert all(one.at < two.at and one.fires_at <= two.fires_at for one, two in pairwise(whole))
        assert all(timedelta(0) <= slot.fires_at - slot.at <= timetable.jitter for slot in whole)
        pieces: list[Slot] = []
        place = begin
        while len(pieces) < len(whole):
            piece = list(islice(slots_after(timetable, "s", place), random.randint(1, 30)))
            pieces += piece
            place = piece[-1].at + random.choice((0, 1)) * timedelta(milliseconds=random.randint(0, 900))
        assert pieces[: len(whole)] == whole, timetable
        middle = whole[len(whole) // 2]
        counted = count_slots(timetable, "s", begin, middle.at)
        assert counted == Count(len(whole) // 2, exact=True), timetable


def test_an_interval_is_counted_from_the_epoch_and_no_clock_change_touches_it() -> None:
    """`every 90s` with an offset of 7 s: the same slots whenever it was written, in any zone."""
    timetable = Timetable(every=timedelta(seconds=90), offset=timedelta(seconds=7), zone="Europe/Berlin")
    first = [slot.at for slot in islice(slots_after(timetable, "s", utc(1970, 1, 1)), 2)]
    assert first == [utc(1970, 1, 1, 0, 0, 7), utc(1970, 1, 1, 0, 1, 37)]
    around = [slot.at for slot in islice(slots_after(timetable, "s", utc(2026, 10, 25)), 200)]
    assert {two - one for one, two in pairwise(around)} == {timedelta(seconds=90)}


@pytest.mark.parametrize("zone", ZONES)
def test_exclusions_of_an_interval_are_read_off_the_wall_clock_of_its_zone(zone: str) -> None:
    """Dates and specs take slots away, in repeated hours too, and nothing else."""
    closed_date, begin, end = date(2026, 10, 25), utc(2026, 10, 24, 20), utc(2026, 10, 27)
    timetable = Timetable(
        every=timedelta(minutes=10),
        zone=zone,
        except_cron=("30-59 2 * * *", "* 5-8 * * *"),
        except_dates=(closed_date,),
    )

    def meets(wall: datetime) -> bool:
        shut = (wall.hour == 2 and wall.minute >= 30) or 5 <= wall.hour <= 8 or wall.date() == closed_date
        return not shut

    expected = [at for at in walk(zone, begin, end, meets, "skip", "both") if at.minute % 10 == 0]
    assert fired(timetable, begin, end) == expected


def test_what_is_moved_into_an_excluded_time_is_left_out() -> None:
    """Apia had no 30 December 2011: a slot of that day would be moved to the 31st, which is excluded."""
    at_noon = Timetable(cron=("0 12 * * *",), zone="Pacific/Apia", except_dates=(date(2011, 12, 31),))
    assert [slot.at for slot in islice(slots_after(at_noon, "s", utc(2011, 12, 28, 23)), 2)] == [
        utc(2011, 12, 29, 22),
        utc(2011, 12, 31, 22),
    ]


def test_several_specs_fire_as_one_and_a_moment_they_share_once() -> None:
    """Where 02:30 is moved to 03:00, and 03:00 is named as well, there is one slot."""
    timetable = Timetable(cron=("30 2 * * *", "0 3 * * *", "0 3 * * sun"), zone="Europe/Berlin")
    found = list(islice(slots_after(timetable, "s", utc(2026, 3, 28, 12)), 3))
    assert [slot.at for slot in found] == [utc(2026, 3, 29, 1), utc(2026, 3, 30, 0, 30), utc(2026, 3, 30, 1)]
    assert found[0].rule == "shifted"


def test_start_is_included_and_end_is_not() -> None:
    """Half-open, as ranges are."""
    day = timedelta(days=1)
    for rule in ({"cron": ("0 0 * * *",)}, {"every": day}):
        timetable = Timetable(**rule, start=utc(2026, 5, 1), end=utc(2026, 5, 3))
        assert [slot.at for slot in slots_after(timetable, "s", utc(2020, 1, 1))] == [utc(2026, 5, 1), utc(2026, 5, 2)]
        assert next_slot(timetable, "s", utc(2026, 5, 2)) is None
        assert count_slots(timetable, "s", utc(2020, 1, 1), utc(2030, 1, 1)) == Count(2, exact=True)
        assert count_slots(timetable, "s", utc(2027, 1, 1), utc(2030, 1, 1)) == Count(0, exact=True)


def test_jitter_is_the_same_whenever_it_is_asked_for_and_another_for_each_schedule() -> None:
    """Derived from schedule and slot: schedulers agree on it without a word."""
    timetable = Timetable(cron=("0 * * * *",), jitter=timedelta(minutes=10))
    one, again, other = (
        [slot.fires_at for slot in islice(slots_after(timetable, name, utc(2026, 1, 1)), 50)]
        for name in ("a", "a", "b")
    )
    assert one == again
    assert len(set(one) - set(other)) > 45
    spread = {fires.minute for fires in one}
    assert spread <= set(range(10))
    assert len(spread) > 7


def test_the_last_slot_has_the_whole_jitter_and_others_stop_before_the_next() -> None:
    """An interval of a second under a jitter of a minute still fires in order."""
    timetable = Timetable(every=timedelta(seconds=1), jitter=timedelta(minutes=1), end=utc(1970, 1, 1, 0, 0, 3))
    found = list(slots_after(timetable, "s", utc(1969, 1, 1)))
    assert len(found) == 3
    assert all(one.fires_at < two.at for one, two in pairwise(found))


def test_slots_end_in_the_year_2200() -> None:
    """Nobody waits for more."""
    assert next_slot(Timetable(cron=("0 0 1 1 *",)), "s", utc(2199, 6, 1)) is None
    assert next_slot(Timetable(every=timedelta(days=1)), "s", utc(2199, 12, 31)) is None
    rare = Timetable(cron=("0 0 29 2 *",))
    assert next_slot(rare, "s", utc(2096, 3, 1)).at == utc(2104, 2, 29)  # type: ignore[union-attr]
    assert next_slot(rare, "s", utc(9990, 1, 1)) is None


def test_exclusions_that_leave_nothing_are_found_out() -> None:
    """In bounded time, wherever they lie."""
    for rule in ({"cron": ("* * * * *",)}, {"every": timedelta(minutes=1)}):
        timetable = Timetable(**rule, except_cron=("*/2 * * * *", "1-59/2 * * * *"))
        with pytest.raises(BadSchedule, match="nothing is left") as caught:
            next_slot(timetable, "s", utc(2026, 1, 1))
        assert caught.value.field == "except_cron"


@pytest.mark.parametrize(
    ("spec", "closed", "expected"),
    [
        ("*/5 * * * * *", "* * * 1-11 *", utc(2026, 12, 1)),
        ("* * * * * *", "*/2 * * * * *", utc(2026, 1, 1, 0, 0, 1)),
        ("* * * * * *", "* 0-29 * * * *", utc(2026, 1, 1, 0, 30)),
        ("30 * * * * *", "0-29 * * * * *", utc(2026, 1, 1, 0, 0, 30)),
        ("30 * * * * *", "30 * 0-22 * * *", utc(2026, 1, 1, 23, 0, 30)),
        ("0 9 * * *", "* * * 1-5 *", utc(2026, 6, 1, 9)),
    ],
)
def test_long_exclusions_are_stepped_over(spec: str, closed: str, expected: datetime) -> None:
    """By seconds, minutes, hours or days, as far as an exclusion surely goes."""
    timetable = Timetable(cron=(spec,), seconds="first", except_cron=(closed,))
    began = process_time()
    assert next_slot(timetable, "s", utc(2025, 12, 31, 23, 59, 59)).at == expected  # type: ignore[union-attr]
    assert process_time() - began < 2


def test_counting_is_bounded_for_specs_and_calculated_for_intervals() -> None:
    """A year of missed seconds."""
    begin, end = utc(2026, 1, 1), utc(2027, 1, 1)
    assert count_slots(Timetable(every=timedelta(seconds=1)), "s", begin, end) == Count(365 * 86_400 - 1, exact=True)
    each_second = Timetable(cron=("* * * * * *",), seconds="last")
    assert count_slots(each_second, "s", begin, end, limit=100) == Count(100, exact=False)


def test_slots_are_told_in_milliseconds_too() -> None:
    """As stores count."""
    timetable = Timetable(every=timedelta(seconds=90), jitter=timedelta(seconds=30))
    slot = next(slots_after(timetable, "s", utc(1970, 1, 1)))
    assert slot.ms == 90_000
    assert 90_000 <= slot.fires_ms < 120_000
    assert moment_of(90_500) == utc(1970, 1, 1, 0, 1, 30) + timedelta(milliseconds=500)


def test_a_spec_comes_back_out_of_its_json() -> None:
    """All of it."""
    spec = ScheduleSpec(
        timetable=Timetable(
            cron=("0 0 6 * * *",), seconds="first", except_cron=("* * * 25 12 *",), except_dates=(date(2026, 12, 31),),
            start=utc(2026, 1, 1), zone="Asia/Tokyo", on_gap="skip", on_overlap="both", jitter=timedelta(seconds=5),
        ),
        policy=Policy(overlap="buffer_one", max_runs=7),
        action=Action(workflow="report", queue="default", attributes={"team": "ops"}),
        notes="for the board",
    )  # fmt: skip
    assert decode_spec(encode_spec(spec)) == spec


def drawn_timetable(random: Random) -> Timetable:
    """Any timetable, with slots enough."""
    jitter = timedelta(milliseconds=random.choice((0, 700, 90_000)))
    zone = random.choice(ZONES)
    if random.random() < 0.3:
        every = timedelta(seconds=random.choice((1, 90, 3_600, 50_000)))
        offset = timedelta(milliseconds=random.randrange(every // timedelta(milliseconds=1)))
        return Timetable(every=every, offset=offset, jitter=jitter, zone=zone)
    minutes, hours = ("*/7", "30", "0,59"), ("*", "1-3", "2", "*/5")
    specs = tuple(f"{random.choice(minutes)} {random.choice(hours)} * * *" for _ in range(random.randint(1, 3)))
    closed = ("* 12 * * *",) if random.random() < 0.4 else ()
    gap, overlap = random.choice(get_args(OnGap)), random.choice(get_args(OnOverlap))
    return Timetable(cron=specs, except_cron=closed, jitter=jitter, zone=zone, on_gap=gap, on_overlap=overlap)


def fired(timetable: Timetable, start: datetime, end: datetime) -> list[datetime]:
    """The slots from start to before end."""
    found: list[datetime] = []
    for slot in slots_after(timetable, "s", start - timedelta(microseconds=1)):
        if slot.at >= end:
            return found
        found.append(slot.at)
    return found
