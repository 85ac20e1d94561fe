"""Listing: `list`, `show` and `history`, which look at instances."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from rqflow.cli.arguments import Moment, Pair
from rqflow.cli.completing import complete_ids
from rqflow.cli.rows import facts, failure_of, failure_text, plain_description, plain_row
from rqflow.cli.screen import (
    STATUS_STYLES,
    Column,
    iso,
    local,
    payload_text,
    payload_value,
    shortened,
    show_facts,
    show_json,
    show_table,
    span,
)
from rqflow.cli.session import Session, json_option, with_session
from rqflow.core.events import ScheduleLink, Stamped
from rqflow.core.states import INSTANCE_STATUSES

_PAST = Moment(future=False)


@click.command("list")
@click.option("--workflow", metavar="NAME", help="Only of this workflow.")
@click.option("--status", type=click.Choice(INSTANCE_STATUSES), help="Only in this status.")
@click.option("-q", "--queue", metavar="NAME", help="Only of this queue.")
@click.option("--parent", metavar="ID", help="Only children of this instance.")
@click.option("--attribute", "attributes", type=Pair(), multiple=True, metavar="NAME=VALUE", help="Only with it.")
@click.option("--id-prefix", metavar="TEXT", help="Only ids that begin so.")
@click.option("--created-after", type=_PAST, metavar="TIME", help="A time, or how long ago: 2h.")
@click.option("--created-before", type=_PAST, metavar="TIME")
@click.option("--closed-after", type=_PAST, metavar="TIME")
@click.option("--closed-before", type=_PAST, metavar="TIME")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Rows of one page.")
@click.option("--cursor", metavar="CURSOR", help="Go on where the last page ended; it told how.")
@json_option
@with_session
def list_command(
    session: Session, *, attributes: tuple[tuple[str, Any], ...], limit: int, cursor: str | None, as_json: bool,
    **where: Any,
) -> None:  # fmt: skip
    """List instances, the newest first. All given conditions must hold.

    \b
    Examples:
      rqflow list
      rqflow list --workflow checkout --status running --created-after 2h
      rqflow list --attribute customer=ann --json
    """
    chosen = {name: value for name, value in where.items() if value is not None}
    if attributes:
        chosen["attributes"] = dict(attributes)
    with session.client() as client:
        page = client.list_page(limit=limit, cursor=cursor, **chosen)
    if as_json:
        show_json({"instances": [plain_row(row) for row in page.rows], "cursor": page.cursor})
        return
    now = datetime.now(UTC)
    show_table(
        (
            Column("ID", fold=True), Column("WORKFLOW"), Column("STATUS", styles=STATUS_STYLES),
            Column("AGE", right=True), Column("TOOK", right=True), Column("QUEUE"), Column("DETAIL"),
        ),
        [
            (
                row.instance, row.workflow, row.status, span(max(now - row.created_at, timedelta(0))),
                "" if row.closed_at is None else span(row.closed_at - (row.start_at or row.created_at)),
                row.queue, row.reason or payload_text(row.custom_status),
            )
            for row in page.rows
        ],
    )  # fmt: skip
    if not page.rows:
        click.echo("nothing meets these conditions" if chosen else "no instances", err=True)
    if page.cursor:
        click.echo(f"there may be more: --cursor {page.cursor}", err=True)


@click.command()
@click.argument("id", shell_complete=complete_ids)
@json_option
@with_session
def show(session: Session, *, id: str, as_json: bool) -> None:
    """Show how an instance stands and what it waits for.

    \b
    Example:
      rqflow show order-42
    """
    with session.client() as client:
        row = client.describe(id)
        if as_json:
            show_json(plain_description(row))
            return
        busy = row.worker or any(activity.worker for activity in row.pending)
        names = {found.record.id: found.record.name for found in client.stats().workers} if busy else {}
    show_facts(facts(row, names))


@click.command()
@click.argument("id", shell_complete=complete_ids)
@click.option("--run", metavar="RUN", help="Of this run; else the current one.")
@click.option("--full", is_flag=True, help="Payloads whole, not shortened.")
@click.option("--after", type=click.IntRange(0), default=0, metavar="NUMBER", help="Only events after this one.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="At most so many events.")
@json_option
@with_session
def history(
    session: Session, *, id: str, run: str | None, full: bool, after: int, limit: int | None, as_json: bool
) -> None:
    """Show what happened to an instance, event by event.

    \b
    Examples:
      rqflow history order-42
      rqflow history order-42 --full
      rqflow history order-42 --json
    """
    found: list[Stamped] = []
    try:
        with session.client() as client:
            for stamped in client.history(id, run, after=after):
                found.append(stamped)
                if len(found) == limit:
                    break
    finally:
        # Should an event be unreadable, those before it are shown all the same.
        if found and as_json:
            show_json([plain_event(after + place, stamped) for place, stamped in enumerate(found, 1)])
        elif found:
            _show_history(found, after, None if full else 80)
    if not found and as_json:
        show_json([])


def plain_event(number: int, stamped: Stamped) -> dict[str, Any]:
    """An event as plain values: its number, time and type, then its own fields."""
    event = stamped.event
    own = {field.name: getattr(event, field.name) for field in fields(event)}
    if "payload" in own:
        own["payload"] = payload_value(own["payload"])
    if own.get("parent") is not None:
        parent = own["parent"]
        own["parent"] = {"id": parent.instance, "run": parent.run, "command": parent.command}
    if own.get("schedule") is not None:
        own["schedule"] = _plain_link(own["schedule"])
    return {"number": number, "at": iso(_moment(stamped)), "type": type(event).__name__, "fields": own}


def _plain_link(link: ScheduleLink) -> dict[str, Any]:
    return {
        "id": link.schedule,
        "slot": iso(_at(link.slot_ms)),
        "last_success": None if link.last_success_ms is None else iso(_at(link.last_success_ms)),
        "last_result": None if link.last_result is None else payload_value(link.last_result),
    }


def _at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def _moment(stamped: Stamped) -> datetime:
    """When it happened: to a local activity before its turn was committed."""
    return _at(getattr(stamped.event, "at_ms", None) or stamped.at_ms)


def _show_history(found: list[Stamped], after: int, width: int | None) -> None:
    began = _moment(found[0])
    rows = []
    for number, stamped in enumerate(found, after + 1):
        passed = _moment(stamped) - began
        delta = span(passed) if passed > timedelta(0) else ""
        details = " ".join(_details(stamped, width))
        rows.append(
            (number, local(_moment(stamped)), f"+{delta}" if delta else "", type(stamped.event).__name__, details)
        )
    show_table(
        (Column("#", right=True), Column("TIME"), Column("SINCE", right=True), Column("EVENT"),
         Column("DETAILS", fold=True)),
        rows,
    )  # fmt: skip


_LEFT_OUT = frozenset({"payload", "instance", "run", "headers", "parent", "continued_from", "schedule"})
"""Of WorkflowStarted the table shows what is not in the command line anyway."""


def _details(stamped: Stamped, width: int | None) -> Iterator[str]:
    event = stamped.event
    for field in fields(event):
        value = getattr(event, field.name)
        if field.name == "payload" or (type(event).__name__ == "WorkflowStarted" and field.name in _LEFT_OUT):
            continue
        if value not in (None, "", ()) and field.name != "at_ms" and (value or field.name != "local"):
            yield f"{field.name}={value}"
    payload = getattr(event, "payload", b"")
    if payload:
        failed = failure_of(payload) if type(event).__name__.endswith(("Failed", "Canceled")) else None
        text = failure_text(failed) if failed is not None else payload_text(payload)
        yield text if width is None else shortened(text, width)
