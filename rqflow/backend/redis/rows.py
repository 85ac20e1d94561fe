"""Rows: every field of the hashes in Redis, how it is written, and how the indexes and due members are laid out.

Numbers are decimal text. "Packed" is cmsgpack, written and read by scripts only. A missing field is empty.

due members (zset `due`, score = when, in ms): `<kind> <number> <run> <instance>`, separated by one space; the
instance id is the rest and may hold spaces, run ids never do. Kinds, and what the number is:
    timer n      the timer of command n
    retry n      the next attempt of activity n
    queued n     activity n has waited in its queue too long (schedule to start)
    total n      activity n has taken too long in all (schedule to close)
    start 0      a delayed start
    wait 0       a workflow task that was given back with a delay
    deadline 0   the run's time limit
    retention 0  the end of everything of a closed instance

outstanding (hash of a run, fields `<letter>:<command>`):
    a:n  packed [state "queued" or "backoff", entry id or "", attempt, losses, schedule_to_start ms or -1,
         1 if a `total` member is due else 0, queue, name]
    t:n  when the timer is due, in ms
    c:n  the child's id: its end is awaited
    s:n  a signal or a cancel on its way to another partition
attempts (hash of a run): h:n details of the last heartbeat · l:n last failure · f:n packed entry fields of a
    backing-off activity
answers (hash of a run): update -> answer_value(…); query:<id>: answer_value(…)
children (hash of an instance): the child's first run -> packed map {child, run, policy, to}: open children
unknown (zset of a queue): packed ["w" or "a", name, instance, activity's number or "0", mark, attempt] -> until when
    it counts, in ms; mark is the history's length ("w") or the run ("a"), attempt is of an activity
schedule (hash): fields as in SCHEDULE; schedule-ends (list of a schedule): "<run> <status> <ms>\n<result>"
broken (list): "<ms> <problem>\n<due member, stream entry or packed message>"
events (stream): fields as in EVENT
stream entries: fields in the order of ENTRY below, the first is `kind`
notices (list of a worker): tokens of activities that are not wanted any more, and, kept until there is room,
    "offer <attempt> <number> <run> <instance>": an activity in backoff that others do not know. A wake entry on its
    stream goes with them
tokens: a workflow or query task's is `<entry id>@<stream key without prefix>`, an activity's `<entry id>@<n>@<run>`
"""

from __future__ import annotations

from typing import Final

INSTANCE: Final = (
    "run",
    "first",  # the run that the instance began with: it is the start's request id, and what its parent knows
    "workflow",
    "queue",
    "status",
    "created_ms",
    "order",  # creation order, unique in the partition: score in the indexes
    "start_ms",  # of a delayed start
    "begun",  # "1" once the first run was let go
    "deadline_ms",
    "timeout_ms",  # the run's time limit, from which each run's deadline is made
    "retention_ms",
    "closed_ms",
    "closed_order",
    "parent",
    "parent_run",
    "parent_command",
    "parent_partition",
    "schedule",  # that started it
    "slot_ms",  # for which slot
    "scheduled",  # packed map {generation, partition, keep}: the schedule that is told of its end
    "custom",  # custom status, a payload
    "attributes",  # packed map: name -> JSON text of the value
    "reason",
    "cancel_requested",  # "1"
    "runs",
    "length",  # events in the current run's history
    "bytes",  # and their size
    "task",  # "", its token (queued or leased: see the stream's pending list), or "waiting"
    "sticky",  # the worker that keeps the executor
    "losses",  # how often the current turn was lost with its worker
    "build",  # of the worker that committed last
    "stalled_build",
    "priority",
    "lane",
    "result",  # payload of the end
    "requests",  # how many request ids were remembered
)
"""Fields of the hash `instance:<id>`."""

SCHEDULE: Final = (
    "generation", "revision", "spec", "args", "state", "result", "broken", "created_ms",
)  # fmt: skip
"""Fields of the hash `schedule:<id>`, in the order in which scheduling.py reads them."""

ENTRY: Final = {
    "task": ("instance",),  # a workflow task
    "query": ("instance", "query", "name", "payload", "expires_ms"),
    "wake": (),  # something was put in front of `due`: look at the time again
    "activity": (
        "instance", "run", "id", "name", "payload", "options", "scheduled_ms", "workflow", "priority", "lane",
    ),
}  # fmt: skip
"""Fields of a stream entry after `kind`."""

EVENT: Final = ("at_ms", "type", "instance", "run", "workflow", "name", "payload")
"""Fields of an entry of the stream `events`."""

WORKER: Final = (
    "record", "stats", "registered_ms", "build", "workflow_queues", "activity_queues", "stalled_cursor",
)  # fmt: skip
"""Fields of `worker-info:<worker>`; record is the WorkerRecord as JSON (see leasing.py), queues are packed lists."""


def answer_value(accepted: bool, payload: bytes) -> bytes:
    """An answer as it is kept in `query:…` and `answers:…`: "1" if accepted, else "0", and then the payload."""
    return (b"1" if accepted else b"0") + payload
