"""Listening: the words of workflow code for signals, queries, updates and conditions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar, overload

from rqflow.authoring import messages, state
from rqflow.authoring.options import Span

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


class ListenWords:
    """Part of `workflow`: what others tell and ask."""

    @overload
    def receive(self, name: str, type: type[T]) -> Coroutine[Any, Any, T]: ...

    @overload
    def receive(self, name: str, type: Any = Any) -> Coroutine[Any, Any, Any]: ...

    def receive(self, name: str, type: Any = Any) -> Coroutine[Any, Any, Any]:
        """The next signal of this name that nobody has taken, in order of arrival, from before it was asked for too.

        One that does not fit `type` is taken and raises BadValue."""
        return messages.receive(name, type)

    @overload
    def signals(self, name: str, type: type[T]) -> AsyncIterator[T]: ...

    @overload
    def signals(self, name: str, type: Any = Any) -> AsyncIterator[Any]: ...

    def signals(self, name: str, type: Any = Any) -> AsyncIterator[Any]:
        """`async for` over the signals of this name, without end."""
        return messages.signals(name, type)

    @overload
    def on_signal(self, name: F) -> F: ...

    @overload
    def on_signal(self, name: str | None = None) -> Callable[[F], F]: ...

    @overload
    def on_signal(self, name: str | None, handler: F) -> F: ...

    def on_signal(self, name: Any = None, handler: Any = None) -> Any:
        """Let a function handle every signal of a name (its own if left out), those that wait already too.

        `@workflow.on_signal` in the workflow's body, or `workflow.on_signal("approve", handler)`. The value is typed
        by the handler's annotation; one that does not fit is reported and dropped. Raises BadInput."""

        def register(fn: F) -> F:
            return messages.on_signal(_name(name, fn), fn)

        return _decorate(name, handler, register)

    @overload
    def on_query(self, name: F) -> F: ...

    @overload
    def on_query(self, name: str | None = None) -> Callable[[F], F]: ...

    @overload
    def on_query(self, name: str | None, handler: F) -> F: ...

    def on_query(self, name: Any = None, handler: Any = None) -> Any:
        """Let a plain function answer queries of a name (its own if left out): it looks and changes nothing.

        Raises BadInput."""

        def register(fn: F) -> F:
            return messages.on_query(_name(name, fn), fn)

        return _decorate(name, handler, register)

    @overload
    def on_update(self, name: F) -> F: ...

    @overload
    def on_update(
        self, name: str | None = None, *, validator: Callable[..., None] | None = None
    ) -> Callable[[F], F]: ...

    @overload
    def on_update(self, name: str | None, handler: F, *, validator: Callable[..., None] | None = None) -> F: ...

    def on_update(self, name: Any = None, handler: Any = None, *, validator: Any = None) -> Any:
        """Let a function, async or not, carry out updates of a name (its own if left out) and answer them.

        `validator` takes the same arguments and refuses by raising: then nothing is recorded. Raises BadInput."""

        def register(fn: F) -> F:
            return messages.on_update(_name(name, fn), fn, validator)

        return _decorate(name, handler, register)

    def wait_until(self, predicate: Callable[[], bool], timeout: Span | None = None) -> Coroutine[Any, Any, None]:
        """Wait until `predicate()` is true; it is asked after each step. Raises TimeoutError, BadInput."""
        seconds = None if timeout is None else state.seconds("wait_until timeout", timeout)
        return messages.wait_until(predicate, seconds)


def _name(name: Any, fn: Callable[..., Any]) -> str:
    return name if isinstance(name, str) else fn.__name__


def _decorate(name: Any, handler: Any, register: Callable[[F], F]) -> Any:
    if handler is not None:
        return register(handler)
    return register(name) if callable(name) else register
