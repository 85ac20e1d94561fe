"""Specs: what a cron spec may say, and what is refused with the field that is wrong."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import available_timezones

import pytest

from rqflow.errors import BadSchedule
from rqflow.schedules import zones
from rqflow.schedules.checking import check_schedule_id, check_template, check_timetable
from rqflow.schedules.cron import ALIASES, read_cron
from rqflow.schedules.keywords import KEYWORDS, ScheduleKeywords, with_keywords
from rqflow.schedules.policy import Action, Policy
from rqflow.schedules.slots import slots_after
from rqflow.schedules.spec import ScheduleSpec
from rqflow.schedules.timetable import Timetable
from rqflow.schedules.zones import zone_of
from tests.schedules.walking import utc

NOW = utc(2026, 11, 26, 12)
PLAIN = ScheduleSpec(
    timetable=Timetable(), policy=Policy(), action=Action(workflow="report", queue="default")
)  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("15 6 * * *", ["11-27 06:15", "11-28 06:15"]),
        ("0 9-17/4 * * mon-fri", ["11-26 13:00", "11-26 17:00"]),
        ("0 0 1 JAN,JUL *", ["01-01 00:00", "07-01 00:00"]),
        ("0 0 L * *", ["11-30 00:00", "12-31 00:00"]),
        ("0 0 * * L5", ["11-27 00:00", "12-25 00:00"]),
        ("0 0 ? * mon#2", ["12-14 00:00", "01-11 00:00"]),
        ("0 0 ? * 1,2", ["11-30 00:00", "12-01 00:00"]),
        ("0 0 13 * fri", ["11-27 00:00", "12-04 00:00"]),
        ("0 0 */2 * fri", ["11-27 00:00", "12-11 00:00"]),
        ("0 0 * * 7", ["11-29 00:00", "12-06 00:00"]),
        ("59/15 * * * *", ["11-26 12:59", "11-26 13:59"]),
        ("  0\t0  1W * * ", ["12-01 00:00", "01-01 00:00"]),
        ("@daily", ["11-27 00:00", "11-28 00:00"]),
        ("@Yearly", ["01-01 00:00", "01-01 00:00"]),
    ],
)
def test_a_spec_says_when(spec: str, expected: list[str]) -> None:
    """Names, ranges, lists, steps, L, #, ?, W and aliases; days of month and week meet as in cron."""
    slots = islice(slots_after(Timetable(cron=(spec,)), "s", NOW), 2)
    assert [f"{slot.at:%m-%d %H:%M}" for slot in slots] == expected


def test_seconds_stand_first_or_last_as_it_is_said() -> None:
    """Six fields without a word are refused, because both orders are in use."""
    first = Timetable(cron=("30 0 12 * * *", "0 13 * * *"), seconds="first")
    last = Timetable(cron=("0 12 * * * 30",), seconds="last")
    assert [slot.at for slot in islice(slots_after(first, "s", NOW), 2)] == [
        NOW + timedelta(seconds=30),
        NOW + timedelta(hours=1),
    ]
    assert next(slots_after(last, "s", NOW)).at == NOW + timedelta(seconds=30)


