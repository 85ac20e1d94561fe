"""Values: what callers pass and get, turned into payloads and back, typed where a definition or a type is at hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol, runtime_checkable

from rqflow.authoring.activities import Activity
from rqflow.authoring.parameters import Parameters
from rqflow.authoring.workflows import Workflow
from rqflow.converters.convert import DEFAULT, dump
from rqflow.errors import BadInput


@runtime_checkable
class Definition(Protocol):
    """What a start needs of a workflow, however it was written."""

    @property
    def name(self) -> str: ...

    def encode_call(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bytes: ...

    def decode_result(self, payload: bytes) -> Any: ...


@dataclass(frozen=True, slots=True)
class Callee:
    """A workflow, as a start needs it."""

    name: str
    encode: Callable[[tuple[Any, ...], Mapping[str, Any]], bytes]
    decode: Callable[[bytes], Any]
    queue: str | None = None
    timeout: timedelta | None = None
    retention: timedelta | None = None


def callee_of(workflow: Any, result_type: Any = None) -> Callee:
    """How a workflow is called: typed by its definition, or by name alone. Raises BadInput."""
    if isinstance(workflow, str):
        where = f"workflow {workflow!r}"
        return Callee(workflow, untyped_call(where), decoder(result_type, f"{where}, result"))
    # An activity can be called through payloads too, and a worker would look for a workflow of its name for ever.
    # (Of what is decorated, the class says enough; to look for the protocol's attributes takes ten times as long.)
    if not isinstance(workflow, Workflow | Definition) or isinstance(workflow, Activity):
        shown = getattr(workflow, "__name__", repr(workflow)[:60])
        raise BadInput(f"{shown} is no workflow: give a function decorated with @workflow, or a workflow's name")
    return Callee(
        workflow.name,
        workflow.encode_call,
        workflow.decode_result,
        getattr(workflow, "queue", None),
        getattr(workflow, "timeout", None),
        getattr(workflow, "retention", None),
    )


def untyped_call(where: str) -> Callable[[tuple[Any, ...], Mapping[str, Any]], bytes]:
    """Arguments for a function of which only the name is known: an array by position, or an object by name."""

    def encode(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bytes:
        if args and kwargs:
            raise BadInput(
                f"{where} is called by name only, so its parameters are not known: "
                "give all arguments by position or all by keyword"
            )
        return DEFAULT.encode(dict(kwargs) if kwargs else list(args), Any, where=f"{where}, arguments")

    return encode


def decoder(result_type: Any, where: str) -> Callable[[bytes], Any]:
    """Reads a payload as `result_type`; None: as plain JSON values."""
    annotation = Any if result_type is None else result_type
    return lambda payload: DEFAULT.decode(payload, annotation, where=where)


def decode_any(payload: bytes) -> Any:
    """A payload as plain JSON values."""
    return DEFAULT.decode(payload, Any, where="custom status")


def name_of(kind: str, given: Any) -> str:
    """The name of a signal, query or update: itself, or that of its definition or function."""
    if isinstance(given, str):
        return given
    name = getattr(given, "name", None) or getattr(given, "__name__", None)
    if not isinstance(name, str):
        raise BadInput(f"{kind} must be a name or a function, not {type(given).__name__}")
    return name


def encode_signal(signal: Any, value: Any) -> bytes:
    """A signal's value; where a handler is given it is held against its annotations. A handler of several parameters
    is sent its arguments: a mapping by name, or a tuple by position."""
    where = f"signal {name_of('signal', signal)!r}"
    if not callable(signal):
        return DEFAULT.encode(value, Any, where=where)
    parameters = Parameters(signal, where, DEFAULT)
    if _single(parameters):
        return _encode_single(parameters, value)
    if isinstance(value, Mapping):
        return parameters.encode_call((), value)
    return parameters.encode_call(value if isinstance(value, tuple) else () if value is None else (value,), {})


def encode_question(kind: str, handler: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bytes:
    """The arguments of a query or an update, as a handler reads them: of one parameter the value itself."""
    where = f"{kind} {name_of(kind, handler)!r}"
    if not args and not kwargs:
        return b"" if not callable(handler) else Parameters(handler, where, DEFAULT).encode_call((), {})
    if not callable(handler):
        if len(args) == 1 and not kwargs:
            return DEFAULT.encode(args[0], Any, where=f"{where}, argument")
        return untyped_call(where)(args, kwargs)
    parameters = Parameters(handler, where, DEFAULT)
    if _single(parameters) and len(args) == 1 and not kwargs:
        return _encode_single(parameters, args[0])
    return parameters.encode_call(args, kwargs)


def question_decoder(kind: str, handler: Any, result_type: Any) -> Callable[[bytes], Any]:
    """How the answer is read: as the type that is asked for, else by the handler's annotation, else plainly."""
    where = f"{kind} {name_of(kind, handler)!r}"
    if result_type is None and callable(handler):
        return Parameters(handler, where, DEFAULT).decode_result
    return decoder(result_type, f"{where}, result")


def _single(parameters: Parameters) -> bool:
    return len(parameters.binding.parameters) == 1 and len(parameters.binding.positional) == 1


def _encode_single(parameters: Parameters, value: Any) -> bytes:
    name = parameters.binding.positional[0]
    return dump(parameters.plans[name].write, value, f"{parameters.where}, parameter {name}")
