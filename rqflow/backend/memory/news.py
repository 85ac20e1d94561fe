"""News: how an event reaches an instance, and how its one task is queued."""

from __future__ import annotations

from typing import Literal

from rqflow.backend.memory.agenda import Item
from rqflow.backend.memory.partition import Partition
from rqflow.backend.memory.rows import Row
from rqflow.backend.memory.streams import Ticket, own_of, workflows_of
from rqflow.core.wire import stored
from rqflow.errors import LimitReached

Scope = Literal["i", "r"]


def check_inbox(partition: Partition, row: Row) -> None:
    """Raises LimitReached if an instance has as many news as it may. Only clients' news are refused."""
    if len(row.inbox) >= partition.limits.inbox_events:
        raise LimitReached(
            f"news waiting for instance {row.instance!r}",
            partition.limits.inbox_events,
            "is a worker of its queue running, and does its workflow receive what is sent?",
        )


def add_news(partition: Partition, row: Row, event: bytes, scope: Scope) -> None:
    """Put an encoded event into an open instance's inbox, and queue its task if it has none."""
    row.inbox.append(stored(partition.now_ms, scope, event))
    queue_task(partition, row)


def queue_task(partition: Partition, row: Row, *, anyway: bool = False) -> None:
    """Queue an instance's task, if it has news (or `anyway`), may take turns, and has no task (P6).

    On the stream of the worker that keeps its executor, while that worker's lease lives; else on the queue's.
    """
    if row.status != "running" or row.task != "" or not (row.inbox or anyway):
        return
    stream = own_of(row.sticky) if row.sticky and partition.alive(row.sticky) else workflows_of(row.queue)
    put_task(partition, row, stream)


def put_task(partition: Partition, row: Row, stream: str) -> None:
    """Queue an instance's task on this stream, under a new token."""
    ticket = Ticket(kind="task", instance=row.instance, run=row.run)
    row.token = partition.streams.put(stream, ticket, partition.now_ms)
    row.task = "queued"


def drop_task(partition: Partition, row: Row) -> None:
    """Take an instance's task away, wherever it is: its holder has lost it."""
    partition.streams.drop(row.token)
    partition.agenda.drop(Item("wait", row.instance, row.run))
    row.task = ""
    row.token = ""
    row.unknown = False
