"""Schedule options: what can be said of a schedule on the command line; the same words as in code and in files."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, TypeVar, get_args

import click

from rqflow.cli.arguments import Pair
from rqflow.schedules.policy import Overlap
from rqflow.schedules.timetable import OnGap, OnOverlap, Seconds

F = TypeVar("F", bound=Callable[..., Any])

_WHEN: Final = (
    click.option("--cron", multiple=True, metavar="SPEC", help="A cron spec: '30 2 * * mon-fri'; may be repeated."),
    click.option("--seconds", type=click.Choice(get_args(Seconds)), help="Which field of six is the seconds."),
    click.option("--every", metavar="TIME", help="Or an interval: 90s, 1h."),
    click.option("--offset", metavar="TIME", help="How much later each slot of the interval is."),
    click.option("--except-cron", multiple=True, metavar="SPEC", help="No slot while this spec matches."),
    click.option("--except-date", "except_dates", multiple=True, metavar="DATE", help="No slot on this day."),
    click.option("--start", metavar="TIME", help="No slot before; in the schedule's zone."),
    click.option("--end", metavar="TIME", help="No slot from then on."),
    click.option("--zone", metavar="NAME", help="Time zone of the specs, such as Europe/Berlin [UTC]."),
    click.option("--on-gap", type=click.Choice(get_args(OnGap)), help="Times that a clock change leaves out."),
    click.option("--on-overlap", type=click.Choice(get_args(OnOverlap)), help="Times that a clock change repeats."),
    click.option("--jitter", metavar="TIME", help="Spread slots by up to so much."),
)
_HOW: Final = (
    click.option("--overlap", type=click.Choice(get_args(Overlap)), help="When a run is still open [skip]."),
    click.option("--buffer-limit", type=int, metavar="N", help="How many wait under buffer_all [100]."),
    click.option("--catch-up", metavar="TIME", help="How late a missed slot is still fired [1m]."),
    click.option("--pause-after", type=int, metavar="N", help="Pause after so many failures in a row."),
    click.option("--max-runs", type=int, metavar="N", help="Done after so many runs."),
    click.option("--keep-result/--drop-result", default=None, help="Keep the last result for the next run."),
    click.option("-q", "--queue", metavar="NAME", help="Queue of its workflow tasks."),
    click.option("--template", metavar="TEXT", help="Ids of its instances [{schedule}/{slot}]."),
    click.option("--timeout", metavar="TIME", help="Each run's deadline."),
    click.option("--retention", metavar="TIME", help="How long each run is kept after its end."),
    click.option("--attribute", "attributes", type=Pair(), multiple=True, metavar="NAME=VALUE", help="To list by."),
    click.option("--priority", type=int, metavar="N", help="Higher is sooner where a queue honours it."),
    click.option("--lane", metavar="NAME", help="Runs of one lane go in order where a queue honours it."),
    click.option("--notes", metavar="TEXT", help="For people."),
    click.option("-m", "--module", "modules", multiple=True, metavar="MODULE", help="Where the workflow's code is."),
    click.option("--unchecked", is_flag=True, help="Take a workflow that no live worker knows."),
)
NOT_OF_THE_SCHEDULE: Final = ("modules", "unchecked")


def when_options(command: F) -> F:
    """When it fires."""
    for option in reversed(_WHEN):
        command = option(command)
    return command


def schedule_options(command: F) -> F:
    """When it fires, and how."""
    for option in reversed(_HOW):
        command = option(command)
    return when_options(command)


def keywords_of(options: dict[str, Any]) -> dict[str, Any]:
    """What was given, as ScheduleKeywords."""
    given = {
        name: value for name, value in options.items() if value not in (None, ()) and name not in NOT_OF_THE_SCHEDULE
    }
    if "attributes" in given:
        given["attributes"] = dict(given["attributes"])
    return given


def now_here() -> datetime:
    """Now, where no server is asked."""
    return datetime.now().astimezone()
