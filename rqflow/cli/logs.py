"""Logs: what a worker writes on standard error: time, level, logger, message, and nothing that steers a terminal."""

from __future__ import annotations

import logging

from rqflow.cli.screen import printable


class Lines(logging.Formatter):
    """One line for each record; a traceback below it."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record), newlines=True)


def write_logs(level: str) -> None:
    """Write records of this level and above; those of libraries from warnings on."""
    handler = logging.StreamHandler()
    handler.setFormatter(Lines())
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level.upper()]))
    logging.getLogger("rqflow").setLevel(level.upper())
