"""Checks: what any store refuses by looking at a call alone, before it is sent or carried out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from rqflow.backend.calls.hubs import Limits
from rqflow.backend.calls.instances import Start
from rqflow.backend.calls.reruns import Rerun
from rqflow.backend.calls.schedules import CreateSchedule, ScheduledStart, WriteSchedule
from rqflow.converters.json import dump_json
from rqflow.core.options import AttributeValue
from rqflow.errors import BadInput, LimitReached, PayloadTooLarge

ATTRIBUTE_BYTES: Final = 256
RERUN_BYTES: Final = 16 * 1_048_576
"""One call carries the history of a rerun, and must not hold the store for long."""


def check_start(call: Start, limits: Limits) -> None:
    """Raises BadInput, PayloadTooLarge or LimitReached for a start that passes a limit."""
    if not call.instance:
        raise BadInput("an instance id is not empty")
    if call.run.split() != [call.run]:
        raise BadInput(f"a run id is neither empty nor has it spaces: {call.run[:40]!r}")
    if len(call.instance.encode()) > limits.id_bytes:
        raise LimitReached(f"bytes of the instance id {call.instance[:40]!r}…", limits.id_bytes)
    check_names((call.workflow, call.queue, call.lane, *call.attributes), limits)
    check_attributes(call.attributes, limits)
    check_payloads((call.started.partition(b"\n")[2], call.status, call.signal.partition(b"\n")[2]), limits)


def check_rerun(call: Rerun, limits: Limits) -> None:
    """Raises BadInput, PayloadTooLarge or LimitReached for a rerun that passes a limit."""
    if not call.instance:
        raise BadInput("an instance id is not empty")
    if not call.news:
        raise BadInput("a rerun has news to begin with")
    if len(call.instance.encode()) > limits.id_bytes:
        raise LimitReached(f"bytes of the instance id {call.instance[:40]!r}…", limits.id_bytes)
    size = sum(map(len, call.history))
    if size > RERUN_BYTES:
        raise LimitReached("bytes of history that a rerun takes along", RERUN_BYTES, "begin it at an earlier event")
    check_payloads((event.partition(b"\n")[2] for _, event in call.news), limits)


def check_schedule(call: CreateSchedule | WriteSchedule, limits: Limits) -> None:
    """Raises BadInput, LimitReached or PayloadTooLarge for a schedule that passes a limit."""
    if not call.schedule:
        raise BadInput("a schedule id is not empty")
    check_names((call.schedule,), limits)
    result = call.result if isinstance(call, WriteSchedule) else None
    check_payloads((call.spec or b"", call.args or b"", call.state, result or b""), limits)


def check_scheduled(start: ScheduledStart, limits: Limits) -> None:
    """Raises BadInput, LimitReached or PayloadTooLarge for a start that a schedule may not ask for."""
    if not start.instance or len(start.instance.encode()) > limits.id_bytes:
        raise LimitReached(f"bytes of the instance id {start.instance[:40]!r}…", limits.id_bytes)
    check_names((start.workflow, start.queue, start.lane, *start.attributes), limits)
    check_attributes(start.attributes, limits)
    check_payloads((start.started.partition(b"\n")[2],), limits)


def check_names(names: Iterable[str], limits: Limits) -> None:
    """Raises LimitReached for a name that is too long."""
    for name in names:
        if len(name.encode()) > limits.name_bytes:
            raise LimitReached(f"bytes of the name {name[:40]!r}…", limits.name_bytes)


def check_attributes(attributes: Mapping[str, AttributeValue], limits: Limits) -> None:
    """Raises LimitReached for too many attributes, or one that is too large to be an index."""
    if len(attributes) > limits.attributes:
        raise LimitReached("attributes of an instance", limits.attributes)
    for name, value in attributes.items():
        if len(dump_json(value)) > ATTRIBUTE_BYTES:
            raise LimitReached(f"bytes of attribute {name!r}", ATTRIBUTE_BYTES)


def check_payloads(payloads: Iterable[bytes], limits: Limits) -> None:
    """Raises PayloadTooLarge for a value that passes the payload limit."""
    for payload in payloads:
        if len(payload) > limits.payload_bytes:
            raise PayloadTooLarge("a call to the store", len(payload), limits.payload_bytes)
