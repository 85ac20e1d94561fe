"""AsyncClient: ask for work from asynchronous code; the same verbs as Client, awaited."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeAlias, TypeVar, Unpack, overload

from rqflow.authoring.workflows import Workflow
from rqflow.backend.protocol import Backend
from rqflow.client import (
    asking,
    lifecycle,
    listing,
    reading,
    removing,
    rerunning,
    results,
    starting,
    statistics,
    steering,
    watching,
)
from rqflow.client.drivers import AsyncDriver
from rqflow.client.handle import AsyncHandle
from rqflow.client.options import DEFAULT_URL, ClientOptions, RerunKeywords, StartKeywords, StartOptions, start_options
from rqflow.client.schedule_verbs import AsyncSchedules
from rqflow.client.starting import Opening, Request
from rqflow.client.verbs import async_stream_verb, async_verb
from rqflow.errors import RqflowError

P = ParamSpec("P")
R = TypeVar("R")

AsyncItems: TypeAlias = list[AsyncHandle[Any] | RqflowError]
"""What became of the items of `start_many`, in their order."""


class AsyncClient(AsyncDriver):
    """Start, steer, read and await instances of one hub, from asynchronous code.

    One for each event loop, shared by all its tasks; connects at its first use; retries what a broken connection left
    open, which is safe because every order carries an id. Close it, or use it in an `async with`.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        hub: str = "default",
        backend: Backend | None = None,
        options: ClientOptions | None = None,
    ) -> None:
        """A client of the hub at `url`; or of a `backend` that is open already, and stays the caller's to close."""
        super().__init__(url, hub, backend, options or ClientOptions())
        self.schedules = AsyncSchedules(self)

    @overload
    async def start(
        self, workflow: Workflow[..., R], *args: Any, **options: Unpack[StartKeywords]
    ) -> AsyncHandle[R]: ...
    @overload
    async def start(
        self, workflow: str, *args: Any, result_type: type[R], **options: Unpack[StartKeywords]
    ) -> AsyncHandle[R]: ...
    @overload
    async def start(
        self, workflow: str, *args: Any, result_type: Any = None, **options: Unpack[StartKeywords]
    ) -> AsyncHandle[Any]: ...
    async def start(self, workflow: Any, *args: Any, result_type: Any = None, **options: Any) -> AsyncHandle[Any]:
        """Start an instance: `await start(checkout, order, id="order-42")`, or by name: `start("checkout", order)`.

        What stands by position is the workflow's, every keyword is an option of the start (see StartOptions). Arguments
        that the workflow takes by keyword go through `with_options(id=…).start(checkout, order=order)`.
        Raises InstanceExists, LimitReached; BadInput before anything is sent.
        """
        request = Request(workflow, args, {}, start_options(options), result_type)
        return AsyncHandle(self, await self.run_flow(starting.start(self.options, request)))

    def with_options(self, **options: Unpack[StartKeywords]) -> AsyncStarter:
        """The start options apart, so that every argument of `.start(…)` is the workflow's and checked by its types."""
        return AsyncStarter(self, start_options(dict(options)))

    async def start_many(self, requests: Sequence[Request]) -> AsyncItems:
        """Start many instances, hundreds in one round trip: `start_many([Request.of(checkout, order, id=…), …])`.

        Each item has its own handle or error, in order: one that is refused harms no other.
        """
        answers = await self.run_flow(starting.start_many(self.options, requests))
        return [answer if isinstance(answer, RqflowError) else AsyncHandle(self, answer) for answer in answers]

    @overload
    async def signal_with_start(
        self, workflow: Workflow[..., R], *args: Any, signal: Any, value: Any = None, **options: Unpack[StartKeywords]
    ) -> AsyncHandle[R]: ...
    @overload
    async def signal_with_start(
        self, workflow: str, *args: Any, signal: Any, value: Any = None, **options: Unpack[StartKeywords]
    ) -> AsyncHandle[Any]: ...
    async def signal_with_start(
        self, workflow: Any, *args: Any, signal: Any, value: Any = None, **options: Any
    ) -> AsyncHandle[Any]:
        """Signal an instance, starting it first if no open one has the id: one atomic step."""
        request = Request(workflow, args, {}, start_options(options))
        return AsyncHandle(self, await self.run_flow(starting.start(self.options, request, Opening(signal, value))))

    def handle(self, id: str, *, result_type: type[R] | None = None) -> AsyncHandle[R]:
        """A handle on an instance by its id; nothing is sent, the instance need not exist yet."""
        return AsyncHandle(self, starting.known(id, result_type))

    async def rerun(self, id: str, **options: Unpack[RerunKeywords]) -> AsyncHandle[Any]:
        """Let an instance that has ended or stalled begin again: from its start, from an event, or what failed of it.

        See RerunKeywords; raises as rqflow.client.rerunning.rerun.
        """
        return AsyncHandle(self, await self.run_flow(rerunning.rerun(self.options, id, **options)))

    signal = async_verb(steering.signal)
    query = async_verb(asking.query)
    update = async_verb(asking.update)
    update_with_start = async_verb(asking.update_with_start)
    result = async_verb(results.result)
    cancel = async_verb(steering.cancel)
    terminate = async_verb(steering.terminate)
    suspend = async_verb(steering.suspend)
    resume = async_verb(steering.resume)
    describe = async_verb(reading.describe)
    custom_status = async_verb(reading.custom_status)
    history = async_stream_verb(reading.history)
    watch = async_stream_verb(watching.watch)
    wait_for = async_verb(watching.wait_for)
    list = async_stream_verb(listing.list_instances)
    list_page = async_verb(listing.list_page)
    events = async_stream_verb(lifecycle.events)
    events_page = async_verb(lifecycle.events_page)
    stats = async_verb(statistics.stats)
    purge = async_verb(removing.purge)
    purge_many = async_verb(removing.purge_many)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class AsyncStarter:
    """A client with start options set: the arguments of `start` are all the workflow's."""

    def __init__(self, client: AsyncClient, options: StartOptions) -> None:
        self._client = client
        self._options = options

    @overload
    async def start(self, workflow: Workflow[P, R], *args: P.args, **kwargs: P.kwargs) -> AsyncHandle[R]: ...
    @overload
    async def start(self, workflow: str, *args: Any, **kwargs: Any) -> AsyncHandle[Any]: ...
    async def start(self, workflow: Any, *args: Any, **kwargs: Any) -> AsyncHandle[Any]:
        """Start an instance with these arguments. Raises as `AsyncClient.start`."""
        request = Request(workflow, args, kwargs, self._options)
        return AsyncHandle(self._client, await self._client.run_flow(starting.start(self._client.options, request)))
