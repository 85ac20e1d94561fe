"""Task calls: what workers ask of a store: take work, finish it, give it back, keep it, and sweep."""

from __future__ import annotations

from datetime import timedelta
from typing import TypeAlias

from rqflow.backend.calls.call import Call
from rqflow.backend.calls.instances import Answer
from rqflow.backend.calls.outlook import Outlook
from rqflow.core.commands import Close, Command
from rqflow.core.events import Payload
from rqflow.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowTask:
    """This instance has news, and this worker alone may decide on it."""

    partition: int
    instance: str
    run: str
    token: str
    """The lease's fence: changes each time the task is queued anew. Opaque."""
    workflow: str
    queue: str
    history_length: int
    """Events in the history before this turn."""
    history_bytes: int
    history: tuple[bytes, ...]
    """Stored events from `history_from` on; may be a first page only (then ReadHistory gives the rest)."""
    history_from: int
    """How many events were left out before `history`: all of them for a sticky task."""
    inbox: tuple[bytes, ...]
    """The news, stored events, oldest first. None: a turn that was kept was lost, or the instance was resumed."""
    deliveries: int
    """How often this turn was handed out, 1 at first."""
    build: str
    """Build id of the worker that committed last, empty at first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryTask:
    """Someone asks an instance a question; answered from history and news, changes nothing."""

    partition: int
    instance: str
    run: str
    token: str
    query: str
    name: str
    payload: Payload
    workflow: str
    history_length: int
    inbox: tuple[bytes, ...] = ()
    """News of a running instance that no commit has consumed: who asks after a signal wants an answer that knows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityTask:
    """One attempt of an activity."""

    partition: int
    instance: str
    run: str
    id: int
    token: str
    """The lease's fence: another one for each attempt. Opaque."""
    name: str
    queue: str
    workflow: str
    payload: Payload
    attempt: int
    """1 at first; every hand-out after a failure or a lost worker counts."""
    losses: int
    """How many attempts ended with a lost worker."""
    options: bytes
    """The ActivityOptions as wire JSON (see core/wire.py): retry policy and time limits."""
    scheduled_at_ms: int
    """When the first attempt was scheduled."""
    started_at_ms: int
    """Redis' time at take."""
    details: Payload
    """What the last attempt's heartbeat left, or empty."""

    @property
    def idempotency_key(self) -> str:
        """The same at each attempt: what an activity hands to systems that can dedupe."""
        return f"{self.run}:{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelNotice:
    """An activity that this worker runs is not wanted any more."""

    partition: int
    token: str


