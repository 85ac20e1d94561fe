"""Steering: flows that speak to an instance that exists: signal, cancel, terminate, suspend, resume."""

from __future__ import annotations

import uuid
from typing import Any

from rqflow.backend.calls.call import Call
from rqflow.backend.calls.instances import Deliver, Resume, Suspend, Terminate
from rqflow.backend.protocol import unwrap
from rqflow.client.checks import check_id, check_name, check_payload, check_reason, check_text
from rqflow.client.flow import Flow, connect, send, send_all
from rqflow.client.options import ClientOptions
from rqflow.client.relaying import relay
from rqflow.client.values import encode_signal, name_of
from rqflow.core.events import CancelRequested, SignalReceived
from rqflow.core.wire import encode


def signal(
    options: ClientOptions, id: str, signal: Any, value: Any = None, *, request_id: str | None = None
) -> Flow[None]:
    """Tell an open instance something; kept in order until its code takes it.

    `signal` is a name, or the function that handles it. What is sent twice with one `request_id` counts once.
    Raises InstanceNotFound, InstanceClosed, LimitReached (its inbox is full).
    """
    facts = yield from connect()
    check_id(id, facts.limits)
    name = check_name("signal", name_of("signal", signal), facts.limits)
    payload = check_payload(f"signal {name!r} for {id!r}", encode_signal(signal, value), facts.limits)
    request = check_request(request_id, facts.limits.id_bytes)
    event = encode(SignalReceived(name=name, payload=payload))
    yield from send(options, Deliver(partition=facts.partition(id), instance=id, event=event, request=request))


def cancel(options: ClientOptions, id: str, reason: str = "", *, request_id: str | None = None) -> Flow[None]:
    """Ask an open instance to end itself: its code sees CancelledError and may clean up.

    What is asked twice with one `request_id` counts once; without, the second would cancel the cleanup. Raises
    InstanceNotFound, InstanceClosed.
    """
    facts = yield from connect()
    check_id(id, facts.limits)
    event = encode(CancelRequested(reason=check_reason(reason)))
    request = check_request(request_id, facts.limits.id_bytes)
    order = Deliver(partition=facts.partition(id), instance=id, event=event, request=request, cancel=True)
    yield from send(options, order)


def terminate(options: ClientOptions, id: str, reason: str = "", *, recursive: bool = False) -> Flow[bool]:
    """End an instance now, without asking its code; with `recursive` all its children too. False: had ended already.

    Raises InstanceNotFound.
    """
    facts = yield from connect()
    check_id(id, facts.limits)
    partition, reason = facts.partition(id), check_reason(reason)
    call = Terminate(partition=partition, instance=id, reason=reason, recursive=bool(recursive))
    did = yield from _ordered(options, call)
    yield from relay(options, facts, partition)
    return did


def suspend(options: ClientOptions, id: str, reason: str = "") -> Flow[bool]:
    """Let an open instance take no more turns; what arrives is kept. False: was suspended already.

    Raises InstanceNotFound, InstanceClosed.
    """
    facts = yield from connect()
    check_id(id, facts.limits)
    call = Suspend(partition=facts.partition(id), instance=id, reason=check_reason(reason))
    return (yield from _ordered(options, call))


def resume(options: ClientOptions, id: str, reason: str = "") -> Flow[bool]:
    """Let a suspended or stalled instance go on. False: was neither.

    Raises InstanceNotFound, InstanceClosed.
    """
    facts = yield from connect()
    check_id(id, facts.limits)
    call = Resume(partition=facts.partition(id), instance=id, reason=check_reason(reason))
    return (yield from _ordered(options, call))


def check_request(request_id: str | None, limit: int) -> str:
    """The dedup id of a message: the caller's, or a new one."""
    return uuid.uuid4().hex if request_id is None else check_text("request_id", request_id, limit)


def _ordered(options: ClientOptions, call: Call[bool]) -> Flow[bool]:
    # An order that was sent again after a broken connection finds its own effect: "nothing to do" then means done.
    sent = yield from send_all(options, [call])
    did: bool = unwrap(sent.answers[0])
    return did or sent.repeated
