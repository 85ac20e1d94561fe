"""The page of faults names tests that exist, and has tests for every line."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "faults.md"
NAMED = re.compile(r"`([\w/.]+\.py)::(test_\w+)`")


def functions_in(path: Path) -> set[str]:
    """The names of the functions and methods of a file."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, functions)}


def test_each_fault_names_tests_that_are_there() -> None:
    """A test that was renamed or removed is missed here."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")][1:]
    assert len(lines) > 20
    for line in lines:
        named = NAMED.findall(line)
        assert named, line
        for file, name in named:
            assert name in functions_in(ROOT / file), f"{file} has no {name}"
