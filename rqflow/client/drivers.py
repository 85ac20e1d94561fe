"""Drivers: they do what flows ask for, one with blocking calls, one with asyncio; all the client's I/O is here."""

from __future__ import annotations

import asyncio
import os
import threading
import time
import weakref
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractAsyncContextManager, ExitStack
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from rqflow.backend.opening import open_backend, open_sync_backend
from rqflow.backend.protocol import Backend, SyncBackend, Watch
from rqflow.backend.redis.sockets import Timeouts
from rqflow.client.checks import check_span
from rqflow.client.flow import Connect, Emit, Facts, Flow, Listen, Send, Sleep, Stream, Wait
from rqflow.client.gathering import Gathering
from rqflow.client.gathering_threads import ThreadGathering
from rqflow.client.options import ClientOptions
from rqflow.core.run import current
from rqflow.errors import BadInput, NotDeterministic, NotInWorkflow, RqflowError

T = TypeVar("T")
R = TypeVar("R")

AsyncWatches: TypeAlias = list[AbstractAsyncContextManager[Watch]]
"""What a flow listens to, entered."""
CLOSED = "this client was closed; make a new one"


@dataclass(frozen=True, slots=True)
class End(Generic[R]):
    """What a flow came to."""

    result: R


def ended(found: Emit[Any] | End[R]) -> R:
    """What a flow came to that hands out nothing on its way."""
    if isinstance(found, Emit):
        raise TypeError("a stream is iterated, not run")
    return found.result


class SyncDriver:
    """Runs flows with blocking calls. Safe for threads, and for forks: a child opens connections of its own."""

    def __init__(self, url: str, hub: str, backend: SyncBackend | None, options: ClientOptions) -> None:
        self.options = options
        self._url = url
        self._hub = hub
        self._backend = backend
        self._owned = backend is None
        self._closed = False
        self._lock = threading.Lock()
        self._gathering: ThreadGathering | None = None
        self._parents: list[SyncBackend] = []
        _FORKED.add(self)

    def run_flow(self, flow: Flow[R]) -> R:
        """What a flow comes to."""
        _check_outside()
        with ExitStack() as watches:
            watches.callback(flow.close)
            return ended(self._proceed(flow, watches))

    def run_stream(self, stream: Stream[T]) -> Generator[T, None, None]:
        """The values that a stream hands out. What it listens to ends with the iterator."""
        _check_outside()
        with ExitStack() as watches:
            watches.callback(stream.close)
            while isinstance(found := self._proceed(stream, watches), Emit):
                yield found.value

    def close(self) -> None:
        """Close the connections that this client has opened. Waits under way in other threads end with an error."""
        with self._lock:
            self._closed = True
            backend, self._backend, self._gathering = self._backend, None, None
        if backend is not None and self._owned:
            backend.close()

    def after_fork(self) -> None:
        """In a child process: forget the parent's connections, and a lock that a thread of the parent may hold."""
        self._lock = threading.Lock()
        self._gathering = None
        if self._owned and self._backend is not None:
            # Kept, not dropped: a finalizer must not speak on a socket that the parent uses.
            self._parents.append(self._backend)
            self._backend = None

    def _proceed(self, flow: Generator[Any, Any, R], watches: ExitStack) -> Emit[Any] | End[R]:
        """Do what a flow asks for, until it hands out a value or ends."""
        go_on: Callable[[Any], Any] = flow.send
        answer: Any = None
        while True:
            try:
                step = go_on(answer)
            except StopIteration as end:
                return End(end.value)
            if isinstance(step, Emit):
                return step
            go_on = flow.send
            try:
                answer = self._perform(step, watches)
            except RqflowError as error:
                go_on, answer = flow.throw, error

    def _perform(self, step: Any, watches: ExitStack) -> Any:
        match step:
            case Send(calls=calls):
                return self._open().send(calls)
            case Connect():
                backend = self._open().backend
                return Facts(backend.hub, backend.limits)
            case Listen(instance=instance):
                return watches.enter_context(self._open().backend.watch(instance))
            case Wait(watch=watch, seconds=seconds):
                return watch.wait(seconds)
            case Sleep(seconds=seconds):
                return time.sleep(seconds)
            case _:
                raise TypeError(f"no step of a flow: {step!r}")

    def _open(self) -> ThreadGathering:
        gathering = self._gathering
        if gathering is not None:
            return gathering
        with self._lock:
            if self._closed:
                raise BadInput(CLOSED)
            if self._backend is None:
                self._backend = open_sync_backend(self._url, self._hub, **_opening(self.options))
            if self._gathering is None:
                self._gathering = ThreadGathering(self._backend)
            return self._gathering


_FORKED: weakref.WeakSet[SyncDriver] = weakref.WeakSet()


