"""Schedule: `schedule create`, `update`, `list`, `show` and the rest: recurring workflows."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Any, Final, get_args

import click

from rqflow.cli.arguments import Moment, parse_arguments
from rqflow.cli.completing import complete_schedules
from rqflow.cli.schedule_file import apply
from rqflow.cli.schedule_options import keywords_of, now_here, schedule_options, when_options
from rqflow.cli.schedule_rows import plain_schedule, show_list, show_schedule, show_slots
from rqflow.cli.screen import printable, show_json
from rqflow.cli.session import Session, json_option, with_session
from rqflow.cli.start import checked_arguments, definition_of
from rqflow.client.schedule_reading import NO_SPEC, preview_slots
from rqflow.client.sync import Client
from rqflow.errors import BadSchedule, ScheduleNotFound
from rqflow.schedules.keywords import with_keywords
from rqflow.schedules.policy import Overlap
from rqflow.schedules.timetable import Timetable

_ID: Final = click.argument("id", shell_complete=complete_schedules)


@click.group()
def schedule() -> None:
    """Start workflows again and again: by cron specs or intervals, once for each slot.

    \b
    Examples:
      rqflow schedule create nightly inventory path=/srv --cron '0 2 * * *' --zone Europe/Berlin
      rqflow schedule apply config/schedules.toml
      rqflow schedule list
    """


schedule.add_command(apply)


@schedule.command()
@click.argument("id")
@click.argument("workflow")
@click.argument("words", nargs=-1, metavar="[NAME=TEXT | NAME:=JSON]...")
@schedule_options
@click.option("--input", "input_file", metavar="FILE", help="Arguments as JSON: an object, or a list; - is stdin.")
@click.option("--paused", metavar="REASON", help="Begin paused.")
@json_option
@with_session
def create(
    session: Session, *, id: str, workflow: str, words: tuple[str, ...], input_file: str | None, paused: str | None,
    as_json: bool, **options: Any,
) -> None:  # fmt: skip
    """Write a schedule ID that starts WORKFLOW. name=text gives a text, name:=json anything else.

    \b
    Examples:
      rqflow schedule create nightly inventory path=/srv --cron '0 2 * * *' --zone Europe/Berlin
      rqflow schedule create poll inventory path=/srv --every 90s --overlap skip --jitter 5s
    """
    given, keywords = parse_arguments(words, input_file), keywords_of(options)
    definition = definition_of(session, workflow, options["modules"])
    if definition is not None:
        given = checked_arguments(definition, given)
        defined = {"queue": definition.queue, "timeout": definition.timeout, "retention": definition.retention}
        keywords = {name: value for name, value in defined.items() if value is not None} | keywords
    unchecked = options["unchecked"] or definition is not None
    with session.client() as client:
        client.schedules.create(
            id, workflow, *given.positional, kwargs=given.named, unchecked=unchecked,
            paused=False if paused is None else paused, **keywords,
        )  # fmt: skip
        _show(client, id, "created", as_json)


@schedule.command()
@_ID
@schedule_options
@click.option("--workflow", metavar="NAME", help="What it starts.")
@click.option("--input", "input_file", metavar="FILE", help="Arguments as JSON: an object, or a list; - is stdin.")
@json_option
@with_session
def update(
    session: Session, *, id: str, workflow: str | None, input_file: str | None, as_json: bool, **options: Any
) -> None:
    """Change what is named of a schedule; the rest stays as it is.

    \b
    Examples:
      rqflow schedule update nightly --cron '0 3 * * *'
      rqflow schedule update nightly --overlap buffer_one --notes 'takes longer in December'
    """
    changes: dict[str, Any] = keywords_of(options)
    if workflow is not None:
        definition = definition_of(session, workflow, options["modules"])
        changes |= {"workflow": workflow, "unchecked": options["unchecked"] or definition is not None}
    if input_file is not None:
        given = parse_arguments((), input_file)
        changes |= {"args": given.positional, "kwargs": given.named}
    if not changes:
        raise BadSchedule("update", "say what is to change, such as --cron '0 3 * * *'")
    with session.client() as client:
        client.schedules.update(id, **changes)
        _show(client, id, "updated", as_json)


@schedule.command("list")
@json_option
@with_session
def list_command(session: Session, *, as_json: bool) -> None:
    """List all schedules by id, with what comes next.

    \b
    Example:
      rqflow schedule list --json
    """
    with session.client() as client:
        found = list(client.schedules.list())
    if as_json:
        show_json([plain_schedule(one) for one in found])
    else:
        show_list(found)


@schedule.command()
@_ID
@json_option
@with_session
def show(session: Session, *, id: str, as_json: bool) -> None:
    """Show a schedule: when, what, how it stands, and what became of its last slots.

    \b
    Example:
      rqflow schedule show nightly
    """
    with session.client() as client:
        found = client.schedules.get(id)
    if as_json:
        show_json(plain_schedule(found))
    else:
        show_schedule(found)


@schedule.command()
@_ID
@click.argument("reason", default="")
@json_option
@with_session
def pause(session: Session, *, id: str, reason: str, as_json: bool) -> None:
    """Fire no slots until it is resumed; what runs goes on.

    \b
    Example:
      rqflow schedule pause nightly 'the warehouse moves'
    """
    with session.client() as client:
        client.schedules.pause(id, reason)
        _show(client, id, "paused", as_json)


@schedule.command()
@_ID
@click.argument("reason", default="")
@json_option
@with_session
def resume(session: Session, *, id: str, reason: str, as_json: bool) -> None:
    """Fire slots again, from now on; those of the pause are left out.

    \b
    Example:
      rqflow schedule resume nightly
    """
    with session.client() as client:
        client.schedules.resume(id, reason)
        _show(client, id, "resumed", as_json)


@schedule.command()
@_ID
@click.option(
    "--overlap",
    type=click.Choice(get_args(Overlap)),
    default="allow",
    show_default=True,
    help="When a run is still open.",
)
@json_option
@with_session
def trigger(session: Session, *, id: str, overlap: Overlap, as_json: bool) -> None:  # fmt: skip
    """Start one now, beside its slots, paused or not. Prints the id that the instance will have.

    \b
    Example:
      rqflow schedule trigger nightly
    """
    with session.client() as client:
        instance = client.schedules.trigger(id, overlap=overlap)
    if as_json:
        show_json({"id": id, "instance": instance})
    else:
        click.echo(f"triggered {printable(instance)}")


@schedule.command()
@_ID
@click.argument("start", type=Moment(future=False), required=False)
@click.argument("end", type=Moment(future=False), required=False)
@click.option("--limit", type=click.IntRange(1, 1_000), default=1, show_default=True, help="Runs at once.")
@click.option("--name", metavar="NAME", help="Its name; the same one given twice is the same backfill.")
@click.option("--cancel", metavar="NAME", help="Start no more of this backfill.")
@json_option
@with_session
def backfill(
    session: Session, *, id: str, start: datetime | None, end: datetime | None, limit: int, name: str | None,
    cancel: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Run the slots of the past from START to END (now), oldest first, beside the schedule.

    \b
    Examples:
      rqflow schedule backfill nightly 2026-10-01 2026-11-01 --limit 3
      rqflow schedule backfill nightly --cancel 3f2a9c01d4e5
    """
    if (start is None) == (cancel is None):
        raise BadSchedule("start", "give START (and END), or --cancel NAME")
    with session.client() as client:
        if start is None or cancel is not None:
            client.schedules.cancel_backfill(id, cancel or "")
            told, named = "canceled", cancel
        else:
            named = client.schedules.backfill(id, start, end, limit=limit, backfill_id=name)
            told = "backfills as"
    if as_json:
        show_json({"id": id, "backfill": named, "canceled": cancel is not None})
    else:
        click.echo(f"{told} {printable(named or '')}")


