"""Workflow face: the name `workflow`: a decorator, and the words that code inside a workflow may use."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from random import Random
from typing import Any, Final, ParamSpec, TypeVar, overload
from uuid import UUID

from rqflow.authoring import state
from rqflow.authoring.calling import CallWords
from rqflow.authoring.listening import ListenWords
from rqflow.authoring.logs import WorkflowLogger
from rqflow.authoring.options import Span
from rqflow.authoring.parameters import names_around
from rqflow.authoring.saga import Saga
from rqflow.authoring.showing import ShowWords
from rqflow.authoring.workflows import Workflow, define_workflow
from rqflow.converters.convert import Converter
from rqflow.core.run import RunInfo, current

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class WorkflowFace(CallWords, ListenWords, ShowWords):
    """Defines workflows as a decorator; inside one, holds the words for all that asyncio has no word for."""

    logger: Final = WorkflowLogger(logging.getLogger("rqflow.workflow"), {})
    """Writes each line once: silent while a run is replayed."""

    @overload
    def __call__(self, fn: Callable[P, Coroutine[Any, Any, R]], /) -> Workflow[P, R]: ...

    @overload
    def __call__(
        self,
        *,
        name: str | None = None,
        queue: str | None = None,
        timeout: Span | None = None,
        retention: Span | None = None,
        converter: Converter | None = None,
    ) -> Callable[[Callable[P, Coroutine[Any, Any, R]]], Workflow[P, R]]: ...

    def __call__(
        self,
        fn: Callable[..., Any] | None = None,
        *,
        name: str | None = None,
        queue: str | None = None,
        timeout: Span | None = None,
        retention: Span | None = None,
        converter: Converter | None = None,
    ) -> Any:
        """Make an async function a workflow. `name` is what it is started by, the function's own if left out.

        Raises BadInput."""

        def define(fn: Callable[..., Any], depth: int = 1) -> Workflow[..., Any]:
            return define_workflow(
                fn,
                name=name,
                queue=queue,
                timeout=timeout,
                retention=retention,
                converter=converter,
                names=names_around(fn, depth),
            )

        return define if fn is None else define(fn, 2)

    def now(self) -> datetime:
        """The time of the event that is being handled, UTC: the same at every replay."""
        return current().now()

    def random(self) -> Random:
        """The run's own generator: draws the same at every replay."""
        return current().random

    def uuid4(self) -> UUID:
        """A random UUID: the same at every replay."""
        return state.uuid4()

    def info(self) -> RunInfo:
        """What the run knows of itself."""
        return current().info

    def sleep(self, duration: Span, *, name: str = "") -> asyncio.Future[None]:
        """A durable timer, as asyncio.sleep, with a name that history shows. Raises BadInput."""
        return current().sleep(state.seconds("sleep", duration), name)

    @overload
    def side_effect(self, fn: Callable[[], T]) -> T: ...

    @overload
    def side_effect(self, fn: Callable[[], Any], type: type[T]) -> T: ...

    @overload
    def side_effect(self, fn: Callable[[], Any], type: Any) -> Any: ...

    def side_effect(self, fn: Callable[[], Any], type: Any = Any) -> Any:
        """Call `fn` once and record what it returns; replay does not call it again. For what takes no time.

        Without `type` plain JSON values come back. Raises BadValue."""
        return state.side_effect(fn, type)

    def saga(self) -> Saga:
        """`async with workflow.saga() as saga`: what `saga.add` was given runs in reverse order if the block fails."""
        return Saga()

    def shield(self, awaitable: Awaitable[T]) -> asyncio.Future[T]:
        """As asyncio.shield: a cancellation ends the wait, and what is awaited goes on."""
        return asyncio.shield(asyncio.ensure_future(awaitable))


workflow: Final = WorkflowFace()
