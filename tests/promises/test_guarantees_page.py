"""The page of guarantees names tests that exist, for every fault of the field, and faults that are measured."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from benchmarks.recovery.faults import FAULTS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "guarantees.md"
NAMED = re.compile(r"`([\w/.]+\.py)::(test_\w+)`")


def functions_in(path: Path) -> set[str]:
    """The names of the functions and methods of a file."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, functions)}


def test_each_fault_names_tests_that_are_there() -> None:
    """A test that was renamed or removed is missed here."""
    chapter = PAGE.read_text(encoding="utf-8").partition("\n## What the field gets wrong\n")[2]
    lines = [line for line in chapter.splitlines() if line.startswith("| ")][1:]
    assert len(lines) > 20
    for line in lines:
        named = NAMED.findall(line)
        assert named, line
        for file, name in named:
            assert name in functions_in(ROOT / file), f"{file} has no {name}"


def test_each_fault_that_is_measured_stands_on_the_page_with_its_time() -> None:
    """What `python -m benchmarks.recovery` prints is pasted there: a fault that was added or renamed is missed here."""
    page = PAGE.read_text(encoding="utf-8")
    for fault in FAULTS.values():
        measured = rf"\| {re.escape(fault.title)} \| {re.escape(fault.since)} \| [\d.]+ m?s \| [\d.]+ m?s \|"
        assert re.search(measured, page), fault.title
