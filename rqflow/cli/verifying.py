"""Verifying: how far the check of a hub is, and what it came to, for people."""

from __future__ import annotations

from collections import Counter
from typing import Self

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from rqflow.backend.redis.verify.check import Report
from rqflow.cli.screen import console, printable


class Looking:
    """A bar on a terminal, nothing in a pipe. A context manager."""

    def __init__(self) -> None:
        self._screen = console()
        self._screen.stderr = True
        columns = (TextColumn("looking at instances"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bar = Progress(*columns, console=self._screen, transient=True, disable=not self._screen.is_terminal)
        self._task: TaskID = self._bar.add_task("", total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def tell(self, done: int, of: int) -> None:
        """So many instances were looked at, of so many."""
        self._bar.update(self._task, completed=done, total=of)


def show_violations(report: Report) -> None:
    """Each violation in three lines, then the sum."""
    for one in report.violations:
        about = f" of {one.instance}" if one.instance else ""
        click.secho(f"{one.promise} {one.word}{printable(about)}: {printable(one.wrong)}", fg="red")
        click.echo(f"   key     {printable(one.key)} (partition {one.partition})")
        click.echo(f"   do      {one.remedy}")
    if report.found > len(report.violations):
        click.echo(f"… and {report.found - len(report.violations):,} more")
    seen = f"{report.instances:,} instances, {report.keys:,} keys in {report.partitions:,} partitions"
    if report.undecided:
        click.echo(f"{report.undecided:,} messages between instances were under way at every look; look again later")
    if not report.found:
        click.secho(f"hub {report.hub} is as it should be: {seen}", fg="green")
        return
    kinds = Counter(one.promise for one in report.violations)
    told = ", ".join(f"{promise} {kinds[promise]:,}" for promise in sorted(kinds, key=lambda name: int(name[1:])))
    click.secho(f"hub {report.hub} has {report.found:,} violations ({told}): {seen}", fg="red", bold=True)
