"""Starting: flows that bring instances into being, one or many, alone or with a first signal or update."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Generic, TypeVar, Unpack

from rqflow.backend.calls.call import Call
from rqflow.backend.calls.instances import Start, Started
from rqflow.backend.protocol import unwrap
from rqflow.client.checks import (
    check_attributes,
    check_id,
    check_name,
    check_payload,
    check_span,
    check_start,
    check_time,
    optional_span,
)
from rqflow.client.flow import Facts, Flow, connect, send_all
from rqflow.client.options import ClientOptions, StartKeywords, StartOptions, start_options
from rqflow.client.relaying import relay
from rqflow.client.values import Callee, callee_of, decoder, encode_signal, name_of
from rqflow.core.events import SignalReceived, WorkflowStarted
from rqflow.core.wire import encode
from rqflow.errors import RqflowError

R = TypeVar("R")

DEFAULT_QUEUE = "default"


@dataclass(frozen=True, slots=True)
class Request:
    """One instance to be started: an item of `start_many`."""

    workflow: Any
    """A workflow, or a workflow's name."""
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    options: StartOptions = field(default_factory=StartOptions)
    result_type: Any = None
    """How the result is read where the workflow is only named."""

    @classmethod
    def of(cls, workflow: Any, *args: Any, **options: Unpack[StartKeywords]) -> Request:
        """As the arguments of `start`."""
        return cls(workflow, args, {}, start_options(dict(options)))


@dataclass(frozen=True, slots=True)
class Placed(Generic[R]):
    """An instance that was started, or found."""

    instance: str
    run: str
    created: bool
    decode: Callable[[bytes], R]


def known(id: str, result_type: Any) -> Placed[Any]:
    """An instance that is known by its id alone."""
    return Placed(id, "", False, decoder(result_type, f"result of instance {id!r}"))


@dataclass(frozen=True, slots=True)
class Opening:
    """A signal that an instance is started with."""

    signal: Any
    value: Any = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A start that has passed every check."""

    call: Start
    callee: Callee

    def placed(self, started: Started) -> Placed[Any]:
        """What has become of it."""
        return Placed(started.instance, started.run, started.created, self.callee.decode)


def start(options: ClientOptions, request: Request, opening: Opening | None = None) -> Flow[Placed[Any]]:
    """Start one instance."""
    facts = yield from connect()
    prepared = prepare(facts, request, opening, join=opening is not None)
    placed = yield from start_with(options, prepared, [])
    if prepared.call.on_conflict == "terminate_existing":
        yield from relay(options, facts, prepared.call.partition)
    return placed


def start_with(options: ClientOptions, prepared: Prepared, also: Sequence[Call[Any]]) -> Flow[Placed[Any]]:
    """Start one instance and send it something in the same round trip. The first error is raised."""
    sent = yield from send_all(options, [prepared.call, *also])
    for answer in sent.answers:
        unwrap(answer)
    return prepared.placed(sent.answers[0])


def start_many(options: ClientOptions, requests: Sequence[Request]) -> Flow[list[Placed[Any] | RqflowError]]:
    """Start many instances, a few hundred in each round trip; each item has its own answer or error, in order."""
    facts = yield from connect()
    answers: list[Placed[Any] | RqflowError] = []
    for batch in _batches(options, facts, requests):
        calls = [item.call for item in batch if isinstance(item, Prepared)]
        found = iter((yield from send_all(options, calls)).answers if calls else [])
        for item in batch:
            if isinstance(item, Prepared):
                answer = next(found)
                answers.append(item.placed(answer) if isinstance(answer, Started) else answer)
            else:
                answers.append(item)
    return answers


def _batches(
    options: ClientOptions, facts: Facts, requests: Sequence[Request]
) -> Iterator[list[Prepared | RqflowError]]:
    batch: list[Prepared | RqflowError] = []
    size = 0
    for request in requests:
        try:
            item: Prepared | RqflowError = prepare(facts, request)
        except RqflowError as error:
            item = error
        batch.append(item)
        size += len(item.call.started) if isinstance(item, Prepared) else 0
        if len(batch) >= options.batch_calls or size >= options.batch_bytes:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def prepare(facts: Facts, request: Request, opening: Opening | None = None, *, join: bool = False) -> Prepared:
    """The call that starts an instance, every argument and option checked; `join`: unless told otherwise, use one
    that exists."""
    options, limits = request.options, facts.limits
    check_start(options, limits)
    callee = callee_of(request.workflow, request.result_type)
    name = check_name("workflow", callee.name, limits)
    payload = check_payload(f"arguments of workflow {name!r}", callee.encode(request.args, request.kwargs), limits)
    instance, run = _identity(facts, options)
    queue = check_name("queue", options.queue or callee.queue or DEFAULT_QUEUE, limits)
    timeout = optional_span("timeout", _first(options.timeout, callee.timeout), zero=False)
    retention = optional_span("retention", _first(options.retention, callee.retention))
    signal, signal_request = _opening(facts, instance, options, opening)
    started = WorkflowStarted(
        workflow=name,
        instance=instance,
        run=run,
        queue=queue,
        timeout_ms=None if timeout is None else timeout // timedelta(milliseconds=1),
        headers=options.headers,
        payload=payload,
    )
    call = Start(
        partition=facts.partition(instance),
        instance=instance,
        run=run,
        workflow=name,
        queue=queue,
        started=encode(started),
        on_conflict=options.on_conflict or ("use_existing" if join else "fail"),
        on_reuse=options.on_reuse,
        delay=timedelta(0) if options.delay is None else check_span("delay", options.delay),
        at=None if options.at is None else check_time("at", options.at),
        timeout=timeout,
        retention=facts.hub.retention if retention is None else retention,
        attributes=check_attributes(options.attributes, limits),
        priority=options.priority,
        lane=options.lane,
        signal=signal,
        signal_request=signal_request,
    )
    return Prepared(call, callee)


def _identity(facts: Facts, options: StartOptions) -> tuple[str, str]:
    """Instance and run id. The run is the request: drawn anew, or the same whenever the caller names the same wish."""
    if options.request_id is None:
        instance = uuid.uuid4().hex if options.id is None else check_id(options.id, facts.limits)
        return instance, uuid.uuid4().hex
    instance = _derived("instance", options.request_id) if options.id is None else check_id(options.id, facts.limits)
    # A run id is unique in a hub, a caller's request id perhaps only for this instance.
    return instance, _derived("run", instance, options.request_id)


def _derived(*parts: str) -> str:
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode()
        digest.update(b"%d:%s" % (len(encoded), encoded))
    return digest.hexdigest()[:32]


def _opening(facts: Facts, instance: str, options: StartOptions, opening: Opening | None) -> tuple[bytes, str]:
    if opening is None:
        return b"", ""
    name = check_name("signal", name_of("signal", opening.signal), facts.limits)
    payload = encode_signal(opening.signal, opening.value)
    check_payload(f"signal {name!r} for {instance!r}", payload, facts.limits)
    request = uuid.uuid4().hex
    if options.request_id is not None:
        request = _derived("signal", instance, options.request_id)
    return encode(SignalReceived(name=name, payload=payload)), request


def _first(given: Any, defined: Any) -> Any:
    return defined if given is None else given
