"""Activities: what `@activity` makes of a function, and calls of activities by name."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Generic, Literal, ParamSpec, TypeVar, Unpack

from rqflow.authoring.limits import check_name
from rqflow.authoring.options import ActivityKeywords, activity_options
from rqflow.authoring.parameters import Parameters
from rqflow.authoring.pending import Pending, pending
from rqflow.converters.convert import DEFAULT, Converter
from rqflow.core.events import Payload
from rqflow.core.options import ActivityOptions
from rqflow.core.run import current
from rqflow.errors import BadInput, NotInWorkflow

P = ParamSpec("P")
R = TypeVar("R")

Mode = Literal["async", "thread", "process"]


class Activity(Generic[P, R]):
    """A function that workflows call as a durable step."""

    name: str
    """The name it is called by, in history and queues."""
    fn: Callable[P, Any]
    """The plain function, for unit tests and the worker."""
    mode: Mode
    """Where the worker runs it: on its event loop, in a thread, or in a process."""
    defaults: ActivityOptions
    """How a call is run, where the call says nothing else."""

    def __init__(
        self, fn: Callable[P, Any], *, name: str, mode: Mode, defaults: ActivityOptions, parameters: Parameters
    ) -> None:
        functools.update_wrapper(self, fn)
        self.fn = fn
        self.name = name
        self.mode = mode
        self.defaults = defaults
        self._parameters = parameters

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Pending[R]:
        """Schedule it, inside a workflow; await what is returned. Raises BadValue, NotInWorkflow."""
        try:
            run = current()
        except NotInWorkflow:
            raise NotInWorkflow(
                f"{self.name} is an activity: only a running workflow can call it; "
                f"call {self.name}.fn(…) to run the plain function"
            ) from None
        payload = self._parameters.encode_call(args, kwargs)
        return pending(run.call_activity(self.name, payload, self.defaults), self._parameters.decode_result)

    def options(self, **keywords: Unpack[ActivityKeywords]) -> Activity[P, R]:
        """The same activity, called with other options. Raises BadInput."""
        defaults = activity_options(self.defaults, keywords, f"activity {self.name}")
        _check_local(defaults, self.mode, f"activity {self.name}")
        return Activity(self.fn, name=self.name, mode=self.mode, defaults=defaults, parameters=self._parameters)

    def encode_call(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Payload:
        """The payload of a call. Raises BadValue."""
        return self._parameters.encode_call(args, kwargs)

    def decode_call(self, payload: Payload) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """A call's arguments, for the worker. Raises BadValue."""
        return self._parameters.decode_call(payload)

    def encode_result(self, value: Any) -> Payload:
        """What the function returned, for the worker. Raises BadValue."""
        return self._parameters.encode_result(value)

    def decode_result(self, payload: Payload) -> R:
        """What the function returned, for the caller. Raises BadValue."""
        result: R = self._parameters.decode_result(payload)
        return result

    def __repr__(self) -> str:
        return f"<activity {self.name} ({self.mode})>"


def define_activity(
    fn: Callable[..., Any],
    keywords: Mapping[str, Any],
    *,
    name: str | None,
    isolate: Literal["process"] | None,
    converter: Converter | None,
    names: dict[str, Any] | None,
) -> Activity[..., Any]:
    """An Activity out of a function. Raises BadInput."""
    check_function("activity", fn)
    named = check_name("activity", fn.__name__ if name is None else name)
    where = f"activity {named}"
    if isolate not in (None, "process"):
        raise BadInput(f'{where}: isolate must be "process" or left out, got {isolate!r}')
    mode: Mode = "thread" if isolate is None else "process"
    if inspect.iscoroutinefunction(fn):
        if isolate is not None:
            raise BadInput(f"{where} is async and runs on the worker's event loop; isolate is for plain functions")
        mode = "async"
    defaults = activity_options(ActivityOptions(), keywords, where)
    _check_local(defaults, mode, where)
    parameters = Parameters(fn, where, converter or DEFAULT, names)
    return Activity(fn, name=named, mode=mode, defaults=defaults, parameters=parameters)


def _check_local(options: ActivityOptions, mode: Mode, where: str) -> None:
    if options.local and mode == "process":
        raise BadInput(
            f'{where}: local runs it in the workflow\'s worker, and isolate="process" in a process of its own; '
            "leave out one of them"
        )


def check_function(kind: str, fn: Any) -> None:
    """A function that can be found again by its name and returns one value. Raises BadInput."""
    if not callable(fn) or not hasattr(fn, "__name__") or inspect.isclass(fn):
        raise BadInput(f"@{kind} is for functions, got {type(fn).__name__}")
    if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
        raise BadInput(f"{kind} {fn.__name__} yields; it must return one value")


def execute_activity(name: str, args: tuple[Any, ...], result_type: Any, keywords: Mapping[str, Any]) -> Pending[Any]:
    """Call an activity that is known by name only. Raises BadValue, BadInput."""
    run = current()
    where = f"activity {check_name('activity', name)}"
    options = activity_options(ActivityOptions(), keywords, where)
    payload = DEFAULT.encode(args, tuple[Any, ...], where=f"{where}, arguments")

    def decode(result: Payload) -> Any:
        return DEFAULT.decode(result, result_type, where=f"{where}, result")

    return pending(run.call_activity(name, payload, options), decode)
