"""Isolated child: the process in which one attempt of an `isolate="process"` activity runs, and nothing else.

Started as `python -c "…; begin()" FD`. It is told what to run over the socket FD, says there how it lives and ends, and
ends itself when the worker at the other side does.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading
from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from rqflow.authoring.attempt import CURRENT_ATTEMPT, ActivityInfo
from rqflow.authoring.registry import load_modules
from rqflow.core.failure import failure_of
from rqflow.core.wire import encode_failure
from rqflow.errors import BadInput, PayloadTooLarge, RqflowError
from rqflow.worker.execution import Unfit, call, call_async
from rqflow.worker.frames import BrokenFrame, pack, receive
from rqflow.worker.reports import refusal
from rqflow.worker.retry import class_names


class ChildAttempt:
    """The attempt, as the code in this process sees it."""

    def __init__(self, connection: socket.socket, info: ActivityInfo, payload_limit: int) -> None:
        self.info = info
        self._connection = connection
        self._payload_limit = payload_limit
        self._cancelled = threading.Event()
        self._writing = threading.Lock()

    def heartbeat(self, details: bytes) -> None:
        if len(details) > self._payload_limit:
            raise PayloadTooLarge(f"activity {self.info.name}: heartbeat details", len(details), self._payload_limit)
        self.tell(["heartbeat"], details)

    def is_cancelled(self) -> bool:
        return self._cancelled.is_set()

    def tell(self, header: list[Any], payload: bytes = b"") -> None:
        """Say something to the worker."""
        with self._writing:
            self._connection.sendall(pack(header, payload))

    def listen(self) -> None:
        """Until the worker ends: then nobody needs this process."""
        try:
            while True:
                header, _ = receive(self._connection)
                if header[0] == "cancel":
                    self._cancelled.set()
        except (BrokenFrame, OSError, RqflowError):
            os._exit(1)


def info_to_wire(info: ActivityInfo) -> dict[str, Any]:
    """An attempt's info as JSON values, without the heartbeat details."""
    wire: dict[str, Any] = {}
    for field in fields(info):
        value = getattr(info, field.name)
        if field.name != "heartbeat":
            wire[field.name] = value.isoformat() if isinstance(value, datetime) else value
    return wire


def info_from_wire(wire: dict[str, Any], heartbeat: bytes) -> ActivityInfo:
    """The info that `info_to_wire` wrote."""
    times = {
        name: datetime.fromisoformat(wire[name]) for name in ("scheduled_at", "deadline") if wire[name] is not None
    }
    return ActivityInfo(**{**wire, **times}, heartbeat=heartbeat)


def main(arguments: Sequence[str]) -> int:
    """Run one attempt."""
    connection = socket.socket(fileno=int(arguments[0]))
    header, details = receive(connection)
    _, module, path, wire, payload_limit = header
    _, payload = receive(connection)
    sys.path[:] = path
    attempt = ChildAttempt(connection, info_from_wire(wire, details), payload_limit)
    threading.Thread(target=attempt.listen, name="worker", daemon=True).start()
    CURRENT_ATTEMPT.set(attempt)
    try:
        result = _run(module, attempt.info.name, payload)
    except Unfit as unfit:
        attempt.tell(["failed", sorted(class_names(unfit.error))], encode_failure(refusal(unfit.error)))
    except BaseException as error:
        attempt.tell(["failed", sorted(class_names(error))], encode_failure(failure_of(error)))
    else:
        attempt.tell(["completed"], result)
    return 0


def _run(module: str, name: str, payload: bytes) -> bytes:
    activity = load_modules([module]).activities.get(name)
    if activity is None:
        raise Unfit(BadInput(f'activity {name!r} with isolate="process" must stand at the top of module {module!r}'))
    if activity.mode == "async":
        return asyncio.run(call_async(activity, payload))
    return call(activity, payload)


def begin() -> None:
    """Be such a process; does not return."""
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads that the activity left behind must not keep the process.
    os._exit(code)
