"""Arguments: `name=text`, `name:=json` and `--input`, read into plain values."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NoReturn

import click

from rqflow.errors import BadInput
from rqflow.settings import parse_duration

_NAMED: Final = re.compile(r"([^\s=:]+)(:?=)(.*)", re.DOTALL)
_LARGEST_INPUT: Final = 64 * 1_048_576


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a command line gives to a workflow, a signal, a query or an update."""

    positional: tuple[Any, ...] = ()
    named: dict[str, Any] = field(default_factory=dict)

    def as_value(self) -> tuple[Any, ...]:
        """For those who take one value at most: no value, the only positional one, or the named ones as an object."""
        if self.positional and self.named:
            raise BadInput("give one value, or name=value pairs, not both")
        if len(self.positional) > 1:
            raise BadInput(f"expected one value, got {len(self.positional)}; put lists into one: ':=[1, 2]'")
        return self.positional or ((self.named,) if self.named else ())


def parse_arguments(words: Sequence[str], input_file: str | None = None, *, one_value: bool = False) -> Arguments:
    """`name=text` and `name:=json` by name, `text` and `:=json` by position, over what `--input` holds.

    A list in `--input` gives values by position, unless `one_value` is all that is wanted.
    Raises BadInput, naming the word and where its JSON breaks.
    """
    positional: list[Any] = []
    named: dict[str, Any] = {}
    if input_file is not None:
        value = parse_json(_read(input_file), f"--input {input_file}")
        if isinstance(value, dict):
            named = value
        else:
            positional = value if isinstance(value, list) and not one_value else [value]
    given: set[str] = set()
    for word in words:
        found = _NAMED.fullmatch(word)
        if found is None:
            positional.append(parse_json(word[2:], repr(word)) if word.startswith(":=") else _text(word))
            continue
        name, sign, text = found.groups()
        if name in given:
            raise BadInput(f"{name!r} is given twice")
        given.add(name)
        named[name] = parse_json(text, repr(shown(word))) if sign == ":=" else _text(text)
    return Arguments(tuple(positional), named)


def shown(word: str) -> str:
    """A word of the command line, short enough for a message."""
    return word if len(word) <= 60 else word[:59] + "…"


def parse_json(text: str, where: str) -> Any:
    """JSON as the standard says: no NaN, no repeated names. Raises BadInput."""
    try:
        return json.loads(text, parse_constant=_no_constant, object_pairs_hook=_unrepeated)
    except RecursionError:
        raise BadInput(f"{where}: nested too deeply") from None
    except ValueError as error:
        raise BadInput(f"{where}: not JSON: {error}; texts need quotes in JSON, or use name=text") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name is given twice in one object")
    return found


def _text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadInput(f"{shown(text)!r} is not valid UTF-8") from None
    return text


def _read(name: str) -> str:
    try:
        if name == "-":
            data = sys.stdin.buffer.read(_LARGEST_INPUT + 1)
        else:
            with Path(name).open("rb") as file:
                data = file.read(_LARGEST_INPUT + 1)
        if len(data) > _LARGEST_INPUT:
            raise BadInput(f"--input {name}: longer than {_LARGEST_INPUT:,} bytes")
        return data.decode()
    except OSError as error:
        raise BadInput(f"--input {name}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise BadInput(f"--input {name}: not UTF-8 at byte {error.start}") from None


# ---- types of options --------------------------------------------------------------------------------------------


class Duration(click.ParamType):  # type: ignore[type-arg]
    """An option such as 500ms, 2s, 1h30m, 3d."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        try:
            return parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Moment(click.ParamType):  # type: ignore[type-arg]
    """An option such as 2026-11-21T08:00, 2026-11-21 08:00:00+01:00, or 2h (ago, or from now)."""

    name = "time"

    def __init__(self, *, future: bool) -> None:
        self.future = future

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(value)
            return moment.astimezone(UTC)
        except (ValueError, OverflowError, OSError):
            pass
        try:
            away = parse_duration(value)
            return datetime.now(UTC) + (away if self.future else -away)
        except (ValueError, OverflowError):
            self.fail(f"expected a time such as 2026-11-21T08:00 or a duration such as 2h, got {value!r}", param, ctx)


class Pair(click.ParamType):  # type: ignore[type-arg]
    """An option such as name=text or name:=json."""

    name = "name=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Any]:
        if isinstance(value, tuple):
            return value
        found = _NAMED.fullmatch(value)
        if found is None:
            self.fail(f"expected name=text or name:=json, got {value!r}", param, ctx)
        name, sign, text = found.groups()
        try:
            return name, parse_json(text, repr(value)) if sign == ":=" else text
        except BadInput as error:
            self.fail(str(error), param, ctx)