def _after_fork() -> None:
    for driver in list(_FORKED):
        driver.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _opening(options: ClientOptions) -> dict[str, Any]:
    timeouts = Timeouts(durable=check_span("durable_within", options.durable_within, zero=False).total_seconds())
    return {"limits": options.limits, "allow_eviction": options.allow_eviction, "timeouts": timeouts}


def _check_outside() -> None:
    # A replay would ask the store again, and get another answer.
    try:
        info = current().info
    except NotInWorkflow:
        return
    raise NotDeterministic(
        f"a client was used inside workflow {info.workflow!r}; there, use workflow.start_child, workflow.signal and "
        "the like, or do it in an activity"
    )


class AsyncDriver:
    """Runs flows in the running event loop. Thousands at a time share its connections."""

    def __init__(self, url: str, hub: str, backend: Backend | None, options: ClientOptions) -> None:
        self.options = options
        self._url = url
        self._hub = hub
        self._backend = backend
        self._owned = backend is None
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = asyncio.Lock()
        self._gathering: Gathering | None = None

    async def run_flow(self, flow: Flow[R]) -> R:
        """What a flow comes to."""
        _check_outside()
        watches: AsyncWatches = []
        try:
            return ended(await self._proceed(flow, watches))
        finally:
            await _let_go(flow, watches)

    async def run_stream(self, stream: Stream[T]) -> AsyncGenerator[T, None]:
        """The values that a stream hands out. What it listens to ends with the iterator."""
        _check_outside()
        watches: AsyncWatches = []
        try:
            while isinstance(found := await self._proceed(stream, watches), Emit):
                yield found.value
        finally:
            await _let_go(stream, watches)

    async def close(self) -> None:
        """Close the connections that this client has opened. Waits under way in other tasks end with an error."""
        self._closed = True
        backend, self._backend = self._backend, None
        if backend is not None and self._owned:
            await backend.close()

    async def _proceed(self, flow: Generator[Any, Any, R], watches: AsyncWatches) -> Emit[Any] | End[R]:
        """As SyncDriver._proceed."""
        go_on: Callable[[Any], Any] = flow.send
        answer: Any = None
        while True:
            try:
                step = go_on(answer)
            except StopIteration as end:
                return End(end.value)
            if isinstance(step, Emit):
                return step
            go_on = flow.send
            try:
                answer = await self._perform(step, watches)
            except RqflowError as error:
                go_on, answer = flow.throw, error

    async def _perform(self, step: Any, watches: AsyncWatches) -> Any:
        match step:
            case Send(calls=calls):
                return await (self._ready() or await self._open()).send(calls)
            case Connect():
                backend = (self._ready() or await self._open()).backend
                return Facts(backend.hub, backend.limits)
            case Listen(instance=instance):
                watching = (self._ready() or await self._open()).backend.watch(instance)
                watch = await watching.__aenter__()
                watches.append(watching)
                return watch
            case Wait(watch=watch, seconds=seconds):
                return await watch.wait(seconds)
            case Sleep(seconds=seconds):
                return await asyncio.sleep(seconds)
            case _:
                raise TypeError(f"no step of a flow: {step!r}")

    def _ready(self) -> Gathering | None:
        """What is open already, for this loop."""
        found = self._gathering
        return found if found is not None and found.loop is asyncio.get_running_loop() and not self._closed else None

    async def _open(self) -> Gathering:
        loop = asyncio.get_running_loop()
        backend = self._backend
        if backend is None or self._owned:
            backend = await self._opened(loop)
        self._gathering = Gathering(backend)
        return self._gathering

    async def _opened(self, loop: asyncio.AbstractEventLoop) -> Backend:
        self._enter(loop)
        async with self._lock:
            if self._closed:
                raise BadInput(CLOSED)
            if self._backend is None:
                self._backend = await open_backend(self._url, self._hub, **_opening(self.options))
            return self._backend

    def _enter(self, loop: asyncio.AbstractEventLoop) -> None:
        # Connections belong to the loop they were opened in. A loop that has ended took them along (asyncio.run twice,
        # a test for each loop): open anew. Two live loops would share one socket: refused.
        if self._loop is loop:
            return
        if self._loop is not None and not self._loop.is_closed():
            raise BadInput("this AsyncClient is used in another event loop; make one client for each loop")
        self._loop = loop
        self._lock = asyncio.Lock()
        if self._owned:
            self._backend = None


async def _let_go(flow: Generator[Any, Any, Any], watches: AsyncWatches) -> None:
    """End a flow, and what it listened to. (An AsyncExitStack for each flow would take as long as all else here.)"""
    flow.close()
    for watch in reversed(watches):
        await watch.__aexit__(None, None, None)