@schedule.command()
@click.argument("id", required=False, shell_complete=complete_schedules)
@when_options
@click.option("-n", "--count", type=click.IntRange(1, 10_000), default=10, show_default=True, help="How many.")
@click.option("--after", type=Moment(future=True), metavar="TIME", help="Slots after this time instead of now.")
@json_option
@with_session
def preview(
    session: Session, *, id: str | None, count: int, after: datetime | None, as_json: bool, **options: Any
) -> None:
    """Show the next slots in the schedule's zone and in UTC, with the DST rule that touched any of them.

    Of schedule ID as it is, or as the options would make it; without ID of the options alone, and no Redis is asked.

    \b
    Examples:
      rqflow schedule preview nightly --count 5
      rqflow schedule preview --cron '30 2 * * *' --zone Europe/Berlin --after 2027-03-27
    """
    changes: Any = keywords_of(options)
    spec = NO_SPEC
    if id is None:
        slots = preview_slots(spec, "", count=count, after=after or now_here(), changes=changes)
    else:
        with session.client() as client:
            slots = client.schedules.preview(id, count=count, after=after, **changes)
            with suppress(ScheduleNotFound):
                spec = client.schedules.get(id).spec
    timetable: Timetable = with_keywords(spec, changes).timetable
    show_slots(slots, timetable, id or "", as_json=as_json)


@schedule.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...", shell_complete=complete_schedules)
@json_option
@with_session
def delete(session: Session, *, ids: tuple[str, ...], as_json: bool) -> None:
    """Forget schedules; what they started goes on.

    \b
    Example:
      rqflow schedule delete nightly poll
    """
    with session.client() as client:
        for id in ids:
            client.schedules.delete(id)
            if not as_json:
                click.echo(f"deleted {printable(id)}")
    if as_json:
        show_json({"deleted": ids})


def _show(client: Client, id: str, done: str, as_json: bool) -> None:
    found = client.schedules.get(id)
    if as_json:
        show_json(plain_schedule(found))
        return
    upcoming = "" if found.next is None else f", next {found.next.at.astimezone():%Y-%m-%d %H:%M:%S}"
    click.echo(f"{done} {printable(id)}{upcoming}")