def test_h_is_a_value_of_the_schedules_own() -> None:
    """The same at each reading, spread over schedules, within a range if one is given; aliases do not change by it."""
    fifty = [f"schedule-{number}" for number in range(50)]
    minutes = {next(slots_after(Timetable(cron=("H H(1-3) * * *",)), name, NOW)).at for name in fifty}
    assert len(minutes) > 30
    assert {moment.hour for moment in minutes} == {1, 2, 3}
    again = {next(slots_after(Timetable(cron=("H H(1-3) * * *",)), name, NOW)).at for name in fifty}
    assert minutes == again
    assert {next(slots_after(Timetable(cron=("@hourly",)), name, NOW)).at.minute for name in fifty} == {0}
    each_quarter = islice(slots_after(Timetable(cron=("h/15 * * * *",)), "one", NOW), 5)
    assert len({slot.at.minute % 15 for slot in each_quarter}) == 1


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("", "has 0 fields"),
        ("* * * *", "4 fields"),
        ("* * * * * * 2026", "7 fields"),
        ("* * * * * *", "say which is the seconds"),
        ("61 * * * *", "the minute field '61'"),
        ("* 24 * * *", "the hour field '24'"),
        ("* * 0 * *", "the day of month field '0'"),
        ("* * * foo *", "the month field 'foo'"),
        ("* * * * mon-foo", "the day of week field 'mon-foo'"),
        ("* * * * mon,tue#2", "the day of week field"),
        ("* * * * mon#6", "the day of week field"),
        ("*/0 * * * *", "the minute field '*/0'"),
        ("H(50-70) * * * *", "the minute field 'h(50-70)'"),
        ("-5 * * * *", "the minute field '-5'"),
        ("٣ * * * *", "the minute field"),
        ("0 10-10 * * *", "a range of one value; write 10"),
        ("R * * * *", "drawn anew at each reading; use H"),
        ("0 0 30 2 *", "never fires"),
        ("0 0 13 * fri#2", "give two specs"),
        ("0 0 15W * mon", "give two specs"),
        ("0 0 28,*/5 * mon", "a star inside a list"),
        ("@reboot", "no alias '@reboot'; there are @yearly"),
        ("@every 5m", "for an interval use every"),
        ("0" * 201, "201 characters"),
        ("9" * 190 + " * * * *", "the minute field"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_field(spec: str, said: str) -> None:
    """And so are exclusions, by their own name."""
    for field in ("cron", "except_cron"):
        with pytest.raises(BadSchedule) as caught:
            read_cron(spec, seconds="none", schedule="s", field=field)
        assert caught.value.field == field
        assert said in str(caught.value)


def test_every_alias_is_what_it_stands_for() -> None:
    """One by one."""
    for alias, spec in ALIASES.items():
        found, meant = (islice(slots_after(Timetable(cron=(text,)), "s", NOW), 3) for text in (alias, spec))
        assert [slot.at for slot in found] == [slot.at for slot in meant]


@pytest.mark.parametrize(
    "name",
    [
        "Mars/Olympus", "", "../../etc/passwd", "/etc/passwd", "localtime", "posixrules", "America",
        "Europe/Berlin\0", "x" * 5_000, "\ud800", "UTC+25",
    ],
)  # fmt: skip
def test_an_unknown_zone_is_refused(name: str) -> None:
    """However it is spelled."""
    with pytest.raises(BadSchedule, match="no time zone is named") as caught:
        zone_of(name)
    assert caught.value.field == "zone"


def test_a_zone_that_is_nearly_right_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """By another case, or without its continent; and a machine without any zones says what it wants."""
    with pytest.raises(BadSchedule, match="is it Europe/Berlin"):
        zone_of("berlin")
    monkeypatch.setattr(zones, "available_timezones", set[str])
    with pytest.raises(BadSchedule, match="pip install tzdata"):
        zone_of("Berlin")


def test_all_zones_of_this_machine_are_known() -> None:
    """Each with a slot to come."""
    for name in sorted(available_timezones() - {"localtime"}):
        assert next(slots_after(Timetable(cron=("30 2 * * *",), zone=name), "s", NOW)).at > NOW


# ---- keywords ----------------------------------------------------------------------------------------------------


def test_keywords_make_a_spec_and_change_one() -> None:
    """Texts, numbers and dates as code and files have them; what is not named stays."""
    spec = with_keywords(
        PLAIN,
        {
            "cron": "0 8 * * *", "zone": "Europe/Berlin", "start": "2026-12-01T08:00", "end": date(2027, 1, 1),
            "except_dates": ["2026-12-25", date(2026, 12, 24), "2026-12-24"], "jitter": "1m30s", "catch_up": 3_600,
            "timeout": timedelta(hours=2), "overlap": "buffer_one", "notes": "for the board", "keep_result": True,
        },
    )  # fmt: skip
    assert spec.timetable == Timetable(
        cron=("0 8 * * *",), zone="Europe/Berlin", start=utc(2026, 12, 1, 7), end=utc(2026, 12, 31, 23),
        except_dates=(date(2026, 12, 24), date(2026, 12, 25)), jitter=timedelta(seconds=90),
    )  # fmt: skip
    assert spec.policy == Policy(overlap="buffer_one", catch_up=timedelta(hours=1), keep_result=True)
    assert (spec.action.timeout, spec.notes) == (timedelta(hours=2), "for the board")
    changed = with_keywords(spec, {"cron": (), "every": 90, "start": None, "max_runs": 3, "end": utc(2027, 1, 1)})
    assert changed.timetable.every == timedelta(seconds=90)
    assert changed.timetable.end == utc(2027, 1, 1)
    assert (changed.timetable.start, changed.timetable.zone, changed.notes) == (None, "Europe/Berlin", "for the board")
    assert with_keywords(changed, {"every": None, "max_runs": None}).policy.max_runs is None
    late = with_keywords(PLAIN, {"every": 90, "offset": 7, "queue": "eu", "attributes": {"a": 1}})
    again = with_keywords(late, {"cron": "@daily"})
    assert again.timetable == Timetable(cron=("@daily",))
    assert (again.action.queue, again.action.attributes) == ("eu", {"a": 1})


def test_keywords_and_their_types_name_the_same() -> None:
    """None is without a check, none without a type."""
    assert set(KEYWORDS) == set(ScheduleKeywords.__annotations__)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("corn", "* * * * *"), ("cron", 5), ("cron", ["* * * * *"] * 33), ("cron", [None]), ("cron", "\ud800"),
        ("zone", None), ("seconds", "middle"), ("on_gap", "jump"), ("overlap", "maybe"), ("every", "soon"),
        ("every", 0.5), ("every", True), ("every", 1e300), ("every", "-5s"), ("every", timedelta(seconds=1.0001)),
        ("every", 0), ("every", "4000d"), ("every", []), ("every", float("nan")), ("offset", -1), ("jitter", "25h"),
        ("catch_up", -1), ("catch_up", "1s"),
        ("buffer_limit", 0), ("buffer_limit", True), ("buffer_limit", 1_001), ("pause_after", 1.5),
        ("max_runs", 0), ("keep_result", "yes"), ("template", 3), ("notes", "x" * 2_001), ("start", "soon"),
        ("start", 5), ("end", "2026-13-01"),
        ("start", "0001-01-01T00:00:00+14:00"), ("start", "1969-12-31"), ("end", "2201-01-01"),
        ("end", "9999-12-31T23:59:59-12:00"), ("end", "9999-12-31T23:59:59"),
        ("except_dates", "2026-12-25"), ("except_dates", ["25.12."]),
        ("except_dates", [datetime(2026, 12, 25)]), ("except_dates", [date(2026, 1, 1)] * 1_001),  # noqa: DTZ001
    ],
)  # fmt: skip
def test_a_bad_value_is_refused_by_its_name(name: str, value: Any) -> None:
    """With a message that says what it can be."""
    with pytest.raises(BadSchedule) as caught:
        with_keywords(PLAIN, {name: value})
    assert caught.value.field == name
    assert str(caught.value).startswith(f"{name}: ")


