"""Messages: signals, queries and updates as workflow code takes and answers them, typed by their handlers.

A handler of one parameter is given the value itself; one of several is given them by name or by position, as a call.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, TypeVar

from rqflow.authoring.limits import check_name
from rqflow.authoring.parameters import Parameters, names_around
from rqflow.converters.convert import DEFAULT, load, read
from rqflow.core.events import Payload
from rqflow.core.run import current
from rqflow.errors import BadInput, BadValue

F = TypeVar("F", bound=Callable[..., Any])

_DEPTH: Final = 3
"""Frames from `_Handler` to a handler's surroundings: itself, its function here, and the face's."""


class _Handler:
    """A user's function that takes a message."""

    __slots__ = ("fn", "name", "parameters", "where")

    def __init__(self, kind: str, name: str, fn: Callable[..., Any]) -> None:
        if not callable(fn) or inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
            raise BadInput(f"{kind} {name}: a handler is a function that returns, got {fn!r:.80}")
        self.fn = fn
        self.name = name
        self.where = f"{kind} {name}"
        names = names_around(fn, _DEPTH) if hasattr(fn, "__qualname__") else None
        self.parameters = Parameters(fn, self.where, DEFAULT, names)

    def arguments(self, payload: Payload) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """What the handler is called with. Raises BadValue."""
        binding = self.parameters.binding
        plain = load(payload, self.where)
        if len(binding.positional) == 1 and len(binding.parameters) == 1:
            return self._single(binding.positional[0], plain, payload)
        if plain is None or plain in ({}, []):
            return self.parameters.decode_call(b"")
        if not binding.parameters:
            return (), {}  # it wants no more than the fact
        return self.parameters.decode_call(payload)

    def _single(self, name: str, plain: Any, payload: Payload) -> tuple[tuple[Any, ...], dict[str, Any]]:
        optional = name not in self.parameters.binding.required
        if optional and (not payload or plain is None):
            return (), {}
        where = f"{self.where}, parameter {name}"
        reader = self.parameters.plans[name].read
        try:
            return (read(reader, plain, where),), {}
        except BadValue:
            # Sent as a call's arguments: by name from the command line, by position from other code.
            if isinstance(plain, dict) and plain.keys() == {name}:
                return (read(reader, plain[name], where),), {}
            if isinstance(plain, list) and len(plain) == 1:
                return (read(reader, plain[0], where),), {}
            raise


async def receive(name: str, type: Any) -> Any:
    """The next signal of this name, taken at the moment the code goes on with it: until then it is not lost [P8]."""
    where = f"signal {check_name('signal', name)}"
    return DEFAULT.decode(await current().receive(name), type, where=where)


async def signals(name: str, type: Any) -> AsyncIterator[Any]:
    """Every signal of this name, as they come, without end."""
    while True:
        yield await receive(name, type)


def on_signal(name: str, fn: F) -> F:
    """Let `fn` handle every signal of this name, those that wait already too."""
    handler = _Handler("signal", check_name("signal", name), fn)

    def handle(payload: Payload) -> Awaitable[None] | None:
        args, kwargs = handler.arguments(payload)
        answer: Awaitable[None] | None = fn(*args, **kwargs)
        return answer if inspect.isawaitable(answer) else None

    current().on_signal(name, handle)
    return fn


def on_query(name: str, fn: F) -> F:
    """Let `fn` answer queries of this name: a plain function that only looks."""
    handler = _Handler("query", check_name("query", name), fn)
    if inspect.iscoroutinefunction(fn):
        raise BadInput(f"query {name}: the handler is async, but a query may only look; make it a plain function")

    def handle(payload: Payload) -> Payload:
        args, kwargs = handler.arguments(payload)
        return handler.parameters.encode_result(fn(*args, **kwargs))

    current().on_query(name, handle)
    return fn


def on_update(name: str, fn: F, validator: Callable[..., None] | None) -> F:
    """Let `fn`, async or not, carry out updates of this name; `validator` refuses by raising."""
    handler = _Handler("update", check_name("update", name), fn)
    if inspect.iscoroutinefunction(validator):
        raise BadInput(f"update {name}: the validator is async, but it may only look; make it a plain function")

    async def handle(payload: Payload) -> Payload:
        args, kwargs = handler.arguments(payload)
        answer = fn(*args, **kwargs)
        return handler.parameters.encode_result(await answer if inspect.isawaitable(answer) else answer)

    def validate(payload: Payload) -> None:
        args, kwargs = handler.arguments(payload)
        if validator is not None:
            validator(*args, **kwargs)

    current().on_update(name, handle, validate)
    return fn


async def wait_until(predicate: Callable[[], bool], seconds: float | None) -> None:
    """Wait for a condition, at most so long. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        await current().wait_until(predicate)
