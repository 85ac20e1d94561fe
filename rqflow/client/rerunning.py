"""Rerunning: flows that let an instance that has ended or stalled begin again, wholly or in part."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from rqflow.backend.calls.checks import RERUN_BYTES
from rqflow.backend.calls.instances import Describe, Description, ReadHistory, Terminate
from rqflow.backend.calls.reruns import Rerun
from rqflow.client.checks import check_count, check_id, check_payload
from rqflow.client.flow import Facts, Flow, connect, send
from rqflow.client.options import ClientOptions
from rqflow.client.relaying import relay
from rqflow.client.starting import Placed, known
from rqflow.client.values import untyped_call
from rqflow.core import rerunning
from rqflow.core.events import Payload, WorkflowStarted
from rqflow.core.states import CLOSED
from rqflow.core.wire import decode, split_stored
from rqflow.errors import BadInput, InstanceNotClosed, LimitReached, NotFound

PAGE = 1_000
"""Events read in one call."""


def rerun(
    options: ClientOptions,
    id: str,
    *,
    from_event: int | None = None,
    failed: bool = False,
    new_id: str | None = None,
    args: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
) -> Flow[Placed[Any]]:
    """Let an instance that has ended or stalled begin again: from its start, with the same arguments, under its id.

    `from_event` (a number that `history` shows): everything before the end of that step (an activity, a timer or a
    child) is kept, and it, and what else had not come to its end by then, is done again. `failed`: what came to a good
    end is kept, and the steps that failed, or the last turn where the code itself did, are done again. `new_id` leaves
    the instance as it is and begins another one. `args` or `kwargs` take the place of the arguments of what is begun:
    the workflow, or the step of `from_event`.

    Raises InstanceNotFound, InstanceNotClosed, InstanceExists (`new_id` is taken, or somebody was quicker), BadInput (a
    child: rerun its parent; an event that is no step), LimitReached, CorruptEvent (a history that cannot be read can
    only be rerun from its start).
    """
    facts = yield from connect()
    check_id(id, facts.limits)
    if failed and (from_event is not None or args is not None or kwargs is not None):
        raise BadInput("a rerun of what failed begins where it failed, with what it had: leave out from_event and args")
    number = check_count("from_event", 1 if from_event is None else from_event, least=1, most=10_000_000)
    target = id if new_id is None else check_id(new_id, facts.limits)
    payload = _payload(facts, id, args, kwargs)
    source = yield from send(options, Describe(partition=facts.partition(id), instance=id))
    _check_source(source, failed=failed)
    if source.status == "stalled" and not source.history_length:
        source = yield from _unbegun(options, facts, source, number, beside=target != id)
    history = yield from _history(options, facts, source, whole=failed or number > 1)
    run = uuid.uuid4().hex
    if failed:
        begun = rerunning.failed_steps(history, instance=target, run=run)
    else:
        begun = rerunning.from_event(history, number, instance=target, run=run, payload=payload)
    call = _call(facts, source, begun, target=target, run=run, where="what failed" if failed else number)
    started = yield from send(options, call)
    yield from relay(options, facts, call.partition)
    return Placed(started.instance, started.run, started.created, known(target, None).decode)


def _call(
    facts: Facts, source: Description, begun: rerunning.Rerun, *, target: str, run: str, where: str | int
) -> Rerun:
    first = decode(split_stored(begun.history[0])[2] if begun.history else begun.news[0][1])
    place = where if isinstance(where, str) else "its start" if where == 1 else f"event {where}"
    return Rerun(
        partition=facts.partition(target),
        instance=target,
        run=run,
        replaces=source.run if target == source.instance else "",
        workflow=source.workflow,
        queue=source.queue,
        history=begun.history,
        news=begun.news,
        timeout_ms=first.timeout_ms if isinstance(first, WorkflowStarted) else None,
        retention_ms=int(facts.hub.retention.total_seconds() * 1_000),
        attributes=source.attributes,
        status=source.custom_status if begun.history else b"",
        priority=source.priority,
        lane=source.lane,
        reason=f"rerun of {source.instance}, run {source.run}, from {place}",
    )


def _payload(facts: Facts, id: str, args: Sequence[Any] | None, kwargs: Mapping[str, Any] | None) -> Payload | None:
    if args is None and kwargs is None:
        return None
    where = f"rerun of {id!r}"
    return check_payload(f"arguments, {where}", untyped_call(where)(tuple(args or ()), kwargs or {}), facts.limits)


def _check_source(row: Description, *, failed: bool) -> None:
    """Raises BadInput, InstanceNotClosed if it may not be rerun."""
    if row.parent:
        raise BadInput(f"{row.instance!r} is a child of {row.parent!r}, which heard of its end: rerun that one")
    if row.status not in CLOSED and row.status != "stalled":
        raise InstanceNotClosed(row.instance, row.status)
    if failed and row.status != "failed":
        raise BadInput(f"{row.instance!r} is {row.status}, it has not failed: rerun it from an event, or its start")


def _unbegun(options: ClientOptions, facts: Facts, row: Description, number: int, *, beside: bool) -> Flow[Description]:
    """One that stalled before its first turn: its arguments are among its news, and become history when it ends."""
    if number > 1:
        raise BadInput(f"there is no event {number}: no turn of {row.instance!r} has been taken")
    if beside:
        raise BadInput(
            f"{row.instance!r} stalled before its first turn, so its arguments cannot be read: rerun it in its place, "
            "or terminate it before"
        )
    partition = facts.partition(row.instance)
    yield from send(options, Terminate(partition=partition, instance=row.instance, reason="to be rerun"))
    return (yield from send(options, Describe(partition=partition, instance=row.instance)))


def _history(options: ClientOptions, facts: Facts, source: Description, *, whole: bool) -> Flow[list[bytes]]:
    """The stored events of its run, or the first one only. Raises NotFound, LimitReached."""
    if whole and source.history_bytes > RERUN_BYTES:
        raise LimitReached("bytes of a history that a rerun takes along", RERUN_BYTES, "rerun it from its start")
    events: list[bytes] = []
    while len(events) < (source.history_length if whole else 1):
        call = ReadHistory(
            partition=facts.partition(source.instance), instance=source.instance, run=source.run, after=len(events),
            limit=PAGE if whole else 1,
        )  # fmt: skip
        page = yield from send(options, call)
        if not page.events:
            raise NotFound(f"the history of {source.instance!r} has {len(events)} events, not {source.history_length}")
        events += page.events
    return events
