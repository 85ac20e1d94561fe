"""Processes: real worker processes that are killed, frozen, thawed and asked to leave."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from rqflow.worker.options import WorkerOptions
from rqflow.worker.run import run_worker

ROOT = Path(__file__).parents[2]
VERBS = "tests.promises.verbs"


class WorkerProcess:
    """A worker in a process of its own."""

    def __init__(
        self,
        url: str,
        hub: str,
        log: Path,
        *,
        processes: int = 1,
        modules: str = VERBS,
        program: Sequence[str] = ("tests.promises.processes",),
        environment: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        """`program` is the module to run, and what it is told first. `options` are those of WorkerOptions; durations
        in seconds."""
        words = json.dumps({"url": url, "hub": hub, "processes": processes, "modules": modules, "options": options})
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *program, words],
                cwd=ROOT, stdin=subprocess.PIPE, stdout=output, stderr=output, start_new_session=True,
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **(environment or {})},
            )  # fmt: skip

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def said(self) -> str:
        """What it has logged."""
        return self.log.read_text(errors="replace")

    @property
    def code(self) -> int | None:
        """Its exit code, None while it runs."""
        return self._process.poll()

    def kill(self) -> None:
        """At whatever instruction it is."""
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def ask_to_leave(self) -> None:
        self._process.send_signal(signal.SIGTERM)

    def end(self, seconds: float = 30) -> int:
        """Its exit code, once it has ended."""
        return self._process.wait(seconds)

    def remove(self) -> None:
        """Whatever state it is in."""
        if self._process.poll() is None:
            self.thaw()
            self.kill()
        if self._process.stdin is not None:
            self._process.stdin.close()


@dataclass(frozen=True)
class Words:
    """What a process is told on its command line."""

    url: str
    hub: str
    processes: int
    modules: str
    options: dict[str, Any]

    def worker_options(self) -> WorkerOptions:
        spans = ("lease", "sweep", "drain_timeout", "deadlock_after")
        read: dict[str, Any] = dict(self.options)
        read |= {name: timedelta(seconds=read[name]) for name in spans if name in read}
        read |= {"queues": tuple(read["queues"])} if "queues" in read else {}
        return WorkerOptions(**read)


def log_all() -> None:
    """On standard error."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")


def end_with_parent() -> None:
    """Standard input ends when the tests do, however they end: nobody is left behind."""
    os.read(0, 1)  # not through sys.stdin, whose lock would be held when the process ends
    os._exit(1)


def main() -> int:
    """Be such a process."""
    threading.Thread(target=end_with_parent, name="lifeline", daemon=True).start()
    words = Words(**json.loads(sys.argv[1]))
    return run_worker(
        url=words.url,
        hub=words.hub,
        modules=words.modules.split(),
        options=words.worker_options(),
        processes=words.processes,
        prepare=log_all,
    )


if __name__ == "__main__":
    sys.exit(main())
