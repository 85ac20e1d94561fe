"""Rerunning: the command that lets an instance begin again, wholly or in part."""

from __future__ import annotations

import click

from rqflow.cli.arguments import parse_arguments
from rqflow.cli.completing import complete_ids
from rqflow.cli.screen import printable, show_json
from rqflow.cli.session import Session, json_option, with_session
from rqflow.client.options import RerunKeywords


@click.command()
@click.argument("id", shell_complete=complete_ids)
@click.argument("words", nargs=-1, metavar="[VALUE | NAME=TEXT | NAME:=JSON]...")
@click.option("--from", "from_event", type=int, metavar="EVENT", help="Keep what came before this step.")
@click.option("--failed", is_flag=True, help="Keep what came to a good end, do again what failed.")
@click.option("--new-id", metavar="ID", help="Leave the instance as it is and begin another.")
@click.option("--input", "input_file", metavar="FILE", help="The arguments as JSON; - is stdin.")
@json_option
@with_session
def rerun(
    session: Session, *, id: str, words: tuple[str, ...], from_event: int | None, failed: bool, new_id: str | None,
    input_file: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Let an instance that has ended or stalled begin again, from its start unless told otherwise.

    Arguments, if there are any, take the place of those it had: the workflow's, or with --from those of that activity
    or child. `rqflow history ID` shows the numbers of events.

    \b
    Examples:
      rqflow rerun order-42
      rqflow rerun order-42 --failed
      rqflow rerun order-42 --from 7 --new-id order-42-again total:=80
    """
    options: RerunKeywords = {"from_event": from_event, "failed": failed, "new_id": new_id}
    if words or input_file is not None:
        arguments = parse_arguments(words, input_file)
        options["args"], options["kwargs"] = arguments.positional, arguments.named
    with session.client() as client:
        handle = client.rerun(id, **options)
    if as_json:
        show_json({"id": handle.id, "run": handle.run, "source": id})
    else:
        click.echo(f"rerun {printable(id)} as {printable(handle.id)}, run {handle.run}")
