"""Options: how a worker shares its machine, how long it keeps what it takes, and how it leaves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from rqflow.backend.calls.tasks import Subscription
from rqflow.errors import BadInput


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """How a worker shares its machine."""

    queues: tuple[str, ...] = ("default",)
    """Queues to serve; work of an earlier one is taken before work of a later one."""
    workflows: bool = True
    """Whether to take workflow tasks. False: an activity worker."""
    activities: bool = True
    """Whether to take activity tasks. False: a workflow worker."""
    name: str = ""
    """Shown by stats; empty: host and process number."""
    workflow_slots: int = 100
    """Workflow tasks of one partition that are here at a time; they are turned one after the other."""
    activity_slots: int = 100
    """Activities that run at a time, of all three kinds together."""
    threads: int = 32
    """Plain functions that run at a time, each in a thread. An attempt that was given up keeps its thread until it
    returns: Python cannot stop a thread."""
    processes: int = 4
    """Activities with isolate="process" that run at a time."""
    local_slots: int = 100
    """Local activities that run at a time; plain functions among them have `threads` threads of their own."""
    lease: timedelta = timedelta(seconds=10)
    """So long after our last word others have taken over what is ours. At least 100 ms."""
    sweep: timedelta = timedelta(seconds=15)
    """How often, in each partition, a worker looks for what nobody told it of: the net below everything. What others
    leave behind is known: it is looked for when their leases end."""
    cache_size: int = 1_000
    """Live executors that are kept between turns; 0: each turn replays its history."""
    cache_bytes: int = 256 * 1_048_576
    """Bytes of history that the kept executors have applied: what their memory grows with."""
    build: str = ""
    """Build id: a stalled instance is tried again by a worker of another build. Empty: made from the code's files."""
    burst: bool = False
    """Leave when nothing is queued, nothing runs here, and nothing is due within `burst_patience`."""
    burst_patience: timedelta = timedelta(seconds=5)
    """How far ahead a burst waits for timers and retries."""
    deadlock_after: timedelta = timedelta(seconds=2)
    """A workflow turn that holds the thread for longer is reported with its stack."""
    max_turn_events: int = 1_000
    """News that one turn takes in; the rest waits for the next turn, so that others get theirs in between."""
    drain_timeout: timedelta = timedelta(seconds=30)
    """How long a worker that was asked to stop waits for its activities; then they are canceled and given back."""
    kill_grace: timedelta = timedelta(seconds=1)
    """How long an activity in a process of its own has after it was canceled, before it is killed."""
    max_losses: int = 5
    """A turn whose workers died so often stalls its instance, an activity fails: it may be what kills them."""
    contain_after: int = 2
    """An activity that was lost so often is tried in a process of its own, whatever it says, so that it can end nobody
    but itself. It must stand at the top of a module; what its module keeps in memory is not there. 0: never."""
    batch_items: int = 200
    """Finished items in one exchange."""
    batch_bytes: int = 4 * 1_048_576
    """Bytes of finished items in one exchange; a single one may be larger."""
    seed: int | None = None
    """For the jitter of retries; None: from the system. Tests give one."""

    def __post_init__(self) -> None:
        positive = ("workflow_slots", "activity_slots", "threads", "processes", "local_slots", "max_losses")
        for field in (*positive, "max_turn_events", "batch_items", "batch_bytes"):
            if getattr(self, field) < 1:
                raise BadInput(f"worker option {field} must be at least 1, not {getattr(self, field)}")
        for field in ("cache_size", "cache_bytes", "contain_after"):
            if getattr(self, field) < 0:
                raise BadInput(f"worker option {field} must not be negative, it is {getattr(self, field)}")
        if self.lease < timedelta(milliseconds=100):
            raise BadInput(f"worker option lease must be at least 100 ms, not {self.lease}")
        for field in ("sweep", "deadlock_after"):
            if getattr(self, field) < timedelta(milliseconds=10):
                raise BadInput(f"worker option {field} must be at least 10 ms, not {getattr(self, field)}")
        for field in ("drain_timeout", "kill_grace", "burst_patience"):
            if getattr(self, field) < timedelta(0):
                raise BadInput(f"worker option {field} must not be negative, it is {getattr(self, field)}")
        if not self.queues or not all(self.queues):
            raise BadInput("a worker needs at least one queue, and no queue's name is empty")
        if len(set(self.queues)) != len(self.queues):
            raise BadInput(f"a queue is named twice: {', '.join(self.queues)}")
        if not (self.workflows or self.activities):
            raise BadInput("a worker must take workflows, activities or both")

    @property
    def granted(self) -> timedelta:
        """The lease that the store is asked for: the rest of `lease` is for those who take over."""
        return self.lease * 0.9

    @property
    def subscription(self) -> Subscription:
        """The work that these options ask for."""
        return Subscription(
            workflow_queues=self.queues if self.workflows else (),
            activity_queues=self.queues if self.activities else (),
        )
