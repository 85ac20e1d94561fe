"""Schedule verbs: `client.schedules`, the part of a client that writes and reads schedules."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from typing import TypeVar

from rqflow.client import schedule_applying, schedule_reading, scheduling
from rqflow.client.drivers import AsyncDriver, SyncDriver
from rqflow.client.flow import Flow, Stream
from rqflow.client.options import ClientOptions
from rqflow.client.verbs import async_stream_verb, async_verb, stream_verb, verb

T = TypeVar("T")


class Schedules:
    """Recurring workflows, for blocking code."""

    def __init__(self, driver: SyncDriver) -> None:
        self._driver = driver

    @property
    def options(self) -> ClientOptions:
        """The client's."""
        return self._driver.options

    def run_flow(self, flow: Flow[T]) -> T:
        """As the client does."""
        return self._driver.run_flow(flow)

    def run_stream(self, stream: Stream[T]) -> Generator[T, None, None]:
        """As the client does."""
        return self._driver.run_stream(stream)

    create = verb(scheduling.create)
    get = verb(schedule_reading.get)
    list = stream_verb(schedule_reading.list_schedules)
    update = verb(scheduling.update)
    delete = verb(scheduling.delete)
    pause = verb(scheduling.pause)
    resume = verb(scheduling.resume)
    trigger = verb(scheduling.trigger)
    backfill = verb(scheduling.backfill)
    cancel_backfill = verb(scheduling.cancel_backfill)
    preview = verb(schedule_reading.preview)
    apply = verb(schedule_applying.apply_workflows)


class AsyncSchedules:
    """Recurring workflows, for asynchronous code."""

    def __init__(self, driver: AsyncDriver) -> None:
        self._driver = driver

    @property
    def options(self) -> ClientOptions:
        """The client's."""
        return self._driver.options

    async def run_flow(self, flow: Flow[T]) -> T:
        """As the client does."""
        return await self._driver.run_flow(flow)

    def run_stream(self, stream: Stream[T]) -> AsyncGenerator[T, None]:
        """As the client does."""
        return self._driver.run_stream(stream)

    create = async_verb(scheduling.create)
    get = async_verb(schedule_reading.get)
    list = async_stream_verb(schedule_reading.list_schedules)
    update = async_verb(scheduling.update)
    delete = async_verb(scheduling.delete)
    pause = async_verb(scheduling.pause)
    resume = async_verb(scheduling.resume)
    trigger = async_verb(scheduling.trigger)
    backfill = async_verb(scheduling.backfill)
    cancel_backfill = async_verb(scheduling.cancel_backfill)
    preview = async_verb(schedule_reading.preview)
    apply = async_verb(schedule_applying.apply_workflows)
