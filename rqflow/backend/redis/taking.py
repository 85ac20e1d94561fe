"""Taking: leasing tasks, and reading them from the script's reply (lists as lua/parts/loading.lua makes them)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rqflow.backend.calls.call import Call
from rqflow.backend.calls.tasks import (
    ActivityTask,
    CancelNotice,
    QueryTask,
    Take,
    Taken,
    Task,
    WorkflowTask,
)
from rqflow.backend.redis.commands import Command, Place, Translator
from rqflow.backend.redis.keys import prefix


def take(call: Take, place: Place) -> Command[Taken]:
    """Lease tasks."""
    in_front = len(prefix(place.hub.name, call.partition))

    def parse(reply: Any) -> Taken:
        now_ms, due_ms, outbox, tasks, notices, lapse_ms, past_us, *due = reply
        return Taken(
            tasks=tuple(_TASKS[task[0]](call.partition, now_ms, *task[1:]) for task in tasks),
            notices=tuple(CancelNotice(partition=call.partition, token=token.decode()) for token in notices),
            now_ms=now_ms,
            past_us=past_us,
            next_due_ms=None if due_ms < 0 else due_ms,
            next_lapse_ms=None if lapse_ms < 0 else lapse_ms,
            outbox=outbox,
            fired=due[0] if due else 0,
            unfired=due[1].decode(errors="replace") if due else "",
        )

    return place.command(
        call,
        "take_due" if call.fire else "take",
        parse,
        worker=call.worker,
        workflow_queues=call.subscription.workflow_queues,
        activity_queues=call.subscription.activity_queues,
        workflow_room=max(0, call.workflow_room),
        activity_room=max(0, call.activity_room),
        entries=[(entry.stream[in_front:], entry.id) for entry in call.entries],
        again=int(call.again),
        **({"limit": call.fire} if call.fire else {}),
    )


def _workflow_task(partition: int, _: int, *fields: Any) -> Task:
    instance, run, token, workflow, queue, length, size, after, deliveries, build, history, inbox = fields
    return WorkflowTask(
        partition=partition,
        instance=instance.decode(),
        run=run.decode(),
        token=token.decode(),
        workflow=workflow.decode(),
        queue=queue.decode(),
        history_length=length,
        history_bytes=size,
        history=tuple(history),
        history_from=after,
        inbox=tuple(inbox),
        deliveries=deliveries,
        build=build.decode(),
    )


def _query_task(partition: int, _: int, *fields: Any) -> Task:
    instance, run, token, query, name, payload, workflow, length, inbox = fields
    return QueryTask(
        partition=partition,
        instance=instance.decode(),
        run=run.decode(),
        token=token.decode(),
        query=query.decode(),
        name=name.decode(),
        payload=payload,
        workflow=workflow.decode(),
        history_length=length,
        inbox=tuple(inbox),
    )


def _activity_task(partition: int, now_ms: int, *fields: Any) -> Task:
    (instance, run, id, token, name, queue, workflow, payload, attempt, losses, options, scheduled, details) = fields
    return ActivityTask(
        partition=partition,
        instance=instance.decode(),
        run=run.decode(),
        id=id,
        token=token.decode(),
        name=name.decode(),
        queue=queue.decode(),
        workflow=workflow.decode(),
        payload=payload,
        attempt=attempt,
        losses=losses,
        options=options,
        scheduled_at_ms=scheduled,
        started_at_ms=now_ms,
        details=details,
    )


_TASKS: Final = {1: _workflow_task, 2: _query_task, 3: _activity_task}

TRANSLATORS: Final[Mapping[type[Call[Any]], Translator]] = {Take: take}
