"""Settings: where values are looked for, and what a wrong one is told."""

from __future__ import annotations

import json
import os
import re
import tomllib
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rqflow.cli.worker import worker_options
from rqflow.errors import BadInput
from rqflow.settings import DEFAULT_URL, DEFAULTS, Settings, parse_duration, read

ROOT = Path(__file__).parents[2]


def test_nothing_said_means_the_defaults(tmp_path: Path) -> None:
    """In an empty folder with an empty environment every setting is its default, and says so."""
    found = read(environ={}, folder=tmp_path)
    assert found.settings == DEFAULTS
    assert set(found.sources.values()) == {"default"}


def test_an_option_beats_the_environment_beats_the_file(tmp_path: Path) -> None:
    """The nearer to the user's hands, the stronger."""
    (tmp_path / "rqflow.toml").write_text('hub = "file"\nqueues = ["a"]\nlease = "3s"\n')
    found = read({"hub": "option"}, environ={"RQFLOW_HUB": "env", "RQFLOW_QUEUES": "b, c"}, folder=tmp_path)
    assert found.settings.hub == "option"
    assert found.settings.queues == ("b", "c")
    assert found.settings.lease == timedelta(seconds=3)
    assert (found.sources["hub"], found.sources["queues"]) == ("--hub", "RQFLOW_QUEUES")
    assert found.sources["lease"] == "rqflow.toml"


def test_the_address_has_three_variables_in_order(tmp_path: Path) -> None:
    """RQFLOW_REDIS_URL, then RQ's, then everybody's; an empty one is none."""
    environ = {"REDIS_URL": "redis://c", "RQ_REDIS_URL": "redis://b", "RQFLOW_REDIS_URL": "redis://a"}
    for name in ("RQFLOW_REDIS_URL", "RQ_REDIS_URL", "REDIS_URL"):
        found = read(environ=environ, folder=tmp_path)
        assert found.settings.url == environ[name]
        assert found.sources["url"] == name
        environ[name] = ""
    assert read(environ=environ, folder=tmp_path).settings.url == DEFAULT_URL


def test_a_running_dev_is_found_last(tmp_path: Path) -> None:
    """What `rqflow dev` leaves in the folder counts where nothing else names an address, and only while it lives."""
    note = tmp_path / ".rqflow" / "dev.json"
    note.parent.mkdir()
    note.write_text(json.dumps({"url": "unix:///x", "hub": "shop", "pid": os.getpid()}))
    assert read(environ={}, folder=tmp_path).settings.url == "unix:///x"
    assert read(environ={}, folder=tmp_path).settings.hub == "shop"
    assert read({"hub": "mine"}, environ={}, folder=tmp_path).settings.hub == "mine"
    assert read(environ={"REDIS_URL": "redis://a"}, folder=tmp_path).settings.url == "redis://a"
    note.write_text(json.dumps({"url": "unix:///x", "hub": "shop", "pid": 2**22 + 1}))
    assert read(environ={}, folder=tmp_path).settings.url == DEFAULT_URL
    for broken in ("", "[]", "{}", '{"pid": "x"}', '{"pid": 1e400}'):
        note.write_text(broken)
        assert read(environ={}, folder=tmp_path).settings.url == DEFAULT_URL


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('hubb = "x"', "hubb: no such setting; did you mean 'hub'?"),
        ("nonsense = 1", "nonsense: no such setting; known: allow_eviction, build"),
        ('concurrency = "many"', "concurrency: expected a whole number, got 'many'"),
        ("concurrency = true", "concurrency: expected a whole number, got True"),
        ("concurrency = 0", "concurrency: expected at least 1, got 0"),
        ("lease = '-1s'", "lease: expected a duration"),
        ("lease = 0.01", "lease: expected at least 0:00:00.100000, got 0.01"),
        ('queues = "a"', "queues: expected a list of texts, got 'a'"),
        ("queues = [1]", "queues: expected a list of texts, got [1]"),
        ("log_level = 'loud'", "log_level: expected one of debug, info, warning, error, got 'loud'"),
        ("allow_eviction = 1", "allow_eviction: expected true or false, got 1"),
        ("hub = ", "cannot be read as TOML"),
    ],
)
def test_a_wrong_file_is_told_with_file_key_and_what_was_expected(tmp_path: Path, text: str, said: str) -> None:
    """An unknown key is refused with the one that was probably meant."""
    (tmp_path / "rqflow.toml").write_text(text)
    with pytest.raises(BadInput) as refused:
        read(environ={}, folder=tmp_path)
    assert said in str(refused.value)
    assert str(refused.value).startswith(str(tmp_path / "rqflow.toml"))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("RQFLOW_LEASE", "soon", "RQFLOW_LEASE: expected a duration"),
        ("RQFLOW_CACHE", "1.5", "RQFLOW_CACHE: expected a whole number, got '1.5'"),
        ("RQFLOW_ALLOW_EVICTION", "perhaps", "RQFLOW_ALLOW_EVICTION: expected true or false, got 'perhaps'"),
        ("RQFLOW_LAESE", "1s", "RQFLOW_LAESE: no such variable; did you mean RQFLOW_LEASE?"),
        ("RQFLOW_CONFIG", "absent.toml", "no settings file 'absent.toml'"),
    ],
)
def test_a_wrong_variable_is_told_by_its_name(tmp_path: Path, name: str, text: str, said: str) -> None:
    """A variable that is nearly ours is a slip too."""
    with pytest.raises(BadInput, match=re.escape(said)):
        read(environ={name: text}, folder=tmp_path)


