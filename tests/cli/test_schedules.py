"""Schedules: the whole life of schedules through the command line, on a real Redis."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest

from rqflow import schedule, workflow
from rqflow.authoring.registry import Registry
from rqflow.cli import completing
from rqflow.cli.trying import start_commands
from tests.cli.shell import ROOT, Ran, Shell

NIGHTLY = (
    "nightly",
    "inventory",
    "path=docs",
    "--cron",
    "30 2 * * *",
    "--zone",
    "Europe/Berlin",
    "-m",
    "workers.inventory",
)
FILE = "config/schedules.toml"
MODULES = ("-m", "workers.inventory", "-m", "workers.orders")


def refused(found: Ran, code: int, *said: str) -> None:
    """One message on standard error, nothing on the other."""
    assert (found.code, found.out) == (code, ""), found
    assert found.err.startswith("rqflow: ")
    for text in said:
        assert text in found.err


def test_a_schedule_is_created_shown_changed_and_deleted(shell: Shell) -> None:
    """With what it is made of, and what comes next. [F3] [F4]"""
    assert shell("schedule", "create", *NIGHTLY, "--notes", "at night").ok().out.startswith("created nightly, next ")
    refused(shell("schedule", "create", *NIGHTLY), 4, "'nightly' exists")
    shown = shell("schedule", "show", "nightly").ok().out
    for text in (
        "30 2 * * *",
        "Europe/Berlin",
        "shift (auto)",
        "first (auto)",
        "{schedule}/{slot}",
        "skip",
        "at night",
    ):
        assert text in shown
    told = shell("schedule", "show", "nightly", "--json").ok().json
    assert (told["status"], told["workflow"], told["arguments"]) == ("active", "inventory", {"path": "docs"})
    assert told["next"]["slot"].endswith("Z")
    changed = shell("schedule", "update", "nightly", "--every", "90s", "--overlap", "allow", "--json").ok().json
    assert (changed["timetable"]["every"], changed["policy"]["overlap"]) == (90.0, "allow")
    assert changed["timetable"]["zone"] == "Europe/Berlin"
    listed = shell("schedule", "list").ok().out
    assert "every 1m30s" in listed
    assert [one["id"] for one in shell("schedule", "list", "--json").json] == ["nightly"]
    assert shell("schedule", "delete", "nightly").ok().out == "deleted nightly\n"
    refused(shell("schedule", "show", "nightly"), 3, "no schedule 'nightly'")
    assert shell("schedule", "list", "--json").json == []


def test_a_schedule_is_paused_resumed_triggered_and_backfilled(shell: Shell) -> None:
    """Each says what it did. [F4]"""
    shell("schedule", "create", *NIGHTLY, "--paused", "not yet").ok()
    assert "paused: not yet" in shell("schedule", "show", "nightly").out
    assert shell("schedule", "resume", "nightly").ok().out.startswith("resumed nightly, next ")
    assert shell("schedule", "pause", "nightly", "the warehouse moves").ok().out == "paused nightly\n"
    assert shell("schedule", "show", "nightly", "--json").json["reason"] == "the warehouse moves"
    assert shell("schedule", "trigger", "nightly").ok().out.startswith("triggered nightly/20")
    assert shell("schedule", "trigger", "nightly", "--json").ok().json["instance"].startswith("nightly/20")
    assert (
        "backfills as" in shell("schedule", "backfill", "nightly", "2026-01-01", "2026-02-01", "--limit", "3").ok().out
    )
    named = shell("schedule", "backfill", "nightly", "30d", "--name", "month", "--json").ok().json
    assert named == {"id": "nightly", "backfill": "month", "canceled": False}
    assert "month: 0 started" in shell("schedule", "show", "nightly").out
    assert shell("schedule", "backfill", "nightly", "--cancel", "month").ok().out == "canceled month\n"
    refused(shell("schedule", "backfill", "nightly", "--cancel", "month"), 3, "'month'")
    refused(shell("schedule", "backfill", "nightly"), 2, "START")
    refused(shell("schedule", "update", "nightly"), 2, "say what is to change")


def test_a_preview_shows_both_clocks_and_the_rule_that_touched_a_slot(shell: Shell) -> None:
    """Of options alone, without any Redis; of a schedule as it is; and as it would be. [F4] [G3]"""
    dead = {"RQFLOW_REDIS_URL": "redis://127.0.0.1:1"}
    spring = ("--after", "2027-03-27T12:00+00:00", "-n", "2")
    shown = shell("schedule", "preview", "--cron", "30 2 * * *", "--zone", "Europe/Berlin", *spring, **dead).ok().out
    assert "Sun 2027-03-28 03:00:00 +0200  2027-03-28 01:00:00  02:30 does not exist that day: moved" in shown
    assert "Mon 2027-03-29 02:30:00 +0200  2027-03-29 00:30:00\n" in shown
    shell("schedule", "create", *NIGHTLY).ok()
    slots = shell("schedule", "preview", "nightly", *spring, "--json").ok().json
    assert (slots["zone"], slots["on_gap"], slots["on_overlap"]) == ("Europe/Berlin", "shift (auto)", "first (auto)")
    assert slots["slots"][0] == {
        "slot": "2027-03-28T01:00:00.000Z", "fires_at": "2027-03-28T01:00:00.000Z", "rule": "shifted", "left_out": 0,
        "local": "2027-03-28T03:00:00+02:00", "wall": "2027-03-28T02:30:00",
    }  # fmt: skip
    skipped = shell("schedule", "preview", "nightly", *spring, "--on-gap", "skip").ok().out
    assert "1 before it left out" in skipped
    new = shell("schedule", "preview", "new", "--every", "90s", "--jitter", "5s", "-n", "3").ok().out
    assert "FIRES" in new
    refused(shell("schedule", "preview", "new"), 3, "no schedule 'new'")
    refused(shell("schedule", "preview", "--cron", "61 * * * *", **dead), 2, "cron: the minute field '61'")


def test_what_cannot_be_is_refused_with_the_field(shell: Shell) -> None:
    """And nothing is written."""
    for words, said in (
        (("--cron", "0 0 30 2 *"), "cron: "),
        (("--zone", "Mars/Olympus", "--cron", "@daily"), "zone: "),
        (("--every", "1h", "--template", "same"), "template: "),
        (("--every", "1h", "--end", "2020-01-01"), "end: "),
        (("--every", "1h", "--except-date", "25.12."), "except_dates: "),
        ((), "cron: give one spec or more"),
    ):
        refused(shell("schedule", "create", "x", "inventory", *words, "--unchecked"), 2, said)
    refused(shell("schedule", "create", "x", "inventory", "--every", "1h"), 2, "workflow: ", "no worker is live")
    refused(shell("schedule", "create", "x", "no", "--every", "1h", "-m", "workers.inventory"), 3, "'no'")
    refused(shell("schedule", "create", "x", "inventory", "a=1", "--every", "1h", "-m", "workers.inventory"), 2, "'a'")
    assert shell("schedule", "list", "--json").json == []


# ---- files -------------------------------------------------------------------------------------------------------


def test_the_file_that_we_ship_is_applied_with_a_plan(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """First create, then keep; a dry run writes nothing. [F4]"""
    monkeypatch.chdir(ROOT)
    dry = shell("schedule", "apply", FILE, *MODULES, "--dry-run").ok().out
    assert "3 to create, 0 to change, 0 to delete, 0 to keep" in dry
    assert shell("schedule", "list", "--json").json == []
    assert "3 to create" in shell("schedule", "apply", FILE, *MODULES).ok().out
    assert "3 to keep" in shell("schedule", "apply", FILE, *MODULES, "--prune").ok().out
    found = {one["id"]: one for one in shell("schedule", "list", "--json").json}
    assert {one["origin"] for one in found.values()} == {"file config/schedules.toml"}
    assert found["shop-check"]["status"] == "paused"
    assert found["docs-inventory"]["arguments"] == {"path": "docs"}
    for id in found:
        assert shell("schedule", "show", id).ok().out


def test_a_changed_file_changes_deletes_and_keeps(shell: Shell, tmp_path: Path) -> None:
    """What others made is not pruned; what is paused stays paused. [F4]"""
    file = tmp_path / "some.toml"
    table = '[schedules.{}]\nworkflow = "inventory"\nargs = {{ path = "." }}\nunchecked = true\n{}\n'
    file.write_text(table.format("one", 'every = "1h"') + table.format("two", 'every = "1h"'))
    shell("schedule", "apply", str(file)).ok()
    shell("schedule", "create", *NIGHTLY).ok()
    shell("schedule", "pause", "one").ok()
    file.write_text(table.format("one", 'every = "2h"') + table.format("three", 'cron = "@daily"'))
    plan = shell("schedule", "apply", str(file), "--prune", "--json").ok().json
    assert plan["applied"]
    assert [(change["id"], change["verb"]) for change in plan["plan"]] == [
        ("one", "change"), ("three", "create"), ("two", "delete"),
    ]  # fmt: skip
    assert plan["plan"][0]["differences"] == [{"field": "every", "from": 3600.0, "to": 7200.0}]
    found = {one["id"]: one["status"] for one in shell("schedule", "list", "--json").json}
    assert found == {"nightly": "active", "one": "paused", "three": "active"}
    assert "every: 2:00:00 -> 3:00:00" in _changed_again(shell, file)


def _changed_again(shell: Shell, file: Path) -> str:
    file.write_text(file.read_text().replace('"2h"', '"3h"'))
    return shell("schedule", "apply", str(file), "--dry-run").ok().out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[schedules.a]\ncron = '@daily'", "a.workflow: "),
        ("[schedules.a]\nworkflow = 'w'\nunchecked = true\ncron = '61 * * * *'", "a.cron: the minute field"),
        ("[schedules.a]\nworkflow = 'w'\nevery = '1h'", "a.workflow: no workflow named 'w'"),
        ("[schedules.a]\nworkflow = 'w'\nunchecked = 'yes'", "a.unchecked: "),
        ("[schedules.a]\nworkflow = 'w'\npaused = 7", "a.paused: "),
        ("[schedules.a]\nworkflow = 'w'\nargs = 7", "a.args: "),
        ("[schedules.a]\nworkflow = 'w'\ncorn = 7", "a.corn: "),
        ("[schedules.'a b']\nworkflow = 'w'\nevery = 7", "a b.id: "),
        ("[schedules.a]\nworkflow = 'inventory'\nargs = { place = 1 }\nevery = 7", "a.args: "),
        ("[schedules]\na = 7", "a: is no table"),
        ("schedules = 7", "stand in tables"),
        ("[schedule.a]", "there is no 'schedule'"),
        ("[[", "some.toml: "),
    ],
)
def test_a_bad_file_is_refused_with_schedule_and_field(shell: Shell, tmp_path: Path, text: str, said: str) -> None:
    """And nothing of it is written, the good parts neither."""
    file = tmp_path / "some.toml"
    good = "[schedules.good]\nworkflow = 'w'\nevery = '1h'\nunchecked = true\n"
    file.write_text(text if text.startswith(("schedules =", "[[", "[schedules]")) else good + text)
    modules = ("-m", "workers.inventory") if "inventory" in text else ()
    refused(shell("schedule", "apply", str(file), *modules), 2, said)
    assert shell("schedule", "list", "--json").json == []


def test_a_file_that_is_not_there_or_not_given_is_told(shell: Shell, tmp_path: Path) -> None:
    """Or is no text."""
    refused(shell("schedule", "apply", "none.toml"), 2, "none.toml: No such file")
    refused(shell("schedule", "apply"), 2, "give a file")
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    refused(shell("schedule", "apply", str(binary)), 2, "binary.toml: ")


def test_what_code_says_is_applied_by_its_module(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`@schedule` beside `@workflow`, and pruned by module. [F4]"""
    code = (
        "from rqflow import schedule, workflow\n"
        "@schedule('often', every='1h', args=(1,))\n"
        "@schedule(cron='H 3 * * *', args=(2,))\n"
        "@workflow\n"
        "async def tidy(depth: int) -> None: ...\n"
    )
    (tmp_path / "tidying.py").write_text(code)
    (tmp_path / "tidying_less.py").write_text(code.replace("@schedule('often', every='1h', args=(1,))\n", ""))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "2 to create" in shell("schedule", "apply", "-m", "tidying").ok().out
    assert "2 to keep" in shell("schedule", "apply", "-m", "tidying", "--prune").ok().out
    plan = shell("schedule", "apply", "-m", "tidying_less", "--prune", "--json").ok().json["plan"]
    assert [(change["id"], change["verb"]) for change in plan] == [("tidy", "change")]
    assert plan[0]["differences"] == [{"field": "origin", "from": "module tidying", "to": "module tidying_less"}]


def test_dev_tells_how_schedules_beside_code_are_written() -> None:
    """Nothing but an apply writes them."""

    @schedule(cron="@daily")
    @workflow
    async def tidy() -> None: ...

    assert f"rqflow schedule apply -m {__name__}" in list(start_commands(Registry([tidy])))


def test_ids_of_schedules_are_completed(shell: Shell) -> None:
    """As far as they were typed."""
    shell("schedule", "create", *NIGHTLY).ok()
    place = {"url": shell.environment["RQFLOW_REDIS_URL"], "hub": shell.environment["RQFLOW_HUB"]}
    context = click.Context(click.Command("x"), obj=place)
    parameter = click.Argument(["id"])
    assert [item.value for item in completing.complete_schedules(context, parameter, "ni")] == ["nightly"]
    assert completing.complete_schedules(context, parameter, "x") == []
    assert json.loads(shell("schedule", "list", "--json").out)
