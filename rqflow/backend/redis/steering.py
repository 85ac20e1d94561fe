"""Steering: the calls by which clients start, signal, stop, suspend, resume, ask and remove instances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rqflow.backend.calls.call import Call
from rqflow.backend.calls.checks import check_names, check_payloads, check_rerun, check_start
from rqflow.backend.calls.instances import Ask, Deliver, Purge, Resume, Start, Started, Suspend, Terminate
from rqflow.backend.calls.reruns import Rerun
from rqflow.backend.redis.commands import Command, Place, Translator, nothing, yes_or_no
from rqflow.backend.redis.times import ms_of, span_ms, span_ms_or
from rqflow.converters.json import dump_json


def start(call: Start, place: Place) -> Command[Started]:
    """Start an instance. Raises what check_start raises."""
    check_start(call, place.limits)

    def parse(reply: Any) -> Started:
        return Started(instance=call.instance, run=reply[0].decode(), created=reply[1] == 1)

    return place.command(
        call,
        "start",
        parse,
        instance=call.instance,
        run=call.run,
        workflow=call.workflow,
        queue=call.queue,
        started=call.started,
        on_conflict=call.on_conflict,
        on_reuse=call.on_reuse,
        delay_ms=span_ms(call.delay),
        at_ms=-1 if call.at is None else ms_of(call.at),
        timeout_ms=span_ms_or(call.timeout, -1),
        retention_ms=span_ms(call.retention),
        attributes=[(name, dump_json(value)) for name, value in call.attributes.items()],
        custom=call.status,
        priority=call.priority,
        lane=call.lane,
        signal=call.signal,
        signal_request=call.signal_request,
        inbox_limit=place.limits.inbox_events,
    )


def rerun(call: Rerun, place: Place) -> Command[Started]:
    """Begin an instance with a history. Raises as check_rerun."""
    check_rerun(call, place.limits)

    def parse(reply: Any) -> Started:
        return Started(instance=call.instance, run=reply[0].decode(), created=reply[1] == 1)

    return place.command(
        call,
        "rerun",
        parse,
        instance=call.instance,
        run=call.run,
        replaces=call.replaces,
        workflow=call.workflow,
        queue=call.queue,
        history=call.history,
        news=list(call.news),
        timeout_ms=-1 if call.timeout_ms is None else call.timeout_ms,
        retention_ms=call.retention_ms,
        attributes=[(name, dump_json(value)) for name, value in call.attributes.items()],
        custom=call.status,
        priority=call.priority,
        lane=call.lane,
        reason=call.reason,
    )


def deliver(call: Deliver, place: Place) -> Command[None]:
    """Put news into an inbox. Raises PayloadTooLarge."""
    check_payloads((call.event.partition(b"\n")[2],), place.limits)
    return place.command(
        call,
        "deliver",
        nothing,
        instance=call.instance,
        event=call.event,
        request=call.request,
        cancel=int(call.cancel),
        inbox_limit=place.limits.inbox_events,
    )


def terminate(call: Terminate, place: Place) -> Command[bool]:
    """End an instance."""
    return place.command(
        call,
        "terminate",
        yes_or_no,
        instance=call.instance,
        reason=call.reason,
        recursive=int(call.recursive),
    )


def suspend(call: Suspend, place: Place) -> Command[bool]:
    """Give an instance no turns."""
    return place.command(call, "suspend", yes_or_no, instance=call.instance, reason=call.reason)


def resume(call: Resume, place: Place) -> Command[bool]:
    """Give it turns again."""
    return place.command(call, "resume", yes_or_no, instance=call.instance, reason=call.reason)


def ask(call: Ask, place: Place) -> Command[None]:
    """Queue a question. Raises PayloadTooLarge, LimitReached."""
    check_names((call.name,), place.limits)
    check_payloads((call.payload,), place.limits)
    return place.command(
        call,
        "ask",
        nothing,
        instance=call.instance,
        query=call.query,
        name=call.name,
        payload=call.payload,
        timeout_ms=span_ms(call.timeout),
    )


def purge(call: Purge, place: Place) -> Command[None]:
    """Remove an instance."""
    return place.command(call, "purge", nothing, instance=call.instance, force=int(call.force))


TRANSLATORS: Final[Mapping[type[Call[Any]], Translator]] = {
    Start: start,
    Rerun: rerun,
    Deliver: deliver,
    Terminate: terminate,
    Suspend: suspend,
    Resume: resume,
    Ask: ask,
    Purge: purge,
}
