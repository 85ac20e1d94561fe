"""Hub: `hub create`, `list`, `show`, `set`, `verify` and `delete`: the namespaces of a Redis."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Any

import click

from rqflow.backend.calls.hubs import HubInfo
from rqflow.backend.opening import change_hub, create_hub, delete_hub, describe_hub, list_hubs, verify_hub
from rqflow.cli.arguments import Duration
from rqflow.cli.exits import FAILED, OK
from rqflow.cli.screen import Column, iso, local, show_facts, show_json, show_table, span
from rqflow.cli.session import Session, json_option, with_session
from rqflow.cli.verifying import Looking, show_violations


@click.group()
def hub() -> None:
    """Create, list, show, change, verify and delete hubs: namespaces that know nothing of each other.

    \b
    Example:
      rqflow hub create shop --partitions 4
    """


@hub.command()
@click.argument("name")
@click.option(
    "--partitions",
    type=click.IntRange(1, 1_024),
    default=1,
    show_default=True,
    help="Shares that a Redis Cluster can spread; fixed for good.",
)
@click.option(
    "--retention",
    type=Duration(),
    default="7d",
    show_default=True,
    metavar="TIME",
    help="How long ended instances are kept.",
)
@click.option(
    "--durability",
    default="memory",
    show_default=True,
    metavar="HOW",
    help="How safe what clients are told must be: memory, fsync, replica:N, fsync-replica.",
)
@json_option
@with_session
def create(
    session: Session, *, name: str, partitions: int, retention: timedelta, durability: str, as_json: bool
) -> None:
    """Create a hub, or find it there with the same settings.

    \b
    Example:
      rqflow hub create shop --partitions 4 --retention 30d --durability replica:1
    """
    with session.naming_address():
        found = create_hub(
            session.settings.url, name, partitions=partitions, retention=retention, durability=durability
        )
    if as_json:
        show_json(_plain(found))
    else:
        click.echo(
            f"hub {found.name} has {_partitions(found)}, keeps ended instances {span(found.retention)}, "
            f"durability {found.durability}"
        )


@hub.command("list")
@json_option
@with_session
def list_command(session: Session, *, as_json: bool) -> None:
    """List the hubs of a Redis.

    \b
    Example:
      rqflow hub list --json
    """
    with session.naming_address():
        found = list_hubs(session.settings.url)
    if as_json:
        show_json([_plain(one) for one in found])
        return
    show_table(
        (
            Column("HUB"),
            Column("PARTITIONS", right=True),
            Column("RETENTION", right=True),
            Column("DURABILITY"),
            Column("CREATED"),
        ),
        [(one.name, one.partitions, span(one.retention), one.durability, local(one.created_at)) for one in found],
    )


@hub.command()
@click.argument("name")
@json_option
@with_session
def show(session: Session, *, name: str, as_json: bool) -> None:
    """Show how a hub was created.

    \b
    Example:
      rqflow hub show shop
    """
    with session.naming_address():
        found = describe_hub(session.settings.url, name)
    if as_json:
        show_json(_plain(found))
    else:
        show_facts(
            (
                ("hub", found.name),
                ("partitions", found.partitions),
                ("retention", span(found.retention)),
                ("durability", found.durability),
                ("created", local(found.created_at)),
                ("key layout", found.version),
            )
        )


@hub.command("set")
@click.argument("name")
@click.option("--durability", required=True, metavar="HOW", help="memory, fsync, replica:N or fsync-replica.")
@json_option
@with_session
def set_command(session: Session, *, name: str, durability: str, as_json: bool) -> None:
    """Change how safe what clients of a hub are told must be. Clients learn it when they next open the hub.

    \b
    Example:
      rqflow hub set shop --durability replica:1
    """
    with session.naming_address():
        found = change_hub(session.settings.url, name, durability=durability)
    if as_json:
        show_json(_plain(found))
    else:
        click.echo(f"hub {found.name} has durability {found.durability} for whoever opens it from now on")


@hub.command()
@click.argument("name", required=False)
@json_option
@with_session
def verify(session: Session, *, name: str | None, as_json: bool) -> None:
    """Read all keys of a hub and name each violation of what rqflow promises; exit code 1 if there is any.

    It writes nothing, and may run beside live workers. Without NAME: the hub of --hub.

    \b
    Example:
      rqflow hub verify shop
    """
    with session.naming_address(), Looking() as looking:
        report = verify_hub(session.settings.url, name or session.settings.hub, progress=looking.tell)
    if as_json:
        show_json(asdict(report))
    else:
        show_violations(report)
    click.get_current_context().exit(FAILED if report.found else OK)


@hub.command()
@click.argument("name")
@click.option("--force", is_flag=True, help="Even with open instances and live workers.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@with_session
def delete(session: Session, *, name: str, force: bool, yes: bool, as_json: bool) -> None:
    """Delete a hub with every instance in it.

    \b
    Example:
      rqflow hub delete shop --yes
    """
    with session.naming_address():
        describe_hub(session.settings.url, name)
        if not yes:
            click.confirm(f"Delete hub {name} and all its instances?", abort=True, err=True)
        removed = delete_hub(session.settings.url, name, force=force)
    if as_json:
        show_json({"name": name, "keys_removed": removed})
    else:
        click.echo(f"deleted hub {name}: {removed:,} keys")


def _partitions(found: HubInfo) -> str:
    return f"{found.partitions} partition{'s' if found.partitions > 1 else ''}"


def _plain(found: HubInfo) -> dict[str, Any]:
    return {
        "name": found.name,
        "partitions": found.partitions,
        "retention_seconds": found.retention.total_seconds(),
        "durability": found.durability,
        "created_at": iso(found.created_at),
        "version": found.version,
    }
