"""Workflows: what `@workflow` makes of an async function: a definition for the engine, a child for other workflows."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine, Mapping
from contextvars import ContextVar
from datetime import timedelta
from typing import Any, Final, Generic, NoReturn, ParamSpec, TypeVar, Unpack

from rqflow.authoring.activities import check_function
from rqflow.authoring.limits import check_name, optional_duration
from rqflow.authoring.options import ChildKeywords, Span, child_options
from rqflow.authoring.parameters import Parameters
from rqflow.authoring.pending import Pending, pending
from rqflow.converters.convert import DEFAULT, Converter
from rqflow.core.events import Payload
from rqflow.core.options import ChildOptions
from rqflow.core.run import current
from rqflow.errors import BadInput, NotInWorkflow

P = ParamSpec("P")
R = TypeVar("R")


class Workflow(Generic[P, R]):
    """An async function whose every step is recorded."""

    name: str
    """The name it is started by."""
    fn: Callable[P, Coroutine[Any, Any, R]]
    """The plain function, for unit tests."""
    queue: str | None
    """Where its tasks go, unless the one who starts it says otherwise."""
    timeout: timedelta | None
    """How long a run may take, unless the one who starts it says otherwise."""
    retention: timedelta | None
    """How long it is kept after its end; None: the hub's."""
    child: ChildOptions
    """How it is started as a child."""
    plans: tuple[Any, ...] = ()
    """Its schedules, as @schedule says them."""

    def __init__(
        self, fn: Callable[P, Coroutine[Any, Any, R]], *, name: str, child: ChildOptions, parameters: Parameters
    ) -> None:
        functools.update_wrapper(self, fn)
        self.fn = fn
        self.name = name
        self.queue = child.queue
        self.timeout = child.timeout
        self.retention = child.retention
        self.child = child
        self._parameters = parameters

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Pending[R]:
        """Start a child, inside a workflow; await its result. Raises BadValue, NotInWorkflow."""
        try:
            run = current()
        except NotInWorkflow:
            raise NotInWorkflow(
                f"{self.name} is a workflow: start it with client.start({self.name}, …); inside another workflow "
                f"a call starts a child; call {self.name}.fn(…) to run the plain function"
            ) from None
        payload = self._parameters.encode_call(args, kwargs)
        futures = run.start_child(self.name, payload, self.child, tell_start=False)
        return pending(futures.ended, self._parameters.decode_result)

    def options(self, **keywords: Unpack[ChildKeywords]) -> Workflow[P, R]:
        """The same workflow, started as a child with other options. Raises BadInput."""
        child = child_options(self.child, keywords, f"workflow {self.name}")
        other = Workflow(self.fn, name=self.name, child=child, parameters=self._parameters)
        other.plans = self.plans
        return other

    def continue_as_new(self, *args: P.args, **kwargs: P.kwargs) -> NoReturn:
        """End this run; the instance goes on as a new run of this workflow, with a short history. Raises BadValue."""
        current().continue_as_new(self.name, self._parameters.encode_call(args, kwargs))

    def begin(self, payload: Payload) -> Coroutine[Any, Any, Payload]:
        """The run's main coroutine. Raises BadValue where the arguments do not fit."""
        args, kwargs = self._parameters.decode_call(payload)
        return self._main(args, kwargs)

    async def _main(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Payload:
        _CURRENT.set(self)
        return self._parameters.encode_result(await self.fn(*args, **kwargs))

    def encode_call(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Payload:
        """The arguments of a start. Raises BadValue: missing, too many, or not fitting."""
        return self._parameters.encode_call(args, kwargs)

    def encode_named(self, values: Mapping[str, Any]) -> Payload:
        """The arguments of a start, plain JSON values by name; text is read as JSON where it does not fit as text.

        Raises BadValue."""
        return self._parameters.encode_named(values)

    def decode_result(self, payload: Payload) -> R:
        """What a run returned. Raises BadValue."""
        result: R = self._parameters.decode_result(payload)
        return result

    def __repr__(self) -> str:
        return f"<workflow {self.name}>"


_CURRENT: Final[ContextVar[Workflow[..., Any] | None]] = ContextVar("rqflow_workflow", default=None)
"""The workflow whose code runs: what `workflow.continue_as_new()` begins anew."""


def define_workflow(
    fn: Callable[..., Coroutine[Any, Any, Any]],
    *,
    name: str | None,
    queue: str | None,
    timeout: Span | None,
    retention: Span | None,
    converter: Converter | None,
    names: dict[str, Any] | None,
) -> Workflow[..., Any]:
    """A Workflow out of a function. Raises BadInput."""
    check_function("workflow", fn)
    if not inspect.iscoroutinefunction(fn):
        raise BadInput(f"workflow {fn.__name__} must be an async function: async def {fn.__name__}(…)")
    named = check_name("workflow", fn.__name__ if name is None else name)
    where = f"workflow {named}"
    child = ChildOptions(
        queue=None if queue is None else check_name("queue", queue),
        timeout=optional_duration(f"{where}: timeout", timeout),
        retention=optional_duration(f"{where}: retention", retention),
    )
    parameters = Parameters(fn, where, converter or DEFAULT, names)
    return Workflow(fn, name=named, child=child, parameters=parameters)


def continue_as_new(args: tuple[Any, ...], kwargs: Mapping[str, Any], other: str | None) -> NoReturn:
    """End this run and go on as a new one, of the same workflow or of another by name. Raises BadValue."""
    run = current()
    same = _CURRENT.get()
    if other is None and same is not None:
        run.continue_as_new(None, same.encode_call(args, kwargs))
    where = f"workflow {other or run.info.workflow}, arguments"
    if args and kwargs:
        raise BadInput(f"{where}: of a workflow known by name only, give all by position or all by name")
    run.continue_as_new(other, DEFAULT.encode(kwargs or args, Any, where=where))
