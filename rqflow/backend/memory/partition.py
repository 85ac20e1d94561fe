"""Partition: the state of one share of a hub, and the few moves that everything else is made of."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from rqflow.backend.calls.hubs import HubInfo, Limits
from rqflow.backend.calls.instances import Answer, LifecycleEvent
from rqflow.backend.calls.tasks import WorkerRecord
from rqflow.backend.memory.agenda import Agenda, Item
from rqflow.backend.memory.letters import Letter, write_letter
from rqflow.backend.memory.rows import History, Row
from rqflow.backend.memory.schedules import Schedules
from rqflow.backend.memory.streams import Streams
from rqflow.backend.protocol import partition_of
from rqflow.core.events import Payload
from rqflow.core.states import INSTANCE, advance
from rqflow.errors import InstanceNotFound

LIFECYCLE_KEPT: Final = 10_000
"""Lifecycle events of a partition; older ones go."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
_LAST_MS: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MS
"""Whatever is due later than any date is shown as of the last one."""


def moment(at_ms: int) -> datetime:
    """Milliseconds since the epoch as a time in UTC."""
    return _EPOCH + min(at_ms, _LAST_MS) * _MS


def ms_of(at: datetime) -> int:
    """A time as milliseconds since the epoch."""
    return (at - _EPOCH) // _MS


def span_ms(span: timedelta) -> int:
    """A duration in milliseconds."""
    return span // _MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """An activity in backoff that others do not know: a worker that does need not wait for it."""

    instance: str
    run: str
    id: int
    attempt: int


@dataclass(slots=True, kw_only=True)
class Worker:
    """A worker that registered."""

    record: WorkerRecord
    lease_until_ms: int
    stats: bytes = b""
    offers: list[Offer] = field(default_factory=list)
    """Kept until it has room for activities."""
    dead: bool = False
    """Its lease ended and another took over: it is refused from then on."""


@dataclass(slots=True)
class Rows:
    """Instances by id and in the order of their creation."""

    by_id: dict[str, Row] = field(default_factory=dict)
    orders: list[int] = field(default_factory=list)
    by_order: dict[int, Row] = field(default_factory=dict)
    last_order: int = 0

    def add(self, row: Row) -> None:
        self.by_id[row.instance] = row
        self.by_order[row.order] = row
        insort(self.orders, row.order)

    def remove(self, row: Row) -> None:
        del self.by_id[row.instance]
        del self.by_order[row.order]
        del self.orders[bisect_left(self.orders, row.order)]

    def next_order(self) -> int:
        self.last_order += 1
        return self.last_order


class Partition:
    """One share of a hub. All its times are the moment at which the call at hand arrived."""

    def __init__(self, number: int, hub: HubInfo, limits: Limits, clock: Callable[[], int]) -> None:
        self.number = number
        self.hub = hub
        self.limits = limits
        self.clock = clock
        self.now_ms = clock()
        self.rows = Rows()
        self.histories: dict[tuple[str, str], History] = {}
        """Of earlier runs, by instance and run, until their retention passes."""
        self.expiring = Agenda()
        """When those histories go: it makes no work for anyone, as an expiry in Redis."""
        self.streams = Streams()
        self.agenda = Agenda()
        self.workers: dict[str, Worker] = {}
        self.schedules = Schedules()
        self.query_answers: dict[str, tuple[Answer, int]] = {}
        """By question, with the time until which it is kept."""
        self.outbox: dict[int, tuple[int, bytes]] = {}
        """Letters to other partitions by their number: whereto, and the letter."""
        self.last_letter = 0
        self.received: dict[int, int] = {}
        """The last letter that came from each partition."""
        self.own_letters: deque[Letter] = deque()
        """Letters to instances of this partition: delivered before the call at hand ends."""
        self.lifecycle: deque[LifecycleEvent] = deque(maxlen=LIFECYCLE_KEPT)
        self.last_event = 0
        self.changed: set[str] = set()
        """Instances that a watcher should look at."""

    def begin_call(self) -> None:
        """Look at the clock, which never goes back, and let go what has expired."""
        self.now_ms = max(self.now_ms, self.clock())
        while (item := self.expiring.pop(self.now_ms)) is not None:
            self.histories.pop((item.instance, item.run), None)
        while self.query_answers:
            query, (_, until_ms) = next(iter(self.query_answers.items()))
            if until_ms > self.now_ms:
                break
            del self.query_answers[query]

    def row(self, instance: str) -> Row:
        """An instance. Raises InstanceNotFound."""
        row = self.rows.by_id.get(instance)
        if row is None:
            raise InstanceNotFound(instance)
        return row

    def move(self, row: Row, trigger: str) -> None:
        """Change an instance's status as the table says, and tell."""
        before = row.status
        row.status = advance(INSTANCE, before, trigger)
        self.changed.add(row.instance)
        # That it runs is told with how it came to run: started, resumed.
        if row.status not in (before, "running"):
            self.tell(row, row.status)

    def tell(self, row: Row, what: str, *, name: str = "", payload: Payload = b"") -> None:
        """Put an entry on the lifecycle stream."""
        self.last_event += 1
        self.lifecycle.append(
            LifecycleEvent(
                id=f"{self.last_event}-0",
                at=moment(self.now_ms),
                type=what,
                instance=row.instance,
                run=row.run,
                workflow=row.workflow,
                name=name,
                payload=payload,
            )
        )

    def post(self, letter: Letter) -> None:
        """Send a letter: to an instance of this partition within this call, to others by way of the outbox."""
        to = partition_of(letter.to, self.hub.partitions)
        if to == self.number:
            self.own_letters.append(letter)
        else:
            self.last_letter += 1
            self.outbox[self.last_letter] = (to, write_letter(letter))

    def keep_history(self, row: Row) -> None:
        """Set the history of a run that is over aside, until its retention passes."""
        expires_ms = self.now_ms + row.retention_ms if row.closed_at_ms is None else row.closed_at_ms + row.retention_ms
        self.histories[row.instance, row.run] = row.history
        self.expiring.put(Item("retention", row.instance, row.run), expires_ms)

    def alive(self, worker: str) -> bool:
        """Whether a worker's lease lives."""
        found = self.workers.get(worker)
        return found is not None and not found.dead and found.lease_until_ms > self.now_ms

    def next_lapse_ms(self, worker: str) -> int | None:
        """When the next lease of another worker ends; None: there is no other."""
        return min((each.lease_until_ms for name, each in self.workers.items() if name != worker), default=None)
