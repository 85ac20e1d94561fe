"""Scheduler: `scheduler`, which fires schedules until it is told to stop."""

from __future__ import annotations

from functools import partial

import click

from rqflow.cli.children import stop_at_end_of_input
from rqflow.cli.logs import write_logs
from rqflow.cli.session import Session, with_session
from rqflow.scheduler.options import SchedulerOptions
from rqflow.scheduler.run import run_scheduler
from rqflow.settings import LOG_LEVELS


@click.command()
@click.option("--log-level", type=click.Choice(LOG_LEVELS), help="What is written on standard error [info].")
@click.option("--name", metavar="TEXT", help="Shown in logs; else host and process number.")
@click.option("--until-eof", is_flag=True, hidden=True, help="Stop when standard input ends: the parent is gone.")
@with_session
def scheduler(session: Session, *, log_level: str | None, name: str | None, until_eof: bool) -> None:
    """Start a workflow for each slot of each schedule. Run as many as you like: each slot is fired once.

    It needs none of your modules. It sleeps until the next slot, and wakes when a schedule changes. Ctrl-C stops it.

    \b
    Examples:
      rqflow scheduler
      rqflow scheduler --hub reports --log-level warning
    """
    session = session.adding(log_level=log_level)
    settings = session.settings
    if until_eof:
        stop_at_end_of_input()
    with session.naming_address():
        code = run_scheduler(
            url=settings.url,
            hub=settings.hub,
            options=SchedulerOptions(name=name or ""),
            allow_eviction=settings.allow_eviction,
            prepare=partial(write_logs, settings.log_level),
        )
    click.get_current_context().exit(code)