Task: TypeAlias = WorkflowTask | QueryTask | ActivityTask


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a blocked read has brought: leased already, but not loaded; hand it to Take."""

    partition: int
    stream: str
    id: str
    fields: tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """Which work a worker wants, in its order of preference."""

    workflow_queues: tuple[str, ...] = ()
    activity_queues: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRecord:
    """What a worker tells of itself."""

    id: str
    """Unique for each process start: a worker that lost its lease comes back under another."""
    name: str
    host: str
    pid: int
    build: str
    subscription: Subscription
    workflows: tuple[str, ...]
    activities: tuple[str, ...]
    workflow_slots: int
    activity_slots: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Register(Call[None]):
    """Announce a worker; from now on its stream gets sticky tasks while its lease lives. Creates streams and groups.

    Requeues instances of its queues that stalled under another build (a bounded number; Sweep does the rest), and hands
    over to it what others gave back because they do not know it."""

    worker: WorkerRecord
    lease: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Renew(Call[Outlook | None]):
    """Keep a worker's lease. None: it has ended, all its tasks are others' now; register under a new id.

    `heartbeats` are (token, details) of running activities; those of foreign tokens are ignored.
    `stats` is shown by the stats call: opaque JSON."""

    worker: str
    lease: timedelta
    heartbeats: tuple[tuple[str, Payload], ...] = ()
    stats: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unregister(Call[None]):
    """Leave: what is on the worker's stream, and every task it still holds, goes back to the shared streams at once."""

    worker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken(Outlook):
    """Answer to Take."""

    tasks: tuple[Task, ...]
    notices: tuple[CancelNotice, ...]
    fired: int = 0
    """So many due members were handled."""
    unfired: str = ""
    """Why none could be: the store is full, say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Take(Call[Taken]):
    """Lease up to so many tasks, the worker's own stream first, then queues in order; and load `entries`.

    Entries whose instance is gone, or has another task by now, are removed and not returned."""

    worker: str
    subscription: Subscription
    workflow_room: int
    """Workflow and query tasks, `entries` not counted."""
    activity_room: int
    entries: tuple[Entry, ...] = ()
    again: bool = False
    """After a broken connection: also what this worker holds by the store's account. The caller may know some."""
    fire: int = 0
    """At most so many due members are handled before, as by FireDue: in the same step, so that what they make is taken
    here, and not by a blocked read in between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """Answer to Commit."""

    closed: bool
    more: bool
    """News came meanwhile, and the next task is queued."""
    outbox: int
    """Messages that this commit left to be relayed."""
    kept: bool = False
    inbox: tuple[bytes, ...] = ()
    """If the turn goes on (kept; a suspended instance keeps none): the news that it has not consumed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit(Call[Committed]):
    """One turn becomes durable, or nothing of it does. Raises LeaseLost, LimitReached (nothing is written)."""

    worker: str
    instance: str
    run: str
    token: str
    expected_length: int
    """The history's length that the decision was made on: a second fence beside the token."""
    consumed: int
    """So many inbox events move to the history, before the records."""
    records: tuple[bytes, ...]
    """Encoded records of `commands`, among them ends of local activities, in order, and the End event if `close`."""
    commands: tuple[Command, ...]
    close: Close | None = None
    keep: bool = False
    """The turn is not over: its worker keeps the task. Not with `close`."""
    sticky: bool = True
    """Whether this worker keeps the executor."""
    build: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall(Call[None]):
    """Set an instance aside: this code cannot follow it. Its news stay. Raises LeaseLost."""

    instance: str
    run: str
    token: str
    reason: str
    build: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveBack(Call[None]):
    """Return a task unfinished: visible again after `delay` (a shutdown: 0). Nothing is counted. Raises LeaseLost."""

    instance: str
    run: str
    token: str
    activity: int = 0
    """The activity's id; 0: the workflow task."""
    delay: timedelta = timedelta(0)
    unknown: str = ""
    """The name that this worker does not know. A living worker that does is handed the task without the delay (an
    activity if it has room, else after a second); while there is none, stats show the name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompleteActivity(Call[None]):
    """An activity's end becomes news of its run. Raises LeaseLost."""

    instance: str
    run: str
    id: int
    token: str
    event: bytes
    """Encoded ActivityCompleted or ActivityFailed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryActivity(Call[None]):
    """An attempt failed; the next is due after `delay`. Raises LeaseLost."""

    instance: str
    run: str
    id: int
    token: str
    delay: timedelta
    failure: Payload
    lost: bool = False
    """The process of its own in which it was tried died, as its workers had: it counts as a loss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerQuery(Call[None]):
    """Answer a query task. Raises LeaseLost."""

    worker: str
    instance: str
    query: str
    token: str
    answer: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class FireDue(Call[int]):
    """Turn what is due (timers, retries, timeouts, starts, retention) into news or tasks, at most `limit` of them.

    How many were handled; a bad member is set aside, and harms no other."""

    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep(Call[bool]):
    """The safety net: take over from workers whose lease has ended, remove what was theirs, retry stalled instances
    under a new build. Bounded; True: there is more to do, call again."""

    worker: str
    build: str
    max_losses: int = 5
    """A turn lost more often stalls its instance; an activity lost more often fails (see Retry)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What one instance sends to an instance of another partition: opaque to all but the two stores' scripts."""

    id: str
    """Place in the sender's outbox: grows."""
    to: int
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOutbox(Call[tuple[Message, ...]]):
    """The oldest messages that wait in a partition's outbox."""

    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Receive(Call[int]):
    """Deliver messages of another partition's outbox, in order; what came before is dropped. How many were new."""

    source: int
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DropOutbox(Call[None]):
    """Forget messages that have been received."""

    ids: tuple[str, ...]
