"""Dev: `dev`, a private Redis, a scheduler and a worker that follows the files, in one command."""

from __future__ import annotations

import fcntl
import json
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from rqflow.authoring.registry import Registry, load_modules
from rqflow.backend.opening import create_hub, open_sync_backend
from rqflow.backend.redis.embedded import EmbeddedServer
from rqflow.cli.children import Child, Interrupts
from rqflow.cli.reloading import Changes, watched_paths
from rqflow.cli.session import Session, import_from_here, with_session
from rqflow.cli.trying import start_commands
from rqflow.errors import BadInput, HubNotFound
from rqflow.settings import DEFAULTS, DEV_FILE, Settings

_WRONG_MODULE = 2
"""The worker's exit code when its modules do not load: only a change of the files helps."""


@click.command()
@click.argument("modules", nargs=-1, metavar="[MODULE]...")
@click.option("-q", "--queue", "queues", multiple=True, metavar="NAME", help="Repeat it: the most urgent first.")
@click.option("--data", metavar="FOLDER", help="Where the private Redis keeps its data [.rqflow].")
@with_session
def dev(session: Session, *, modules: tuple[str, ...], queues: tuple[str, ...], data: str | None) -> None:
    """Run MODULEs with a private Redis, a scheduler and a worker that reloads when files change, until Ctrl-C.

    With --url it uses that Redis. Other shells in this folder find the private one by themselves. The first Ctrl-C
    drains, the second stops.

    \b
    Examples:
      rqflow dev workers.orders
      rqflow dev workers.orders workers.inventory --data /tmp/flows
    """
    session = session.adding(modules=modules, queues=queues, data=data)
    settings = session.settings
    if not settings.modules:
        raise BadInput("name the modules that have your workflows, as in: rqflow dev workers.orders")
    import_from_here()
    paths = watched_paths(settings.modules)
    with Interrupts() as interrupts, _redis(session) as url:
        _make_hub(url, settings)
        with _address_left(settings, url, private=session.reading.sources["url"] != "--url"):
            _say_hello(session, url)
            code = _serve(session, url, paths, interrupts)
    click.get_current_context().exit(code)


@contextmanager
def _redis(session: Session) -> Iterator[str]:
    """The address: of the Redis that --url names, else of a private one. What the environment names is not for play."""
    if session.reading.sources["url"] == "--url":
        with session.naming_address():
            yield session.settings.url
        return
    folder = Path(session.settings.data)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "dev.lock").open("ab")
    except OSError as error:
        raise BadInput(f"the data folder {str(folder)!r} cannot be used: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BadInput(
                f"another rqflow dev runs with the data folder {str(folder)!r}: stop it, or choose another with --data"
            ) from None
        with EmbeddedServer(folder) as server:
            yield server.url


def _make_hub(url: str, settings: Settings) -> None:
    """So that what is tried first does not end with a hub that is missing."""
    try:
        open_sync_backend(url, settings.hub, allow_eviction=settings.allow_eviction).close()
    except HubNotFound:
        create_hub(url, settings.hub)


@contextmanager
def _address_left(settings: Settings, url: str, *, private: bool) -> Iterator[None]:
    """Tell other shells in this folder where we are, as long as we are there."""
    if not private:
        yield
        return
    note = Path(settings.data) / DEV_FILE
    note.write_text(json.dumps({"url": url, "hub": settings.hub, "pid": os.getpid()}) + "\n", encoding="utf-8")
    try:
        yield
    finally:
        note.unlink(missing_ok=True)


def _say_hello(session: Session, url: str) -> None:
    click.echo(f"{click.style('Redis', bold=True)}    {url}")
    click.echo(f"{click.style('Worker', bold=True)}   {' '.join(session.settings.modules)}, reloads when files change")
    registry = _registry(session.settings.modules)
    if registry is not None:
        click.echo("\nIn another shell, in this folder, try:")
        for line in start_commands(registry):
            click.echo(f"  {line}")
    source = session.reading.sources["url"]
    if source in ("default", "--url") or source.endswith(DEV_FILE):
        click.echo("\nIn another folder first:")
    else:
        click.echo(f"\nOther shells use {source}, which names another Redis; for this one, first:")
    click.echo(f"  export RQFLOW_REDIS_URL={url}")
    if session.settings.hub != DEFAULTS.hub:
        click.echo(f"  export RQFLOW_HUB={session.settings.hub}")
    click.echo()


def _registry(modules: Sequence[str]) -> Registry | None:
    try:
        return load_modules(modules)
    except BadInput:
        # The worker says what is wrong, and is started again when the file is mended.
        return None


def _serve(session: Session, url: str, paths: Sequence[Path], interrupts: Interrupts) -> int:
    settings = session.settings
    shared = ["--until-eof", "-u", url, "--hub", settings.hub]
    shared += [] if session.config is None else ["--config", str(session.config)]
    arguments = ["worker", *settings.modules, *shared, *(part for queue in settings.queues for part in ("-q", queue))]
    with Changes(paths) as changes, _scheduler(shared):
        while True:
            worker = Child(arguments)
            try:
                while worker.code is None and not interrupts.count and not changes.wait(0.2):
                    pass
                if not interrupts.count and worker.code is None:
                    click.echo(f"{changes.take()} changed: the worker reloads", err=True)
                    _drain(worker, interrupts)
                elif not interrupts.count:
                    _await_mending(worker, changes, interrupts)
                if interrupts.count:
                    return _leave(worker, interrupts)
            finally:
                worker.kill()


@contextmanager
def _scheduler(shared: Sequence[str]) -> Iterator[None]:
    """It needs no modules, so it stays when the files change."""
    child = Child(["scheduler", *shared, "--log-level", "warning"])
    try:
        yield
    finally:
        child.stop(2.0)
        child.kill()


def _drain(worker: Child, interrupts: Interrupts) -> None:
    worker.send(signal.SIGTERM)
    while worker.wait(0.1) is None and interrupts.count == 0:
        pass


def _await_mending(worker: Child, changes: Changes, interrupts: Interrupts) -> None:
    if worker.code == _WRONG_MODULE:
        click.echo("the worker starts again when a file changes", err=True)
        while not interrupts.count and not changes.wait(0.2):
            pass
        changes.take()
    else:
        click.echo(f"the worker ended with exit code {worker.code} and is started again", err=True)
        interrupts.first.wait(1.0)


def _leave(worker: Child, interrupts: Interrupts) -> int:
    click.echo("draining; Ctrl-C again to stop at once", err=True)
    worker.send(signal.SIGTERM)
    while worker.wait(0.1) is None:
        if interrupts.count > 1:
            worker.send(signal.SIGTERM)
            worker.wait(2.0)
            worker.kill()
            return 1
    return 0
