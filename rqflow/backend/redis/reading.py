"""Reading: how one instance stands, what its histories hold, and the answers that were given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from rqflow.backend.calls.call import Call
from rqflow.backend.calls.instances import (
    Answer,
    Describe,
    Description,
    HistoryPage,
    Outcome,
    PendingActivity,
    ReadHistory,
    ReadOutcome,
    ReadQueryAnswer,
    ReadUpdateAnswer,
)
from rqflow.backend.redis.commands import Command, Place, Translator
from rqflow.backend.redis.times import moment
from rqflow.converters.json import load_json
from rqflow.core.failure import Failure
from rqflow.core.states import CLOSED
from rqflow.core.wire import encode_failure
from rqflow.errors import BadInput

MAX_EVENTS: Final = 1_000
"""Of one page, whatever was asked for."""


def describe(call: Describe, place: Place) -> Command[Description]:
    """An instance's row and what it waits for."""

    def parse(reply: Any) -> Description:
        row, pending, timers, children = reply
        return read_row(
            row,
            pending=tuple(map(_pending, pending)),
            timers=timers,
            children=tuple(child.decode() for child in children),
        )

    return place.command(call, "describe", parse, instance=call.instance)


def read_row(
    row: Sequence[Any],
    *,
    pending: tuple[PendingActivity, ...] = (),
    timers: int = 0,
    children: tuple[str, ...] = (),
) -> Description:
    """A row as lua/parts/describing.lua makes it."""
    instance, values, task, worker, inbox, attributes = row
    run, workflow, status, queue, created, closed, start, deadline, parent, *more = values
    schedule, slot, custom, reason, cancel, runs, length, size, build, priority, lane, order, result = more
    return Description(
        instance=instance.decode(),
        run=run.decode(),
        workflow=workflow.decode(),
        status=status.decode(),
        queue=queue.decode(),
        created_at=moment(int(created)),
        closed_at=_moment_or_none(closed),
        start_at=_moment_or_none(start),
        deadline=_moment_or_none(deadline),
        parent=parent.decode(),
        schedule=schedule.decode(),
        slot=_moment_or_none(slot),
        custom_status=custom,
        attributes={name.decode(): load_json(value) for name, value in _pairs(attributes)},
        reason=reason.decode(),
        cancel_requested=cancel == b"1",
        runs=int(runs or 1),
        history_length=int(length or 0),
        history_bytes=int(size or 0),
        inbox_length=inbox,
        task=task.decode(),
        worker=worker.decode(),
        build=build.decode(),
        priority=int(priority or 0),
        lane=lane.decode(),
        order=int(order),
        result=result,
        pending=pending,
        timers=timers,
        children=children,
    )


def _pairs(flat: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    return sorted(zip(flat[::2], flat[1::2], strict=True))


def _moment_or_none(ms: bytes) -> datetime | None:
    return moment(int(ms)) if ms else None


def _pending(reply: Sequence[Any]) -> PendingActivity:
    id, name, queue, attempt, state, worker, due, failure, details = reply
    return PendingActivity(
        id=id,
        name=name.decode(),
        queue=queue.decode(),
        attempt=attempt,
        state=state.decode(),
        worker=worker.decode(),
        due_at=_moment_or_none(due),
        last_failure=failure,
        heartbeat=details,
    )


def read_outcome(call: ReadOutcome, place: Place) -> Command[Outcome]:
    """How an instance stands, and its result."""

    def parse(reply: Any) -> Outcome:
        status, run, result = reply
        return Outcome(status=status.decode(), run=run.decode(), payload=result)

    return place.command(call, "read_outcome", parse, instance=call.instance)


def read_history(call: ReadHistory, place: Place) -> Command[HistoryPage]:
    """Part of a run's history; it is cut short after some megabytes. Raises BadInput."""
    if call.after < 0 or call.limit < 1:
        raise BadInput(f"a history is read from event 0 on, at least one of them, not {call.limit} after {call.after}")

    def parse(reply: Any) -> HistoryPage:
        run, length, events = reply
        return HistoryPage(run=run.decode(), events=tuple(events), length=length)

    return place.command(
        call,
        "read_history",
        parse,
        instance=call.instance,
        run=call.run,
        after=call.after,
        limit=min(call.limit, MAX_EVENTS),
    )


def read_query_answer(call: ReadQueryAnswer, place: Place) -> Command[Answer | None]:
    """The answer to a question, if there is one by now."""
    return place.command(call, "read_query_answer", _answer, query=call.query)


def read_update_answer(call: ReadUpdateAnswer, place: Place) -> Command[Answer | None]:
    """The answer to an update, or a failure if none will come."""

    def parse(reply: Any) -> Answer | None:
        status, answer = reply[0].decode(), _answer(reply[1])
        if answer is not None or status not in CLOSED:
            return answer
        failure = Failure(
            type="rqflow.errors.UpdateFailed",
            message=f"instance {call.instance!r} has ended ({status}) without answering",
            kind="not_found",
        )
        return Answer(accepted=False, payload=encode_failure(failure))

    return place.command(call, "read_update_answer", parse, instance=call.instance, update=call.update)


def _answer(reply: bytes | None) -> Answer | None:
    return None if reply is None else Answer(accepted=reply[:1] == b"1", payload=reply[1:])


TRANSLATORS: Final[Mapping[type[Call[Any]], Translator]] = {
    Describe: describe,
    ReadOutcome: read_outcome,
    ReadHistory: read_history,
    ReadQueryAnswer: read_query_answer,
    ReadUpdateAnswer: read_update_answer,
}
