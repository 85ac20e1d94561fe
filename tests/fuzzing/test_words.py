"""Whatever stands on the command line: a message and an exit code, never a traceback, never a hang."""

from __future__ import annotations

import click
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rqflow.cli.main import cli
from tests.cli.shell import Shell

ENDLESS = {"worker", "dev", "demo", "watch", "scheduler", "result"}
"""They wait by design; their arguments are tried with an option that nobody knows."""
CODES = {0, 1, 2, 3, 4, 5, 6}
ODD = (
    "", " ", "-", "--", "---", "=", ":=", "a=", "=b", "a:=", "a:=[", "a:=1e999", "a:=NaN", "a:=" + "[" * 5_000, "\x00",
    "\x1b[31mred", "\u202egnp", "\udcff", "é" * 300, "x" * 5_000, "a" * 513, "*", "%s%n", "{}", "../../etc/passwd",
    "0", "-1", "99999999999999999999", "1e9", "0s", "9999999999d", "-5m", "2026-13-45", "null", "--json", "--url",
    "--hub", "--timeout", "--limit", "--help", "--input", "--from", "--failed", "--new-id", "--status", "--reason",
    "stalled", "order", "order-42", "-r", "-u", "nosuch://host", "redis://", "--attribute", "--cursor",
)  # fmt: skip


def commands(group: click.Group, before: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The words of all commands, subcommands included."""
    found: list[tuple[str, ...]] = []
    for name, command in group.commands.items():
        words = (*before, name)
        found += commands(command, words) if isinstance(command, click.Group) else [words]
    return found


WORDS = st.one_of(st.sampled_from(ODD), st.text(max_size=20))


@given(command=st.sampled_from(commands(cli)), words=st.lists(WORDS, max_size=5))
@example(command=("start",), words=["w", "a:=" + "[" * 100_000])
@example(command=("list",), words=["--limit", "99999999999999999999999"])
@example(command=("rerun",), words=["order", "--from", "99999999999999999999999"])
@settings(max_examples=250, deadline=None)
@pytest.mark.timeout(120)
def test_p7_any_words_are_a_command_or_a_message(shell: Shell, command: tuple[str, ...], words: list[str]) -> None:
    """[P7] For each command and whatever follows it. Nothing is written that is not asked for, and what is shown
    steers no terminal."""
    if command[0] in ENDLESS:
        words = [*words, "--no-such-option"]
    if "--watch" in words:
        words.remove("--watch")
    ran = shell(*command, *words, stdin="{}")
    assert ran.code in CODES, (command, words, ran)
    assert "Traceback" not in ran.err + ran.out
    assert "\x1b[31m" not in ran.err + ran.out, (command, words, ran)
