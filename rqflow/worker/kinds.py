"""Kinds: where an activity's code runs: on the loop, in a thread, or in a process of its own."""

from __future__ import annotations

import contextvars
from collections.abc import Awaitable
from functools import partial
from typing import Any

from rqflow.authoring.activities import Activity, Mode
from rqflow.core.events import Payload
from rqflow.worker.execution import call, call_async
from rqflow.worker.isolated import run_isolated
from rqflow.worker.options import WorkerOptions
from rqflow.worker.running import Running
from rqflow.worker.threads import ThreadPool


class Kinds:
    """Runs an attempt's code as its activity says."""

    def __init__(self, options: WorkerOptions, payload_limit: int) -> None:
        self._threads = ThreadPool(options.threads)
        self._grace = options.kill_grace
        self._payload_limit = payload_limit

    def run(self, activity: Activity[..., Any], running: Running, mode: Mode) -> Awaitable[Payload]:
        """The encoded result. Awaiting it raises Unfit, ChildRaised, ProcessDied and whatever the code raises."""
        payload = running.task.payload
        if mode == "async":
            return call_async(activity, payload)
        if mode == "thread":
            context = contextvars.copy_context()
            return self._threads.run(partial(context.run, call, activity, payload))
        return run_isolated(activity, running, payload_limit=self._payload_limit, grace=self._grace)

    def close(self) -> None:
        """Let idle threads go."""
        self._threads.close()
