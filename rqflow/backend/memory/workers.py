"""Workers: how they come, keep their leases, go, and are taken over when they do not say so."""

from __future__ import annotations

from typing import Final

from rqflow.backend.calls.outlook import Outlook
from rqflow.backend.calls.tasks import Register, Renew, Sweep, Unregister
from rqflow.backend.memory.activities import fail_activity, queue_activity, waiting_activity
from rqflow.backend.memory.knowers import came
from rqflow.backend.memory.news import drop_task
from rqflow.backend.memory.partition import Partition, Worker, span_ms
from rqflow.backend.memory.rows import Row
from rqflow.backend.memory.steering import let_go_on
from rqflow.backend.memory.streams import Ticket, own_of, workflows_of
from rqflow.backend.memory.turns import requeue, set_aside

SWEPT: Final = 100
"""So many tasks or instances one call takes over or retries."""


def register(partition: Partition, call: Register) -> None:
    """Announce a worker, and let instances of its queues go on that stalled under another build."""
    until_ms = partition.now_ms + span_ms(call.lease)
    before = partition.workers.get(call.worker.id)
    stats, offers = (before.stats, before.offers) if before else (b"", [])
    worker = Worker(record=call.worker, lease_until_ms=until_ms, stats=stats, offers=offers)
    partition.workers[call.worker.id] = worker
    came(partition, worker)
    _retry_stalled(partition, call.worker.build, call.worker.subscription.workflow_queues)


def renew(partition: Partition, call: Renew) -> Outlook | None:
    """Keep a worker's lease, and what its running activities tell."""
    worker = partition.workers.get(call.worker)
    if worker is None or worker.dead:
        return None
    worker.lease_until_ms = partition.now_ms + span_ms(call.lease)
    worker.stats = call.stats or worker.stats
    for token, details in call.heartbeats:
        ticket = partition.streams.tickets.get(token)
        if ticket is not None and ticket.worker == call.worker and ticket.kind == "activity":
            waiting_activity(partition.row(ticket.instance), ticket.id).details = details
    return Outlook(
        now_ms=partition.now_ms,
        next_due_ms=partition.agenda.next_ms(),
        next_lapse_ms=partition.next_lapse_ms(call.worker),
        outbox=len(partition.outbox),
    )


def unregister(partition: Partition, call: Unregister) -> None:
    """Let a worker go; all that it has goes back at once, and counts as neither tried nor lost."""
    if call.worker not in partition.workers:
        return
    for ticket in _belongings(partition, call.worker):
        _pass_on(partition, ticket)
    del partition.workers[call.worker]


def sweep(partition: Partition, call: Sweep) -> bool:
    """Take over from workers whose leases have ended, and retry what stalled under another build."""
    left = SWEPT
    for name, worker in list(partition.workers.items()):
        if name == call.worker or partition.alive(name):
            continue
        worker.dead = True
        belongings = _belongings(partition, name)
        for ticket in belongings[:left]:
            if ticket.worker and ticket.kind == "task":
                _lost_turn(partition, partition.row(ticket.instance), call, worker)
            elif ticket.worker and ticket.kind == "activity":
                _lost_activity(partition, ticket, call)
            elif ticket.worker and ticket.kind == "query":
                _lost_question(partition, ticket)
            else:
                _pass_on(partition, ticket)
        if len(belongings) > left:
            return True
        left -= len(belongings)
        del partition.workers[name]
    sweeper = partition.workers.get(call.worker)
    if sweeper is None:
        return False
    return _retry_stalled(partition, call.build, sweeper.record.subscription.workflow_queues)


def _belongings(partition: Partition, worker: str) -> list[Ticket]:
    """What a worker has on lease, and what waits on its own stream."""
    return partition.streams.held(worker) + partition.streams.waiting(own_of(worker))


def _pass_on(partition: Partition, ticket: Ticket) -> None:
    """Put a worker's ticket on the stream that all share, or drop it if it meant that worker alone."""
    row = partition.rows.by_id.get(ticket.instance)
    if row is not None and ticket.kind == "task":
        drop_task(partition, row)
        row.sticky = ""
        requeue(partition, row)
        return
    partition.streams.drop(ticket.token)
    if row is None:  # a cancel notice
        return
    if ticket.kind == "query":
        partition.streams.put(workflows_of(row.queue), ticket, partition.now_ms)
    else:
        queue_activity(partition, row, ticket.id, waiting_activity(row, ticket.id))


def _lost_turn(partition: Partition, row: Row, call: Sweep, worker: Worker) -> None:
    """A worker died with this turn: another gets it, unless it seems to kill whoever takes it (P7).

    One that was lost before and had not said that it begins is not counted: the worker died of something else."""
    losses = row.losses + (row.losses == 0 or row.trial == row.token)
    if losses > call.max_losses:
        set_aside(partition, row, f"its turn was lost with {losses} workers", worker.record.build)
        return
    row.losses = losses
    drop_task(partition, row)
    row.sticky = ""
    requeue(partition, row)


def _lost_activity(partition: Partition, ticket: Ticket, call: Sweep) -> None:
    """A worker died with this attempt: there is another, unless it seems to kill whoever takes it (P7)."""
    row = partition.row(ticket.instance)
    activity = waiting_activity(row, ticket.id)
    partition.streams.drop(ticket.token)
    activity.losses += 1
    activity.attempt += 1
    if activity.losses > call.max_losses:
        message = f"activity {activity.name!r} was lost with {activity.losses} workers"
        fail_activity(partition, row, ticket.id, kind="worker_lost", message=message)
    else:
        queue_activity(partition, row, ticket.id, activity)


def _lost_question(partition: Partition, ticket: Ticket) -> None:
    """A worker died with this question: it is asked of a second one, not of a third (P7)."""
    if ticket.lost:
        partition.streams.drop(ticket.token)
        return
    ticket.lost = True
    _pass_on(partition, ticket)


def _retry_stalled(partition: Partition, build: str, queues: tuple[str, ...]) -> bool:
    """Let instances go on that stalled under another build. True: there are more."""
    stalled = [
        row
        for row in partition.rows.by_id.values()
        if row.status == "stalled" and row.stalled_build != build and row.queue in queues
    ]
    for row in stalled[:SWEPT]:
        row.reason = ""
        let_go_on(partition, row)
    return len(stalled) > SWEPT
