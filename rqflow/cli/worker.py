"""Worker: `worker`, which serves queues until it is told to stop."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from rqflow.cli.arguments import Duration
from rqflow.cli.children import stop_at_end_of_input
from rqflow.cli.logs import write_logs
from rqflow.cli.session import Session, import_from_here, with_session
from rqflow.errors import BadInput
from rqflow.settings import LOG_LEVELS, Settings
from rqflow.worker.options import WorkerOptions
from rqflow.worker.run import run_worker

_DURATION = Duration()
_COUNT = click.IntRange(1, 100_000)


@click.command()
@click.argument("modules", nargs=-1, metavar="[MODULE]...")
@click.option("-q", "--queue", "queues", multiple=True, metavar="NAME", help="Repeat it: the most urgent first.")
@click.option("--workflows-only", is_flag=True, help="Take no activities.")
@click.option("--activities-only", is_flag=True, help="Take no workflows.")
@click.option("--lease", type=_DURATION, metavar="TIME", help="Silent for so long, others take over [10s].")
@click.option("--concurrency", type=_COUNT, metavar="N", help="Activities at a time [100].")
@click.option("--workflow-slots", type=_COUNT, metavar="N", help="Workflow turns at a time [100].")
@click.option("--threads", type=_COUNT, metavar="N", help="Threads for plain functions [32].")
@click.option("--cache", type=click.IntRange(0), metavar="N", help="Live instances kept in memory [1000].")
@click.option("--processes", type=click.IntRange(1, 1_000), metavar="N", help="Worker processes to start [1].")
@click.option("--drain", type=_DURATION, metavar="TIME", help="Wait so long for activities at a warm stop [30s].")
@click.option("--max-losses", type=_COUNT, metavar="N", help="Workers that one turn or activity may end [5].")
@click.option("--contain-after", type=click.IntRange(0), metavar="N", help="Losses until it has its own process [2].")
@click.option("--burst", is_flag=True, help="Leave when there is nothing more to do.")
@click.option("--build", metavar="TEXT", help="Version of your code, such as a commit.")
@click.option("--log-level", type=click.Choice(LOG_LEVELS), help="What is written on standard error [info].")
@click.option("--name", metavar="TEXT", help="Shown by stats; else host and process number.")
@click.option("--until-eof", is_flag=True, hidden=True, help="Stop when standard input ends: the parent is gone.")
@with_session
def worker(
    session: Session, *, modules: tuple[str, ...], workflows_only: bool, activities_only: bool, burst: bool,
    name: str | None, until_eof: bool, **options: Any,
) -> None:  # fmt: skip
    """Serve queues with the workflows and activities of MODULEs. The first Ctrl-C drains, the second stops.

    \b
    Examples:
      rqflow worker workers.orders
      rqflow worker workers.orders -q urgent -q default --concurrency 20
      rqflow worker workers.orders --workflows-only --processes 2
      rqflow worker workers.orders --burst
    """
    session = session.adding(modules=modules, **options)
    settings = session.settings
    if not settings.modules:
        raise BadInput("name the modules that have your workflows, as in: rqflow worker workers.orders")
    if workflows_only and activities_only:
        raise BadInput("--workflows-only and --activities-only leave nothing to do; give one of them")
    import_from_here()
    if until_eof:
        stop_at_end_of_input()
    chosen = worker_options(
        settings, burst=burst, name=name or "", workflows=not activities_only, activities=not workflows_only
    )
    with session.naming_address():
        code = run_worker(
            url=settings.url,
            hub=settings.hub,
            modules=settings.modules,
            options=chosen,
            processes=settings.processes,
            allow_eviction=settings.allow_eviction,
            prepare=partial(write_logs, settings.log_level),
        )
    click.get_current_context().exit(code)


def worker_options(
    settings: Settings, *, burst: bool = False, name: str = "", workflows: bool = True, activities: bool = True
) -> WorkerOptions:
    """How the settings want a worker to be."""
    return WorkerOptions(
        queues=settings.queues,
        workflows=workflows,
        activities=activities,
        name=name,
        workflow_slots=settings.workflow_slots,
        activity_slots=settings.concurrency,
        threads=settings.threads,
        lease=settings.lease,
        cache_size=settings.cache,
        cache_bytes=settings.cache_bytes,
        build=settings.build,
        burst=burst,
        drain_timeout=settings.drain,
        max_losses=settings.max_losses,
        contain_after=settings.contain_after,
    )
