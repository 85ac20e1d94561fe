"""Scheduler: the command as people run it, and what other commands show of it."""

from __future__ import annotations

import signal
from pathlib import Path

from rqflow.backend.redis.embedded import EmbeddedServer
from tests.cli.shell import ROOT, RQFLOW, Shell, running, until

COMMAND = (*RQFLOW, "scheduler")


def test_a_scheduler_fires_and_leaves_at_the_first_interrupt(tmp_path: Path, shell: Shell) -> None:
    """What it started shows its slot; stats show who lives; Ctrl-C ends it at once, with code 0. [F5]"""
    shell("schedule", "create", "often", "report", "--unchecked", "--every", "1s", "--overlap", "allow").ok()
    assert "schedulers none: rqflow scheduler" in shell("stats").ok().out
    with running(tmp_path / "scheduler.log", *COMMAND, cwd=ROOT, **shell.environment) as scheduler:
        rows = until(lambda: shell("list", "--json").json["instances"], 30, scheduler.said)
        found = shell("show", rows[0]["id"], "--json").json
        assert (found["schedule"], found["slot"][-1]) == ("often", "Z")
        assert f"often, slot {found['slot'][:10]}" in shell("show", rows[0]["id"]).ok().out
        numbers = shell("stats", "--json").json
        assert (numbers["schedules"], numbers["schedulers"]) == (1, 1)
        assert "schedules 1" in shell("stats").ok().out
        scheduler.interrupt()
        assert scheduler.end(10) == 0
    assert "Traceback" not in scheduler.said()
    assert "has left" in scheduler.said()


def test_a_workflow_that_was_started_by_a_schedule_says_so_in_its_history(tmp_path: Path, shell: Shell) -> None:
    """As JSON, with the last success and its result; the table keeps to what the workflow was given."""
    shell("schedule", "create", "often", "report", "--unchecked", "--every", "1s", "--max-runs", "1").ok()
    with running(tmp_path / "scheduler.log", *COMMAND, cwd=ROOT, **shell.environment) as scheduler:
        (row,) = until(lambda: shell("list", "--json").json["instances"], 30, scheduler.said)
    shell("terminate", row["id"]).ok()
    [started, _] = shell("history", row["id"], "--json").json
    slot = shell("show", row["id"], "--json").json["slot"]
    assert started["fields"]["schedule"] == {"id": "often", "slot": slot, "last_success": None, "last_result": None}
    assert "ScheduleLink" not in shell("history", row["id"]).ok().out


def test_a_scheduler_that_cannot_begin_says_why(tmp_path: Path, shell: Shell) -> None:
    """No such hub, no such server: one message and a code of its own."""
    refused = shell("scheduler", "--hub", "nowhere")
    assert (refused.code, refused.err.startswith("rqflow: no hub 'nowhere'")) == (3, True)
    away = shell("scheduler", "-u", "redis://127.0.0.1:1")
    assert (away.code, "does not answer" in away.err) == (5, True)


def test_a_scheduler_outlasts_an_absent_redis(tmp_path: Path, redis_server: EmbeddedServer) -> None:
    """It says so once, and once that it is back; SIGTERM ends it."""
    shell = Shell(redis_server.url)
    shell("schedule", "create", "often", "report", "--unchecked", "--every", "1s", "--overlap", "allow").ok()
    with running(tmp_path / "scheduler.log", *COMMAND, cwd=ROOT, **shell.environment) as scheduler:
        until(lambda: shell("list", "--json").json["instances"], 30, scheduler.said)
        redis_server.kill()
        scheduler.await_saying("does not answer, trying again")
        redis_server.start()
        scheduler.await_saying("answers again")
        before = len(shell("list", "--json").json["instances"])
        until(lambda: len(shell("list", "--json").json["instances"]) > before, 30, scheduler.said)
        scheduler.process.send_signal(signal.SIGTERM)
        assert scheduler.end(10) == 0
    assert "Traceback" not in scheduler.said()
