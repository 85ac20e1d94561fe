"""Checking: what of a schedule does not go together, or will never come, refused when it is written."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from rqflow.errors import BadInput, BadSchedule
from rqflow.schedules.naming import instance_id
from rqflow.schedules.slots import next_slot
from rqflow.schedules.timetable import Timetable

MAX_ID: Final = 200
"""Characters of a schedule's id."""


def check_schedule_id(value: object) -> str:
    """A schedule's id: as names are, without spaces. Raises BadSchedule."""
    if not isinstance(value, str) or not value:
        raise BadSchedule("id", f"must be text that is not empty, not {value!r:.60}")
    if len(value) > MAX_ID:
        raise BadSchedule("id", f"has {len(value):,} characters, the limit is {MAX_ID}")
    if not value.isprintable() or any(character.isspace() for character in value):
        raise BadSchedule("id", f"must not hold spaces or control characters: {value!r}")
    return value


def check_timetable(timetable: Timetable, schedule: str, *, now: datetime) -> None:
    """Whether there is a slot after `now`. Raises BadSchedule."""
    if timetable.cron and timetable.every is not None:
        raise BadSchedule("every", "give cron or every, not both; two schedules can start the same workflow")
    if not timetable.cron and timetable.every is None:
        raise BadSchedule("cron", "give one spec or more, such as cron='0 2 * * *', or an interval: every='90s'")
    if timetable.every is None and timetable.offset:
        raise BadSchedule("offset", "is for intervals; a cron spec says itself when it fires")
    if timetable.every is not None and timetable.offset >= timetable.every:
        raise BadSchedule("offset", f"of {timetable.offset} must be less than the interval, {timetable.every}")
    start, end = timetable.start, timetable.end
    if start is not None and end is not None and start >= end:
        raise BadSchedule("end", f"{end.isoformat()} is not after the start, {start.isoformat()}")
    if end is not None and end <= now:
        raise BadSchedule("end", f"{end.isoformat()} has passed")
    if next_slot(timetable, schedule, now) is None:
        raise BadSchedule("end" if end is not None else "start", "there is no slot left from now on")


def check_template(template: str, schedule: str, *, now: datetime, id_bytes: int) -> None:
    """Whether each slot gets a good instance id of its own. Raises BadSchedule."""
    if "{slot}" not in template:
        raise BadSchedule("template", f"{template!r:.80} must hold {{slot}}, so that each slot has an id of its own")
    try:
        # The longest that a slot's text gets: with milliseconds, as those of triggers.
        found = instance_id(template, schedule, int(now.timestamp()) * 1_000 + 1)
    except BadInput as error:
        raise BadSchedule("template", str(error).removeprefix("template ")) from None
    if not found.isprintable():
        raise BadSchedule("template", f"yields an id with characters that cannot be shown: {found!r:.80}")
    if len(found.encode()) > id_bytes:
        raise BadSchedule("template", f"yields an id of {len(found.encode()):,} bytes, the limit is {id_bytes}")