@pytest.mark.parametrize(
    ("field", "keywords"),
    [
        ("cron", {}),
        ("cron", {"cron": "0 0 30 2 *"}),
        ("every", {"cron": "* * * * *", "every": "90s"}),
        ("offset", {"cron": "* * * * *", "offset": 5}),
        ("offset", {"every": "90s", "offset": "90s"}),
        ("end", {"every": "90s", "start": "2027-01-02", "end": "2027-01-01"}),
        ("end", {"every": "90s", "end": "2026-11-26T12:00"}),
        ("end", {"cron": "0 0 1 1 *", "end": "2026-12-31"}),
        ("start", {"cron": "0 0 29 2 *", "start": "2198-01-01"}),
        ("except_cron", {"cron": "0 8 * * *", "except_cron": "* 8 * * *"}),
        ("template", {"every": "90s", "template": "report"}),
        ("template", {"every": "90s", "template": "{slot}/{when}"}),
        ("template", {"every": "90s", "template": "{slot}{"}),
        ("template", {"every": "90s", "template": "{slot}\n"}),
        ("template", {"every": "90s", "template": "{slot}" + "x" * 490}),
    ],
)
def test_what_does_not_go_together_or_never_comes_is_refused(field: str, keywords: dict[str, Any]) -> None:
    """With the field that is wrong."""
    with pytest.raises(BadSchedule) as caught:
        check(with_keywords(PLAIN, keywords))
    assert caught.value.field == field


@pytest.mark.parametrize("id", ["", "a b", "a\n", "x" * 201, 5, None, "\u200b\ud800"])
def test_a_bad_id_of_a_schedule_is_refused(id: Any) -> None:
    """By its field too."""
    with pytest.raises(BadSchedule) as caught:
        check_schedule_id(id)
    assert caught.value.field == "id"
    check(with_keywords(PLAIN, {"cron": "@daily"}), check_schedule_id("nächtlich/1"))


def check(spec: ScheduleSpec, schedule: str = "s") -> None:
    """As whoever writes it."""
    check_timetable(spec.timetable, schedule, now=NOW)
    check_template(spec.action.template, schedule, now=NOW, id_bytes=512)
