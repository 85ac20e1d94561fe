"""Clockwork: real scheduler processes, one of them with a clock that is hours off."""

from __future__ import annotations

import json
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from rqflow.scheduler.options import SchedulerOptions
from rqflow.scheduler.run import run_scheduler
from tests.promises.processes import Words, WorkerProcess, end_with_parent, log_all


def scheduler_process(url: str, hub: str, log: Path, **options: Any) -> WorkerProcess:
    """A scheduler in a process of its own. `poll` in seconds; `hours`: its clock is so far off."""
    return WorkerProcess(url, hub, log, program=("tests.promises.clockwork",), **options)


def set_clock(hours: float) -> None:
    """What this process takes for the time."""
    real, off = time.time, hours * 3_600
    time.time = lambda: real() + off
    time.time_ns = lambda: int((real() + off) * 1_000_000_000)


def main() -> int:
    """Be such a process."""
    threading.Thread(target=end_with_parent, name="lifeline", daemon=True).start()
    words = Words(**json.loads(sys.argv[1]))
    set_clock(words.options.get("hours", 0))
    options = SchedulerOptions(poll=timedelta(seconds=words.options.get("poll", 15)))
    return run_scheduler(url=words.url, hub=words.hub, options=options, prepare=log_all)


if __name__ == "__main__":
    sys.exit(main())
