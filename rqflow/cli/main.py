"""Main: the `rqflow` command, put together from the subjects' files."""

from __future__ import annotations

from importlib.metadata import version

import click

from rqflow.cli import (
    completing,
    demo,
    dev,
    doctor,
    hub,
    listing,
    rerunning,
    schedule,
    scheduler,
    start,
    stats,
    steering,
    worker,
)  # fmt: skip
from rqflow.cli.exits import Commands
from rqflow.cli.session import HELP, address_options


@click.group(cls=Commands, context_settings=HELP)
@click.version_option(version("rqflow"), prog_name="rqflow", message="%(prog)s %(version)s")
@address_options
def cli() -> None:
    """Durable workflows on Redis: run workers, start workflows, watch and steer them.

    \b
    Examples:
      rqflow demo                                           see a worker die and the work go on
      rqflow dev workers.orders                             a private Redis and a worker that reloads
      rqflow start checkout order:='{"id":"42","total":99.5}' --id order-42
      rqflow show order-42

    \b
    Exit codes: 0 done, 1 the instance did not complete or the answer is no, 2 wrong input, 3 not found,
    4 its state or a limit forbids it, 5 Redis does not answer or refuses, 6 the wait timed out.
    """


for _command in (
    demo.demo, dev.dev, worker.worker, start.start, start.result, start.watch, listing.list_command, listing.show,
    listing.history, steering.signal, steering.query, steering.update, steering.cancel, steering.terminate,
    steering.suspend, steering.resume, rerunning.rerun, steering.purge, stats.stats, schedule.schedule,
    scheduler.scheduler, hub.hub, doctor.doctor, completing.completion,
):  # fmt: skip
    cli.add_command(_command)


def main() -> None:
    """The console script."""
    cli(prog_name="rqflow")


if __name__ == "__main__":
    main()
