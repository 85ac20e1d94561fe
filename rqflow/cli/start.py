"""Start: `start`, `result` and `watch`, which begin an instance and await what becomes of it."""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import click

from rqflow.authoring.registry import load_modules
from rqflow.authoring.workflows import Workflow
from rqflow.cli.arguments import Arguments, Duration, Moment, Pair, parse_arguments
from rqflow.cli.completing import complete_ids
from rqflow.cli.exits import FAILED
from rqflow.cli.rows import failure_of, failure_text, plain_description, plain_row
from rqflow.cli.screen import local, payload_text, printable, show_json
from rqflow.cli.session import Session, import_from_here, json_option, with_session
from rqflow.client.handle import Handle
from rqflow.client.options import StartOptions
from rqflow.client.starting import Request
from rqflow.client.sync import Client
from rqflow.core.options import ConflictPolicy, ReusePolicy
from rqflow.errors import BadInput, OutcomeError, RqflowError, UnknownName

_DURATION = Duration()


@click.command()
@click.argument("workflow")
@click.argument("words", nargs=-1, metavar="[NAME=TEXT | NAME:=JSON]...")
@click.option("--id", "id", metavar="ID", help="Id of the instance; else a new one is drawn.")
@click.option("-q", "--queue", metavar="NAME", help="Queue of its workflow tasks.")
@click.option("--delay", type=_DURATION, metavar="TIME", help="Begin so much later: 90s, 2h.")
@click.option("--at", type=Moment(future=True), metavar="TIME", help="Begin at this time.")
@click.option("--timeout", type=_DURATION, metavar="TIME", help="The run's deadline, from its start.")
@click.option("--retention", type=_DURATION, metavar="TIME", help="How long it is kept after its end.")
@click.option("--on-conflict", type=click.Choice(get_args(ConflictPolicy)), help="When an open instance has the id.")
@click.option(
    "--on-reuse",
    type=click.Choice(get_args(ReusePolicy)),
    default="allow",
    show_default=True,
    help="When an ended instance has the id.",
)
@click.option("--attribute", "attributes", type=Pair(), multiple=True, metavar="NAME=VALUE", help="To list it by.")
@click.option("--request-id", metavar="TEXT", help="Makes a repeat of this very start count once.")
@click.option("--input", "input_file", metavar="FILE", help="Arguments as JSON: an object, or a list; - is stdin.")
@click.option("-m", "--module", "modules", multiple=True, metavar="MODULE", help="Check arguments by its annotations.")
@click.option("--wait", is_flag=True, help="Wait for the result, and print it.")
@click.option("--wait-timeout", type=_DURATION, metavar="TIME", help="Wait no longer; exit code 6.")
@json_option
@with_session
def start(
    session: Session, *, workflow: str, words: tuple[str, ...], attributes: tuple[tuple[str, Any], ...],
    input_file: str | None, modules: tuple[str, ...], wait: bool, wait_timeout: timedelta | None, as_json: bool,
    **options: Any,
) -> None:  # fmt: skip
    """Start an instance of WORKFLOW. name=text gives a text, name:=json anything else.

    \b
    Examples:
      rqflow start checkout order:='{"id":"42","total":99.5}' --id order-42
      rqflow start report year:=2026 --at 2026-12-31T23:00 --attribute customer=ann
      cat order.json | rqflow start checkout --input - --wait
    """
    given = parse_arguments(words, input_file)
    definition = definition_of(session, workflow, modules)
    if definition is not None:
        given = checked_arguments(definition, given)
        # What the definition says of starts holds here as it does in code that imports it.
        defined = {"queue": definition.queue, "timeout": definition.timeout, "retention": definition.retention}
        options |= {name: value for name, value in defined.items() if options[name] is None}
    chosen = StartOptions(attributes=dict(attributes), **options)
    with session.client() as client:
        handle = _start(client, Request(workflow, given.positional, given.named, chosen))
        if not wait and wait_timeout is None:
            _show_started(handle, workflow, as_json)
            return
        if not as_json:
            click.echo(f"{'started' if handle.created else 'exists already:'} {printable(handle.id)}", err=True)
        _show_result(client, handle.id, wait_timeout, as_json)


