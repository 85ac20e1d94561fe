"""Each promise of this issue has a place in the code that keeps it by name, and tests by its name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROMISES = range(1, 11)


def _naming(promise: int, *patterns: str) -> list[str]:
    files = [path for pattern in patterns for path in (ROOT / "rqflow").glob(pattern)]
    return [path.name for path in files if re.search(rf"\bP{promise}\b", path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("promise", PROMISES)
def test_each_promise_is_kept_by_name_and_tested_by_name(promise: int) -> None:
    """Where it is enforced it is named: in worker, scheduler, core or script; a file of tests here bears its id."""
    assert _naming(promise, "worker/*.py", "scheduler/*.py", "core/*.py", "backend/redis/lua/**/*.lua")
    [file] = list(Path(__file__).parent.glob(f"test_p{promise}_*.py"))
    assert re.search(rf"def test_p{promise}_", file.read_text(encoding="utf-8"))
