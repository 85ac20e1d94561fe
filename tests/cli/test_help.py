"""Help: every command explains itself, with an example that would run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from rqflow.cli.main import cli
from tests.cli.shell import ROOT, really

NAMES = [
    "demo", "dev", "worker", "start", "result", "watch", "list", "show", "history", "signal", "query", "update",
    "cancel", "terminate", "suspend", "resume", "rerun", "purge", "stats", "schedule", "scheduler", "hub", "doctor",
    "completion",
]  # fmt: skip


def commands(group: click.Group, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        yield (*before, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*before, name))


ALL = [pytest.param(path, command, id=" ".join(path)) for path, command in commands(cli)]


def test_all_commands_are_there() -> None:
    """What the documentation names, and no others."""
    assert sorted(cli.commands) == sorted(NAMES)
    assert sorted(cli.commands["hub"].commands) == [  # type: ignore[attr-defined]
        "create", "delete", "list", "set", "show", "verify",
    ]  # fmt: skip
    assert sorted(cli.commands["schedule"].commands) == [  # type: ignore[attr-defined]
        "apply", "backfill", "create", "delete", "list", "pause", "preview", "resume", "show", "trigger", "update",
    ]  # fmt: skip


@pytest.mark.parametrize(("path", "command"), ALL)
def test_each_command_has_an_example_that_it_would_take(path: tuple[str, ...], command: click.Command) -> None:
    """`--help` exits with 0 and shows the command as it is typed; its options exist."""
    shown = CliRunner().invoke(cli, [*path, "--help"])
    assert shown.exit_code == 0
    examples = re.findall(rf"^ +(?:.*\b)?(rqflow {' '.join(path)}\b.*)$", shown.stdout, re.MULTILINE)
    assert examples, shown.stdout
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    for example in examples if not isinstance(command, click.Group) else ():
        words = shlex.split(re.split(r" [|)]|\)", example)[0], comments=True)
        assert {word for word in words if word.startswith("-") and word != "-"} <= known, example


@pytest.mark.parametrize(("path", "command"), ALL)
def test_the_page_names_each_command(path: tuple[str, ...], command: click.Command) -> None:
    """docs/cli.md has a line for each."""
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert f"`{' '.join(path)}" in page, f"docs/cli.md does not tell of {' '.join(path)}"


def test_the_version_is_told() -> None:
    """For bug reports."""
    assert re.fullmatch(r"rqflow \d+\.\d+\.\d+\S*\n", CliRunner().invoke(cli, ["--version"]).stdout)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete(shell: str) -> None:
    """The script asks us for what fits."""
    found = CliRunner().invoke(cli, ["completion", shell])
    assert found.exit_code == 0
    assert "_RQFLOW_COMPLETE" in found.stdout


def test_completion_offers_commands(tmp_path: Path) -> None:
    """As a shell would ask."""
    asked = {"_RQFLOW_COMPLETE": "bash_complete", "COMP_WORDS": "rqflow st", "COMP_CWORD": "1"}
    found = really(cwd=tmp_path, environment=asked)
    assert {"plain,start", "plain,stats"} <= set(found.out.split())
