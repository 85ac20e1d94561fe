"""Serve: a real worker process: `python -m tests.worker.serve URL HUB LEASE_MS PROCESSES`."""

from __future__ import annotations

import logging
import sys
from datetime import timedelta

from rqflow.worker.options import WorkerOptions
from rqflow.worker.run import run_worker


def log_all() -> None:
    """On standard error."""
    logging.basicConfig(level=logging.INFO, format="%(process)d %(message)s")


def main() -> int:
    """Until it is told to stop."""
    url, hub, lease_ms, processes = sys.argv[1:]
    options = WorkerOptions(lease=timedelta(milliseconds=int(lease_ms)), build="story", max_losses=2)
    return run_worker(
        url=url, hub=hub, modules=["tests.worker.story"], options=options, processes=int(processes), prepare=log_all
    )


if __name__ == "__main__":
    sys.exit(main())
