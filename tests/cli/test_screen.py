"""Screen: what is shown, and what user data cannot do to a terminal."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rqflow.cli.listing import _show_history, plain_event
from rqflow.cli.screen import Column, iso, payload_text, printable, shortened, show_table, span
from rqflow.core.events import ActivityCompleted, ActivityScheduled, Event, Stamped, WorkflowStarted


@given(st.text())
def test_no_user_text_can_steer_a_terminal(text: str) -> None:
    """Whatever the text: no control character, no reordering, no line break comes through."""
    shown = printable(text)
    assert not any(unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for character in shown)


@pytest.mark.parametrize("text", ["order-42", "注文 42", "é", "🛒", "a b"])
def test_ordinary_text_is_shown_as_it_is(text: str) -> None:
    """Any language, and spaces."""
    assert printable(text) == text


def test_escapes_are_visible() -> None:
    """A colored, overwritten or reversed id is seen for what it is."""
    assert printable("\x1b[31mred\x07") == r"\x1b[31mred\x07"
    assert printable("a\u202eb\x9b") == r"a\u202eb\x9b"
    assert printable("a\nb") == r"a\nb"
    assert printable("a\nb\x1b", newlines=True) == "a\nb\\x1b"


def test_tables_in_a_pipe_are_whole_and_plain(capsys: pytest.CaptureFixture[str]) -> None:
    """No frames, no colors, nothing cut off, columns aligned, no markup taken from data."""
    long = "x" * 300
    show_table((Column("ID"), Column("N", right=True)), [("[red]a", 1), (long, 10_000), ("b\x1b[2J", None)])
    assert capsys.readouterr().out.splitlines() == [
        f"{'ID':<300}      N",
        f"{'[red]a':<300}      1",
        f"{long}  10000",
        r"b\x1b[2J",
    ]


def test_times_for_scripts_are_utc_with_milliseconds() -> None:
    """One form, whatever the zone it was given in."""
    moment = datetime(2026, 1, 31, 12, 0, 0, 123_456, tzinfo=timezone(timedelta(hours=2)))
    assert iso(moment) == "2026-01-31T10:00:00.123Z"
    assert iso(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01T00:00:00.000Z"
    assert iso(None) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0ms"), (0.0421, "42ms"), (1.25, "1.2s"), (59.94, "59.9s"), (59.99, "1m"), (90, "1m30s"), (3600, "1h"),
     (90_000, "1d1h"), (-2, "-2.0s")],
)  # fmt: skip
def test_lengths_of_time_are_short(seconds: float, text: str) -> None:
    """Two units at most."""
    assert span(seconds) == text


def test_payloads_are_shown_on_one_line() -> None:
    """JSON as it is; what is no JSON by its size; control characters escaped either way."""
    assert payload_text(b'{"a":"\xc3\xa9"}') == '{"a": "é"}'
    assert payload_text(b"") == ""
    assert payload_text(b"\xff\xfe\x00") == "<3 bytes that are no JSON>"
    assert "\x9b" not in payload_text('"\x9b"'.encode())
    assert shortened("abcdef", 4) == "abc…"


def test_a_local_activity_is_shown_as_such_with_the_time_at_which_it_ended(capsys: pytest.CaptureFixture[str]) -> None:
    """[B26] Not with that of its turn's commit; activities of queues look as before."""
    begun = 1_700_000_000_000
    steps: list[Event] = [
        ActivityScheduled(id=1, name="near", queue="q", local=True),
        ActivityCompleted(id=1, at_ms=begun + 2_000, payload=b'"done"'),
        ActivityScheduled(id=2, name="far", queue="q"),
    ]
    started = WorkflowStarted(workflow="w", instance="i", run="r", queue="q")
    history = [Stamped(at_ms=begun, event=started), *(Stamped(at_ms=begun + 5_000, event=event) for event in steps)]
    assert plain_event(3, history[2])["at"].startswith("2023-11-14T22:13:22")
    _show_history(history, 0, None)
    _, _, near, ended, far = capsys.readouterr().out.splitlines()
    assert near.endswith("ActivityScheduled  id=1 name=near queue=q local=True")
    assert "+2.0s" in ended
    assert ended.endswith('id=1 "done"')
    assert far.endswith("id=2 name=far queue=q")
