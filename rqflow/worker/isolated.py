"""Isolated: an attempt in a process of its own, as the worker sees it: started, told, listened to and killed."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

from rqflow.authoring.activities import Activity
from rqflow.core.events import Payload
from rqflow.core.failure import Failure
from rqflow.core.wire import decode_failure
from rqflow.errors import ProcessDied, RqflowError
from rqflow.worker.frames import LENGTH, BrokenFrame, length_of, pack, unpack
from rqflow.worker.isolated_child import info_to_wire
from rqflow.worker.running import Running

_PROGRAM: Final = "from rqflow.worker.isolated_child import begin; begin()"
"""Not `-m`: the package knows that module already, which Python would warn of at each start."""


class ChildRaised(Exception):
    """What the activity raised in its process."""

    def __init__(self, failure: Failure, names: frozenset[str]) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.names = names


async def run_isolated(
    activity: Activity[..., Any], running: Running, *, payload_limit: int, grace: timedelta
) -> Payload:
    """Run the activity in a new process and its own process group; nothing of it is left when this returns.

    Raises ChildRaised (its code raised), ProcessDied (it ended without an answer: a crash, `os._exit`, a kill).
    """
    ours, theirs = socket.socketpair()
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            _PROGRAM,
            str(theirs.fileno()),
            pass_fds=(theirs.fileno(),),
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    loop = asyncio.get_running_loop()
    reader, writer = await asyncio.open_connection(sock=ours)

    def interrupt(hard: bool) -> None:
        if hard:
            _kill(process)
            return
        with suppress(RuntimeError, OSError):
            writer.write(pack(["cancel"]))
        loop.call_later(grace.total_seconds(), _kill, process)

    running.interrupt = interrupt
    if running.is_cancelled():
        _kill(process)
    try:
        writer.write(_begin(activity, running, payload_limit))
        return await _until_end(reader, process, running)
    finally:
        writer.close()
        _kill(process)
        await process.wait()


def _begin(activity: Activity[..., Any], running: Running, payload_limit: int) -> bytes:
    header = ["begin", activity.fn.__module__, sys.path, info_to_wire(running.info), payload_limit]
    return pack(header, running.task.details) + pack(["payload"], running.task.payload)


async def _until_end(reader: asyncio.StreamReader, process: asyncio.subprocess.Process, running: Running) -> Payload:
    try:
        while True:
            header, payload = unpack(await reader.readexactly(length_of(await reader.readexactly(LENGTH.size))))
            match header:
                case ["heartbeat"]:
                    running.heartbeat(payload)
                case ["completed"]:
                    return payload
                case ["failed", names]:
                    raise ChildRaised(decode_failure(payload), frozenset(names))
                case _:
                    raise BrokenFrame(f"a frame of kind {header[0]!r}")
    except (BrokenFrame, asyncio.IncompleteReadError, ConnectionError, RqflowError) as error:
        _kill(process)
        raise ProcessDied(running.task.name, _how(await process.wait())) from error


def _how(code: int) -> str:
    if code >= 0:
        return f"with exit code {code}"
    with suppress(ValueError):
        return f"by signal {-code} ({signal.Signals(-code).name})"
    return f"by signal {-code}"


def _kill(process: asyncio.subprocess.Process) -> None:
    """The process and all that it started. Once it is gone this does nothing."""
    if process.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
