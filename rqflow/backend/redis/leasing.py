"""Leasing: how workers come, keep their leases, go, and are taken over; and what any of them does when it is due."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from rqflow.backend.calls.call import Call
from rqflow.backend.calls.outlook import Outlook
from rqflow.backend.calls.tasks import (
    FireDue,
    Register,
    Renew,
    Subscription,
    Sweep,
    Unregister,
    WorkerRecord,
)
from rqflow.backend.redis.commands import Command, Place, Translator, nothing, number, yes_or_no
from rqflow.backend.redis.times import span_ms
from rqflow.converters.json import dump_json, load_json


def write_worker(record: WorkerRecord) -> bytes:
    """A worker's record as JSON."""
    return dump_json(asdict(record))


def read_worker(data: bytes) -> WorkerRecord:
    """The record that `write_worker` wrote."""
    fields: dict[str, Any] = load_json(data)
    queues = {name: tuple(queues) for name, queues in fields["subscription"].items()}
    fields["subscription"] = Subscription(**queues)
    fields["workflows"], fields["activities"] = tuple(fields["workflows"]), tuple(fields["activities"])
    return WorkerRecord(**fields)


def register(call: Register, place: Place) -> Command[None]:
    """A worker comes."""
    worker = call.worker
    return place.command(
        call,
        "register",
        nothing,
        worker=worker.id,
        lease_ms=span_ms(call.lease),
        record=write_worker(worker),
        build=worker.build,
        workflow_queues=worker.subscription.workflow_queues,
        activity_queues=worker.subscription.activity_queues,
    )


def renew(call: Renew, place: Place) -> Command[Outlook | None]:
    """It goes on."""
    return place.command(
        call,
        "renew",
        _outlook,
        worker=call.worker,
        lease_ms=span_ms(call.lease),
        heartbeats=call.heartbeats,
        stats=call.stats,
    )


def _outlook(reply: Any) -> Outlook | None:
    if not reply:
        return None
    now_ms, due_ms, lapse_ms, outbox = reply
    return Outlook(
        now_ms=now_ms,
        next_due_ms=None if due_ms < 0 else due_ms,
        next_lapse_ms=None if lapse_ms < 0 else lapse_ms,
        outbox=outbox,
    )


def unregister(call: Unregister, place: Place) -> Command[None]:
    """It leaves."""
    return place.command(call, "unregister", nothing, worker=call.worker)


def sweep(call: Sweep, place: Place) -> Command[bool]:
    """Others take over what it left."""
    return place.command(call, "sweep", yes_or_no, worker=call.worker, build=call.build, max_losses=call.max_losses)


def fire_due(call: FireDue, place: Place) -> Command[int]:
    """What is due happens."""
    return place.command(call, "fire_due", number, limit=call.limit)


TRANSLATORS: Final[Mapping[type[Call[Any]], Translator]] = {
    Register: register,
    Renew: renew,
    Unregister: unregister,
    Sweep: sweep,
    FireDue: fire_due,
}
