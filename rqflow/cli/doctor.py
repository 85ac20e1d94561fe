"""Doctor: `rqflow doctor`: what the servers put at risk, and the line to change."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from rqflow.backend.opening import diagnose
from rqflow.backend.redis.doctor.findings import Diagnosis
from rqflow.cli.exits import FAILED
from rqflow.cli.screen import Column, printable, show_json, show_table
from rqflow.cli.session import Session, json_option, with_session

_STYLES = {"risk": "bold red", "advice": "yellow", "unknown": "cyan"}


@click.command()
@json_option
@with_session
def doctor(session: Session, *, as_json: bool) -> None:
    """Look at the servers: what they may lose, what may stop work, and the line to change. Changes nothing.

    \b
    Exit code 0: nothing at risk (there may be advice). 1: something is. 5: no answer.
    \b
    Example:
      rqflow doctor --json
    """
    with session.naming_address():
        found = diagnose(session.settings.url)
    if as_json:
        show_json(_plain(found))
    else:
        _show(found)
    if not found.safe:
        click.get_current_context().exit(FAILED)


def _show(found: Diagnosis) -> None:
    columns = [Column(title) for title in ("SERVER", "KIND", "VERSION", "ROLE", "MODE", "PERSISTENCE")]
    show_table(
        (*columns, Column("REPLICAS", right=True), Column("ROUND TRIP", right=True)),
        [
            (
                *(one.server, one.kind, one.version, one.role, one.mode, one.persistence, one.replicas),
                f"{one.latency_ms:g} ms",
            )
            for one in found.servers
        ],
    )
    for finding in found.findings:
        click.echo()
        head = click.style(finding.severity.upper(), fg=_STYLES[finding.severity].split()[-1], bold=True)
        click.echo(f"{head}  {finding.subject}, {printable(finding.server)}: {printable(finding.what)}")
        click.echo(f"  risk:  {printable(finding.risk)}")
        click.echo(f"  do:    {printable(finding.line)}")
    counts = {kind: sum(one.severity == kind for one in found.findings) for kind in _STYLES}
    click.echo()
    click.echo(f"{counts['risk']} at risk, {counts['advice']} advised, {counts['unknown']} could not be read")


def _plain(found: Diagnosis) -> dict[str, Any]:
    return {
        "safe": found.safe,
        "servers": [asdict(one) for one in found.servers],
        "hubs": [{"name": hub.name, "durability": hub.durability} for hub in found.hubs],
        "findings": [asdict(one) for one in found.findings],
    }
