"""Arguments: what words of the command line become."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from rqflow.cli.arguments import Arguments, parse_arguments
from rqflow.errors import BadInput


def test_words_are_texts_unless_they_say_json() -> None:
    """name=text and name:=json by name; text and :=json by position. Only the first sign counts."""
    found = parse_arguments(["a=1", "b:=1", "c=x=y", 'd:={"e":[null]}', "e="])
    assert found == Arguments((), {"a": "1", "b": 1, "c": "x=y", "d": {"e": [None]}, "e": ""})
    assert parse_arguments(["plain words, with = inside", ":=[1, 2]"]).positional == (
        "plain words, with = inside",
        [1, 2],
    )


def test_numbers_past_53_bits_are_kept() -> None:
    """An id of another system must not lose its last digits."""
    assert parse_arguments(["n:=123456789012345678901"]).named == {"n": 123456789012345678901}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a:=nonsense"], "not JSON"),
        (["a:=NaN"], "NaN is no JSON value"),
        (["a:=Infinity"], "Infinity is no JSON value"),
        (['a:={"b":1,"b":2}'], "given twice in one object"),
        (["a=1", "a=2"], "'a' is given twice"),
        (["a:=" + "[" * 100_000], "nested too deeply"),
        ([":="], "not JSON"),
        (["a=\udcff"], "not valid UTF-8"),
    ],
)
def test_what_cannot_be_read_is_named(words: list[str], said: str) -> None:
    """The word, and where its JSON breaks."""
    with pytest.raises(BadInput, match=said):
        parse_arguments(words)


def test_a_file_gives_arguments_and_words_beat_it(tmp_path: Path) -> None:
    """An object by name, a list by position; for those who take one value a list is that value."""
    file = tmp_path / "input.json"
    file.write_text('{"a": 1, "b": 2}')
    assert parse_arguments(["b:=3"], str(file)).named == {"a": 1, "b": 3}
    file.write_text("[1, 2]")
    assert parse_arguments([], str(file)).positional == (1, 2)
    assert parse_arguments([], str(file), one_value=True).as_value() == ([1, 2],)


def test_standard_input_is_a_file_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--input -`."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"a": "\xc3\xa9"}')))
    assert parse_arguments([], "-").named == {"a": "é"}


@pytest.mark.parametrize(
    ("content", "said"), [(None, "No such file"), (b"\xff", "not UTF-8 at byte 0"), (b"{", "not JSON")]
)
def test_a_wrong_file_is_named(tmp_path: Path, content: bytes | None, said: str) -> None:
    """Absent, not text, not JSON."""
    file = tmp_path / "input.json"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(BadInput, match=said) as refused:
        parse_arguments([], str(file))
    assert "input.json" in str(refused.value)


def test_a_signal_takes_one_value() -> None:
    """None, one, or an object made of pairs."""
    assert parse_arguments([]).as_value() == ()
    assert parse_arguments(["x"]).as_value() == ("x",)
    assert parse_arguments(["by=ann"]).as_value() == ({"by": "ann"},)
    with pytest.raises(BadInput, match="not both"):
        parse_arguments(["x", "by=ann"]).as_value()
    with pytest.raises(BadInput, match="expected one value, got 2"):
        parse_arguments(["x", "y"]).as_value()
