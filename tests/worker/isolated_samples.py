"""Samples: activities that run in a process of their own; a module, because the process imports them by name."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta

from rqflow.authoring.activity_face import activity
from rqflow.core.options import Retry

TWICE = Retry(max_attempts=2, initial=timedelta(0))


@activity(isolate="process")
def where(pid: int) -> bool:
    return os.getpid() != pid


@activity(isolate="process")
def crash(how: str) -> None:
    if how == "exit":
        os._exit(7)
    if how == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    raise ValueError("raised in the child")


@activity(isolate="process", retry=TWICE)
def beats() -> str:
    found: str | None = activity.info().details(str)
    if found is None:
        activity.heartbeat("from the child")
        raise OSError("again")
    return f"{found}, attempt {activity.info().attempt}"


@activity(isolate="process")
def stuck(path: str) -> None:
    """Ignores everything, and starts a process that does too."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{os.getpid()} {child.pid}")
    time.sleep(60)


@activity(isolate="process")
def polite(path: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write("begun")
    while not activity.is_cancelled():
        time.sleep(0.01)
    with open(path, "w", encoding="utf-8") as file:
        file.write("told")
