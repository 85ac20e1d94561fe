"""Activity face: the name `activity`: a decorator, and the words that code inside an activity may use."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final, Literal, ParamSpec, Protocol, TypeVar, Unpack, overload

from rqflow.authoring.activities import Activity, define_activity
from rqflow.authoring.attempt import ActivityInfo, current_attempt
from rqflow.authoring.logs import ActivityLogger
from rqflow.authoring.options import ActivityKeywords
from rqflow.authoring.parameters import names_around
from rqflow.converters.convert import DEFAULT, Converter

P = ParamSpec("P")
R = TypeVar("R")


class ActivityDecorator(Protocol):
    """What `@activity(…)` is: for async functions and for plain ones."""

    @overload
    def __call__(self, fn: Callable[P, Coroutine[Any, Any, R]], /) -> Activity[P, R]: ...

    @overload
    def __call__(self, fn: Callable[P, R], /) -> Activity[P, R]: ...


class ActivityFace:
    """Defines activities as a decorator; inside one, holds the words for what its attempt knows and can tell."""

    logger: Final = ActivityLogger(logging.getLogger("rqflow.activity"), {})
    """Adds to each line which attempt of which activity wrote it."""

    @overload
    def __call__(self, fn: Callable[P, Coroutine[Any, Any, R]], /) -> Activity[P, R]: ...

    @overload
    def __call__(self, fn: Callable[P, R], /) -> Activity[P, R]: ...

    @overload
    def __call__(
        self,
        *,
        name: str | None = None,
        isolate: Literal["process"] | None = None,
        converter: Converter | None = None,
        **options: Unpack[ActivityKeywords],
    ) -> ActivityDecorator: ...

    def __call__(
        self,
        fn: Callable[..., Any] | None = None,
        *,
        name: str | None = None,
        isolate: Literal["process"] | None = None,
        converter: Converter | None = None,
        **options: Unpack[ActivityKeywords],
    ) -> Any:
        """Make a function an activity. An async one runs on the worker's event loop, a plain one in a thread, or with
        `isolate="process"` in a process of its own. With `local=True` it runs inside the turn of
        the workflow's worker. Options: see ActivityOptions. Raises BadInput."""

        def define(fn: Callable[..., Any], depth: int = 1) -> Activity[..., Any]:
            names = names_around(fn, depth)
            return define_activity(fn, options, name=name, isolate=isolate, converter=converter, names=names)

        return define if fn is None else define(fn, 2)

    def info(self) -> ActivityInfo:
        """What this attempt knows of itself. Raises NotInActivity."""
        return current_attempt().info

    def heartbeat(self, value: Any = None) -> None:
        """Say that the work goes on, and leave `value` for the next attempt. Never blocks. Raises BadValue."""
        attempt = current_attempt()
        where = f"activity {attempt.info.name}, heartbeat"
        attempt.heartbeat(b"" if value is None else DEFAULT.encode(value, Any, where=where))

    def is_cancelled(self) -> bool:
        """Whether nobody needs the result any more: a long loop in a thread should stop then. Raises NotInActivity."""
        return current_attempt().is_cancelled()


activity: Final = ActivityFace()
