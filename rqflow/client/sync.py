"""Client: ask for work from blocking code."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeAlias, TypeVar, Unpack, overload

from rqflow.authoring.workflows import Workflow
from rqflow.backend.protocol import SyncBackend
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
from rqflow.client.drivers import SyncDriver
from rqflow.client.handle import Handle
from rqflow.client.options import DEFAULT_URL, ClientOptions, RerunKeywords, StartKeywords, StartOptions, start_options
from rqflow.client.schedule_verbs import Schedules
from rqflow.client.starting import Opening, Request
from rqflow.client.verbs import stream_verb, verb
from rqflow.errors import RqflowError

P = ParamSpec("P")
R = TypeVar("R")

Items: TypeAlias = list[Handle[Any] | RqflowError]
"""What became of the items of `start_many`, in their order."""


class Client(SyncDriver):
    """Start, steer, read and await instances of one hub, from blocking code.

    Safe for threads and forks; connects at its first use; retries what a broken connection left open, which is safe
    because every order carries an id. Close it, or use it in a `with`.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        hub: str = "default",
        backend: SyncBackend | None = None,
        options: ClientOptions | None = None,
    ) -> None:
        """A client of the hub at `url`; or of a `backend` that is open already, and stays the caller's to close."""
        super().__init__(url, hub, backend, options or ClientOptions())
        self.schedules = Schedules(self)

    @overload
    def start(self, workflow: Workflow[..., R], *args: Any, **options: Unpack[StartKeywords]) -> Handle[R]: ...
    @overload
    def start(self, workflow: str, *args: Any, result_type: type[R], **options: Unpack[StartKeywords]) -> Handle[R]: ...
    @overload
    def start(
        self, workflow: str, *args: Any, result_type: Any = None, **options: Unpack[StartKeywords]
    ) -> Handle[Any]: ...
    def start(self, workflow: Any, *args: Any, result_type: Any = None, **options: Any) -> Handle[Any]:
        """Start an instance: `start(checkout, order, id="order-42")`, or by name: `start("checkout", order)`.

        What stands by position is the workflow's, every keyword is an option of the start (see StartOptions). Arguments
        that the workflow takes by keyword go through `with_options(id=…).start(checkout, order=order)`.
        Raises InstanceExists, LimitReached; BadInput before anything is sent.
        """
        request = Request(workflow, args, {}, start_options(options), result_type)
        return Handle(self, self.run_flow(starting.start(self.options, request)))

    def with_options(self, **options: Unpack[StartKeywords]) -> Starter:
        """The start options apart, so that every argument of `.start(…)` is the workflow's and checked by its types."""
        return Starter(self, start_options(dict(options)))

    def start_many(self, requests: Sequence[Request]) -> Items:
        """Start many instances, hundreds in one round trip: `start_many([Request.of(checkout, order, id=…), …])`.

        Each item has its own handle or error, in order: one that is refused harms no other.
        """
        answers = self.run_flow(starting.start_many(self.options, requests))
        return [answer if isinstance(answer, RqflowError) else Handle(self, answer) for answer in answers]

    @overload
    def signal_with_start(
        self, workflow: Workflow[..., R], *args: Any, signal: Any, value: Any = None, **options: Unpack[StartKeywords]
    ) -> Handle[R]: ...
    @overload
    def signal_with_start(
        self, workflow: str, *args: Any, signal: Any, value: Any = None, **options: Unpack[StartKeywords]
    ) -> Handle[Any]: ...
    def signal_with_start(
        self, workflow: Any, *args: Any, signal: Any, value: Any = None, **options: Any
    ) -> Handle[Any]:
        """Signal an instance, starting it first if no open one has the id: one atomic step."""
        request = Request(workflow, args, {}, start_options(options))
        return Handle(self, self.run_flow(starting.start(self.options, request, Opening(signal, value))))

    def handle(self, id: str, *, result_type: type[R] | None = None) -> Handle[R]:
        """A handle on an instance by its id; nothing is sent, the instance need not exist yet."""
        return Handle(self, starting.known(id, result_type))

    def rerun(self, id: str, **options: Unpack[RerunKeywords]) -> Handle[Any]:
        """Let an instance that has ended or stalled begin again: from its start, from an event, or what failed of it.

        See RerunKeywords; raises as rqflow.client.rerunning.rerun.
        """
        return Handle(self, self.run_flow(rerunning.rerun(self.options, id, **options)))

    signal = verb(steering.signal)
    query = verb(asking.query)
    update = verb(asking.update)
    update_with_start = verb(asking.update_with_start)
    result = verb(results.result)
    cancel = verb(steering.cancel)
    terminate = verb(steering.terminate)
    suspend = verb(steering.suspend)
    resume = verb(steering.resume)
    describe = verb(reading.describe)
    custom_status = verb(reading.custom_status)
    history = stream_verb(reading.history)
    watch = stream_verb(watching.watch)
    wait_for = verb(watching.wait_for)
    list = stream_verb(listing.list_instances)
    list_page = verb(listing.list_page)
    events = stream_verb(lifecycle.events)
    events_page = verb(lifecycle.events_page)
    stats = verb(statistics.stats)
    purge = verb(removing.purge)
    purge_many = verb(removing.purge_many)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Starter:
    """A client with start options set: the arguments of `start` are all the workflow's."""

    def __init__(self, client: Client, options: StartOptions) -> None:
        self._client = client
        self._options = options

    @overload
    def start(self, workflow: Workflow[P, R], *args: P.args, **kwargs: P.kwargs) -> Handle[R]: ...
    @overload
    def start(self, workflow: str, *args: Any, **kwargs: Any) -> Handle[Any]: ...
    def start(self, workflow: Any, *args: Any, **kwargs: Any) -> Handle[Any]:
        """Start an instance with these arguments. Raises as `Client.start`."""
        request = Request(workflow, args, kwargs, self._options)
        return Handle(self._client, self._client.run_flow(starting.start(self._client.options, request)))