def _start(client: Client, request: Request) -> Handle[Any]:
    # Not client.start(name, **arguments): a workflow may have a parameter of any name.
    (started,) = client.start_many([request])
    if isinstance(started, RqflowError):
        raise started
    return started


def _show_started(handle: Handle[Any], workflow: str, as_json: bool) -> None:
    if as_json:
        show_json({"id": handle.id, "run": handle.run, "workflow": workflow, "created": handle.created})
    else:
        click.echo(f"{'started' if handle.created else 'exists already:'} {printable(handle.id)}")


def definition_of(session: Session, workflow: str, modules: Sequence[str]) -> Workflow[..., Any] | None:
    """The workflow as a module defines it, so that its arguments are checked; None: it is known by name only."""
    names = tuple(modules) or session.settings.modules
    if not names:
        return None
    import_from_here()
    known = load_modules(names).workflows
    if workflow not in known and modules:
        raise UnknownName("workflow", workflow, tuple(sorted(known)))
    return known.get(workflow)


def checked_arguments(definition: Workflow[..., Any], given: Arguments) -> Arguments:
    """The arguments by name, as the workflow's annotations want them. Raises BadValue."""
    names = list(inspect.signature(definition.fn).parameters)
    if len(given.positional) > len(names):
        raise BadInput(f"workflow {definition.name} takes {len(names)} arguments, got {len(given.positional)}")
    by_position = dict(zip(names, given.positional, strict=False))
    if twice := sorted(by_position.keys() & given.named.keys()):
        raise BadInput(f"workflow {definition.name}: {twice[0]} is given by position and by name")
    encoded = json.loads(definition.encode_named({**by_position, **given.named}))
    return Arguments((), encoded) if isinstance(encoded, dict) else Arguments(tuple(encoded))


@click.command()
@click.argument("id", shell_complete=complete_ids)
@click.option("--timeout", type=_DURATION, metavar="TIME", help="Wait no longer; exit code 6.")
@json_option
@with_session
def result(session: Session, *, id: str, timeout: timedelta | None, as_json: bool) -> None:
    """Wait for an instance's end and print its result as JSON. Exit code 1 if it did not complete.

    \b
    Examples:
      rqflow result order-42
      rqflow result order-42 --timeout 30s
    """
    with session.client() as client:
        _show_result(client, id, timeout, as_json)


def _show_result(client: Client, id: str, timeout: timedelta | None, as_json: bool) -> None:
    try:
        value = client.result(id, timeout=timeout)
    except OutcomeError as error:
        if not as_json:
            raise
        row = plain_description(client.describe(id))
        show_json({"id": id, "status": row["status"], "result": None, "failure": row["failure"]})
        click.get_current_context().exit(FAILED)
        raise AssertionError("exit returns never") from error
    show_json({"id": id, "status": "completed", "result": value, "failure": None} if as_json else value)


@click.command()
@click.argument("id", shell_complete=complete_ids)
@click.option("--timeout", type=_DURATION, metavar="TIME", help="Watch no longer; exit code 6.")
@json_option
@with_session
def watch(session: Session, *, id: str, timeout: timedelta | None, as_json: bool) -> None:
    """Follow an instance's changes until it has ended. With --json one document a line.

    \b
    Examples:
      rqflow watch order-42
      rqflow watch order-42 --json --timeout 1h
    """
    with session.client() as client:
        last = status = ""
        for row in client.watch(id, timeout=timeout):
            if as_json:
                show_json(plain_row(row), line=True)
                status = row.status
                continue
            failed = failure_of(row.result) if row.status not in ("completed", "running") else None
            detail = failure_text(failed) if failed is not None else row.reason or payload_text(row.custom_status)
            status = row.status
            line = f"{status}  {row.history_length} events  {printable(detail)}".rstrip()
            if line != last:
                click.echo(f"{local(row.closed_at or datetime.now(UTC))}  {line}")
                last = line
        click.get_current_context().exit(0 if status == "completed" else FAILED)
