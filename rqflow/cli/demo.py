"""Demo: `demo`, which takes an inventory with three workers, kills one of them, and checks the result."""

from __future__ import annotations

import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from rqflow.authoring.registry import load_modules
from rqflow.backend.redis.embedded import EmbeddedServer
from rqflow.cli.arguments import Duration
from rqflow.cli.crew import Crew, Takeover
from rqflow.cli.exits import FAILED
from rqflow.cli.progress import Progress
from rqflow.cli.report import Outcome, differences, show_outcome
from rqflow.cli.screen import printable
from rqflow.cli.tree import count_tree, walk_tree
from rqflow.client.sync import Client
from rqflow.core.states import CLOSED
from rqflow.errors import BadInput, ResultTimeout

_MODULE = "workers.inventory"
_WORKFLOW = "inventory"
_ID = "inventory"
_STUCK_SECONDS = 120.0
"""Without any progress for so long, something is wrong."""
_KILL_AT = 0.2
"""The share of files after which a worker is killed."""
_KILL_ANY_AT = 0.4
"""From here on one that holds no activity, only turns, will do."""
_NOT_THE_LIBRARY = ("site-packages", "dist-packages", "__pycache__")


@click.command()
@click.argument("path", required=False, type=click.Path(exists=True, file_okay=False))
@click.option("--no-kill", is_flag=True, help="Leave all workers alive.")
@click.option("--workers", type=click.IntRange(1, 32), default=3, show_default=True, help="Worker processes.")
@click.option("--skip", multiple=True, metavar="NAME", help="Leave out folders of this name; repeat it.")
@click.option("--lease", type=Duration(), default="2s", show_default=True, help="Silent for so long, others take over.")
def demo(path: str | None, *, no_kill: bool, workers: int, skip: tuple[str, ...], lease: timedelta) -> None:
    """Take an inventory of a folder tree with workers of which one is killed half-way, and check the totals.

    A private Redis and three workers count PATH (else Python's standard library): a child workflow per folder, an
    activity per file. Exits with 1 if the totals differ from those of a plain walk.

    \b
    Examples:
      rqflow demo
      rqflow demo ~/src --no-kill --workers 2
    """
    if not no_kill and workers < 2:
        raise BadInput("with one worker nobody could take over; add --no-kill, or --workers 2")
    home = _checkout()
    if path is None:
        path, skip = sysconfig.get_path("stdlib"), (*_NOT_THE_LIBRARY, *skip)
    path = str(Path(path).resolve())
    before = count_tree(path, skip)
    left_out = f", without {', '.join(skip)}" if skip else ""
    click.echo(f"Counting {printable(path)}{left_out}: {before.files:,} files in {before.folders:,} folders")
    sys.dont_write_bytecode = True
    with _stage(home, workers, lease) as (client, crew):
        tree = _portable(path)
        client.start(_WORKFLOW, tree, [_portable(name) for name in skip], id=_ID)
        with Progress(before.files, before.folders) as progress:
            takeover, seconds = _follow(client, crew, progress, kill=not no_kill)
        found: dict[str, Any] = client.result(_ID, timeout=60)
        instances = sum(client.stats().statuses.values())
        told = progress.activities
    walked = walk_tree(path, skip, load_modules((_MODULE,)).modules[0].kind_of)
    wrong = differences(found, walked)
    if wrong and count_tree(path, skip) != before:
        wrong.append("the tree itself changed meanwhile: run the demo again, or on a folder at rest")
    show_outcome(Outcome(path, found, walked, wrong, takeover, instances, told, seconds, killing=not no_kill))
    click.get_current_context().exit(FAILED if wrong else 0)


def _checkout() -> Path:
    """Where `workers/` is: it is what a user deploys, not part of the package. Raises BadInput."""
    for folder in (Path.cwd(), Path(__file__).resolve().parents[2]):
        if (folder / "workers" / "inventory.py").is_file():
            if str(folder) not in sys.path:
                sys.path.insert(0, str(folder))
            return folder
    raise BadInput(
        "the demo runs workers/inventory.py of the rqflow repository, and it is not here: "
        "clone the repository and run rqflow demo in it"
    )


def _portable(text: str) -> str:
    """A path as the workflow takes it: whatever bytes it is made of, it is text."""
    to_text = load_modules((_MODULE,)).modules[0].to_text
    portable: str = to_text(text)
    return portable


@contextmanager
def _stage(home: Path, workers: int, lease: timedelta) -> Iterator[tuple[Client, Crew]]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="rqflow-demo-")))
        server = stack.enter_context(EmbeddedServer(folder / "redis"))
        client = stack.enter_context(Client(server.url))
        client.stats()
        # A worker's room is kept small, so that all have work on however small a tree.
        arguments = [_MODULE, "-u", server.url, "--lease", f"{lease.total_seconds()}s", "--concurrency", "16"]
        crew = stack.enter_context(Crew(workers, arguments, folder=home, logs=folder))
        crew.await_all(client)
        click.echo(f"Redis at {server.url}, {workers} workers")
        yield client, crew


def _follow(client: Client, crew: Crew, progress: Progress, *, kill: bool) -> tuple[Takeover | None, float]:
    """Until the inventory has ended: show how far it is, kill once, see who takes over. The seconds it took."""
    takeover: Takeover | None = None
    began = moved = time.monotonic()
    while True:
        if progress.read(client):
            moved = time.monotonic()
        if kill and takeover is None and progress.share >= _KILL_AT:
            takeover = crew.kill_busy(client, _WORKFLOW, choosy=progress.share < _KILL_ANY_AT)
            if takeover is not None:
                progress.say(_obituary(takeover))
        if takeover is not None and takeover.left:
            crew.follow(client, takeover)
            if takeover.seconds is not None:
                # Done before we could see by whom: one of those that are left.
                others = " and ".join(sorted(takeover.successors)) or " or ".join(crew.survivors)
                progress.say(f"{takeover.seconds:.1f} s later {others} had taken over all of it")
        if progress.ended or client.describe(_ID).status in CLOSED:
            progress.read(client)
            return takeover, time.monotonic() - began
        crew.check()
        if time.monotonic() - moved > _STUCK_SECONDS:
            raise ResultTimeout(f"nothing has moved for {_STUCK_SECONDS:g} s; the workers say:\n{crew.logs()}")
        time.sleep(0.005 if takeover is not None and takeover.left else 0.02)


def _obituary(takeover: Takeover) -> str:
    turns = sum(1 for held in takeover.held if not held.activity)
    files = len(takeover.held) - turns
    parts = [f"{files} activities in progress"] if files else []
    parts += [f"{turns} workflow turn{'s' if turns > 1 else ''}"] if turns else []
    held = " and ".join(parts)
    return f"killed {takeover.name} (process {takeover.pid}) with SIGKILL while it held {held}"
