"""Waiting: how threads and event loops that wait for a store are woken, each in its own way."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Hashable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from rqflow.backend.calls.instances import Outcome


class Bell(Protocol):
    """What a waiter is woken by. Safe to ring from any thread."""

    def ring(self, ended: Outcome | None = None) -> None:
        """Something may have happened; `ended`: it was this."""
        ...


class LoopBell:
    """Wakes a coroutine of one event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()
        self._rang = False
        self.ended: Outcome | None = None

    def ring(self, ended: Outcome | None = None) -> None:
        with suppress(RuntimeError):  # its loop was closed: nobody waits there any more
            self._loop.call_soon_threadsafe(self._hear, ended)

    def _hear(self, ended: Outcome | None) -> None:
        self.ended = ended or self.ended
        self._rang = True
        self._event.set()

    async def wait(self, timeout: float) -> bool:
        """Until it rings, or False after so many seconds. A ring since the last wait counts."""
        timer = self._loop.call_later(timeout, self._event.set)
        try:
            await self._event.wait()
        finally:
            timer.cancel()
        self._event.clear()
        rang, self._rang = self._rang, False
        return rang


class ThreadBell:
    """Wakes a blocked thread."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.ended: Outcome | None = None

    def ring(self, ended: Outcome | None = None) -> None:
        self.ended = ended or self.ended
        self._event.set()

    def wait(self, timeout: float) -> bool:
        """As LoopBell.wait."""
        rang = self._event.wait(timeout)
        self._event.clear()
        return rang


@dataclass(slots=True)
class Bells:
    """Who is to be woken by what. Used under the store's lock."""

    by_topic: dict[Hashable, list[Bell]] = field(default_factory=dict)

    def hang(self, topics: Iterable[Hashable], bell: Bell) -> None:
        for topic in topics:
            self.by_topic.setdefault(topic, []).append(bell)

    def take_down(self, topics: Iterable[Hashable], bell: Bell) -> None:
        for topic in topics:
            bells = self.by_topic[topic]
            bells.remove(bell)
            if not bells:
                del self.by_topic[topic]

    def ring(self, topic: Hashable, ended: Outcome | None = None) -> None:
        for bell in self.by_topic.get(topic, ()):
            bell.ring(ended)

    def ring_all(self) -> None:
        for topic in self.by_topic:
            self.ring(topic)
