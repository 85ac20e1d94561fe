"""Completing: what the shell offers for the word being typed, and the script that makes it ask."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from itertools import islice

import click
from click.shell_completion import CompletionItem, get_completion_class

from rqflow.client.options import ClientOptions
from rqflow.client.sync import Client
from rqflow.errors import RqflowError
from rqflow.settings import read

_MOST = 50
_WHERE = {
    "bash": 'eval "$(rqflow completion bash)"   # into ~/.bashrc',
    "zsh": 'eval "$(rqflow completion zsh)"    # into ~/.zshrc',
    "fish": "rqflow completion fish | source    # into ~/.config/fish/config.fish",
}


def complete_ids(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Ids of instances that begin with what was typed. Silent about anything that goes wrong."""

    def look(client: Client) -> list[CompletionItem]:
        page = client.list_page(limit=_MOST, id_prefix=incomplete)
        return [CompletionItem(row.instance, help=f"{row.workflow}, {row.status}") for row in page.rows]

    return _offered(ctx, look)


def complete_schedules(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Ids of schedules that begin with what was typed."""

    def look(client: Client) -> list[CompletionItem]:
        found = (row for row in client.schedules.list() if row.id.startswith(incomplete))
        return [CompletionItem(row.id, help=row.spec.action.workflow) for row in islice(found, _MOST)]

    return _offered(ctx, look)


def _offered(ctx: click.Context, look: Callable[[Client], list[CompletionItem]]) -> list[CompletionItem]:
    with suppress(RqflowError, OSError):
        values = ctx.find_root().obj or {}
        options = {name: values[name] for name in ("url", "hub") if values.get(name)}
        settings = read(options, config=values.get("config")).settings
        quick = ClientOptions(retry_for=timedelta(0))
        with Client(settings.url, hub=settings.hub, options=quick) as client:
            return look(client)
    return []


@click.command()
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def completion(shell: str) -> None:
    """Print the script that completes commands, options and instance ids in a shell.

    \b
    Examples:
      eval "$(rqflow completion bash)"
      rqflow completion fish | source
    """
    kind = get_completion_class(shell)
    assert kind is not None, f"click knows no shell {shell}"
    root = click.get_current_context().find_root().command
    click.echo(f"# {_WHERE[shell]}")
    click.echo(kind(root, {}, "rqflow", "_RQFLOW_COMPLETE").source())
