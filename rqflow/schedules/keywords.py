"""Keywords: what can be said of a schedule in one go, in code or in a file, checked and turned into its spec."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any, Final, TypeAlias, TypedDict, get_args

from rqflow.errors import BadInput, BadSchedule
from rqflow.schedules.policy import MAX_BUFFER, Overlap, Policy
from rqflow.schedules.spec import ScheduleSpec
from rqflow.schedules.streams import EPOCH, LAST
from rqflow.schedules.timetable import OnGap, OnOverlap, Seconds, Timetable
from rqflow.schedules.zones import read_wall, zone_of
from rqflow.settings import parse_duration

Span: TypeAlias = timedelta | float | str
"""A length of time: a timedelta, a number of seconds, or a text such as 90s or 1h30m."""
Moment: TypeAlias = datetime | str
"""A time, or its ISO text; one without an offset is meant in the schedule's zone."""

MAX_SPECS: Final = 32
MAX_DATES: Final = 1_000
MAX_NOTES: Final = 2_000
LONGEST_SPAN: Final = timedelta(days=3_660)
FIRST_YEAR: Final = EPOCH.year
LONGEST_JITTER: Final = timedelta(days=1)


class ScheduleKeywords(TypedDict, total=False):
    """Timetable, Policy and Action as keyword arguments; what is left out has the default that stands there."""

    cron: str | Sequence[str]
    seconds: Seconds
    every: Span | None
    offset: Span
    except_cron: str | Sequence[str]
    except_dates: Sequence[date | str]
    start: Moment | None
    end: Moment | None
    zone: str
    on_gap: OnGap
    on_overlap: OnOverlap
    jitter: Span
    overlap: Overlap
    buffer_limit: int
    catch_up: Span
    pause_after: int
    max_runs: int | None
    keep_result: bool
    queue: str | None
    template: str
    timeout: Span | None
    retention: Span | None
    attributes: Mapping[str, str | int | float | bool]
    priority: int
    lane: str
    headers: tuple[tuple[str, str], ...]
    notes: str


def with_keywords(before: ScheduleSpec, keywords: Mapping[str, Any]) -> ScheduleSpec:
    """`before` with what the keywords say, each checked by itself. Raises BadSchedule, naming the keyword."""
    parts: dict[str, dict[str, Any]] = {
        "timetable": _other_way(before.timetable, keywords),
        "policy": {},
        "action": {},
        "": {},
    }
    for name, value in keywords.items():
        if name not in KEYWORDS:
            raise BadSchedule(name, f"a schedule has no such option; it has {', '.join(KEYWORDS)}")
        part, check = KEYWORDS[name]
        parts[part][name] = check(name, value)
    zone = zone_of(parts["timetable"].get("zone", before.timetable.zone))
    for name in ("start", "end"):
        moment = parts["timetable"].get(name)
        if moment is not None and moment.tzinfo is None:
            parts["timetable"][name] = read_wall(zone, moment).aware
    return replace(
        before,
        timetable=replace(before.timetable, **parts["timetable"]),
        policy=_policy(before.policy, parts["policy"]),
        action=replace(before.action, **parts["action"]),
        **parts[""],
    )


def _other_way(before: Timetable, keywords: Mapping[str, Any]) -> dict[str, Any]:
    """A schedule that is given specs has no interval any more, and the other way round."""
    if keywords.get("cron") and before.every is not None:
        return {"every": None, "offset": timedelta(0)}
    return {"cron": ()} if keywords.get("every") else {}


def _policy(before: Policy, changes: Mapping[str, Any]) -> Policy:
    try:
        return replace(before, **changes)
    except BadInput as error:
        name, _, said = str(error).partition(" ")
        raise BadSchedule(name, said) from None


# ---- one value each ----------------------------------------------------------------------------------------------


def _texts(name: str, value: Any) -> tuple[str, ...]:
    texts = (value,) if isinstance(value, str) else _list(name, value, "a text or a list of texts")
    if len(texts) > MAX_SPECS:
        raise BadSchedule(name, f"{len(texts):,} specs given, the limit is {MAX_SPECS}")
    return tuple(_text(name, text) for text in texts)