def test_variables_of_others_are_let_be(tmp_path: Path) -> None:
    """RQFLOW_ is a prefix that an application may use for its own."""
    assert read(environ={"RQFLOW_SHOP_TENANT": "x"}, folder=tmp_path).settings == DEFAULTS


def test_the_named_file_is_the_only_one_read(tmp_path: Path) -> None:
    """--config, then RQFLOW_CONFIG, then the two usual places."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "rqflow.toml").write_text('hub = "usual"')
    (tmp_path / "mine.toml").write_text('build = "7"')
    assert read(environ={}, folder=tmp_path).settings.hub == "usual"
    named = read(config=tmp_path / "mine.toml", environ={}, folder=tmp_path).settings
    assert (named.hub, named.build) == ("default", "7")
    assert read(environ={"RQFLOW_CONFIG": "mine.toml"}, folder=tmp_path).settings.build == "7"


def test_the_shipped_file_explains_every_setting_with_its_default() -> None:
    """config/rqflow.toml holds all settings, each commented out with its default and a sentence above it."""
    text = (ROOT / "config" / "rqflow.toml").read_text(encoding="utf-8")
    assert tomllib.loads(text) == {}
    lines = text.splitlines()
    shown: dict[str, Any] = {}
    for number, line in enumerate(lines):
        found = re.fullmatch(r"# (\w+) = (.+)", line)
        if found and found[1] in {field.name for field in fields(Settings)}:
            shown |= tomllib.loads(line[2:])
            assert lines[number - 1].startswith("# "), f"{found[1]} is not explained"
    assert set(shown) == {field.name for field in fields(Settings)}
    values: dict[str, Any] = {
        name: parse_duration(value) if isinstance(getattr(DEFAULTS, name), timedelta) else value
        for name, value in shown.items()
    }
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    assert Settings(**values) == DEFAULTS


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2s", 2), ("500ms", 0.5), ("1h30m", 5400), ("1 h 30 m", 5400), ("3d", 259_200), ("7", 7), ("0.5", 0.5),
     ("1W", 604_800)],
)  # fmt: skip
def test_durations_are_read_as_people_write_them(text: str, seconds: float) -> None:
    """A bare number is seconds."""
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", " ", "-1s", "s", "1x", "1e9", "nan", "inf", "٣s٣", "99999999999d", "1s-"])
def test_absurd_durations_are_refused(text: str) -> None:
    """Negative, endless, or none at all."""
    with pytest.raises(ValueError, match="expected a duration"):
        parse_duration(text)


@given(st.text(max_size=30))
def test_any_text_is_a_duration_or_refused(text: str) -> None:
    """Nothing else can come of it."""
    try:
        found = parse_duration(text)
    except ValueError:
        return
    assert timedelta(0) <= found <= timedelta(days=36_500)


def test_all_that_a_worker_is_told_by_its_settings_reaches_it() -> None:
    """None of its options can be set in a file and forgotten on the way."""
    told: dict[str, Any] = {
        "queues": ("a", "b"), "workflow_slots": 7, "concurrency": 8, "threads": 9, "lease": timedelta(seconds=3),
        "cache": 10, "cache_bytes": 11, "build": "x", "drain": timedelta(seconds=4), "max_losses": 12,
        "contain_after": 13,
    }  # fmt: skip
    options = worker_options(Settings(**told))
    names = {"concurrency": "activity_slots", "cache": "cache_size", "drain": "drain_timeout"}
    assert {name: getattr(options, names.get(name, name)) for name in told} == told


def test_losses_have_a_smallest_number(tmp_path: Path) -> None:
    """One worker may always die; an activity may be left where it is for ever."""
    assert read(environ={"RQFLOW_CONTAIN_AFTER": "0"}, folder=tmp_path).settings.contain_after == 0
    with pytest.raises(BadInput, match="RQFLOW_MAX_LOSSES: expected at least 1, got '0'"):
        read(environ={"RQFLOW_MAX_LOSSES": "0"}, folder=tmp_path)
