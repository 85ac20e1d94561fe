"""Asking: flows that put a question to a run, or ask it for a change, and wait for the answer: query and update."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from rqflow.backend.calls.call import Call
from rqflow.backend.calls.instances import Answer, Ask, Deliver, Describe, ReadQueryAnswer, ReadUpdateAnswer
from rqflow.client.checks import check_id, check_name, check_payload, check_span, check_text
from rqflow.client.flow import Facts, Flow, connect, listen, send, wait
from rqflow.client.options import ClientOptions, Span
from rqflow.client.starting import Request, prepare, start_with
from rqflow.client.values import encode_question, name_of, question_decoder
from rqflow.core.events import UpdateRequested
from rqflow.core.outcomes import query_error, update_error
from rqflow.core.wire import decode_failure, encode
from rqflow.errors import NotFound, ResultTimeout, RqflowError, UnknownName

_UNKNOWN: Final = f"{UnknownName.__module__}.{UnknownName.__qualname__}"
"""How a failure tells that there was no handler of that name."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a handler, and how its answer is read."""

    kind: str
    """query or update"""
    name: str
    payload: bytes
    decode: Callable[[bytes], Any]
    seconds: float
    """How long its asker waits."""


def query(
    options: ClientOptions,
    id: str,
    query: Any,
    *args: Any,
    timeout: Span | None = None,
    result_type: Any = None,
    kwargs: Mapping[str, Any] | None = None,
) -> Flow[Any]:
    """Ask an instance, open or ended, something that changes nothing; a worker answers from its history.

    `query` is a name or the handler itself, `args` and `kwargs` are its arguments. Raises QueryFailed, UnknownName (it
    has no such handler), InstanceNotFound, ResultTimeout (no worker answered).
    """
    facts = yield from connect()
    check_id(id, facts.limits)
    asked = _question(
        options, facts, "query", query, args=args, kwargs=kwargs, timeout=timeout, result_type=result_type
    )
    until = time.monotonic() + asked.seconds
    partition, number = facts.partition(id), uuid.uuid4().hex
    notices = yield from listen(options, id, until=until)
    span = check_span("timeout", asked.seconds)
    ask = Ask(partition=partition, instance=id, query=number, name=asked.name, payload=asked.payload, timeout=span)
    yield from send(options, ask, until=until)
    read = ReadQueryAnswer(partition=partition, instance=id, query=number)
    return (yield from _answered(options, facts, id, asked, read=read, notices=notices, until=until))


def update(
    options: ClientOptions,
    id: str,
    update: Any,
    *args: Any,
    timeout: Span | None = None,
    result_type: Any = None,
    kwargs: Mapping[str, Any] | None = None,
    request_id: str | None = None,
) -> Flow[Any]:
    """Ask an open instance for a change and wait for its answer. The same `request_id` asks for the same answer again.

    Raises UpdateFailed (its validator refused it, it raised, or the instance ended first), UnknownName,
    InstanceNotFound, InstanceClosed, LimitReached; ResultTimeout: no answer yet, the update stands.
    """
    facts = yield from connect()
    check_id(id, facts.limits)
    asked = _question(
        options, facts, "update", update, args=args, kwargs=kwargs, timeout=timeout, result_type=result_type
    )
    call, read = _update_calls(facts, id, asked, request_id)
    until = time.monotonic() + asked.seconds
    notices = yield from listen(options, id, until=until)
    yield from send(options, call, until=until)
    return (yield from _answered(options, facts, id, asked, read=read, notices=notices, until=until))


def update_with_start(
    options: ClientOptions,
    request: Request,
    update: Any,
    args: tuple[Any, ...] = (),
    *,
    timeout: Span | None = None,
    result_type: Any = None,
    kwargs: Mapping[str, Any] | None = None,
) -> Flow[Any]:
    """Start an instance, or use the open one that has the id, and update it, in one round trip.

    `request` is `Request.of(workflow, *args, id=…)`. Raises as `start` and `update`.
    """
    facts = yield from connect()
    prepared = prepare(facts, request, join=True)
    id = prepared.call.instance
    asked = _question(
        options, facts, "update", update, args=args, kwargs=kwargs, timeout=timeout, result_type=result_type
    )
    call, read = _update_calls(facts, id, asked, request.options.request_id)
    until = time.monotonic() + asked.seconds
    notices = yield from listen(options, id, until=until)
    yield from start_with(options, prepared, [call])
    return (yield from _answered(options, facts, id, asked, read=read, notices=notices, until=until))


def _question(
    options: ClientOptions,
    facts: Facts,
    kind: str,
    handler: Any,
    *,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any] | None,
    timeout: Span | None,
    result_type: Any,
) -> Question:
    name = check_name(kind, name_of(kind, handler), facts.limits)
    payload = encode_question(kind, handler, args, kwargs or {})
    check_payload(f"arguments of {kind} {name!r}", payload, facts.limits)
    span = check_span("timeout", options.query_timeout if timeout is None else timeout, zero=False)
    return Question(kind, name, payload, question_decoder(kind, handler, result_type), span.total_seconds())


def _update_calls(facts: Facts, id: str, asked: Question, request_id: str | None) -> tuple[Deliver, ReadUpdateAnswer]:
    update = uuid.uuid4().hex if request_id is None else check_text("request_id", request_id, facts.limits.id_bytes)
    event = encode(UpdateRequested(update=update, name=asked.name, payload=asked.payload))
    partition = facts.partition(id)
    return (
        Deliver(partition=partition, instance=id, event=event, request=f"update:{update}"),
        ReadUpdateAnswer(partition=partition, instance=id, update=update),
    )


def _answered(
    options: ClientOptions,
    facts: Facts,
    id: str,
    asked: Question,
    *,
    read: Call[Answer | None],
    notices: Any,
    until: float,
) -> Flow[Any]:
    while True:
        answer = yield from send(options, read, until=until)
        if answer is not None:
            break
        if time.monotonic() >= until:
            raise (yield from _silence(options, facts, id, asked))
        yield from wait(options, notices, until)
    if not answer.accepted:
        raise _refused(id, asked, answer.payload)
    return asked.decode(answer.payload)


def _refused(id: str, asked: Question, payload: bytes) -> RqflowError:
    failure = decode_failure(payload)
    if failure.type == _UNKNOWN:
        known = failure.message.partition("; known: ")[2]
        return UnknownName(asked.kind, asked.name, tuple(known.split(", ")) if known else ())
    error = query_error if asked.kind == "query" else update_error
    return error(id, asked.name, failure)


def _silence(options: ClientOptions, facts: Facts, id: str, asked: Question) -> Flow[ResultTimeout]:
    """Why nobody answered, as far as the instance's row can tell."""
    what = f"{asked.kind} {asked.name!r} of instance {id!r}"
    try:
        found = yield from send(options, Describe(partition=facts.partition(id), instance=id), until=0.0)
    except NotFound:
        return ResultTimeout(f"{what}: no answer within {asked.seconds:g} s, and the instance is gone")
    hint = f"does a worker serve queue {found.queue!r} and know workflow {found.workflow!r}?"
    if found.status in ("pending", "suspended", "stalled"):
        hint = f"the instance is {found.status}" + (f" ({found.reason})" if found.reason else "")
    return ResultTimeout(f"{what}: no worker answered within {asked.seconds:g} s; {hint}")
