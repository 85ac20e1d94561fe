"""Screen: tables, times and values for people, JSON for scripts, and nothing that could steer a terminal."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

STATUS_STYLES: Final = {
    "pending": "cyan", "running": "blue", "suspended": "yellow", "stalled": "bold red", "completed": "green",
    "failed": "red", "canceled": "yellow", "terminated": "red", "timed_out": "red",
}  # fmt: skip

_UNSAFE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
"""Control and format characters (bidirectional overrides too), half surrogates, line separators."""


def printable(text: str, *, newlines: bool = False) -> str:
    """User data as it may be shown: what could move the cursor, recolor or reorder the screen is escaped."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character
        if unicodedata.category(character) not in _UNSAFE or (newlines and character == "\n")
        else character.encode("unicode_escape", "surrogatepass").decode("ascii")
        for character in text
    )


def shortened(text: str, width: int) -> str:
    """At most `width` characters, with a mark where something was left out."""
    return text if len(text) <= width else text[: width - 1] + "…"


def console() -> Console:
    """Where people read: colors and boxes on a terminal, plain text in a pipe."""
    return Console(highlight=False, markup=False, emoji=False)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    title: str
    right: bool = False
    fold: bool = False
    """Whether a long cell goes on in the next line instead of being cut."""
    styles: Mapping[str, str] | None = None
    """Styles by cell text."""


def show_table(columns: Sequence[Column], rows: Iterable[Sequence[object]], *, title: str = "") -> None:
    """A table for people on a terminal; aligned text, whole and without frames, in a pipe."""
    cells = [[printable("" if cell is None else str(cell)) for cell in row] for row in rows]
    screen = console()
    if not screen.is_terminal:
        if title:
            click.echo(title)
        _show_plain(columns, cells)
        return
    table = Table(title=title or None, title_justify="left", title_style="bold", header_style="bold", box=None)
    table.pad_edge = False
    for column in columns:
        table.add_column(
            column.title,
            justify="right" if column.right else "left",
            overflow="fold" if column.fold else "ellipsis",
            no_wrap=not column.fold,
        )
    for row in cells:
        table.add_row(*(Text(cell, style=(c.styles or {}).get(cell, "")) for c, cell in zip(columns, row, strict=True)))
    screen.print(table)


def _show_plain(columns: Sequence[Column], cells: Sequence[Sequence[str]]) -> None:
    titles = [column.title for column in columns]
    widths = [max(map(len, cells_of)) for cells_of in zip(titles, *cells, strict=True)]
    for row in (titles, *cells):
        line = (
            cell.rjust(width) if column.right else cell.ljust(width)
            for cell, width, column in zip(row, widths, columns, strict=True)
        )
        click.echo("  ".join(line).rstrip())


def show_facts(facts: Iterable[tuple[str, object]]) -> None:
    """Names and values, one to a line; a value that is empty or None is left out."""
    kept = [(name, printable(str(value), newlines=True)) for name, value in facts if value not in (None, "")]
    width = max((len(name) for name, _ in kept), default=0)
    for name, value in kept:
        first, *rest = value.split("\n")
        click.echo(f"{click.style(name.ljust(width), bold=True)}  {first}")
        for line in rest:
            click.echo(f"{' ' * width}  {line}")


def show_json(value: Any, *, line: bool = False) -> None:
    """One JSON document; with `line`, on one line, for streams."""
    click.echo(json.dumps(value, default=_plain, indent=None if line else 2))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return payload_value(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Iterable):
        return list(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


# ---- times ----------------------------------------------------------------------------------------------------


def iso(moment: datetime | None) -> str | None:
    """A moment for scripts: ISO 8601, UTC, milliseconds."""
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def local(moment: datetime | None) -> str:
    """A moment for people: local time, to the second."""
    return "" if moment is None else f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


def span(length: timedelta | float) -> str:
    """A length of time for people, with about two digits' worth of detail."""
    seconds = length.total_seconds() if isinstance(length, timedelta) else length
    if seconds < 0:
        return f"-{span(-seconds)}"
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 59.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    for unit, letters in ((86_400, "dh"), (3_600, "hm"), (60, "ms")):
        if whole >= unit:
            smaller = {86_400: 3_600, 3_600: 60, 60: 1}[unit]
            rest = whole % unit // smaller
            return f"{whole // unit}{letters[0]}" + (f"{rest}{letters[1]}" if rest else "")
    return f"{whole}s"


# ---- payloads ----------------------------------------------------------------------------------------------------


def payload_value(payload: bytes) -> Any:
    """A payload as plain JSON values; what is no JSON is told by its size."""
    if not payload:
        return None
    try:
        return json.loads(payload)
    except ValueError:
        return f"<{len(payload):,} bytes that are no JSON>"


def payload_text(payload: bytes) -> str:
    """A payload on one line, printable."""
    if not payload:
        return ""
    value = payload_value(payload)
    return printable(value if isinstance(value, str) and value[:1] == "<" else json.dumps(value, ensure_ascii=False))
