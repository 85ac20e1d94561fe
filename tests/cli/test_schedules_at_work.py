"""Schedules at work: a worker and a scheduler as processes, and the file of schedules that we ship."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from tests.cli.shell import ROOT, RQFLOW, Shell, running, until


def test_the_file_that_we_ship_is_applied_and_its_slots_run(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each slot once, with the arguments of the schedule, in order; one on demand as well. [F3] [F4] [C12]"""
    monkeypatch.chdir(ROOT)
    modules = ("workers.inventory", "workers.orders")
    place = ("-u", shell.environment["RQFLOW_REDIS_URL"], "--hub", shell.environment["RQFLOW_HUB"])
    with (
        running(tmp_path / "worker.log", *RQFLOW, "worker", *modules, *place) as worker,
        running(tmp_path / "scheduler.log", *RQFLOW, "scheduler", *place) as scheduler,
    ):
        shell("schedule", "apply", "config/schedules.toml", "-m", modules[0], "-m", modules[1]).ok()
        shell("schedule", "update", "docs-inventory", "--every", "1s", "--offset", "0s", "--jitter", "0s").ok()

        def state() -> tuple[str, str]:
            return worker.said(), scheduler.said()

        def enough() -> bool:
            return bool(shell("schedule", "show", "docs-inventory", "--json").ok().json["counts"]["completed"] >= 3)

        until(enough, 40, state)
        shell("schedule", "pause", "docs-inventory", "seen enough").ok()
        instance = shell("schedule", "trigger", "docs-inventory", "--json").ok().json["instance"]
        until(lambda: shell("show", instance).code == 0, 30, state)
        assert shell("result", instance, "--timeout", "30s").ok().json["files"] > 0
        shown = shell("schedule", "show", "docs-inventory", "--json").ok().json
        rows = shell("list", "--id-prefix", "docs-inventory/", "--status", "completed", "--json").ok().json
    assert shown["counts"]["slots"] >= 3
    assert (shown["counts"]["triggers"], shown["status"], shown["reason"]) == (1, "paused", "seen enough")
    ids = [row["id"] for row in (rows["instances"] if isinstance(rows, dict) else rows)]
    slots = sorted(datetime.fromisoformat(id.removeprefix("docs-inventory/")) for id in ids if id != instance)
    assert all(slot.microsecond == 0 for slot in slots)
    assert all(two - one >= timedelta(seconds=1) for one, two in pairwise(slots))