def _list(name: str, value: Any, wanted: str) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise BadSchedule(name, f"must be {wanted}, not {type(value).__name__}")
    return tuple(value)


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise BadSchedule(name, f"must be text, not {type(value).__name__}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadSchedule(name, f"holds half a character: {value[:40]!r}") from None
    return value


def _notes(name: str, value: Any) -> str:
    if len(_text(name, value)) > MAX_NOTES:
        raise BadSchedule(name, f"has {len(value):,} characters, the limit is {MAX_NOTES:,}")
    return str(value)


def _dates(name: str, value: Any) -> tuple[date, ...]:
    found = _list(name, value, "a list of dates")
    if len(found) > MAX_DATES:
        raise BadSchedule(name, f"{len(found):,} dates given, the limit is {MAX_DATES:,}")
    return tuple(sorted({_date(name, one) for one in found}))


def _date(name: str, value: Any) -> date:
    try:
        if isinstance(value, str):
            return date.fromisoformat(value)
    except ValueError:
        pass
    else:
        if isinstance(value, date) and not isinstance(value, datetime):
            return value
    raise BadSchedule(name, f"must hold dates such as 2026-12-25, not {value!r:.60}")


def _moment(name: str, value: Any) -> datetime | None:
    if value is None:
        return None
    found = value
    try:
        if isinstance(value, date) and not isinstance(value, datetime):
            found = datetime.fromisoformat(value.isoformat())
        elif isinstance(value, str):
            found = datetime.fromisoformat(value)
    except ValueError:
        pass
    if not isinstance(found, datetime):
        raise BadSchedule(name, f"must be a time such as 2026-12-01T08:00, not {value!r:.60}")
    if not FIRST_YEAR <= found.year < LAST.year:
        raise BadSchedule(name, f"must lie between {FIRST_YEAR} and {LAST.year}, not {found.isoformat()}")
    return found


def _span(name: str, value: Any, *, zero: bool, longest: timedelta = LONGEST_SPAN) -> timedelta:
    span = _read_span(name, value)
    if span < timedelta(0) or (not zero and not span):
        raise BadSchedule(name, f"must be {'zero or more' if zero else 'more than zero'}, not {span}")
    if span > longest:
        raise BadSchedule(name, f"of {span} is too long, the limit is {longest}")
    if span % timedelta(milliseconds=1):
        raise BadSchedule(name, f"must be whole milliseconds, not {span}")
    return span


def _read_span(name: str, value: Any) -> timedelta:
    try:
        if isinstance(value, timedelta):
            return value
        if isinstance(value, str):
            return parse_duration(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return timedelta(seconds=value)
    except (ValueError, OverflowError) as error:
        raise BadSchedule(name, f"must be a length of time: {error}") from None
    raise BadSchedule(name, f"must be a length of time such as '90s', not {type(value).__name__}")


def _every(name: str, value: Any) -> timedelta | None:
    span = _optional_span(name, value)
    if span is not None and span < timedelta(seconds=1):
        raise BadSchedule(name, f"must be one second or more, not {span}")
    return span


def _optional_span(name: str, value: Any) -> timedelta | None:
    return None if value is None else _span(name, value, zero=False)


def _zero_or_more(name: str, value: Any) -> timedelta:
    return _span(name, value, zero=True)


def _jitter(name: str, value: Any) -> timedelta:
    return _span(name, value, zero=True, longest=LONGEST_JITTER)


def _choice(choices: Any) -> Callable[[str, Any], Any]:
    def check(name: str, value: Any) -> Any:
        if value not in get_args(choices):
            raise BadSchedule(name, f"can be {', '.join(get_args(choices))}, not {value!r:.60}")
        return value

    return check


def _count(least: int, most: int) -> Callable[[str, Any], int]:
    def check(name: str, value: Any) -> int:
        if type(value) is not int or not least <= value <= most:
            raise BadSchedule(name, f"must be a whole number from {least:,} to {most:,}, not {value!r:.60}")
        return value

    return check


def _runs(name: str, value: Any) -> int | None:
    return None if value is None else _count(1, 2**53)(name, value)


def _switch(name: str, value: Any) -> bool:
    if type(value) is not bool:
        raise BadSchedule(name, f"must be true or false, not {value!r:.60}")
    return value


def _as_it_is(name: str, value: Any) -> Any:
    """Checked as the options of a start are, by the client."""
    return value


KEYWORDS: Final[Mapping[str, tuple[str, Callable[[str, Any], Any]]]] = {
    "cron": ("timetable", _texts),
    "seconds": ("timetable", _choice(Seconds)),
    "every": ("timetable", _every),
    "offset": ("timetable", _zero_or_more),
    "except_cron": ("timetable", _texts),
    "except_dates": ("timetable", _dates),
    "start": ("timetable", _moment),
    "end": ("timetable", _moment),
    "zone": ("timetable", _text),
    "on_gap": ("timetable", _choice(OnGap)),
    "on_overlap": ("timetable", _choice(OnOverlap)),
    "jitter": ("timetable", _jitter),
    "overlap": ("policy", _choice(Overlap)),
    "buffer_limit": ("policy", _count(1, MAX_BUFFER)),
    "catch_up": ("policy", _zero_or_more),
    "pause_after": ("policy", _count(0, 1_000_000)),
    "max_runs": ("policy", _runs),
    "keep_result": ("policy", _switch),
    "queue": ("action", _as_it_is),
    "template": ("action", _text),
    "timeout": ("action", _optional_span),
    "retention": ("action", _optional_span),
    "attributes": ("action", _as_it_is),
    "priority": ("action", _as_it_is),
    "lane": ("action", _as_it_is),
    "headers": ("action", _as_it_is),
    "notes": ("", _notes),
}
"""Which part of the spec each keyword is of, and how it is checked."""
