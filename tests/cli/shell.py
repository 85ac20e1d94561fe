"""Shell: runs the command line inside the test's process, and as real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from click.testing import CliRunner

from rqflow.cli.main import cli

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
RQFLOW = (sys.executable, "-m", "rqflow.cli.main")


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its output as one JSON document."""
        return json.loads(self.out)

    def ok(self) -> Ran:
        """Itself, if it succeeded."""
        assert self.code == 0, self
        return self


class Shell:
    """Commands against one hub."""

    def __init__(self, url: str, hub: str = "default") -> None:
        self.environment = {"RQFLOW_REDIS_URL": url, "RQFLOW_HUB": hub}

    def __call__(self, *words: str, stdin: str | bytes | None = None, **environment: str) -> Ran:
        """Run it here. An exception that click did not turn into a message is raised: it would be a traceback."""
        found = CliRunner().invoke(cli, list(words), input=stdin, env={**self.environment, **environment})
        if found.exception is not None and not isinstance(found.exception, SystemExit):
            raise found.exception
        return Ran(found.exit_code, found.stdout, found.stderr)


def clean_environment(**more: str) -> dict[str, str]:
    """Without what a developer's own shell says about Redis, nor colors."""
    names = ("RQFLOW_", "RQ_REDIS", "REDIS_URL")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(names)}
    return {**kept, "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1", **more}


def really(*words: str, cwd: Path = ROOT, environment: Mapping[str, str] | None = None, seconds: float = 50) -> Ran:
    """Run it as a process of its own, to its end."""
    found = subprocess.run(
        [*RQFLOW, *words], cwd=cwd, env=clean_environment(**(environment or {})), timeout=seconds,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return Ran(found.returncode, found.stdout, found.stderr)


class Running:
    """A command that goes on, and what it has said so far."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    def said(self) -> str:
        """Both of its outputs until now."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def await_saying(self, text: str, seconds: float = 40) -> str:
        """Until it has said something."""
        return until(lambda: self.said() if text in self.said() else None, seconds, self.said)

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def end(self, seconds: float = 30) -> int:
        """Its exit code, once it has ended."""
        return self.process.wait(seconds)


@contextmanager
def running(log: Path, *command: str, cwd: Path = ROOT, **environment: str) -> Iterator[Running]:
    """A command that goes on until the block ends; then it is asked to stop, and killed if it does not."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=cwd, env=clean_environment(**environment), stdin=subprocess.DEVNULL, stdout=output,
            stderr=output, start_new_session=True,
        )  # fmt: skip
    try:
        yield Running(process, log)
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def until(look: Callable[[], T | None], seconds: float = 20, state: Callable[[], object] = lambda: "") -> T:
    """What `look` finds, asked again until it finds something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds:g} s: {state()}")
