"""Verbs: flows made into methods, so that a client's and a handle's class is a list of what it can do.

`signal = verb(steering.signal)` gives a class the method `signal(id, name, value)`, typed by the flow: blocking in one
class, awaitable in the other. The methods of a handle leave out the id.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from rqflow.client.drivers import AsyncDriver, SyncDriver
from rqflow.client.flow import Flow, Stream
from rqflow.client.options import ClientOptions

P = ParamSpec("P")
T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


class SyncPart(Protocol):
    """A handle, as its verbs see it: an instance's id and the driver of its client."""

    @property
    def id(self) -> str: ...

    @property
    def driver(self) -> SyncDriver: ...


class AsyncPart(Protocol):
    """The asynchronous twin of SyncPart."""

    @property
    def id(self) -> str: ...

    @property
    def driver(self) -> AsyncDriver: ...


class SyncRunner(Protocol):
    """A client, or a part of one that stands for it, as its verbs see it."""

    @property
    def options(self) -> ClientOptions: ...

    def run_flow(self, flow: Flow[T]) -> T: ...

    def run_stream(self, stream: Stream[T]) -> Generator[T, None, None]: ...


class AsyncRunner(Protocol):
    """The asynchronous twin of SyncRunner."""

    @property
    def options(self) -> ClientOptions: ...

    async def run_flow(self, flow: Flow[T]) -> T: ...

    def run_stream(self, stream: Stream[T]) -> AsyncGenerator[T, None]: ...


def verb(flow: Callable[Concatenate[ClientOptions, P], Flow[T]]) -> Callable[Concatenate[SyncRunner, P], T]:
    """A blocking method of a client."""

    @wraps(flow)
    def method(self: SyncRunner, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.run_flow(flow(self.options, *args, **kwargs))

    return _shown(method, flow, 1)


def stream_verb(
    flow: Callable[Concatenate[ClientOptions, P], Stream[T]],
) -> Callable[Concatenate[SyncRunner, P], Generator[T, None, None]]:
    """A method of a client that gives an iterator."""

    @wraps(flow)
    def method(self: SyncRunner, /, *args: P.args, **kwargs: P.kwargs) -> Generator[T, None, None]:
        return self.run_stream(flow(self.options, *args, **kwargs))

    return _shown(method, flow, 1)


def async_verb(
    flow: Callable[Concatenate[ClientOptions, P], Flow[T]],
) -> Callable[Concatenate[AsyncRunner, P], Coroutine[Any, Any, T]]:
    """An awaitable method of a client."""

    @wraps(flow)
    async def method(self: AsyncRunner, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.run_flow(flow(self.options, *args, **kwargs))

    return _shown(method, flow, 1)


def async_stream_verb(
    flow: Callable[Concatenate[ClientOptions, P], Stream[T]],
) -> Callable[Concatenate[AsyncRunner, P], AsyncGenerator[T, None]]:
    """A method of a client that gives an asynchronous iterator."""

    @wraps(flow)
    def method(self: AsyncRunner, /, *args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[T, None]:
        return self.run_stream(flow(self.options, *args, **kwargs))

    return _shown(method, flow, 1)


def handle_verb(
    flow: Callable[Concatenate[ClientOptions, str, P], Flow[T]],
) -> Callable[Concatenate[SyncPart, P], T]:
    """A blocking method of a handle."""

    @wraps(flow)
    def method(self: SyncPart, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.driver.run_flow(flow(self.driver.options, self.id, *args, **kwargs))

    return _shown(method, flow, 2)


def handle_stream_verb(
    flow: Callable[Concatenate[ClientOptions, str, P], Stream[T]],
) -> Callable[Concatenate[SyncPart, P], Generator[T, None, None]]:
    """A method of a handle that gives an iterator."""

    @wraps(flow)
    def method(self: SyncPart, /, *args: P.args, **kwargs: P.kwargs) -> Generator[T, None, None]:
        return self.driver.run_stream(flow(self.driver.options, self.id, *args, **kwargs))

    return _shown(method, flow, 2)


def async_handle_verb(
    flow: Callable[Concatenate[ClientOptions, str, P], Flow[T]],
) -> Callable[Concatenate[AsyncPart, P], Coroutine[Any, Any, T]]:
    """An awaitable method of a handle."""

    @wraps(flow)
    async def method(self: AsyncPart, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.driver.run_flow(flow(self.driver.options, self.id, *args, **kwargs))

    return _shown(method, flow, 2)


def async_handle_stream_verb(
    flow: Callable[Concatenate[ClientOptions, str, P], Stream[T]],
) -> Callable[Concatenate[AsyncPart, P], AsyncGenerator[T, None]]:
    """A method of a handle that gives an asynchronous iterator."""

    @wraps(flow)
    def method(self: AsyncPart, /, *args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[T, None]:
        return self.driver.run_stream(flow(self.driver.options, self.id, *args, **kwargs))

    return _shown(method, flow, 2)


def _shown(method: F, flow: Callable[..., Any], left_out: int) -> F:
    """The method with the signature that its callers see: without the parameters that it fills in."""
    signature = inspect.signature(flow)
    itself = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    parameters = [itself, *list(signature.parameters.values())[left_out:]]
    shown = signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty)
    vars(method)["__signature__"] = shown
    return method
