"""Progress: how far the demo is, read from the hub's events; a live bar on a terminal, lines in a pipe."""

from __future__ import annotations

import time

import click
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from rqflow.cli.screen import console, payload_value
from rqflow.client.sync import Client

_LINE_SECONDS = 2.0
_PAGE = 1_000


class Progress:
    """A context manager that shows itself."""

    def __init__(self, files: int, folders: int) -> None:
        self.files = self.folders = self.activities = 0
        self.ended = False
        self._of_files, self._of_folders = files, folders
        self._cursor = ""
        self._screen = console()
        self._bar: Bar | None = None
        self._task = TaskID(0)
        self._told = time.monotonic()

    def __enter__(self) -> Progress:
        if self._screen.is_terminal:
            self._bar = Bar(
                TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:3.0f}%"),
                TimeElapsedColumn(), console=self._screen,
            )  # fmt: skip
            self._task = self._bar.add_task(self._sentence(), total=max(self._of_files + self._of_folders, 1))
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    @property
    def share(self) -> float:
        """Of the files, how many are measured: 0 to 1."""
        return self.files / self._of_files if self._of_files else 0.0

    def read(self, client: Client) -> bool:
        """Take in what has happened since the last call; whether anything has."""
        moved = False
        while True:
            page = client.events_page(cursor=self._cursor, limit=_PAGE)
            self._cursor = page.cursor
            for event in page.events:
                moved = True
                if event.type == "completed":
                    self.folders += 1
                elif event.type == "emitted" and event.name == "counted":
                    counted = payload_value(event.payload)
                    self.files += counted["files"]
                    self.activities += counted["activities"]
                self.ended |= event.instance == "inventory" and event.type in ("completed", "failed")
            if len(page.events) < _PAGE:
                break
        self._show()
        return moved

    def say(self, sentence: str) -> None:
        """Something that stays on the screen."""
        if self._bar is not None:
            self._bar.console.print(f"  {sentence}", style="bold yellow")
        else:
            click.echo(f"  {sentence}")

    def _sentence(self) -> str:
        return f"{self.files:,} of {self._of_files:,} files, {self.folders:,} of {self._of_folders:,} folders"

    def _show(self) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=self.files + self.folders, description=self._sentence())
        elif time.monotonic() - self._told > _LINE_SECONDS:
            self._told = time.monotonic()
            click.echo(f"  {self._sentence()}")
