"""Handle: one instance in the hand of a caller, typed by what its workflow returns."""

from __future__ import annotations

from dataclasses import replace
from typing import Generic, TypeVar, Unpack

from rqflow.client import asking, reading, removing, rerunning, results, steering, watching
from rqflow.client.drivers import AsyncDriver, SyncDriver
from rqflow.client.options import RerunKeywords, Span
from rqflow.client.starting import Placed
from rqflow.client.verbs import (
    async_handle_stream_verb,
    async_handle_verb,
    handle_stream_verb,
    handle_verb,
)

R = TypeVar("R")


class _Instance(Generic[R]):
    """What both kinds of handle know."""

    def __init__(self, placed: Placed[R]) -> None:
        self._placed = placed

    @property
    def id(self) -> str:
        """The instance's id."""
        return self._placed.instance

    @property
    def run(self) -> str:
        """The run that was current when this handle was made; empty if it was made from an id alone."""
        return self._placed.run

    @property
    def created(self) -> bool:
        """Whether the start that gave this handle made the instance, rather than find it."""
        return self._placed.created

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r})"


class Handle(_Instance[R]):
    """An instance, for blocking code. Holds no connection: it may be dropped at any time."""

    def __init__(self, driver: SyncDriver, placed: Placed[R]) -> None:
        super().__init__(placed)
        self.driver = driver

    def result(self, timeout: Span | None = None) -> R:
        """What the instance came to, waiting up to `timeout`. Raises as `Client.result`."""
        return self.driver.run_flow(results.handle_result(self.driver.options, self._placed, timeout))

    def rerun(self, **options: Unpack[RerunKeywords]) -> Handle[R]:
        """Let it begin again after its end, see RerunKeywords. Raises as `rqflow.client.rerunning.rerun`."""
        flow = rerunning.rerun(self.driver.options, self.id, **options)
        return Handle(self.driver, replace(self.driver.run_flow(flow), decode=self._placed.decode))

    signal = handle_verb(steering.signal)
    query = handle_verb(asking.query)
    update = handle_verb(asking.update)
    cancel = handle_verb(steering.cancel)
    terminate = handle_verb(steering.terminate)
    suspend = handle_verb(steering.suspend)
    resume = handle_verb(steering.resume)
    describe = handle_verb(reading.describe)
    custom_status = handle_verb(reading.custom_status)
    history = handle_stream_verb(reading.history)
    watch = handle_stream_verb(watching.watch)
    wait_for = handle_verb(watching.wait_for)
    purge = handle_verb(removing.purge)


class AsyncHandle(_Instance[R]):
    """An instance, for asynchronous code. Holds no connection: it may be dropped at any time."""

    def __init__(self, driver: AsyncDriver, placed: Placed[R]) -> None:
        super().__init__(placed)
        self.driver = driver

    async def result(self, timeout: Span | None = None) -> R:
        """What the instance came to, waiting up to `timeout`. Raises as `AsyncClient.result`."""
        return await self.driver.run_flow(results.handle_result(self.driver.options, self._placed, timeout))

    async def rerun(self, **options: Unpack[RerunKeywords]) -> AsyncHandle[R]:
        """Let it begin again after its end, see RerunKeywords. Raises as `rqflow.client.rerunning.rerun`."""
        flow = rerunning.rerun(self.driver.options, self.id, **options)
        return AsyncHandle(self.driver, replace(await self.driver.run_flow(flow), decode=self._placed.decode))

    signal = async_handle_verb(steering.signal)
    query = async_handle_verb(asking.query)
    update = async_handle_verb(asking.update)
    cancel = async_handle_verb(steering.cancel)
    terminate = async_handle_verb(steering.terminate)
    suspend = async_handle_verb(steering.suspend)
    resume = async_handle_verb(steering.resume)
    describe = async_handle_verb(reading.describe)
    custom_status = async_handle_verb(reading.custom_status)
    history = async_handle_stream_verb(reading.history)
    watch = async_handle_stream_verb(watching.watch)
    wait_for = async_handle_verb(watching.wait_for)
    purge = async_handle_verb(removing.purge)
