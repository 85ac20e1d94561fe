"""Children: other workflows, started from workflow code with a handle, and messages to instances anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from rqflow.authoring.limits import check_name
from rqflow.authoring.options import child_options
from rqflow.authoring.pending import Pending, pending
from rqflow.authoring.workflows import Workflow
from rqflow.converters.convert import DEFAULT
from rqflow.core.events import Payload
from rqflow.core.options import ChildOptions
from rqflow.core.run import ChildFutures, current
from rqflow.errors import BadInput

R = TypeVar("R")


class ChildHandle(Generic[R]):
    """A child that was started: await its start or its result, signal it, cancel it."""

    def __init__(self, futures: ChildFutures, decode: Callable[[Payload], R]) -> None:
        self._futures = futures
        self._decode = decode
        # Each moment may be awaited or not: a child that fails unseen is shown by its own instance.
        for future in (futures.started, futures.ended):
            future.add_done_callback(_seen)

    @property
    def id(self) -> str:
        """The child's instance id."""
        return self._futures.instance

    def started(self) -> Pending[str]:
        """The id of its run, once it exists. Raises ChildFailed when awaited, if it cannot be started."""
        return pending(self._futures.started, _same, keep=True)

    def result(self) -> Pending[R]:
        """What it returns. Raises ChildFailed when awaited. Giving up this wait does not cancel the child."""
        return pending(self._futures.ended, self._decode, keep=True)

    def signal(self, name: str, value: Any = None) -> asyncio.Future[None]:
        """Signal it; await to know that the signal has reached it."""
        return send_signal(self.id, name, value)

    def cancel(self, reason: str = "") -> asyncio.Future[None]:
        """Ask it to end itself; await to know that it was told."""
        return send_cancel(self.id, reason)

    def __repr__(self) -> str:
        return f"<child {self.id}>"


def start_child(
    workflow: Workflow[..., Any] | str, args: tuple[Any, ...], kwargs: Mapping[str, Any], result_type: Any
) -> ChildHandle[Any]:
    """Start a child. Of one known by name only, `kwargs` are its options. Raises BadValue, BadInput."""
    run = current()
    if isinstance(workflow, Workflow):
        payload = workflow.encode_call(args, kwargs)
        futures = run.start_child(workflow.name, payload, workflow.child, tell_start=True)
        return ChildHandle(futures, workflow.decode_result)
    name, payload, options, decode = _by_name(workflow, args, kwargs, result_type)
    return ChildHandle(run.start_child(name, payload, options, tell_start=True), decode)


def execute_child(
    workflow: Workflow[..., Any] | str, args: tuple[Any, ...], kwargs: Mapping[str, Any], result_type: Any
) -> Pending[Any]:
    """Start a child and await its result. Raises BadValue, BadInput."""
    if isinstance(workflow, Workflow):
        return workflow(*args, **kwargs)
    run = current()
    name, payload, options, decode = _by_name(workflow, args, kwargs, result_type)
    return pending(run.start_child(name, payload, options, tell_start=False).ended, decode)


def _by_name(
    name: Any, args: tuple[Any, ...], keywords: Mapping[str, Any], result_type: Any
) -> tuple[str, Payload, ChildOptions, Callable[[Payload], Any]]:
    where = f"workflow {check_name('workflow', name)}"
    options = child_options(ChildOptions(), keywords, where)
    payload = DEFAULT.encode(args, tuple[Any, ...], where=f"{where}, arguments")

    def decode(result: Payload) -> Any:
        return DEFAULT.decode(result, result_type, where=f"{where}, result")

    return name, payload, options, decode


def send_signal(instance: str, name: str, value: Any) -> asyncio.Future[None]:
    """Signal an instance anywhere. Raises BadValue, BadInput."""
    payload = DEFAULT.encode(value, Any, where=f"signal {check_name('signal', name)}")
    return current().send_signal(_instance(instance), name, payload)


def send_cancel(instance: str, reason: str) -> asyncio.Future[None]:
    """Ask an instance anywhere to end itself. Raises BadInput."""
    if not isinstance(reason, str):
        raise BadInput(f"reason must be a str, got {type(reason).__name__}")
    return current().send_cancel(_instance(instance), reason)


def _instance(instance: Any) -> str:
    if not isinstance(instance, str) or not instance:
        raise BadInput(f"instance id must be a str that is not empty, got {instance!r:.80}")
    return instance


def _same(run: Any) -> str:
    return str(run)


def _seen(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()
