"""Steering: the commands that speak to an instance that exists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import click

from rqflow.cli.arguments import Duration, parse_arguments
from rqflow.cli.completing import complete_ids
from rqflow.cli.exits import Refusal, code_of
from rqflow.cli.screen import printable, show_json
from rqflow.cli.session import Session, json_option, with_session
from rqflow.errors import BackendError, RqflowError

F = TypeVar("F", bound=Callable[..., Any])


def _value_options(command: F) -> F:
    option = click.option("--input", "input_file", metavar="FILE", help="The value as JSON; - is stdin.")
    words = click.argument("words", nargs=-1, metavar="[VALUE | NAME=TEXT | NAME:=JSON]...")
    return words(option(command))


def _reason_option(command: F) -> F:
    return click.option("--reason", default="", metavar="TEXT", help="Kept with the instance.")(command)


def _ids_argument(command: F) -> F:
    return click.argument("ids", nargs=-1, required=True, metavar="ID...", shell_complete=complete_ids)(command)


_TIMEOUT = click.option(
    "--timeout", type=Duration(), default="10s", show_default=True, metavar="TIME", help="Wait no longer; exit code 6."
)


@click.command()
@click.argument("id", shell_complete=complete_ids)
@click.argument("name")
@_value_options
@click.option("--request-id", metavar="TEXT", help="Makes a repeat of this very signal count once.")
@json_option
@with_session
def signal(
    session: Session, *, id: str, name: str, words: tuple[str, ...], input_file: str | None, request_id: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Tell an open instance something: nothing more than the NAME, one value, or name=value pairs as an object.

    \b
    Examples:
      rqflow signal order-42 approve by=ann
      rqflow signal order-42 note "call them first"
      rqflow signal order-42 levels ':=[1, 2, 3]'
    """
    value = parse_arguments(words, input_file, one_value=True).as_value()
    with session.client() as client:
        client.signal(id, name, *value, request_id=request_id)
    _done(f"signaled {printable(id)}", {"id": id, "signal": name}, as_json)


@click.command()
@click.argument("id", shell_complete=complete_ids)
@click.argument("name")
@_value_options
@_TIMEOUT
@json_option
@with_session
def query(
    session: Session, *, id: str, name: str, words: tuple[str, ...], input_file: str | None, timeout: timedelta,
    as_json: bool,
) -> None:  # fmt: skip
    """Ask an instance, open or ended, and print the answer as JSON. A worker that knows its code must run.

    \b
    Examples:
      rqflow query order-42 contents
      rqflow query order-42 price item=book
    """
    arguments = parse_arguments(words, input_file)
    with session.client() as client:
        answer = client.query(id, name, *arguments.positional, timeout=timeout, kwargs=arguments.named)
    show_json({"id": id, "query": name, "answer": answer} if as_json else answer)


@click.command()
@click.argument("id", shell_complete=complete_ids)
@click.argument("name")
@_value_options
@_TIMEOUT
@click.option("--request-id", metavar="TEXT", help="Ask again with the same one for the same answer.")
@json_option
@with_session
def update(
    session: Session, *, id: str, name: str, words: tuple[str, ...], input_file: str | None, timeout: timedelta,
    request_id: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Ask an open instance for a change, wait until it has answered, and print the answer as JSON.

    \b
    Example:
      rqflow update order-42 change_address address="2 Side Street"
    """
    arguments = parse_arguments(words, input_file)
    with session.client() as client:
        answer = client.update(
            id, name, *arguments.positional, timeout=timeout, request_id=request_id, kwargs=arguments.named
        )
    show_json({"id": id, "update": name, "answer": answer} if as_json else answer)


@click.command()
@_ids_argument
@_reason_option
@json_option
@with_session
def cancel(session: Session, *, ids: tuple[str, ...], reason: str, as_json: bool) -> None:
    """Ask instances to end themselves: their code sees CancelledError and may clean up.

    \b
    Example:
      rqflow cancel order-42 --reason "customer changed their mind"
    """
    with session.client() as client:
        _each(ids, lambda one: client.cancel(one, reason), ("asked to cancel", ""), as_json)


@click.command()
@_ids_argument
@_reason_option
@click.option("-r", "--recursive", is_flag=True, help="Its children too, whatever their policy says.")
@json_option
@with_session
def terminate(session: Session, *, ids: tuple[str, ...], reason: str, recursive: bool, as_json: bool) -> None:
    """End instances now, without asking their code.

    \b
    Example:
      rqflow terminate order-42 --recursive --reason "wrong tenant"
    """
    with session.client() as client:
        _each(
            ids, lambda one: client.terminate(one, reason, recursive=recursive), ("terminated", "had ended already"),
            as_json,
        )  # fmt: skip


@click.command()
@_ids_argument
@_reason_option
@json_option
@with_session
def suspend(session: Session, *, ids: tuple[str, ...], reason: str, as_json: bool) -> None:
    """Let instances take no more turns; what arrives for them is kept.

    \b
    Example:
      rqflow suspend order-42 --reason "provider is down"
    """
    with session.client() as client:
        _each(ids, lambda one: client.suspend(one, reason), ("suspended", "was suspended already"), as_json)


@click.command()
@_ids_argument
@_reason_option
@json_option
@with_session
def resume(session: Session, *, ids: tuple[str, ...], reason: str, as_json: bool) -> None:
    """Let suspended or stalled instances go on.

    \b
    Example:
      rqflow resume order-42
    """
    with session.client() as client:
        _each(ids, lambda one: client.resume(one, reason), ("resumed", "was not suspended"), as_json)


@click.command()
@_ids_argument
@click.option("-r", "--recursive", is_flag=True, help="Its descendants too.")
@click.option("--force", is_flag=True, help="Open ones too: their code stops at its next step.")
@json_option
@with_session
def purge(session: Session, *, ids: tuple[str, ...], recursive: bool, force: bool, as_json: bool) -> None:
    """Remove instances that have ended, with all that is kept of them.

    \b
    Example:
      rqflow purge order-42 --recursive
    """
    with session.client() as client:
        _each(ids, lambda one: client.purge(one, recursive=recursive, force=force) > 0, ("purged", "was gone"), as_json)


def _each(ids: Sequence[str], act: Callable[[str], bool | None], words: tuple[str, str], as_json: bool) -> None:
    """Do it for each id, tell each, and end with the code of the first one that was refused."""
    rows: list[dict[str, Any]] = []
    first: RqflowError | None = None
    for id in ids:
        try:
            changed = act(id) is not False
        except BackendError:
            raise
        except RqflowError as error:
            first = first or error
            Refusal(error).show()
            rows.append({"id": id, "done": False, "error": str(error)})
            continue
        rows.append({"id": id, "done": changed, "error": None})
        if not as_json:
            click.echo(f"{words[0] if changed else words[1]} {printable(id)}")
    if as_json:
        show_json(rows)
    if first is not None:
        click.get_current_context().exit(code_of(first))


def _done(sentence: str, value: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(value)
    else:
        click.echo(sentence)
