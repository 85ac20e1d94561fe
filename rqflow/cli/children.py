"""Children: worker processes that `dev` and `demo` start, watch and end; they end by themselves when we are gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any


class Child:
    """`rqflow …` in a process and session of its own: our Ctrl-C is not its Ctrl-C."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        folder: Path | None = None,
        log: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        output: Any = None if log is None else log.open("ab")
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "rqflow.cli.main", *arguments],
                # It reads this pipe and stops at its end: the system closes it for us even if we are killed.
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                cwd=folder,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})},
                start_new_session=True,
            )
        finally:
            if output is not None:
                output.close()
        self.log = log

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def code(self) -> int | None:
        """Its exit code, None while it runs; below zero: the signal that killed it."""
        return self._process.poll()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it is still there."""
        if self.code is None:
            self._process.send_signal(number)

    def wait(self, seconds: float | None = None) -> int | None:
        """Its exit code once it has ended; None if it has not within `seconds`."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, seconds: float) -> int | None:
        """Ask it to drain; after `seconds` kill it. Its exit code."""
        self.send(signal.SIGTERM)
        if self.wait(seconds) is None:
            self.kill()
        return self.code

    def kill(self) -> None:
        """End it now."""
        self.send(signal.SIGKILL)
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()

    def tail(self, lines: int = 20) -> str:
        """The last lines of its log."""
        if self.log is None or not self.log.is_file():
            return ""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def stop_at_end_of_input() -> None:
    """In a child: stop, as by SIGTERM, when whoever started us is gone."""

    def wait() -> None:
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="rqflow-parent", daemon=True).start()


class Interrupts:
    """Ctrl-C and SIGTERM, counted: the first one asks, the second insists."""

    def __init__(self) -> None:
        self.count = 0
        self.first = threading.Event()
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupts:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._heard)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        self.first.set()
