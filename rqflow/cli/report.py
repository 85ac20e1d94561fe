"""Report: what the demo found, whether a plain walk finds the same, and what the engine did for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import click

from rqflow.cli.crew import Takeover
from rqflow.cli.screen import Column, printable, show_table
from rqflow.cli.tree import Totals


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that the demo can tell at its end."""

    path: str
    found: dict[str, Any]
    """The workflow's result."""
    walked: Totals
    wrong: list[str]
    takeover: Takeover | None
    instances: int
    activities: int
    seconds: float
    killing: bool


def differences(found: dict[str, Any], walked: Totals) -> list[str]:
    """Where the workflow and the walk do not agree, one sentence each."""
    wrong = [
        f"{name}: the workflow found {found[name]:,}, the walk {getattr(walked, name):,}"
        for name in ("folders", "files", "bytes", "lines")
        if found[name] != getattr(walked, name)
    ]
    kinds = {kind: (total["files"], total["bytes"], total["lines"]) for kind, total in found["kinds"].items()}
    return wrong + [
        f"kind {kind}: the workflow found {kinds.get(kind)}, the walk {walked.kinds.get(kind)}"
        for kind in sorted(kinds.keys() | walked.kinds.keys())
        if kinds.get(kind) != walked.kinds.get(kind)
    ]


def show_outcome(outcome: Outcome) -> None:
    """Tables, the check, and what it took."""
    found = outcome.found
    rows: list[tuple[object, ...]] = [
        (kind, f"{total['files']:,}", f"{total['bytes']:,}", f"{total['lines']:,}")
        for kind, total in sorted(found["kinds"].items(), key=lambda item: -item[1]["bytes"])
    ]
    rows.append(("total", f"{found['files']:,}", f"{found['bytes']:,}", f"{found['lines']:,}"))
    click.echo()
    numbers = (Column("FILES", right=True), Column("BYTES", right=True), Column("LINES", right=True))
    show_table((Column("KIND"), *numbers), rows)
    click.echo()
    show_table(
        (Column("BYTES", right=True), Column("LARGEST FILES", fold=True), Column("SHA-256")),
        [(f"{file['bytes']:,}", _below(outcome.path, file["path"]), file["sha256"][:12]) for file in found["largest"]],
    )
    click.echo()
    for name, words in (("others", "links and special files were left alone"), ("unreadable", "could not be read")):
        if found[name]:
            click.echo(f"{found[name]:,} {words}")
    for problem in found["problems"]:
        click.echo(f"  {printable(problem)}")
    _show_check(outcome)
    _show_engine(outcome)


def _below(folder: str, path: str) -> str:
    return path.removeprefix(folder.rstrip("/") + "/")


def _show_check(outcome: Outcome) -> None:
    walked = outcome.walked
    if outcome.wrong:
        click.secho("The totals differ from those of a plain walk:", fg="red", bold=True)
        for sentence in outcome.wrong:
            click.echo(f"  {sentence}")
        return
    click.secho(
        f"The totals are those of a plain walk: {walked.folders:,} folders, {walked.files:,} files, "
        f"{walked.bytes:,} bytes, {walked.lines:,} lines.",
        fg="green",
        bold=True,
    )


def _show_engine(outcome: Outcome) -> None:
    takeover = outcome.takeover
    taken = len(takeover.held) - len(takeover.left) if takeover is not None else 0
    click.echo(
        f"{outcome.instances:,} instances, {outcome.activities:,} activities, {taken:,} takeovers, "
        f"{outcome.seconds:.1f} seconds."
    )
    if outcome.killing and takeover is None:
        click.echo("No worker was killed: none was seen at work late enough. Try a larger tree.")
