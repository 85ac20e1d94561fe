"""The benchmark command: it works, says what it could not measure, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from benchmarks.meters import children_of
from benchmarks.page import BEGIN, END, has_place, put
from benchmarks.players import CONTESTANTS, OURS
from benchmarks.results import Result, ratio
from benchmarks.table import table
from benchmarks.works import WORKS, Figures

ROOT = Path(__file__).parent.parent
COMMAND = [sys.executable, "-m", "benchmarks"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=55, check=False)


def test_a_smoke_run_measures_us_and_names_who_is_missing(tmp_path: Path) -> None:
    """Figures, costs of each workflow, and a line for a peer that is not installed; the table goes into a page."""
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    file = tmp_path / "figures.json"
    done = run(*("--quick", "--only", "W2,W4", "--players", "rqflow,redflow", "--json", str(file), "--page", str(page)))
    assert done.returncode == 0, done.stderr
    found: dict[tuple[str, str], dict[str, Any]] = {
        (each["work"], each["player"]): each for each in json.loads(file.read_text())["results"]
    }
    for work, figure in (("W2", "workflows/s"), ("W4", "p50 ms")):
        ours = found[work, "rqflow"]
        assert ours["figures"][figure]["median"] > 0
        assert ours["costs"]["commands"] > 1
        assert 0 < ours["costs"]["round trips"] < ours["costs"]["commands"]
        theirs = found[work, "redflow"]
        assert theirs["figures"] or theirs["why_not"]
        if find_spec("redflow") is None:
            assert theirs["why_not"] == "not installed: No module named 'redflow'"
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "| redflow" in text
    assert "**W4**" in text


def test_what_is_asked_for_wrongly_is_said_before_anything_starts(tmp_path: Path) -> None:
    """Unknown works and players, counts that are none, a page without a place."""
    page = tmp_path / "page.md"
    page.write_text("no marks")
    for arguments, word in (
        (["--only", "W99"], "W99"),
        (["--players", "temporal"], "temporal"),
        (["--count", "W2=many"], "WORK=NUMBER"),
        (["--workers", "0"], "at least 1"),
        (["--page", str(page)], BEGIN),
    ):
        done = run("--quick", *arguments)
        assert done.returncode == 2
        assert word in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_nothing_outlives_a_killed_run(tmp_path: Path) -> None:
    """Redis, worker and client end with the command that started them, even if it is killed."""
    process = subprocess.Popen(
        [*COMMAND, "--only", "IDLE", "--no-peers"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 40
        while len(started := children_of(process.pid)) < 3:
            assert time.monotonic() < deadline, started
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    while left := [pid for pid in started if runs(pid)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def result(player: str, figures: Figures, work: str) -> Result:
    found = next(each for each in CONTESTANTS if each.key == player)
    return Result(
        work=next(each for each in WORKS if each.key == work),
        player=found,
        runs=[figures],
        count=5,
        costs=[{"commands": 1}],
    )


def test_a_ratio_says_how_much_better_we_are() -> None:
    """Twice the rate, or half the time: both are 2; without a figure there is none."""
    for work, ours, theirs in (("W2", 200.0, 100.0), ("W4", 1.5, 3.0)):
        mine, other = result(OURS, {"x": ours}, work), result("celery", {"x": theirs}, work)
        assert ratio(other, [mine, other]) == 2
        assert ratio(mine, [mine, other]) is None
        other.runs.clear()
        assert ratio(other, [mine, other]) is None


def test_the_table_says_which_targets_are_missed() -> None:
    """And why there is no figure, in one line."""
    slow = result(OURS, {"workflows/s": 4_000.0}, "W2")
    absent = result("celery", {}, "W2")
    absent.runs.clear()
    absent.why_not = "broke | in\ntwo"
    text = table({"cores": "2"}, "1 run", [slow, absent])
    assert "workflows/s ≥ 5,000 (MISSED)" in text
    assert "none: broke / in two" in text


def test_every_player_has_a_module_and_every_work_someone() -> None:
    """A name in the table that nobody can play would be found only in a long run."""
    for player in CONTESTANTS:
        assert (ROOT / (player.module.replace(".", os.sep) + ".py")).is_file()
    assert [work.key for work in WORKS if work.key.startswith("W")][:3] == ["W1", "W2", "W3"]


def test_a_page_needs_both_marks(tmp_path: Path) -> None:
    """The table is put between them, again and again."""
    page = tmp_path / "page.md"
    assert not has_place(page)
    page.write_text(f"{END}\n{BEGIN}")
    assert not has_place(page)
    page.write_text(f"a\n{BEGIN}{END}\nz\n")
    put(page, "one")
    put(page, "two")
    assert page.read_text() == f"a\n{BEGIN}\n\ntwo\n\n{END}\nz\n"
