"""Guarding: a child process that ends when its parent ends, however that ends."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Sequence
from typing import Final

_QUIET: Final = subprocess.DEVNULL


class GuardedProcess:
    """A process in a session of its own: Ctrl-C in the terminal is for those who use it."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(command, stdin=_QUIET, stdout=_QUIET, stderr=_QUIET, start_new_session=True)
        # The guard reads from a pipe that ends with this process, even by SIGKILL, and then ends the child.
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", 'read -r _; kill "$1"', "rqflow-guard", str(self._process.pid)],
            stdin=subprocess.PIPE,
            stdout=_QUIET,
            stderr=_QUIET,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """Of the process, not of its guard."""
        return self._process.pid

    def exit_code(self) -> int | None:
        """What it ended with, None while it runs."""
        return self._process.poll()

    def end(self, how: signal.Signals, seconds: float) -> None:
        """Ask it to end, and kill it if it has not after so many seconds."""
        # The guard goes first, so that it never ends another process that has the same number by then.
        self._guard.kill()
        self._guard.wait()
        assert self._guard.stdin is not None
        self._guard.stdin.close()
        self._process.send_signal(how)
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
