"""Page: puts the table of a run into a Markdown page, between two marks, and leaves the rest as it is."""

from __future__ import annotations

from pathlib import Path

BEGIN = "<!-- table: begin -->"
END = "<!-- table: end -->"


def has_place(page: Path) -> bool:
    """Whether the page is there and has both marks, once and in order."""
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    return text.count(BEGIN) == text.count(END) == 1 and text.index(BEGIN) < text.index(END)


def put(page: Path, table: str) -> None:
    """For a page that has a place."""
    text = page.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    page.write_text(f"{head}{BEGIN}\n\n{table}\n\n{END}{tail}", encoding="utf-8")
