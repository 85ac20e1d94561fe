"""Supervisor: several worker processes under one: it starts them, passes signals on, and restarts what crashed."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import FrameType
from typing import Any, TypeAlias

from rqflow.errors import RqflowError

logger = logging.getLogger("rqflow.worker")

FIRST_WAIT = 0.5
LONGEST_WAIT = 30.0
STEADY = 60.0
"""Seconds after which a process counts as having started well: its next crash is its first."""
FAILED = 2
"""Exit code of a process that could not begin, or broke."""

Serve: TypeAlias = Callable[..., int]


@dataclass(slots=True)
class Place:
    """One of the processes, and when it may be started again."""

    number: int
    process: SpawnProcess | None = None
    lifeline: Connection | None = None
    """Its other end is in the process: when we end, however, it hears of it and drains."""
    started: float = 0.0
    crashes: int = 0
    start_at: float = 0.0
    code: int | None = None


class Supervisor:
    """Keeps `count` processes running until it is told to stop or all have ended by themselves (a burst)."""

    def __init__(self, serve: Serve, arguments: tuple[Any, ...], count: int) -> None:
        self._serve = serve
        self._arguments = arguments
        self._places = [Place(number) for number in range(count)]
        self._context = multiprocessing.get_context("spawn")
        self._signals = 0
        self._bell, self._rope = os.pipe()

    def run(self) -> int:
        """Until the last process has ended: the highest exit code."""
        before = {number: signal.signal(number, self._heard) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            while True:
                self._start_due()
                running = [place for place in self._places if place.process is not None]
                if not running and (self._signals or all(place.code is not None for place in self._places)):
                    return max(place.code or 0 for place in self._places)
                self._wait(running)
                for place in running:
                    self._look(place)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(self._bell)
            os.close(self._rope)

    def _start_due(self) -> None:
        for place in self._places:
            if (
                place.process is None
                and place.code is None
                and not self._signals
                and time.monotonic() >= place.start_at
            ):
                theirs, place.lifeline = self._context.Pipe(duplex=False)
                place.process = self._context.Process(
                    target=be_one, args=(theirs, self._serve, self._arguments), name=f"rqflow-worker-{place.number + 1}"
                )
                place.process.start()
                theirs.close()
                place.started = time.monotonic()

    def _wait(self, running: list[Place]) -> None:
        """Until a process ends, a signal comes, or one may be started."""
        later = [place.start_at for place in self._places if place.process is None and place.code is None]
        timeout = max(0.0, min(later) - time.monotonic()) if later and not self._signals else None
        sentinels = [place.process.sentinel for place in running if place.process is not None]
        if self._bell in wait([*sentinels, self._bell], timeout):
            os.read(self._bell, 100)

    def _look(self, place: Place) -> None:
        process = place.process
        if process is None or process.is_alive():
            return
        process.join()
        code = process.exitcode or 0
        process.close()
        if place.lifeline is not None:
            place.lifeline.close()
        place.process = place.lifeline = None
        if code == 0 or self._signals:
            place.code = code if code >= 0 else 128 - code
            return
        place.crashes = 1 if time.monotonic() - place.started > STEADY else place.crashes + 1
        pause = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(place.crashes - 1, 10))
        place.start_at = time.monotonic() + pause
        logger.error("worker process %d ended with code %d, starting another in %.1f s", place.number + 1, code, pause)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        self._signals += 1
        os.write(self._rope, b"!")
        for place in self._places:
            if place.process is not None and place.process.pid is not None:
                # Always SIGTERM: a terminal's Ctrl-C reaches the processes too, and they leave it to us.
                os.kill(place.process.pid, signal.SIGTERM)


def supervise(serve: Serve, *arguments: Any, count: int) -> int:
    """Run `serve(*arguments)` in `count` processes; the highest exit code."""
    return Supervisor(serve, arguments, count).run()


def be_one(lifeline: Connection, serve: Serve, arguments: tuple[Any, ...]) -> None:
    """The life of a process: ends with what `serve` gives, drains when the supervisor is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(lifeline,), name="lifeline", daemon=True).start()
    try:
        code = serve(*arguments)
    except RqflowError as error:
        logger.error("%s", error)
        code = FAILED
    os._exit(code) if code else None


def _end_with(lifeline: Connection) -> None:
    try:
        lifeline.recv()
    except (EOFError, OSError):
        os.kill(os.getpid(), signal.SIGTERM)
