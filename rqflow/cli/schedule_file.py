"""Schedule file: `schedule apply`: schedules as a file, or as code says them, against those that there are."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click

from rqflow.authoring.registry import Registry, load_modules
from rqflow.cli.arguments import Arguments
from rqflow.cli.schedule_rows import plain_change, show_plan
from rqflow.cli.screen import show_json
from rqflow.cli.session import Session, import_from_here, json_option, with_session
from rqflow.cli.start import checked_arguments
from rqflow.client import schedule_applying
from rqflow.client.schedule_preparing import Wanted
from rqflow.errors import BadInput, BadSchedule

LARGEST: Final = 8 * 1_048_576
"""Bytes of a file of schedules."""
_OWN: Final = ("workflow", "args", "paused", "unchecked")


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option(
    "-m",
    "--module",
    "modules",
    multiple=True,
    metavar="MODULE",
    help="Apply the schedules beside its workflows, and know the workflows that the file names.",
)
@click.option("--dry-run", is_flag=True, help="Show the plan, write nothing.")
@click.option("--prune", is_flag=True, help="Delete what this file (or module) once made and says no more.")
@json_option
@with_session
def apply(
    session: Session, *, file: Path | None, modules: tuple[str, ...], dry_run: bool, prune: bool, as_json: bool
) -> None:  # fmt: skip
    """Make the schedules of FILE (and of -m MODULE) be as they stand there: create, change, delete, keep.

    \b
    Examples:
      rqflow schedule apply config/schedules.toml --dry-run
      rqflow schedule apply config/schedules.toml -m workers.inventory --prune
    """
    if file is None and not modules:
        raise BadInput("give a file such as config/schedules.toml, or -m MODULE for what its code says")
    import_from_here()
    known = load_modules(modules or session.settings.modules)
    wanted = [] if file is None else read_file(file, known)
    origins = {one.origin for one in wanted} | ({origin_of(file)} if file is not None else set())
    if modules:
        beside = schedule_applying.planned(known.workflows.values())
        wanted += beside
        origins |= {f"module {name}" for name in modules} | {one.origin for one in beside}
    pruned = sorted(origins) if prune else []
    with session.client() as client:
        plan = client.run_flow(schedule_applying.apply(client.options, wanted, prune=pruned, dry_run=dry_run))
    if as_json:
        show_json({"applied": not dry_run, "plan": [plain_change(change) for change in plan]})
    else:
        show_plan(plan, dry_run=dry_run)


def origin_of(file: Path) -> str:
    """What the schedules of a file are marked with: its path, as seen from the working folder."""
    return f"file {file.as_posix()}"


def read_file(file: Path, known: Registry) -> list[Wanted]:
    """The schedules of a file. Raises BadInput, naming file, schedule and field."""
    try:
        if file.stat().st_size > LARGEST:
            raise BadInput(f"{file}: longer than {LARGEST:,} bytes")
        told = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{file}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{file}: {error}") from None
    if others := sorted(told.keys() - {"schedules"}):
        raise BadInput(f"{file}: there is no {others[0]!r}; schedules stand in tables such as [schedules.nightly]")
    tables = told.get("schedules", {})
    if not isinstance(tables, dict):
        raise BadInput(f"{file}: schedules stand in tables such as [schedules.nightly]")
    return [_wanted(id, table, origin_of(file), known) for id, table in tables.items()]


def _wanted(id: str, table: Any, origin: str, known: Registry) -> Wanted:
    if not isinstance(table, dict):
        raise BadSchedule(id, f"is no table; write [schedules.{id}]")
    workflow = table.get("workflow")
    if not isinstance(workflow, str):
        raise BadSchedule(f"{id}.workflow", "must be the name of a workflow")
    for name in ("paused", "unchecked"):
        if not isinstance(table.get(name, False), (bool, str) if name == "paused" else bool):
            raise BadSchedule(f"{id}.{name}", "must be true or false" + (", or a reason" if name == "paused" else ""))
    keywords: dict[str, Any] = {name: value for name, value in table.items() if name not in _OWN}
    given = _arguments(id, table.get("args", {}))
    definition = known.workflows.get(workflow)
    if definition is not None:
        try:
            given = checked_arguments(definition, given)
        except BadInput as error:
            raise BadSchedule(f"{id}.args", str(error)) from None
        defined = {"queue": definition.queue, "timeout": definition.timeout, "retention": definition.retention}
        keywords = {name: value for name, value in defined.items() if value is not None} | keywords
    return Wanted(
        id=id, workflow=workflow, args=given.positional, kwargs=given.named, keywords=keywords, origin=origin,
        paused=table.get("paused", False), unchecked=table.get("unchecked", False) or definition is not None,
    )  # fmt: skip


def _arguments(id: str, told: Any) -> Arguments:
    """A table gives arguments by name, a list by position."""
    if isinstance(told, Mapping):
        return Arguments((), dict(told))
    if isinstance(told, Sequence) and not isinstance(told, str):
        return Arguments(tuple(told))
    raise BadSchedule(f"{id}.args", "must be a table (by name) or a list (by position)")
