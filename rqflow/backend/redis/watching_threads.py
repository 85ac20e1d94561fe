"""Watching from threads: one pub/sub connection and one background thread for all who wait without an event loop."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from rqflow.backend.calls.instances import Outcome
from rqflow.backend.redis.blocking import BlockingConnection
from rqflow.backend.redis.channels import Channels
from rqflow.backend.redis.notices import read_end
from rqflow.backend.redis.servers import BlockingServers
from rqflow.backend.redis.watching import BACKOFF, PING_SECONDS
from rqflow.errors import BackendError, BackendUnavailable

LOOK_SECONDS: Final = 1.0
"""How often silence is looked at; `close` does not wait for it."""


class BlockingWatchOfInstance:
    """What `watch` gives: told whenever something may have happened."""

    def __init__(self) -> None:
        self._noticed = threading.Event()
        self._told: Any = b""
        self._settled = threading.Event()
        self._confirmed = False
        self._error: BackendUnavailable | None = None

    def wait(self, timeout: float) -> bool:
        """Until the next notice, or False after `timeout` seconds."""
        if not self._noticed.wait(timeout):
            return False
        self._noticed.clear()
        return True

    def settled(self) -> None:
        """Until Redis has confirmed, or cannot be reached."""
        self._settled.wait()
        if self._error is not None:
            raise self._error

    @property
    def ended(self) -> Outcome | None:
        return read_end(self._told)

    def notice(self, message: Any) -> None:
        # An end is not forgotten for what came after it.
        self._told = message or self._told
        self._noticed.set()

    def confirm(self) -> None:
        self._confirmed = True
        self._settled.set()

    def give_up(self, error: BackendUnavailable) -> None:
        if not self._confirmed:
            self._error = error
            self._settled.set()


class BlockingWatching:
    """The connection, its thread, and who listens; begun at the first `watch`, and anew in a forked child."""

    def __init__(self, servers: BlockingServers) -> None:
        self._servers = servers
        self._closed = False
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._channels: Channels[BlockingWatchOfInstance] = Channels()
        self._connection: BlockingConnection | None = None
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    @contextmanager
    def watch(self, name: str) -> Iterator[BlockingWatchOfInstance]:
        """Listen to a channel; entered when Redis has confirmed. Raises BackendUnavailable if it cannot be reached."""
        if os.getpid() != self._pid:
            # Threads do not survive a fork, and the parent's connection is not ours to read.
            if self._connection is not None:
                self._connection.close()
            self._begin()
        watch = BlockingWatchOfInstance()
        self._enter(name, watch)
        try:
            watch.settled()
            yield watch
        finally:
            self._leave(name, watch)

    def _enter(self, name: str, watch: BlockingWatchOfInstance) -> None:
        with self._lock:
            if self._closed:
                raise BackendUnavailable("this backend was closed")
            command = self._channels.enter(name, watch)
            if command is not None and self._connection is not None:
                # If this fails the thread sees it too, and asks for all channels on its next connection.
                with suppress(BackendUnavailable):
                    self._connection.write([command])
            if self._thread is None:
                self._thread = threading.Thread(target=self._keep, name="rqflow-watch", daemon=True)
                self._thread.start()

    def _leave(self, name: str, watch: BlockingWatchOfInstance) -> None:
        with self._lock:
            command = self._channels.leave(name, watch)
            if command is not None and self._connection is not None:
                with suppress(BackendUnavailable):
                    self._connection.write([command])

    def _keep(self) -> None:
        """The thread: hold a connection until `close`."""
        failures = 0
        while not self._stop.is_set():
            try:
                connection = self._connect()
            except BackendError as error:
                with self._lock:
                    self._channels.give_up(_unavailable(error))
                self._stop.wait(BACKOFF[min(failures, len(BACKOFF) - 1)])
                failures += 1
                continue
            failures = 0
            try:
                self._listen(connection)
            except BackendUnavailable:
                self._servers.routes.suspect()
            finally:
                with self._lock:
                    self._connection = None
                connection.close()

    def _connect(self) -> BlockingConnection:
        routes = self._servers.routes
        if routes.stale:
            self._servers.search()
        error = BackendUnavailable(f"{self._servers.address} has no servers")
        for endpoint in routes.nodes:
            try:
                connection = BlockingConnection(self._servers.address, endpoint, self._servers.timeouts)
            except BackendUnavailable as reason:
                routes.suspect()
                error = reason
                continue
            with self._lock:
                self._connection = connection
                for command in self._channels.again():
                    connection.write([command])
            return connection
        raise error

    def _listen(self, connection: BlockingConnection) -> None:
        silent = 0.0
        while not self._stop.is_set():
            reply = connection.read_within(LOOK_SECONDS)
            if reply is not None:
                silent = 0.0
                with self._lock:
                    self._channels.heard(reply)
                continue
            silent += LOOK_SECONDS
            if silent >= 2 * PING_SECONDS:
                return
            if silent % PING_SECONDS < LOOK_SECONDS:
                with self._lock:
                    parting = self._channels.part()
                    connection.write([parting, ("PING",)] if parting else [("PING",)])

    def close(self) -> None:
        """Stop the thread and hang up; those who wait run into their own timeouts."""
        with self._lock:
            self._closed = True
            thread, self._thread = self._thread, None
            self._stop.set()
            if self._connection is not None and os.getpid() == self._pid:
                self._connection.close()
        if thread is not None and os.getpid() == self._pid:
            thread.join()
        with self._lock:
            self._channels.give_up(BackendUnavailable("this backend was closed"))


def _unavailable(error: BackendError) -> BackendUnavailable:
    if isinstance(error, BackendUnavailable):
        return error
    wrapped = BackendUnavailable(str(error))
    wrapped.__cause__ = error
    return wrapped
