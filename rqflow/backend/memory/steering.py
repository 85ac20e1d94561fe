"""Steering: what clients do to an instance that exists."""

from __future__ import annotations

from rqflow.backend.calls.instances import Deliver, Purge, Resume, Suspend, Terminate
from rqflow.backend.memory.closing import remove, terminate
from rqflow.backend.memory.limits import check_payloads
from rqflow.backend.memory.news import add_news, check_inbox, drop_task, queue_task
from rqflow.backend.memory.partition import Partition
from rqflow.backend.memory.rows import Row
from rqflow.backend.memory.starting import begin
from rqflow.core.states import CLOSED
from rqflow.errors import InstanceClosed, InstanceNotClosed


def open_row(partition: Partition, instance: str) -> Row:
    """An instance that has not ended. Raises InstanceNotFound, InstanceClosed."""
    row = partition.row(instance)
    if row.status in CLOSED:
        raise InstanceClosed(instance, row.status)
    return row


def deliver(partition: Partition, call: Deliver) -> None:
    """Put a client's news into an instance's inbox, once for each request."""
    if call.request in partition.row(call.instance).requests:
        return
    row = open_row(partition, call.instance)
    check_inbox(partition, row)
    check_payloads((call.event.partition(b"\n")[2],), partition.limits)
    row.remember(call.request)
    put_news(partition, row, call.event, cancel=call.cancel)


def put_news(partition: Partition, row: Row, event: bytes, *, cancel: bool) -> None:
    """Add news for an instance. A cancel request is shown by the row, and begins what is pending: it may clean up."""
    add_news(partition, row, event, "i")
    if cancel:
        row.cancel_requested = True
        if row.status == "pending":
            begin(partition, row, "cancel")
        else:
            partition.move(row, "cancel")


def terminate_instance(partition: Partition, call: Terminate) -> bool:
    """End an instance now."""
    row = partition.row(call.instance)
    if row.status in CLOSED:
        return False
    terminate(partition, row, reason=call.reason, recursive=call.recursive)
    return True


def suspend(partition: Partition, call: Suspend) -> bool:
    """Give an instance no more turns. A turn that is under way may still be committed."""
    row = open_row(partition, call.instance)
    if row.status == "suspended":
        return False
    row.reason = call.reason
    partition.move(row, "suspend")
    if row.task != "leased":
        drop_task(partition, row)
    return True


def resume(partition: Partition, call: Resume) -> bool:
    """Let an instance go on, with all the news that came meanwhile, in order."""
    row = open_row(partition, call.instance)
    if row.status not in ("suspended", "stalled"):
        return False
    row.reason = call.reason
    let_go_on(partition, row)
    return True


def let_go_on(partition: Partition, row: Row) -> None:
    """Give a suspended or stalled instance turns again."""
    row.stalled_build = ""
    row.losses = 0
    if not row.begun:
        begin(partition, row, "resume")
    else:
        partition.move(row, "resume")
        partition.tell(row, "resumed")
        # With news or without: local activities of a turn that was not finished may have to be begun again.
        queue_task(partition, row, anyway=True)


def purge(partition: Partition, call: Purge) -> None:
    """Forget an instance; an open one only if forced, and then it is terminated first."""
    row = partition.row(call.instance)
    if row.status not in CLOSED:
        if not call.force:
            raise InstanceNotClosed(call.instance, row.status)
        terminate(partition, row, reason="purged", recursive=False)
    remove(partition, row)
