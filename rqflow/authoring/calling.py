"""Calling: the words of workflow code for activities and workflows known by name, children, and other instances."""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn, ParamSpec, TypeVar, Unpack, overload

from rqflow.authoring import activities, children, workflows
from rqflow.authoring.children import ChildHandle
from rqflow.authoring.options import ActivityKeywords, ChildKeywords
from rqflow.authoring.pending import Pending
from rqflow.authoring.workflows import Workflow

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class CallWords:
    """Part of `workflow`: asking others to do something."""

    @overload
    def execute_activity(
        self, name: str, *args: Any, result_type: type[T], **options: Unpack[ActivityKeywords]
    ) -> Pending[T]: ...

    @overload
    def execute_activity(
        self, name: str, *args: Any, result_type: Any = Any, **options: Unpack[ActivityKeywords]
    ) -> Pending[Any]: ...

    def execute_activity(
        self, name: str, *args: Any, result_type: Any = Any, **options: Unpack[ActivityKeywords]
    ) -> Pending[Any]:
        """Call an activity by name, its arguments by position. Raises BadValue, BadInput."""
        return activities.execute_activity(name, args, result_type, options)

    @overload
    def execute_child(self, workflow: Workflow[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Pending[R]: ...

    @overload
    def execute_child(
        self, workflow: str, /, *args: Any, result_type: type[T], **options: Unpack[ChildKeywords]
    ) -> Pending[T]: ...

    @overload
    def execute_child(
        self, workflow: str, /, *args: Any, result_type: Any = Any, **options: Unpack[ChildKeywords]
    ) -> Pending[Any]: ...

    def execute_child(
        self, workflow: Workflow[..., Any] | str, /, *args: Any, result_type: Any = Any, **kwargs: Any
    ) -> Pending[Any]:
        """Start a child and await its result. Options: `execute_child(ship.options(id="ship-1"), order)`, or of a
        workflow known by name only `execute_child("ship", order, id="ship-1")`. Raises BadValue, BadInput."""
        return children.execute_child(workflow, args, _kwargs(workflow, kwargs, result_type), result_type)

    @overload
    def start_child(self, workflow: Workflow[P, R], /, *args: P.args, **kwargs: P.kwargs) -> ChildHandle[R]: ...

    @overload
    def start_child(
        self, workflow: str, /, *args: Any, result_type: type[T], **options: Unpack[ChildKeywords]
    ) -> ChildHandle[T]: ...

    @overload
    def start_child(
        self, workflow: str, /, *args: Any, result_type: Any = Any, **options: Unpack[ChildKeywords]
    ) -> ChildHandle[Any]: ...

    def start_child(
        self, workflow: Workflow[..., Any] | str, /, *args: Any, result_type: Any = Any, **kwargs: Any
    ) -> ChildHandle[Any]:
        """Start a child and go on; the handle awaits its start or result, signals or cancels it. As execute_child."""
        return children.start_child(workflow, args, _kwargs(workflow, kwargs, result_type), result_type)

    def signal(self, instance: str, name: str, value: Any = None) -> asyncio.Future[None]:
        """Signal any instance; await to know that it was delivered. Raises BadValue, BadInput."""
        return children.send_signal(instance, name, value)

    def cancel(self, instance: str, reason: str = "") -> asyncio.Future[None]:
        """Ask any instance to end itself; await to know that it was told. Raises BadInput."""
        return children.send_cancel(instance, reason)

    def continue_as_new(
        self, *args: Any, workflow_fn: Workflow[..., Any] | str | None = None, **kwargs: Any
    ) -> NoReturn:
        """End this run; the instance goes on as a new run of the same workflow, or of `workflow_fn`.

        `checkout.continue_as_new(…)` is the same, and typed. Raises BadValue."""
        if isinstance(workflow_fn, Workflow):
            workflow_fn.continue_as_new(*args, **kwargs)
        workflows.continue_as_new(args, kwargs, workflow_fn)


def _kwargs(workflow: Workflow[..., Any] | str, kwargs: dict[str, Any], result_type: Any) -> dict[str, Any]:
    """A workflow may have a parameter of the name `result_type`."""
    if isinstance(workflow, Workflow) and result_type is not Any:
        return {**kwargs, "result_type": result_type}
    return kwargs
